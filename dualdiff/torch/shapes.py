"""Shapes and joining: views of a tensor where NumPy gives a view, and what puts tensors together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dualdiff.core import OPS
from dualdiff.ops.structural import astype, copy_op, normal_axes, normal_axis
from dualdiff.torch.dispatch import apply, common, method, methods, view_of
from dualdiff.torch.dtypes import as_numpy
from dualdiff.torch.dtypes import dtype as dtype_type
from dualdiff.torch.errors import SizeError
from dualdiff.torch.metadata import device
from dualdiff.torch.tensor import Tensor, operand

cut, expand_to, permute_axes, reshape_to = (OPS[k] for k in ("cut", "expand_to", "permute", "reshape_to"))

SEVERAL = "it is one of several views that a function returned at once"


def listed(sizes: tuple) -> tuple:
    """Sizes or dims that were given one by one, or as one sequence."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


# -------------------------------------------------- views
def whole(shape: tuple, input: Tensor) -> tuple:
    """The shape with its -1 replaced by what the number of elements leaves for it."""
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(input.numel() // (known or 1) if n == -1 else n for n in shape)
    if math.prod(shape) != input.numel():
        raise SizeError(
            f"reshape of a tensor of shape {tuple(input.shape)} to {shape}: {input.numel()} elements do not "
            "fill it.",
            "Leave one size to be found, as -1.",
        )
    return shape


@method
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements under another shape."""
    return view_of(input, "ViewBackward0", reshape_to, shape=whole(listed(shape), input))


@method
def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory under another shape."""
    y = reshape(input, *shape)
    if y.viewed is None and y.numel() and isinstance(y.array, np.ndarray):
        raise SizeError(
            f"view() of a tensor of shape {tuple(input.shape)} whose elements do not follow each other.",
            "Use reshape(), which copies.",
        )
    return y


@method
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dims merged into one."""
    n = max(input.ndim, 1)
    start, end = start_dim % n, end_dim % n
    shape = input.shape or (1,)
    return reshape(input, *shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


@method
def ravel(input: Tensor) -> Tensor:
    """All elements in one dim."""
    return reshape(input, -1)


@method
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dims in another order."""
    order = listed(dims)
    if len(order) != input.ndim:
        raise SizeError(f"permute of {input.ndim} dims was given {len(order)}.", "Give each dim once.")
    return view_of(input, "PermuteBackward0", permute_axes, axes=normal_axes(order, input.ndim))


@method
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dims exchanged."""
    order = list(range(input.ndim))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return view_of(input, "TransposeBackward0", permute_axes, axes=tuple(order))


swapaxes = swapdims = transpose


@method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector stays."""
    if input.ndim > 2:
        raise SizeError(f"t() of a tensor of shape {tuple(input.shape)}.", "Use mT, or permute().")
    return view_of(input, "TBackward0", permute_axes, axes=tuple(range(input.ndim))[::-1])


@method
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dims moved to new places."""
    return view_of(input, "PermuteBackward0", lambda x: np.moveaxis(x, source, destination))


@method
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dim of length 1."""
    place = normal_axis(dim, input.ndim + 1)
    shape = (*input.shape[:place], 1, *input.shape[place:])
    return view_of(input, "UnsqueezeBackward0", reshape_to, shape=shape)


@method
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Dims of length 1 taken away: all, or those given where they have length 1."""
    given = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {d % max(input.ndim, 1) for d in given}
    shape = tuple(n for k, n in enumerate(input.shape) if k not in gone or n != 1)
    label = "SqueezeBackward0" if dim is None else "SqueezeBackward1"
    return view_of(input, label, reshape_to, shape=shape)


@method
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """The tensor repeated along dims of length 1 or new ones, without memory; -1 keeps a length."""
    wanted = listed(sizes)
    lead = len(wanted) - input.ndim
    shape = tuple(input.shape[k - lead] if n == -1 else n for k, n in enumerate(wanted))
    return view_of(input, "ExpandBackward0", expand_to, shape=shape)


broadcast_to = expand


@method
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dims."""
    y = view_of(input, "DiagonalBackward0", lambda x: np.diagonal(x, offset, dim1, dim2))
    if y.viewed is not None:
        y.array.flags.writeable = input.array.flags.writeable  # NumPy's diagonal is read-only
    return y


@method
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Elements start to start + length along a dim."""
    return view_of(input, "SliceBackward0", cut, key=_at(input, dim, slice(start, start + length)))


@method
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Element `index` along a dim, which goes."""
    return view_of(input, "SelectBackward0", cut, key=_at(input, dim, index))


def _pieces(input: Tensor, label: str, dim: int, keys: list) -> tuple:
    return tuple(view_of(input, label, cut, SEVERAL, key=_at(input, dim, key)) for key in keys)


def _at(input: Tensor, dim: int, part: Any) -> tuple:
    """The key that reads `part` along one dim and everything of the others."""
    return (*(slice(None),) * normal_axis(dim, input.ndim), part, ...)


@method
def unbind(input: Tensor, dim: int = 0) -> tuple:
    """The slices along a dim."""
    return _pieces(input, "UnbindBackward0", dim, list(range(input.shape[dim])))


@method
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple:
    """Pieces along a dim: all of one size but the last, or of the sizes given."""
    n, sizes, label = tensor.shape[dim], split_size_or_sections, "SplitWithSizesBackward0"
    if isinstance(sizes, int):
        label = "SplitBackward0"
        sizes = [min(sizes, n - start) for start in range(0, n, sizes)]
    ends = np.cumsum(sizes).tolist()
    keys = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return _pieces(tensor, label, dim, keys)


@method
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """At most so many pieces of equal size along a dim."""
    return split(input, -(-input.shape[dim] // chunks), dim)


def _part(name: str) -> Any:
    def part(self: Tensor) -> Tensor:
        if self.value.dtype.kind != "c" and name == "real":
            return self
        return view_of(self, "SelectBackward0", getattr(np, name), "it is a part of complex numbers")

    return part


real, imag = _part("real"), _part("imag")
methods(
    T=property(lambda self: permute(self, *range(self.ndim)[::-1])),
    mT=property(lambda self: transpose(self, -1, -2)),
    real=property(real),
    imag=property(imag),
    broadcast_to=expand,
    view_as=lambda self, other: view(self, *other.shape),
    reshape_as=lambda self, other: reshape(self, *other.shape),
    expand_as=lambda self, other: expand(self, *other.shape),
)


# -------------------------------------------------- copies
@method
def clone(input: Tensor) -> Tensor:
    """A copy in its own memory, through which gradients flow."""
    return apply("CloneBackward0", copy_op, input)


@method
def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements follow each other in memory, else a copy."""
    return input if input.is_contiguous() else clone(input)


@method
def to(input: Tensor, *target: Any, dtype: Any = None, device: Any = None, copy: bool = False) -> Tensor:
    """The tensor in another dtype; the device is always the cpu."""
    for x in target:
        if isinstance(x, Tensor):
            dtype = x.dtype
        elif isinstance(x, dtype_type):
            dtype = x
        elif not isinstance(x, bool):
            device = x
    if device is not None:
        _on_the_processor(device)
    wanted = input.value.dtype if dtype is None else as_numpy(dtype)
    if wanted == input.value.dtype:
        return clone(input) if copy else input
    return apply("ToCopyBackward0", lambda x: astype(x, wanted), input)


_on_the_processor = device
methods(type=lambda self, dtype: to(self, dtype), type_as=lambda self, other: to(self, other.dtype))
methods(cpu=lambda self: self)
for _name, _kind in {
    "float": "f4", "double": "f8", "half": "f2", "int": "i4", "long": "i8", "short": "i2", "bool": "?",
    "cfloat": "c8", "cdouble": "c16",
}.items():  # fmt: skip
    methods(**{_name: lambda self, kind=_kind: to(self, dtype=kind)})


@method
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor copied so many times along each dim."""
    return apply("RepeatBackward0", lambda x: np.tile(x, listed(repeats)), input)


@method
def tile(input: Tensor, *dims: Any) -> Tensor:
    """As repeat; dims that are left out count as 1."""
    return repeat(input, *listed(dims))


@method
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each element so many times in a row."""
    return apply("ViewBackward0", lambda x: np.repeat(x, operand(repeats), dim), input)


@method
def flip(input: Tensor, *dims: Any) -> Tensor:
    """Elements in the opposite order along dims."""
    return apply("FlipBackward0", lambda x: copy_op(np.flip(x, listed(dims)) if x.ndim else x), input)


@method
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along dims, those that fall off coming in again."""
    return apply("RollBackward0", lambda x: np.roll(x, shifts, dims), input)


@method
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and below a diagonal, else 0."""
    return apply("TrilBackward0", lambda x: np.tril(x, diagonal), input)


@method
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and above a diagonal, else 0."""
    return apply("TriuBackward0", lambda x: np.triu(x, diagonal), input)


@method
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    label = "DiagEmbedBackward0" if input.ndim == 1 else "DiagonalBackward0"
    return apply(label, lambda x: copy_op(np.diag(x, diagonal)), input)


@method
def diff(input: Tensor, n: int = 1, dim: int = -1) -> Tensor:
    """Differences of neighbours along a dim."""
    return apply("SubBackward0", lambda x: np.diff(x, n, dim), input)


# -------------------------------------------------- joining
def joined(label: str, f: Any, tensors: Any) -> Tensor:
    return apply(label, lambda *xs: f(common(*xs)), *tensors)


def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors one after another along a dim."""
    return joined("CatBackward0", lambda xs: np.concatenate(xs, dim), tensors)


concat = concatenate = cat


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dim."""
    return joined("StackBackward0", lambda xs: np.stack(xs, dim), tensors)


def hstack(tensors: Any) -> Tensor:
    """Tensors side by side."""
    return joined("CatBackward0", np.hstack, tensors)


def vstack(tensors: Any) -> Tensor:
    """Tensors on top of each other."""
    return joined("CatBackward0", np.vstack, tensors)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple:
    """A grid from the values of each dim."""
    shape = tuple(x.numel() for x in listed(tensors))
    places = range(len(shape)) if indexing == "ij" else (1, 0, *range(2, len(shape)))
    order = [shape[k] for k in places]
    found = []
    for k, x in zip(places, listed(tensors), strict=True):
        lifted = reshape(x, *(n if i == k else 1 for i, n in enumerate(order)))
        found.append(expand(lifted, *order))
    return tuple(found)


def broadcast_tensors(*tensors: Tensor) -> tuple:
    """Tensors expanded to their common shape."""
    shape = np.broadcast_shapes(*(x.value.shape for x in tensors))
    return tuple(expand(x, *shape) for x in tensors)


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def is_tensor(x: Any) -> bool:
    """Whether x is a tensor of this front end."""
    return isinstance(x, Tensor)


def atleast_2d(input: Tensor) -> Tensor:
    """The tensor with dims of length 1 in front, so that there are two."""
    return unsqueeze(input, 0) if input.ndim == 1 else input if input.ndim else reshape(input, 1, 1)
