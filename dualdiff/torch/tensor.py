"""The tensor of the PyTorch-style front end: an array that may be tracked, with PyTorch's attributes.

`value` is a plain array, or the engine's TapeTensor at the one level that never closes while the tensor is
tracked, or, inside a functional transform of dualdiff, that transform's own tensor. What a tensor can do is
in the other files: each function there that takes a tensor first is a method too (`method`).
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.modes.reverse import TapeTensor
from dualdiff.modes.tape import Node
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.structural import astype, copy_op
from dualdiff.torch import writes
from dualdiff.torch.conversions import Conversions
from dualdiff.torch.errors import NotTracked, SizeError
from dualdiff.torch.graph import CLOCK, LEVEL, NOWHERE, AccumulateGrad, EagerTensor
from dualdiff.torch.metadata import Described
from dualdiff.torch.state import STATE
from dualdiff.tree import register_value


class View:
    """Of which tensor another is a view, and how it is made of it."""

    __slots__ = ("base", "replay", "seen", "why_not")

    def __init__(self, base: Tensor, replay: Callable, why_not: str = ""):
        self.base = base
        self.replay = replay
        self.seen = node_of(base)
        unrecorded = "it was made inside no_grad()" if self.seen is not None and not STATE.grad else ""
        self.why_not = why_not or unrecorded  # the reason why it must not be written, if there is one


class Inner:
    """The value of a tensor inside a functional transform of dualdiff: that transform's own tensor.

    It stands in a class of its own because it may be a TapeTensor too, of a level that is not ours.
    """

    __slots__ = ("tracer",)

    def __init__(self, tracer: Any):
        self.tracer = tracer

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tracer.shape

    @property
    def dtype(self) -> Any:
        return self.tracer.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


VALUES = frozenset([np.ndarray, TapeTensor, Inner])


# Reading .grad and writing the sum is one step: threads that share a leaf would lose each other's gradients.
ACCUMULATING = threading.RLock()


class Tensor(Described, Conversions):
    """An array of numbers that can require a gradient. Make one with dualdiff.torch.tensor."""

    __slots__ = ("value", "kept_grad", "viewed", "__weakref__")
    __hash__ = object.__hash__

    def __init__(self, value: Any):
        if type(value) not in VALUES:
            raise TypeError(
                f"Tensor() was given a {type(value).__name__}: write tensor(data), or zeros(size) and its kin"
            )
        self.value = value
        self.kept_grad: Tensor | None = None
        self.viewed: View | None = None

    # ------------------------------------------------------------ the array
    @property
    def array(self) -> Any:
        """The numbers alone; of a functional transform its tensor, which carries a derivative."""
        value = self.value
        if type(value) is TapeTensor:
            return value.primal
        return value.tracer if type(value) is Inner else value

    # ------------------------------------------------------------ the graph
    @property
    def requires_grad(self) -> bool:
        return node_of(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Track this leaf, or stop tracking it."""
        node = node_of(self)
        if node is not None and type(node[3]) is not AccumulateGrad:
            if requires_grad:
                return self
            raise NotTracked(
                f"requires_grad_(False) on a tensor made by {node[3].name()}: only leaves can be switched.",
                "Use detach() for the same values without their history.",
            )
        if bool(requires_grad) == (node is not None):
            return self
        x = self.array
        if isinstance(x, Tracer):
            raise NotTracked(
                "requires_grad_() on a tensor inside a functional transform, which differentiates it.",
                "Use the transform's own derivative, or call requires_grad_() outside of it.",
            )
        if requires_grad and x.dtype.kind not in "fc":
            raise NotTracked(
                f"requires_grad_() on a tensor of {self.dtype}: integers and booleans have no derivative.",
                "Make it floating: x.float(), or dtype=torch.float32 where it is made.",
            )
        self.value = leaf(self, x) if requires_grad else x
        return self

    @property
    def is_leaf(self) -> bool:
        node = node_of(self)
        return node is None or type(node[3]) is AccumulateGrad

    @property
    def grad_fn(self) -> Any:
        node = node_of(self)
        return None if node is None or type(node[3]) is AccumulateGrad else node[3]

    @property
    def grad(self) -> Tensor | None:
        if self.kept_grad is None and not self.is_leaf and not self.retains_grad:
            warnings.warn(
                "the .grad of a tensor that is no leaf is not kept by backward(): call retain_grad() on it "
                "before, or look at the leaf's.",
                UserWarning,
                stacklevel=2,
            )
        return self.kept_grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"the .grad of a tensor is a tensor or None, not {type(value).__name__}")
        if value is not None and (value.shape != self.shape or value.dtype != self.dtype):
            raise SizeError(
                f"a .grad of shape {tuple(value.shape)} and {value.dtype} was assigned to a tensor of shape "
                f"{tuple(self.shape)} and {self.dtype}.",
                "A gradient has the shape and dtype of its tensor.",
            )
        self.kept_grad = value

    @property
    def retains_grad(self) -> bool:
        node = node_of(self)
        return node is not None and "retain_grad" in (node[3].hooks or ()) and not self.is_leaf

    def retain_grad(self) -> None:
        """Let backward() keep the gradient of this tensor in .grad, as it does for leaves."""
        node = self._tracked("retain_grad")
        if self.is_leaf:
            return
        reference = weakref.ref(self)

        def keep(y_bar: Any) -> None:
            tensor = reference()
            if tensor is not None:
                tensor.receive(y_bar)

        hook_onto(node, "retain_grad", keep)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Any:
        """Call hook(gradient) when backward() reaches this tensor; what it returns replaces the gradient."""
        if not callable(hook):
            raise TypeError(f"register_hook takes a function of the gradient, not {hook!r}")
        node = self._tracked("register_hook")
        return hook_onto(node, object(), lambda y_bar: engine_value(hook(given_back(y_bar)), y_bar))

    def receive(self, y_bar: Any) -> None:
        """Add a cotangent to .grad, in place as long as that is no tensor of the graph."""
        with ACCUMULATING:
            if self.kept_grad is None:
                recorded = type(y_bar) is EagerTensor
                self.kept_grad = outside(copy_op(y_bar), "CopyBackwards") if recorded else Tensor(own(y_bar))
            elif STATE.grad:
                self.kept_grad = outside(operand(self.kept_grad) + y_bar, "AddBackward0")
            else:
                total = self.kept_grad.array
                np.add(total, y_bar, out=total)
                CLOCK.note(total)

    def _tracked(self, asked: str) -> Node:
        node = node_of(self)
        if node is None:
            raise NotTracked(
                f"{asked}() on a tensor that does not require a gradient.",
                "Call requires_grad_() on it, or on what it is made of, before.",
            )
        return node

    @property
    def data(self) -> Tensor:
        """The same memory without the history. Unlike PyTorch's, what is written through it is noticed."""
        return Tensor(self.array)

    @data.setter
    def data(self, other: Tensor) -> None:
        x = other.array
        self.value = leaf(self, x) if self.requires_grad else x

    def detach(self) -> Tensor:
        """A tensor on the same memory that is not tracked."""
        x = self.array
        return outside(stop_gradient(x)) if isinstance(x, Tracer) else Tensor(x)

    def detach_(self) -> Tensor:
        """Forget the history of this tensor itself."""
        self.value = self.array
        self.viewed = None
        return self

    @property
    def _version(self) -> int:
        return writes.version(self.array)

    @property
    def _base(self) -> Tensor | None:
        base = self if self.viewed is None else self.viewed.base
        while base.viewed is not None:
            base = base.viewed.base
        return None if base is self else base

    # ------------------------------------------------------------ copies
    def __reduce_ex__(self, protocol: Any) -> tuple:
        if not self.is_leaf:
            raise NotTracked("only leaves can be pickled.", "Write x.detach().")
        return restored, (self.array, self.requires_grad)

    def __copy__(self) -> Tensor:
        return restored(self.array, self.requires_grad)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise NotTracked(
                "copy.deepcopy of a tensor with a history: only leaves have one.", "Write x.detach()."
            )
        copied = restored(self.array.copy(), self.requires_grad)
        if self.kept_grad is not None:
            copied.kept_grad = Tensor(self.kept_grad.array.copy())
        memo[id(self)] = copied
        return copied

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"dualdiff.torch has no {name!r} on a tensor; see how-to/come-from-torch.md")


