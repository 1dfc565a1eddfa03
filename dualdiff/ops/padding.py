"""np.pad: an array with more elements around it, axis by axis.

There is no rule in this file: zeros around an array are the adjoint of a slice, its own elements are
gathered, and anything else is joined to it.
"""

from __future__ import annotations

import operator

import numpy as np

from dualdiff.declare import numpy_function
from dualdiff.errors import NoDerivative
from dualdiff.ops.arrange import deciding, on_axis
from dualdiff.ops.indexing import spread, take
from dualdiff.ops.structural import as_array, astype, broadcast_to, copy, join, normal_axis

_BY_INDEX = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS = {"mean": np.mean, "maximum": np.max, "minimum": np.min}
_KEYWORDS = {
    "constant": {"constant_values": 0},
    "linear_ramp": {"end_values": 0},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "edge": {},
    "wrap": {},
    **{mode: {"stat_length": None} for mode in _STATISTICS},
}


@numpy_function(np.pad)
def pad(array, pad_width, mode="constant", **kwargs):
    """The array with more elements before and after each axis; later axes see the padding of earlier ones."""
    x = copy(as_array(array))
    if mode not in _KEYWORDS:
        raise NoDerivative(
            f"np.pad on a tensor does not support mode={mode!r}.", f"Choose one of {', '.join(_KEYWORDS)}."
        )
    unknown = [k for k in kwargs if k not in _KEYWORDS[mode]]
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {', '.join(unknown)}")
    (setting,) = {**_KEYWORDS[mode], **kwargs}.values() or (None,)
    widths = pad_widths(pad_width, x.ndim)
    if mode == "constant" and isinstance(setting, (int, float)) and setting == 0:
        return _surround(x, widths)
    values = None if setting is None or isinstance(setting, str) else _pairs(setting, x.ndim)
    for k, (before, after) in enumerate(widths):
        if mode in _BY_INDEX:
            x = _extended(x, k, (before, after), mode, odd=setting == "odd")
        elif before or after:
            pair = (None, None) if values is None else (values[k, 0], values[k, 1])
            blocks = [
                _block(x, k, width, mode, value, at_end)
                for width, value, at_end in ((before, pair[0], False), (after, pair[1], True))
            ]
            x = join(blocks[0], x, blocks[1], axis=k)
    return x


def pad_widths(pad_width, ndim: int) -> list[tuple[int, int]]:
    """The widths before and after each axis, from any form that NumPy takes."""
    if isinstance(pad_width, dict):
        found = dict.fromkeys(range(ndim), (0, 0))
        for axis, width in pad_width.items():
            found[normal_axis(axis, ndim)] = width
        pad_width = [np.broadcast_to(found[k], (2,)) for k in range(ndim)]
    widths = np.broadcast_to(np.asarray(deciding(pad_width, "widths")), (ndim, 2))
    if widths.dtype.kind != "i":
        raise TypeError("`pad_width` must be of integral type.")
    if (widths < 0).any():
        raise ValueError("index can't contain negative values")
    return [tuple(pair) for pair in widths.tolist()]


def _pairs(setting, ndim: int):
    return broadcast_to(as_array(setting), (ndim, 2))


def _surround(x, widths):
    """x with zeros around it: the adjoint is one slice."""
    key = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))
    shape = tuple(before + n + after for (before, after), n in zip(widths, x.shape, strict=True))
    return spread(x, key=key, shape=shape) if shape != x.shape else x


def _block(x, axis, width, mode, value, at_end):
    """What stands on one side of x along an axis, for the modes that are no rearrangement."""
    shape = x.shape[:axis] + (width,) + x.shape[axis + 1 :]
    if mode == "constant":
        block = value
    elif mode == "linear_ramp":
        edge = on_axis(x, axis, -1, None) if at_end else on_axis(x, axis, None, 1)
        steps = np.arange(width)[::-1] if at_end else np.arange(width)
        steps = steps.reshape((-1,) + (1,) * (x.ndim - axis - 1)).astype(x.dtype)
        block = steps * ((edge - value) / max(width, 1)) + value
    else:
        n = x.shape[axis] if value is None else min(operator.index(value), x.shape[axis])
        part = on_axis(x, axis, x.shape[axis] - n, None) if at_end else on_axis(x, axis, None, n)
        block = _STATISTICS[mode](part, axis=axis, keepdims=True)
    return broadcast_to(astype(block, x.dtype), shape)


def _extended(x, axis, width, mode, odd):
    """x continued by its own elements; which ones, NumPy says of their indices."""
    n = x.shape[axis]
    if width == (0, 0):
        return x
    source = np.pad(np.arange(n), width, mode=mode)
    y = take(x, source, axis=axis)
    if not odd or n == 1:
        return y
    # An odd reflection is a sign times the even one plus multiples of the two end elements, which are what
    # NumPy's own padding makes of unit vectors there.
    places = np.arange(-width[0], n + width[1])
    inside = (places >= 0) & (places < n)
    turns = np.floor_divide(places, n - 1 if mode == "reflect" else n)
    sign = np.where(inside | (turns % 2 == 0), 1, -1)
    along = (-1,) + (1,) * (x.ndim - axis - 1)
    y = y * sign.reshape(along).astype(x.dtype)
    for end in (0, n - 1):
        unit = np.pad((np.arange(n) == end).astype(int), width, mode=mode, reflect_type="odd")
        extra = unit - sign * (source == end)
        y = y + extra.reshape(along).astype(x.dtype) * on_axis(x, axis, end, end + 1)
    return y
