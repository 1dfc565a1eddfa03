"""Selection by conditions and by numbers: compress, extract, choose, select, piecewise.

There is no rule in this file. What is not selected receives no derivative; see `where` in indexing.py for the
one op that chooses between two.
"""

from __future__ import annotations

import numpy as np

from dualdiff.core import Tracer
from dualdiff.declare import numpy_function, refuse
from dualdiff.ops.arrange import deciding
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.ops.indexing import getitem, take, take_along_axis, where
from dualdiff.ops.structural import as_array, astype, broadcast_arrays, broadcast_to, ravel, stack
from dualdiff.ops.updates import write


def mask(condition):
    """Plain booleans that decide a shape."""
    condition = stop_gradient(as_array(condition))
    return np.asarray(deciding(condition, "conditions")).astype(bool)


def common_dtype(values):
    """The dtype of all the values together; Python numbers are weak."""
    weak = (int, float, complex)
    return np.result_type(*(v if isinstance(v, weak) else as_array(v).dtype for v in values))


@numpy_function(np.compress)
def compress(condition, a, axis=None, out=None):
    """The slices along an axis for which the condition holds; of the flattened array by default."""
    refuse("np.compress", out=out)
    condition = mask(condition)
    if condition.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.flatnonzero(condition), axis=axis)


@numpy_function(np.extract)
def extract(condition, arr):
    """The elements for which the condition holds, on one axis."""
    return take(ravel(arr), np.flatnonzero(mask(condition)))


@numpy_function(np.choose)
def choose(a, choices, out=None, mode="raise"):
    """For each element of a, an integer, the element of the choice with that number."""
    refuse("np.choose", out=out)
    dtype, count = common_dtype(choices), len(choices)
    a, *choices = broadcast_arrays(a, *(astype(as_array(c), dtype) for c in choices))
    if a.dtype.kind not in "biu":
        raise TypeError(f"Cannot cast array data from {a.dtype} to int64 according to the rule 'safe'")
    if mode == "wrap":
        a = a % count
    elif mode == "clip":
        a = np.clip(a, 0, count - 1)
    elif not isinstance(a, Tracer) and ((a < 0) | (a >= count)).any():
        raise ValueError("invalid entry in choice array")
    return take_along_axis(stack(choices), astype(a, int)[None], 0)[0]


@numpy_function(np.select)
def select(condlist, choicelist, default=0):
    """For each element, the choice of the first condition that holds there."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    conditions, choices = [as_array(c) for c in condlist], [as_array(c) for c in choicelist]
    if any(c.dtype.kind != "b" for c in conditions):
        raise TypeError("invalid entry in condlist: should be boolean ndarray")
    dtype = common_dtype([*choices, default])
    y = astype(as_array(default), dtype)
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        y = where(condition, choice, y)
    return y if y.dtype == dtype else astype(y, dtype)


def over_leading_axes(chosen, shape: tuple[int, ...]):
    """Booleans for the first axes of a shape, as an index reads them, for all of its axes."""
    if chosen.shape != shape[: chosen.ndim]:
        raise IndexError(f"a condition of shape {chosen.shape} does not match an array of shape {shape}")
    return broadcast_to(chosen.reshape(chosen.shape + (1,) * (len(shape) - chosen.ndim)), shape)


@numpy_function(np.piecewise)
def piecewise(x, condlist, funclist, *args, **kw):
    """For each element, the function of the last condition that holds there, called with those elements only.

    So nothing of the other functions enters a derivative, not even a NaN.
    """
    x = as_array(x)
    alone = not isinstance(condlist, (list, tuple)) and np.ndim(condlist) == 0
    single = alone or (np.ndim(condlist[0]) == 0 and x.ndim != 0)
    masks = [over_leading_axes(mask(c), x.shape) for c in ([condlist] if single else condlist)]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.logical_or.reduce(masks))
    if len(funclist) != len(masks):
        raise ValueError(
            f"with {len(masks)} condition(s), {len(masks)} or {len(masks) + 1} functions are expected"
        )
    y, places = np.zeros(x.shape, x.dtype), np.arange(x.size).reshape(x.shape)
    for chosen, f in zip(masks, funclist, strict=True):
        if not callable(f):
            y = write(y, f, places[chosen])
        elif chosen.any():
            y = write(y, f(getitem(x, chosen), *args, **kw), places[chosen])
    return y