# -------------------------------------------------- tracking
def leaf(tensor: Tensor, x: np.ndarray) -> TapeTensor:
    """x as an input of the graph, whose cotangents go to the tensor's .grad."""
    accumulate = AccumulateGrad(weakref.ref(tensor))
    node = (LEVEL.tick(), x.shape, x.dtype, accumulate, None, None, None, NOWHERE)
    return TapeTensor(LEVEL, x, node)


def node_of(tensor: Tensor) -> Node | None:
    """The node of a tracked tensor; None of any other."""
    if tensor.viewed is not None:
        renew(tensor, tensor.viewed)
    value = tensor.value
    return value.node if type(value) is TapeTensor else None


def renew(tensor: Tensor, view: View) -> None:
    """Give a view a node again if what it is a view of got another one, by a write in place."""
    node = node_of(view.base)
    if node is None or node is view.seen or type(node[3]) is AccumulateGrad:
        return
    y = view.replay(EagerTensor(view.base.array, node))
    y.node[3].label = y.node[3].label or "AsStridedBackward0"
    tensor.value = TapeTensor(LEVEL, tensor.array, y.node)
    view.seen = node  # last: another thread that sees it takes the value as it is


# -------------------------------------------------- in and out of the engine
def current(tensor: Tensor) -> Any:
    """The value of a tensor as it takes part in an operation: without its node where nothing is recorded."""
    if tensor.viewed is not None:
        renew(tensor, tensor.viewed)
    value = tensor.value
    return value.primal if type(value) is TapeTensor and not STATE.grad else value


