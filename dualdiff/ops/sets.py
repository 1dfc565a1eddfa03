"""Sets of values: unique and its kin, unions, intersections and differences.

There is no rule in this file. Which values are there is decided on plain numbers by NumPy; each is then taken
from the place where it stands first, and carries the derivative of that element.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.declare import numpy_function
from dualdiff.ops.indexing import take
from dualdiff.ops.questions import plain
from dualdiff.ops.structural import as_array, concatenate, ravel


def from_first_places(values: np.ndarray, *sources: Any):
    """The elements equal to the plain `values`, each from its first place in the sources."""
    flat = concatenate(list(map(ravel, sources)))
    known, first = np.unique(plain(flat), return_index=True)
    return take(flat, first[np.searchsorted(known, values)])


@numpy_function(np.unique)
def unique(
    ar,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    *,
    equal_nan=True,
    sorted=True,
):
    """The sorted unique elements, or slices along an axis; indices, inverse and counts are plain integers."""
    ar = as_array(ar)
    order = {} if sorted else {"sorted": False}  # unknown to NumPy before 2.3
    wanted = {
        "return_inverse": return_inverse,
        "return_counts": return_counts,
        "equal_nan": equal_nan,
        **order,
    }
    _, index, *others = np.unique(plain(ar), return_index=True, axis=axis, **wanted)
    found = take(ravel(ar) if axis is None else ar, index, axis=0 if axis is None else axis)
    result = (found, *([index] if return_index else []), *others)
    return result if len(result) > 1 else found


def _of_array_api(function):
    """One of the four functions of the Array API: its values are tensors, its other results NumPy's."""

    @numpy_function(function)
    def unique_of(x, /):
        x = as_array(x)
        result = function(plain(x))
        if not isinstance(result, tuple):
            return from_first_places(result, x)
        return type(result)(from_first_places(result.values, x), *result[1:])

    unique_of.__name__ = unique_of.__qualname__ = function.__name__
    unique_of.__doc__ = (
        f"The unique elements, and what np.{function.__name__} says of them in plain integers."
    )
    return unique_of


unique_values, unique_counts, unique_inverse, unique_all = map(
    _of_array_api, (np.unique_values, np.unique_counts, np.unique_inverse, np.unique_all)
)


@numpy_function(np.union1d)
def union1d(ar1, ar2):
    """The sorted unique elements of both."""
    ar1, ar2 = as_array(ar1), as_array(ar2)
    return from_first_places(np.union1d(plain(ar1), plain(ar2)), ar1, ar2)


@numpy_function(np.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    """The sorted unique elements of the first that are in the second too."""
    ar1, ar2 = as_array(ar1), as_array(ar2)
    values, *places = np.intersect1d(plain(ar1), plain(ar2), assume_unique, True)
    found = from_first_places(values, ar1, ar2)
    return (found, *places) if return_indices else found


@numpy_function(np.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    """The unique elements of the first that are not in the second."""
    ar1 = as_array(ar1)
    return from_first_places(np.setdiff1d(plain(ar1), plain(as_array(ar2)), assume_unique), ar1)


@numpy_function(np.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    """The sorted unique elements that are in one of the two only."""
    ar1, ar2 = as_array(ar1), as_array(ar2)
    return from_first_places(np.setxor1d(plain(ar1), plain(ar2), assume_unique), ar1, ar2)
