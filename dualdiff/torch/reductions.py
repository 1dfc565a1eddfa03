"""Reductions of tensors, scans and orderings, with PyTorch's keywords dim and keepdim, or NumPy's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import OPS, Op
from dualdiff.ops.indexing import take_along_axis
from dualdiff.ops.logsums import logsumexp as log_of_sum
from dualdiff.ops.structural import astype, normal_axes
from dualdiff.torch.dispatch import apply, inexact, method, single, titled
from dualdiff.torch.dtypes import INT64, as_numpy
from dualdiff.torch.elementwise import maximum, minimum
from dualdiff.torch.errors import DtypeError
from dualdiff.torch.tensor import Tensor, operand, outside

REDUCE_SUM, REDUCE_MEAN, LENGTH = OPS["reduce_sum"], OPS["reduce_mean"], OPS["length"]
_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def reduction(f: Callable) -> Callable:
    """A function and method that also takes NumPy's names of PyTorch's keywords."""

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {_NUMPY_NAMES.get(key, key): value for key, value in kwargs.items()}
        return f(*args, **kwargs)

    return method(call)


def axes(dim: Any, x: Any) -> Any:
    """NumPy's axis for PyTorch's dim: no dims mean all, and a number has a dim 0 as well."""
    if isinstance(dim, int):
        return None if dim in (0, -1) and not x.ndim else dim
    return None if dim is None else tuple(dim) or None


def with_a_dim(f: Callable) -> Callable:
    """f, which works along a dim, for a number as well: as for a vector of one."""
    return lambda x, dim: f(x, dim) if x.ndim else f(x.reshape((1,)), dim).reshape(())


def summed_dtype(x: Any, dtype: Any) -> Any:
    """The dtype of a sum: int64 for integers and booleans unless another is asked for."""
    if dtype is not None:
        return as_numpy(dtype)
    return INT64 if x.dtype.kind in "biu" else None


def as_dtype(x: Any, dtype: Any) -> Any:
    """x in the dtype that was asked for, if one was."""
    return x if dtype is None else astype(x, as_numpy(dtype))


def numbered(name: str, dim: Any) -> str:
    """PyTorch's name in the graph, which says whether a dim was given."""
    return f"{name}Backward{0 if dim is None else 1}"


def floating(x: Any, name: str) -> Any:
    """x, which must hold floating or complex numbers."""
    if x.dtype.kind not in "fc":
        raise DtypeError(f"{name} of a tensor of {x.dtype}.", "Make it floating: x.float().")
    return x


# -------------------------------------------------- sums
@reduction
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of all elements, or along dims."""
    label, x = numbered("Sum", dim), input.value
    if dtype is None and not keepdim and x.dtype.kind in "fc":
        return single(label, REDUCE_SUM, input, axis=normal_axes(axes(dim, x), x.ndim))
    return apply(label, lambda x: np.sum(x, axes(dim, x), summed_dtype(x, dtype), None, keepdim), input)


@reduction
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of all elements, or along dims."""
    label, x = numbered("Mean", dim), input.value
    if dtype is None and not keepdim and x.dtype.kind in "fc":
        return single(label, REDUCE_MEAN, input, axis=normal_axes(axes(dim, x), x.ndim))

    def of(x: Any) -> Any:
        return np.mean(
            floating(as_dtype(x, dtype), "mean"),
            axes(dim, x),
            keepdims=keepdim,
        )

    return apply(label, of, input)


@reduction
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The sum of the elements that are not nan."""
    return apply(
        "NansumBackward0",
        lambda x: np.sum(np.where(np.isnan(x), 0, x), axes(dim, x), keepdims=keepdim),
        input,
    )


@reduction
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product of all elements, or along one dim."""

    def of(x: Any) -> Any:
        wanted = summed_dtype(x, dtype)
        return np.prod(x if wanted is None else astype(x, wanted), axes(dim, x), keepdims=keepdim)

    return apply(numbered("Prod", dim), of, input)


def _moment(name: str, f: Callable) -> Callable:
    def moment(
        input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = 1
    ) -> Tensor:
        if isinstance(dim, bool):  # x.var(False)
            dim, unbiased = None, dim
        ddof = correction if unbiased is None else int(unbiased)
        return apply(
            f"{name.capitalize()}Backward0",
            lambda x: f(floating(x, name), axes(dim, x), ddof=ddof, keepdims=keepdim),
            input,
        )

    return reduction(
        titled(
            moment,
            name,
            (f"{name} of all elements or along dims; divides by n - 1 unless correction= says otherwise."),
        )
    )


var = _moment("var", np.var)
std = _moment("std", np.std)


@reduction
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Tensor:
    """The p-norm of the elements, all or along dims; 0 at a zero vector has the derivative 0."""
    order = 2 if p in ("fro", None) else p
    x = input.value
    if order == 2 and not keepdim and x.dtype.kind in "fc":
        return single("LinalgVectorNormBackward0", LENGTH, input, axis=normal_axes(axes(dim, x), x.ndim))

    def of(x: Any) -> Any:
        return np.linalg.vector_norm(floating(x, "norm"), axis=axes(dim, x), keepdims=keepdim, ord=order)

    return apply("LinalgVectorNormBackward0", of, input)


@reduction
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along dims, without overflow."""
    return apply(
        "LogsumexpBackward0", lambda x: log_of_sum(inexact(x), axes(dim, x), keepdims=keepdim), input
    )


@method
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along a dim."""
    return _normalised("SoftmaxBackward0", OPS["softmax"], input, dim, dtype)


