"""Containers in, flat lists inside, containers out: tuples, lists, dicts, None, named tuples, dataclasses.

A leaf is anything that is no container. None is an empty container: it stays None in every result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import plain
from dualdiff.errors import StructureError


class Tree(NamedTuple):
    """The shape of a container: its type, its keys or field names, and the trees of its children."""

    kind: Any  # type of the container, or None for a leaf
    keys: tuple
    children: tuple
    leaves: int  # how many there are below

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        name = getattr(self.kind, "__name__", str(self.kind))
        return f"{name}({', '.join(f'{k}: {c!r}' for k, c in zip(self.keys, self.children, strict=True))})"


LEAF = Tree(None, (), (), 1)
LEAVES = frozenset([np.ndarray, np.float64, float, int])  # the usual leaves, told at once
_registered: dict[type, tuple[Callable, Callable]] = {}


def register_container(kind: type, flatten: Callable, unflatten: Callable) -> None:
    """Let values of `kind` be containers.

    flatten(value) returns (children, keys): the parts that may hold arrays, and one hashable name for each;
    unflatten(keys, children) makes the value again.

    Raises      StructureError if kind is no type, or a function none
    """
    if not (isinstance(kind, type) and callable(flatten) and callable(unflatten)):
        raise StructureError(
            f"register_container was given {kind!r}, {flatten!r} and {unflatten!r}.",
            "Give a type and two functions: flatten(value) and unflatten(keys, children).",
        )
    _registered[kind] = (flatten, unflatten)


_values: set[type] = set()


def register_value(kind: type, take: Callable, make: Callable) -> None:
    """Let values of `kind`, such as the tensors of a front end, stand for the one array in each: take(value)
    gives it, make(array) puts it in such a value again. They may be returned where a number is asked for."""
    register_container(kind, lambda value: ([take(value)], ("value",)), lambda _, parts: make(parts[0]))
    _values.add(kind)


def is_value(tree: Tree) -> bool:
    """Whether a container is no more than one array."""
    return tree is LEAF or tree.kind in _values


def flatten(value: Any) -> tuple[list, Tree]:
    """The leaves of a container from left to right, and its tree."""
    if type(value) in LEAVES:
        return [value], LEAF
    leaves: list = []
    return leaves, _walk(value, leaves)


def _walk(value: Any, leaves: list) -> Tree:
    parts = None if type(value) in LEAVES else _parts(value)
    if parts is None:
        leaves.append(plain(value))  # an array made to be written to enters and leaves as its value
        return LEAF
    keys, children = parts
    before = len(leaves)
    trees = tuple([_walk(child, leaves) for child in children])
    return Tree(type(value), keys, trees, len(leaves) - before)


def _parts(value: Any) -> tuple[tuple, list] | None:
    """The keys and children of a container; None for a leaf."""
    kind = type(value)
    if kind is tuple or kind is list:
        return tuple(range(len(value))), list(value)
    if kind is dict:
        try:
            keys = tuple(sorted(value))
        except TypeError:  # keys of several types have no order: take the dict's own
            keys = tuple(value)
        return keys, [value[k] for k in keys]
    if value is None:
        return (), []
    if kind in _registered:
        children, keys = _registered[kind][0](value)
        return tuple(keys), list(children)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return kind._fields, list(value)
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is not None:
        names = tuple(name for name, field in fields.items() if field.init)
        return names, [getattr(value, name) for name in names]
    return None


def unflatten(tree: Tree, leaves: list) -> Any:
    """The container with this tree and these leaves."""
    if tree is LEAF and len(leaves) == 1:
        return leaves[0]
    if len(leaves) != tree.leaves:
        raise StructureError(f"a container of {tree.leaves} leaves was given {len(leaves)}.")
    return _build(tree, iter(leaves))


def _build(tree: Tree, leaves: Any) -> Any:
    kind = tree.kind
    if kind is None:
        return next(leaves)
    children = [_build(child, leaves) for child in tree.children]
    if kind is tuple or kind is list:
        return kind(children)
    if kind is dict:
        return dict(zip(tree.keys, children, strict=True))
    if kind is type(None):
        return None
    if kind in _registered:
        return _registered[kind][1](tree.keys, children)
    if issubclass(kind, tuple):
        return kind(*children)
    return kind(**dict(zip(tree.keys, children, strict=True)))


def paths(tree: Tree, prefix: str = "") -> list[str]:
    """How to reach each leaf, as Python writes it: ['a'][1].field."""
    if tree.kind is None:
        return [prefix]
    attribute = tree.kind not in (tuple, list, dict) and tree.kind not in _registered
    found = []
    for key, child in zip(tree.keys, tree.children, strict=True):
        found += paths(child, f"{prefix}.{key}" if attribute else f"{prefix}[{key!r}]")
    return found


def argument_path(tree: Tree, k: int) -> str:
    """How to reach leaf k of a tuple of arguments, for a message: argument 1['a']."""
    return f"argument {paths(tree)[k][1:].replace(']', '', 1)}"


def map_tree(f: Callable, value: Any, *others: Any) -> Any:
    """f applied leaf by leaf to containers of one structure."""
    leaves, tree = flatten(value)
    columns = [leaves]
    for other in others:
        more, other_tree = flatten(other)
        if other_tree != tree:
            raise StructureError(f"containers of different structure: {tree!r} and {other_tree!r}.")
        columns.append(more)
    return unflatten(tree, [f(*row) for row in zip(*columns, strict=True)])
