"""Questions about values that have plain answers: comparisons, tests of dtypes, places of elements, text.

No derivative flows through any of them. An elementwise question is a constant op, so that it can be asked of
batched tensors; one whose answer is a single truth, or has a shape that depends on the values, cannot.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import elementwise, numpy_function, op
from dualdiff.domains import between_integers, reals, small_integers
from dualdiff.ops.structural import as_array, astype

# -------------------------------------------------- asked of every element
for _f in (np.isneginf, np.isposinf, np.bitwise_count):
    elementwise(_f, None, on=small_integers if _f is np.bitwise_count else between_integers)
for _f in (np.isreal, np.iscomplex):
    elementwise(_f, None, on=between_integers, complex=True)


@op
class close_to:
    """Whether abs(a - b) <= atol + rtol abs(b), element by element."""

    constant = True
    core = 0

    def evaluate(a, b, *, rtol, atol, equal_nan):
        return np.isclose(a, b, rtol, atol, equal_nan)

    def domain(rng, dtype):
        a = reals.sample(rng, (2, 3), dtype)
        yield (a, a[:1]), {"rtol": 1e-5, "atol": 1e-8, "equal_nan": False}


@numpy_function(np.isclose)
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether elements are equal within a tolerance."""
    return close_to(as_array(a), as_array(b), rtol=plain(rtol), atol=plain(atol), equal_nan=equal_nan)


@op
class member_of:
    """Whether each element of x is among the elements of a set."""

    constant = True

    def evaluate(x, elements, *, options):
        return np.isin(x, elements, **dict(options))

    def domain(rng, dtype):
        yield (
            (small_integers.sample(rng, (2, 3), dtype), small_integers.sample(rng, (3,), dtype)),
            {"options": ()},
        )


@numpy_function(np.isin)
def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """Whether each element is among the test elements."""
    options = (("assume_unique", assume_unique), ("invert", invert), ("kind", kind))
    return member_of(as_array(element), as_array(test_elements), options=options)


# -------------------------------------------------- asked of whole arrays
def plain(x: Any) -> Any:
    """x with every tensor in it as its plain value; a batched one has none and raises ControlFlowError."""
    if isinstance(x, Tracer):
        return x.concrete()
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def answered_by(function: Callable) -> Callable:
    """`function` on the plain values of its arguments."""

    @numpy_function(function)
    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return function(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})

    return answer


# One truth, a shape that depends on values, or integers made of integers.
allclose = answered_by(np.allclose)
array_equal = answered_by(np.array_equal)
array_equiv = answered_by(np.array_equiv)
shares_memory = answered_by(np.shares_memory)
may_share_memory = answered_by(np.may_share_memory)
min_scalar_type = answered_by(np.min_scalar_type)
flatnonzero = answered_by(np.flatnonzero)
argwhere = answered_by(np.argwhere)
unravel_index = answered_by(np.unravel_index)
ravel_multi_index = answered_by(np.ravel_multi_index)
ix_ = answered_by(np.ix_)


# -------------------------------------------------- asked of shapes and dtypes
def spelled(x: Any) -> Any:
    """What stands for a tensor where only its shape and dtype count: an array of them without memory."""
    return np.broadcast_to(np.zeros((), x.dtype), x.shape) if isinstance(x, Tracer) else x


def about_shapes(function: Callable) -> Callable:
    """`function` on arrays that share nothing but shape and dtype with its arguments."""

    @numpy_function(function)
    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return function(*map(spelled, args), **kwargs)

    return answer


common_type = about_shapes(np.common_type)
einsum_path = about_shapes(np.einsum_path)
diag_indices_from = about_shapes(np.diag_indices_from)
tril_indices_from = about_shapes(np.tril_indices_from)
triu_indices_from = about_shapes(np.triu_indices_from)


@numpy_function(np.can_cast)
def can_cast(from_, to, casting="safe"):
    """Whether one dtype can be cast to another."""
    return np.can_cast(from_.dtype if isinstance(from_, Tracer) else from_, to, casting)


# -------------------------------------------------- text
def written_by(function: Callable) -> Callable:
    """`function` on the value under a tensor; a batched tensor is written as it stands."""

    @numpy_function(function)
    @functools.wraps(function)
    def text(a: Any, *args: Any, **kwargs: Any) -> str:
        while isinstance(a, Tracer) and hasattr(a, "primal"):
            a = a.primal
        return repr(a) if isinstance(a, Tracer) else function(a, *args, **kwargs)

    return text


array2string = written_by(np.array2string)
array_repr = written_by(np.array_repr)
array_str = written_by(np.array_str)


# -------------------------------------------------- tests of the value that keep the derivative
@numpy_function(np.real_if_close)
def real_if_close(a, tol=100):
    """The real part if every imaginary part is within `tol` (in units of eps, if above 1) of zero."""
    a = as_array(a)
    if a.dtype.kind != "c":
        return a
    found = np.real_if_close(plain(a), tol)
    return a if found.dtype.kind == "c" else astype(np.real(a), found.dtype)