@method
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The logarithm of softmax."""
    return _normalised("LogSoftmaxBackward0", OPS["log_softmax"], input, dim, dtype)


def _normalised(label: str, op: Op, input: Tensor, dim: int, dtype: Any) -> Tensor:
    axis = normal_axes(dim, input.ndim or 1)
    if dtype is None and input.ndim and input.value.dtype.kind in "fc":
        return single(label, op, input, axis=axis)

    def of(x: Any) -> Any:
        return with_a_dim(lambda v, k: op(v, axis=axis))(inexact(as_dtype(x, dtype)), dim)

    return apply(label, of, input)


# -------------------------------------------------- extremes
def _pair(name: str) -> type:
    """The pair that max and its kin return along a dim, printed as PyTorch prints it."""

    class Pair(NamedTuple):
        values: Tensor
        indices: Tensor

        def __repr__(self) -> str:
            return f"torch.return_types.{name}(\nvalues={self.values!r},\nindices={self.indices!r})"

    return Pair


PAIRS = {name: _pair(name) for name in ("max", "min", "median", "sort", "topk", "cummax", "cummin")}


def chosen(name: str, input: Tensor, places: np.ndarray, dim: int, keepdim: bool) -> Any:
    """The elements at these places along a dim, which alone receive the cotangent, and the places."""

    def of(x: Any) -> Any:
        picked = take_along_axis(x, places, dim)
        return picked if keepdim else np.squeeze(picked, dim)

    label = f"{name.capitalize()}Backward{1 if name == 'median' else 0}"
    indices = places if keepdim else places.squeeze(dim)
    if not input.ndim:
        return PAIRS[name](apply(label, lambda x: x.reshape(()), input), Tensor(np.zeros((), np.int64)))
    return PAIRS[name](apply(label, of, input), Tensor(np.asarray(indices)))


def _extreme(name: str, reduce: Callable, place: Callable, pairwise: Callable) -> Callable:
    def extreme(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if dim is None and other is None:
            return apply(f"{name.capitalize()}Backward1", reduce, input)
        if other is not None or isinstance(dim, Tensor):
            return pairwise(input, dim if other is None else other)
        x = np.atleast_1d(input.array)
        return chosen(name, input, place(x, axis=dim, keepdims=True), dim, keepdim)

    return reduction(
        titled(
            extreme,
            name,
            (f"The {name}imum of all elements; (values, indices) along a dim; of two tensors, each pair's."),
        )
    )


max = _extreme("max", np.max, np.argmax, maximum)
min = _extreme("min", np.min, np.argmin, minimum)


@reduction
def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The largest element, all or along dims; elements that tie share the derivative."""
    return apply("AmaxBackward0", lambda x: np.max(x, axes(dim, x), keepdims=keepdim), input)


@reduction
def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The smallest element, all or along dims; elements that tie share the derivative."""
    return apply("AminBackward0", lambda x: np.min(x, axes(dim, x), keepdims=keepdim), input)


@reduction
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, the lower of two; (values, indices) along a dim."""
    x = np.atleast_1d(input.array if dim is not None else input.array.reshape(-1))
    axis = 0 if dim is None else dim
    middle = (x.shape[axis] - 1) // 2
    places = np.take(np.argsort(x, axis, kind="stable"), [middle], axis)
    if dim is None:
        return apply("MedianBackward0", lambda v: v.reshape(-1)[places].reshape(()), input)
    return chosen("median", input, places, dim, keepdim)


# -------------------------------------------------- no derivative
def _question(name: str, f: Callable) -> Callable:
    def question(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        x = input.detach().array
        return outside(np.asarray(f(x, axis=axes(dim, x), keepdims=keepdim)))

    return reduction(titled(question, name, f"{name} of all elements, or along a dim; no derivative."))


all = _question("all", np.all)
any = _question("any", np.any)
argmax = _question("argmax", np.argmax)
argmin = _question("argmin", np.argmin)
count_nonzero = _question("count_nonzero", np.count_nonzero)


# -------------------------------------------------- scans and orderings
@reduction
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running sum along a dim."""
    return apply(
        "CumsumBackward0",
        lambda x: with_a_dim(lambda v, k: np.cumsum(v, k, summed_dtype(v, dtype)))(x, dim),
        input,
    )


@reduction
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running product along a dim."""
    return apply(
        "CumprodBackward0",
        lambda x: with_a_dim(lambda v, k: np.cumprod(v, k, summed_dtype(v, dtype)))(x, dim),
        input,
    )


def _order(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """Where the elements stand in order, equal ones as they came."""
    if not descending:
        return np.argsort(x, dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)


@method
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort along a dim."""
    return outside(_order(input.array, dim, descending))


@method
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values, indices), sorted along a dim."""
    return chosen("sort", input, _order(input.array, dim, descending), dim, True)


@method
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the k largest elements along a dim."""
    order = _order(input.array, dim, largest)
    return chosen("topk", input, np.take(order, np.arange(k), dim), dim, True)


@method
def unique(input: Tensor) -> Tensor:
    """The different values in order."""
    return outside(np.unique(input.array))


@method
def dist(input: Tensor, other: Tensor, p: Any = 2) -> Tensor:
    """The p-norm of input - other."""
    return apply(
        "DistBackward0", lambda x, y: np.linalg.vector_norm(x - y, ord=p), operand(input), operand(other)
    )
