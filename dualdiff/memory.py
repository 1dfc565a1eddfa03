"""Which tensors show the same memory, as far as NumPy would have it so: there is no memory in this file.

A write in place makes one tensor a new value; NumPy's would show in every view as well. So each tensor made
as a view of another shares with it a list of all that show the same memory, by weak references, and a write
is refused while another one of the list is alive. The list stands in the slot `alias`, in a tuple for a
tensor that NumPy would not let one write.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

PRUNED = 32  # entries from which on the dead ones are dropped, so that slices in a loop stay few


def shown(x: Any, y: Any, read_only: bool = False) -> Any:
    """y, made as a view of x; a number shows nothing."""
    return share(x, y, read_only) if y.shape else y


def share(x: Any, y: Any, read_only: bool = False) -> Any:
    """y, that shows the memory of x; arrays and tracers without elements stay as they are."""
    if not hasattr(type(y), "alias"):
        return y
    alias = getattr(x, "alias", None)
    if alias is None:
        x.alias = alias = [ref(x)]
    elif type(alias) is tuple:
        read_only, alias = True, alias[0]
    n = len(alias)
    if n >= PRUNED and n & (n - 1) == 0:
        alias[:] = [member for member in alias if member() is not None]
    alias.append(ref(y))
    y.alias = (alias,) if read_only else alias
    return y


def read_only(y: Any) -> Any:
    """y, that NumPy would not let one write; a plain array stays as it is."""
    if not hasattr(type(y), "alias"):
        return y
    alias = getattr(y, "alias", None)
    y.alias = alias if type(alias) is tuple else ([ref(y)] if alias is None else alias,)
    return y


def apart(y: Any) -> Any:
    """y, in memory of its own: NumPy would have copied here."""
    alias = getattr(y, "alias", None)
    if alias is not None:
        shared = alias[0] if type(alias) is tuple else alias
        shared[:] = [member for member in shared if member() is not y]
        y.alias = None
    return y


def members(x: Any) -> list:
    """The living tensors, x among them, that show the memory of x."""
    alias = getattr(x, "alias", None)
    if alias is None:
        return [x]
    alive = [member() for member in (alias[0] if type(alias) is tuple else alias)]
    return [y for y in alive if y is not None]


def is_view(x: Any) -> bool:
    """Whether x was made as a view of a tensor that is still alive."""
    return members(x)[0] is not x


def is_read_only(x: Any) -> bool:
    return type(getattr(x, "alias", None)) is tuple