def operand(x: Any) -> Any:
    """What the engine's functions are given for a tensor; anything else as it is."""
    if not isinstance(x, Tensor):
        return x
    value = current(x)
    if type(value) is TapeTensor:
        return EagerTensor(value.primal, value.node)
    return value.tracer if type(value) is Inner else value


def outside(y: Any, label: str = "") -> Tensor:
    """A tensor for a result of the engine, made by the function that PyTorch calls `label`."""
    if type(y) is EagerTensor:
        if label:
            y.node[3].label = label
        return Tensor(tracked_array(y.primal, y.node))
    if isinstance(y, Tracer):
        return Tensor(Inner(y))
    return Tensor(y if type(y) is np.ndarray else np.asarray(y))


def tracked_array(x: Any, node: Node) -> TapeTensor:
    """The value of a tracked tensor. A number becomes an array, which a write in place can then reach, also
    where the node saved it."""
    if type(x) is not np.ndarray:
        number, x = x, np.asarray(x)
        raw = node[3].raw
        if raw[4] is number:
            node[3].raw = (*raw[:4], x, *raw[5:])
    return TapeTensor(LEVEL, x, node)


def own(x: Any) -> np.ndarray:
    """x in memory that nobody else holds."""
    given = STATE.run.given if STATE.run is not None else set()
    x = np.asarray(x)
    if x.base is not None or not x.flags.writeable or id(x) in given:
        x = x.copy()
    given.add(id(x))
    return x


def given_back(y_bar: Any) -> Tensor:
    """A cotangent for the user, in memory of its own."""
    return outside(y_bar) if type(y_bar) is EagerTensor else Tensor(own(y_bar))


def engine_value(found: Any, y_bar: Any) -> Any:
    """What a hook gave back, in place of the cotangent that it saw."""
    if found is None:
        return None
    if not isinstance(found, Tensor) or found.shape != y_bar.shape:
        raise SizeError(
            f"a hook on a tensor of shape {tuple(y_bar.shape)} gave back "
            + (f"shape {tuple(found.shape)}." if isinstance(found, Tensor) else f"a {type(found).__name__}."),
            "Give back None or a gradient of the same shape.",
        )
    return astype(operand(found), y_bar.dtype)


def restored(array: np.ndarray, requires_grad: bool) -> Tensor:
    """A leaf on this array."""
    return Tensor(array).requires_grad_(requires_grad)


class RemovableHandle:
    """What register_hook gives back: remove() takes the hook away again."""

    def __init__(self, hooks: dict, key: Any):
        self.hooks, self.key = hooks, key

    def remove(self) -> None:
        self.hooks.pop(self.key, None)


def hook_onto(node: Node, key: Any, hook: Callable) -> RemovableHandle:
    """Let a node call hook(cotangent); the one that keeps .grad stays last, to see what the others made."""
    hooks = node[3].hooks = node[3].hooks or {}
    last = hooks.pop("retain_grad", None)
    hooks[key] = hook
    if last is not None:
        hooks["retain_grad"] = last
    return RemovableHandle(hooks, key)


# -------------------------------------------------- transforms of dualdiff take tensors, and give them back
# The function sees a tensor again, on the transform's value, and derivatives come back as tensors.
register_value(Tensor, operand, outside)
