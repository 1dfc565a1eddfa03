"""Writing in place: into the memory of a tensor, with the graph following.

The new value is computed as the out-of-place function computes it, from a copy if that is recorded, and then
written into the tensor's memory. The tensor takes the new node. If it is a view, the tensor that it is a view
of takes one as well, by the functional update (ops/updates.py), and all other views of that renew theirs when
they are next used. The write is noted, so that a node which had saved the old values refuses to use them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import OPS, Tracer
from dualdiff.errors import MutationError
from dualdiff.modes.reverse import TapeTensor
from dualdiff.modes.tape import Node
from dualdiff.ops.indexing import getitem
from dualdiff.torch import elementwise
from dualdiff.torch.dispatch import method, methods, titled
from dualdiff.torch.dtypes import BY_NUMPY, category
from dualdiff.torch.errors import DtypeError, SizeError
from dualdiff.torch.graph import CLOCK, LEVEL, AccumulateGrad, EagerTensor
from dualdiff.torch.indexing import __getitem__, full_key, split_key
from dualdiff.torch.state import STATE
from dualdiff.torch.tensor import Tensor, node_of, operand

overwrite: Any = OPS["overwrite"]  # the functional update that index assignment is


def write(tensor: Tensor, name: str, f: Callable, *others: Any, label: str = "") -> Tensor:
    """tensor <- f(tensor, *others), in its own memory."""
    recorded = STATE.grad and (tensor.requires_grad or any(map(requires_grad, others)))
    check_writable(tensor, name, recorded)
    x = tensor.array
    if not recorded:
        settle(name, x, f(Tensor(x), *others).array)
        return tensor
    old = Tensor(x.copy())  # what the rules of f may save
    node = node_of(tensor)
    if node is not None:
        old.value = TapeTensor(LEVEL, old.value, node)
    y = f(old, *(old if other is tensor else other for other in others))
    settle(name, x, y.array)
    new: Any = node_of(y.to(tensor.dtype))
    if new is None:  # what was written does not depend on anything tracked, and nothing of the old is left
        new = node_of(refill(old, y))
    if label:
        new[3].label = label
    kept = tensor.retains_grad and node[3].hooks.pop("retain_grad")  # type: ignore[index]
    rebind(tensor, new)
    if kept:
        tensor.retain_grad()
    return tensor


def requires_grad(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def settle(name: str, x: np.ndarray, y: np.ndarray) -> None:
    """Write y into x, if it fits."""
    if y.shape != x.shape:
        raise SizeError(
            f"{name} in place on a tensor of shape {x.shape} gives shape {y.shape}.",
            "Write the out-of-place form.",
        )
    if category(y.dtype) > category(x.dtype):
        raise DtypeError(
            f"{name} in place gives {BY_NUMPY[y.dtype]}, which a tensor of {BY_NUMPY[x.dtype]} cannot hold.",
            "Write the out-of-place form, or convert the tensor first.",
        )
    x[...] = y
    CLOCK.note(x)


def check_writable(tensor: Tensor, name: str, recorded: bool) -> None:
    """Refuse what PyTorch refuses: leaves that require a gradient, some views, and shared elements."""
    x = tensor.array
    if isinstance(x, Tracer):
        raise MutationError(
            f"{name} in place on a tensor inside a functional transform.", "Write the out-of-place form."
        )
    root = tensor if tensor._base is None else tensor._base
    node = node_of(root)
    if STATE.grad and node is not None and type(node[3]) is AccumulateGrad:
        which = "a leaf" if root is tensor else "a view of a leaf"
        raise MutationError(
            f"{name} in place on {which} that requires a gradient, at whose value backward() differentiates.",
            "Update parameters inside with torch.no_grad(), or write the out-of-place form.",
        )
    if STATE.grad and (recorded or node is not None) and tensor.viewed is not None and tensor.viewed.why_not:
        raise MutationError(
            f"{name} in place on a view that cannot be followed: {tensor.viewed.why_not}.",
            "Write into the tensor itself by index, or into a clone().",
        )
    if not x.flags.writeable:
        raise MutationError(
            f"{name} in place on a tensor whose elements share memory, or whose memory is read-only.",
            "Write into a clone().",
        )


def rebind(tensor: Tensor, node: Node) -> None:
    """Let a tensor that was written be what `node` made; what it is a view of follows, up to the root."""
    view = tensor.viewed
    if view is None:
        tensor.value = TapeTensor(LEVEL, tensor.array, node)
        return
    base, written = view.base, EagerTensor(tensor.array, node)
    positions = np.asarray(view.replay(np.arange(base.numel()).reshape(base.shape)))
    before = operand(base)
    after = overwrite(before, written, positions)
    after.node[3].label = "CopySlices"
    rebind(base, after.node)
    tensor.value = tensor.array  # its own node is stale: it is renewed from the base


def refill(old: Tensor, y: Tensor) -> Tensor:
    """y in the place of every element of old, as a function of old: its derivative is 0, and known."""
    x = operand(old)
    everywhere = np.arange(old.numel()).reshape(old.shape)
    new = overwrite(x, y.array.astype(x.dtype), everywhere)
    return Tensor(TapeTensor(LEVEL, new.primal, new.node))


# -------------------------------------------------- methods
def in_place(name: str, f: Callable, ufunc: Any = None) -> Callable:
    """The method name_, which writes what f gives; a ufunc does it at once where nothing is recorded."""

    def call(self: Tensor, *others: Any, **kwargs: Any) -> Tensor:
        if ufunc is not None and not STATE.grad and not kwargs and len(others) == 1:
            other = others[0].array if type(others[0]) is Tensor else others[0]
            x = self.array
            if type(x) is np.ndarray and x.flags.writeable and same_kind(x, other):
                ufunc(x, other, out=x)
                CLOCK.note(x)
                return self
        return write(self, f"{name}_", lambda x, *rest: f(x, *rest, **kwargs), *others)

    return method(titled(call, f"{name}_", f"{name} in place."))


def same_kind(x: np.ndarray, other: Any) -> bool:
    """Whether `other` broadcasts to x and needs no promotion."""
    if type(other) is float:
        return x.dtype.kind in "fc"
    return type(other) is np.ndarray and other.dtype is x.dtype and other.shape == x.shape


for _name, _ufunc in {"add": np.add, "sub": np.subtract, "mul": np.multiply}.items():
    in_place(_name, getattr(elementwise, _name), _ufunc)
in_place("div", elementwise.div)
for _f in (
    elementwise.pow, elementwise.remainder, elementwise.neg, elementwise.exp, elementwise.log,
    elementwise.sqrt, elementwise.sin, elementwise.cos, elementwise.tanh, elementwise.sigmoid,
    elementwise.relu, elementwise.abs, elementwise.square, elementwise.reciprocal, elementwise.clamp,
    elementwise.floor, elementwise.ceil, elementwise.round, elementwise.masked_fill, elementwise.addcmul,
    elementwise.addcdiv, elementwise.lerp,
):  # fmt: skip
    in_place(_f.__name__, _f)
for _method, _name in {
    "iadd": "add_", "isub": "sub_", "imul": "mul_", "itruediv": "div_", "ipow": "pow_",
    "imod": "remainder_",
}.items():  # fmt: skip
    methods(**{f"__{_method}__": getattr(Tensor, _name)})


def written(x: Tensor, value: Any) -> Tensor:
    """`value` in the shape and dtype of x, as something new."""
    if not isinstance(value, Tensor):
        value = Tensor(np.asarray(value, None if isinstance(value, np.ndarray) else x.value.dtype))
    elif category(value.value.dtype) == 3 > category(x.value.dtype):
        raise DtypeError(f"writing {value.dtype} into a tensor of {x.dtype}.", "Write its real part.")
    try:
        y = value.to(x.dtype)
        y = y if y.shape == x.shape else y.expand(*x.shape)
        return y.clone() if y is value else y
    except (ValueError, IndexError) as error:
        raise SizeError(
            f"writing a tensor of shape {tuple(value.shape)} into one of shape {tuple(x.shape)}.",
            "The value has to broadcast to what is written.",
        ) from error


@method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The values of src, in place; src broadcasts and is cast."""
    return write(self, "copy_", written, src, label="CopyBackwards")


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """One value everywhere, in place."""
    return write(self, "fill_", written, value, label="FillBackward2")


