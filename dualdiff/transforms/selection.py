"""Which arguments of a call are differentiated: argnums, and the function of those alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError
from dualdiff.transforms.boundary import input_leaves, name_of, rebuild
from dualdiff.tree import LEAF


class Selection:
    """The arguments of one call that are differentiated, and the function of those alone."""

    def __init__(self, f: Callable, argnums: Any, args: tuple, kwargs: dict, transform: str):
        self.f, self.args, self.kwargs, self.transform = f, args, kwargs, transform
        self.__name__, self.__code__ = name_of(f), getattr(f, "__code__", None)  # for messages
        self.others = True  # whether f takes more than the selected arguments
        self.single = not isinstance(argnums, (tuple, list))
        if type(argnums) is int and 0 <= argnums < len(args):  # the usual case, told at once
            self.keys: list[int | str] = [argnums]
            self.leaves, self.trees = input_leaves((args[argnums],), transform, self.keys)
            if len(args) == 1 and not kwargs:
                self.others = False
            return
        self.keys = [self._key(a) for a in ((argnums,) if self.single else argnums)]
        if not self.keys:
            raise InputTypeError(
                f"{transform} was given no argnums.", "Give an int, a name or a tuple of them."
            )
        if not self.single and len(set(self.keys)) < len(self.keys):
            raise InputTypeError(
                f"{transform} was given an argument twice: argnums={argnums!r}.", "Name each once."
            )
        values = tuple(args[k] if isinstance(k, int) else kwargs[k] for k in self.keys)
        self.leaves, self.trees = input_leaves(values, transform, self.keys)

    def _key(self, argnum: Any) -> int | str:
        """A position for an int, a keyword or a position for a name."""
        n = len(self.args)
        if isinstance(argnum, str):
            if argnum in self.kwargs:
                return argnum
            try:
                names = list(inspect.signature(self.f).parameters)[:n]
            except (TypeError, ValueError):
                names = []
            if argnum in names:
                return names.index(argnum)
            raise InputTypeError(
                f"{self.transform} was asked for argument {argnum!r}; {name_of(self.f)} has no such argument "
                "in this call.",
                "Name an argument of the call.",
            )
        if isinstance(argnum, bool) or not isinstance(argnum, (int, np.integer)):
            raise InputTypeError(
                f"{self.transform} was given argnums={argnum!r}.", "Give ints, names or a tuple."
            )
        if not -n <= argnum < n:
            raise InputTypeError(
                f"{self.transform} was asked for argument {argnum}; {name_of(self.f)} was called with {n} "
                "positional arguments.",
                "Count from 0, or name a keyword argument.",
            )
        return int(argnum) % n

    @property
    def alone(self) -> Callable:
        """The function of the selected arguments alone, which is f itself if it has no others."""
        return self if self.others else self.f

    def __call__(self, *values: Any) -> Any:
        """f with the selected arguments replaced by `values`."""
        args, kwargs = list(self.args), dict(self.kwargs)
        for key, value in zip(self.keys, values, strict=True):
            if isinstance(key, int):
                args[key] = value
            else:
                kwargs[key] = value
        return self.f(*args, **kwargs)

    def result(self, derivatives: list) -> Any:
        """One derivative per leaf as the user asked: alone for a single argument, else a tuple."""
        if self.single and self.trees[0] is LEAF:
            return derivatives[0]
        values = rebuild(self.trees, derivatives)
        return values[0] if self.single else values

    @property
    def size(self) -> int:
        return self.leaves[0].size if len(self.leaves) == 1 else sum([x.size for x in self.leaves])

    @property
    def complex(self) -> bool:
        if len(self.leaves) == 1:
            return self.leaves[0].dtype.kind == "c"
        return any([x.dtype.kind == "c" for x in self.leaves])
