"""NumPy's two protocols, answered from the registry: calls, reduce, accumulate, outer; and functions.

What the registry does not have raises NoDerivative and names the way out; nothing is converted or ignored.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import FUNCTIONS, Op
from dualdiff.declare import refuse
from dualdiff.errors import NoDerivative
from dualdiff.ops import writing
from dualdiff.ops.structural import as_array, cast, check_order

_METHODS: dict[tuple[np.ufunc, str], Callable] = {}


def ufunc_method(ufunc: np.ufunc, method: str) -> Callable:
    """Let the decorated function, with the signature of `ufunc.method`, answer for it on tensors."""

    def decorate(ours: Callable) -> Callable:
        _METHODS[ufunc, method] = ours
        return ours

    return decorate


def call(ufunc: np.ufunc, method: str, inputs: tuple, kwargs: dict) -> Any:
    """Answer `ufunc.method(*inputs, **kwargs)`, some input being a tensor."""
    known = getattr(np, ufunc.__name__, None) is ufunc
    name = f"np.{ufunc.__name__}" if known else f"the ufunc {ufunc.__name__}"  # of SciPy, or a user's own
    name += "" if method == "__call__" else f".{method}"
    if method == "at":
        return writing.at(_known(ufunc, name), name, *inputs)
    if "out" in kwargs:
        outs = kwargs.pop("out")
        if not outs or any(place is not None for place in outs):
            return _into(ufunc, name, method, inputs, outs, kwargs)
    if method == "outer":
        a, b = (as_array(x) for x in inputs)
        return _apply(ufunc, name, (a.reshape(a.shape + (1,) * b.ndim), b), kwargs)
    if method != "__call__":
        ours = _METHODS.get((ufunc, method))
        if ours is None:
            raise _no_rule(name)
        if method in ("reduce", "accumulate") and len(inputs) == 1:
            kwargs.setdefault("axis", 0)  # the methods' default; the functions flatten instead
        return call_with_signature(ours, name, inputs, kwargs)
    return _apply(ufunc, name, inputs, kwargs)


def _into(ufunc: np.ufunc, name: str, method: str, inputs: tuple, outs: tuple, kwargs: dict) -> Any:
    """The result written into the tensors of out=, where the condition of where= holds."""
    if len(outs) != (ufunc.nout if method == "__call__" else 1):
        raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
    for out in outs:
        if isinstance(out, np.ndarray):
            writing.into_array(f"{name}(..., out=)")
    mask = kwargs.pop("where", True) if method == "__call__" else True
    casting = kwargs.get("casting", "same_kind")
    ys = call(ufunc, method, inputs, kwargs)
    if len(outs) == 1:
        return writing.store(outs[0], ys, name, mask, casting, inputs)
    pairs = zip(outs, ys, strict=True)
    return tuple(y if out is None else writing.store(out, y, name, mask, casting, inputs) for out, y in pairs)


def from_scipy(ufunc: np.ufunc) -> bool:
    """Whether a ufunc is one of scipy.special, which is loaded if it was called."""
    special = sys.modules.get("scipy.special")
    if special is None:
        return False
    return any(value is ufunc for module in (special, special._ufuncs) for value in vars(module).values())


def _apply(ufunc: np.ufunc, name: str, inputs: tuple, kwargs: dict) -> Any:
    ours = FUNCTIONS[_known(ufunc, name)]
    dtype, casting = kwargs.pop("dtype", None), kwargs.pop("casting", "same_kind")
    if kwargs.get("where") is True:
        kwargs.pop("where")
    kwargs.pop("subok", None)
    check_order(kwargs.pop("order", "K"))
    if isinstance(ours, Op):
        refuse(name, dtype=dtype if ours.kind == "constant" else None, **kwargs)
        kwargs = {}
    if dtype is not None or casting != "same_kind":
        inputs = _cast(inputs, dtype, casting)
    return call_with_signature(ours, name, inputs, kwargs)


def _cast(inputs: tuple, dtype: Any, casting: str) -> tuple:
    """The inputs in the dtype that the ufunc computes in, if the casting rule allows it."""
    inputs = tuple(map(as_array, inputs))
    dtype = np.result_type(*(x.dtype for x in inputs)) if dtype is None else np.dtype(dtype)
    return tuple(cast(x, dtype, casting) for x in inputs)


def _known(ufunc: np.ufunc, name: str) -> np.ufunc:
    """The ufunc, if there is a rule for it."""
    if ufunc not in FUNCTIONS and from_scipy(ufunc):
        importlib.import_module("dualdiff.special")  # made of everything below it, so looked up when asked
        name = f"scipy.special.{ufunc.__name__.lstrip('_')}"
    if ufunc not in FUNCTIONS:
        raise _no_rule(name)
    return ufunc


def call_function(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Answer a NumPy function, some argument holding a tensor."""
    ours = FUNCTIONS.get(func)
    if ours is None:
        raise _no_rule(_name(func))
    if not kwargs and not isinstance(ours, Op):  # nothing to refuse
        return ours(*args)
    return call_with_signature(ours, func, args, kwargs)


def _name(func: Callable | str) -> str:
    return func if isinstance(func, str) else f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1)


def call_with_signature(ours: Callable, func: Callable | str, args: tuple, kwargs: dict) -> Any:
    """Call a function of ours; a keyword that it does not have raises NoDerivative with its name."""
    if kwargs:
        out = kwargs.get("out")
        if out is not None:
            name, out = _name(func), out[0] if isinstance(out, tuple) else out
            if isinstance(out, np.ndarray):
                writing.into_array(f"{name}(..., out=)")
            rest = {k: v for k, v in kwargs.items() if k != "out"}
            return writing.store(out, call_with_signature(ours, func, args, rest), name, inputs=args)
        if isinstance(ours, Op):
            refuse(_name(func), **kwargs)
            kwargs = {}
    if isinstance(ours, Op) and ours.arity is not None and len(args) > ours.arity:
        out, args = args[ours.arity], args[: ours.arity]  # np.fix(x, out) and its like
        return call_with_signature(ours, func, args, {"out": out})
    try:
        return ours(*args, **kwargs)
    except TypeError as error:
        unknown = [] if isinstance(ours, Op) else _unknown_keywords(ours, kwargs)
        if not unknown:
            raise
        raise NoDerivative(
            f"{_name(func)} on a tensor does not support {', '.join(unknown)}=.",
            "Leave it out, or apply the function to stop_gradient(x).",
        ) from error


def _unknown_keywords(ours: Callable, kwargs: dict) -> list[str]:
    parameters = inspect.signature(ours).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    return [k for k in kwargs if k not in parameters]


def _no_rule(name: str) -> NoDerivative:
    return NoDerivative(
        f"{name} has no derivative in dualdiff and is not declared constant.",
        "Declare it in one row (how-to/add-an-op), or pass stop_gradient(x).",
    )