@method
def zero_(self: Tensor) -> Tensor:
    """0 everywhere, in place."""
    return write(self, "zero_", written, 0, label="ZeroBackward0")


@method
def __setitem__(self: Tensor, key: Any, value: Any) -> None:
    basic, advanced = split_key(key)
    tracked = STATE.grad and (self.requires_grad or (isinstance(value, Tensor) and value.requires_grad))
    if not tracked:
        check_writable(self, "index assignment", False)
        target, rest = self.array[full_key(basic)], advanced
        new = value.array if isinstance(value, Tensor) else value
        try:
            target[... if rest is None else tuple(rest)] = new
        except ValueError as error:
            raise SizeError(
                f"index assignment: {error}.", "The value has to broadcast to the index."
            ) from error
        CLOCK.note(self.array)
    elif advanced is None:
        copy_(__getitem__(self, key), value)
    else:
        everywhere = np.arange(self.numel()).reshape(self.shape)
        positions = getitem(getitem(everywhere, full_key(basic)), tuple(advanced))
        source = written(Tensor(np.empty(positions.shape, self.value.dtype)), value)

        def put(x: Tensor, v: Tensor) -> Tensor:
            y = overwrite(operand(x), operand(v), positions)
            return Tensor(TapeTensor(LEVEL, y.primal, y.node))

        write(self, "index assignment", put, source, label="IndexPutBackward0")
