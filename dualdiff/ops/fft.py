"""Discrete Fourier transforms: four linear ops on one axis, and NumPy's functions made of them.

The adjoint of a transform is the transform in the other direction with the other normalisation, after which
what was padded is cut off and what was cut off is zero. The real transforms keep half a spectrum, whose
mirrored part counts twice.
"""

from __future__ import annotations

import warnings

import numpy as np

from dualdiff.avals import Aval
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.ops.arrange import on_axis, roll
from dualdiff.ops.contraction import conjugated
from dualdiff.ops.indexing import spread
from dualdiff.ops.structural import as_array, normal_axis

OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def opposite(norm):
    """The normalisation that the adjoint has: that of a transform which is not normalised is n times it."""
    if (norm or "backward") not in OPPOSITE:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return OPPOSITE[norm or "backward"]


def of_length(x, axis: int, n: int):
    """x cut off or padded with zeros to length n: what a transform does first, and its own adjoint."""
    if x.shape[axis] >= n:
        return on_axis(x, axis, None, n) if x.shape[axis] > n else x
    key = (slice(None),) * axis + (slice(x.shape[axis]),)
    return spread(x, key=key, shape=x.shape[:axis] + (n,) + x.shape[axis + 1 :])


def counted(x, axis: int, n: int, factor: float):
    """x, half a spectrum of n frequencies, times `factor` where the other half holds a mirror image."""
    w = np.full(n // 2 + 1, factor)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1  # the highest frequency of an even length is its own mirror image
    return x * w.reshape((-1,) + (1,) * (x.ndim - axis - 1)).astype(real_dtype(x))


def real_dtype(x) -> np.dtype:
    return np.result_type(x.dtype.type(0).real.dtype, 1.0)


def resized(x, axis: int, n: int, dtype) -> Aval:
    return Aval(x.shape[:axis] + (n,) + x.shape[axis + 1 :], dtype)


def situations(rng, dtype):
    """Even and odd lengths, padded and cut, in each normalisation."""
    yield (reals.sample(rng, (2, 4), dtype),), {"n": 4, "axis": 1, "norm": "backward"}
    yield (reals.sample(rng, (3, 2), dtype),), {"n": 5, "axis": 0, "norm": "ortho"}
    yield (reals.sample(rng, (2, 5), dtype),), {"n": 3, "axis": 1, "norm": "forward"}


# -------------------------------------------------- the ops
@op
class fourier:
    """Y_k = sum_j x_j exp(-2 pi i j k / n); the adjoint is the inverse, not normalised."""

    shifts = ("axis",)

    def evaluate(x, *, n, axis, norm):
        return np.fft.fft(x, n, axis, norm)

    def out(x, *, n, axis, norm):
        return resized(x, axis, n, np.result_type(x.dtype, 1j))

    def transpose(y_bar, x, *, n, axis, norm):
        return of_length(inverse_fourier(y_bar, n=n, axis=axis, norm=opposite(norm)), axis, x.shape[axis])

    domain = situations


@op
class inverse_fourier:
    """y_j = 1/n sum_k X_k exp(2 pi i j k / n)"""

    shifts = ("axis",)

    def evaluate(x, *, n, axis, norm):
        return np.fft.ifft(x, n, axis, norm)

    def out(x, *, n, axis, norm):
        return resized(x, axis, n, np.result_type(x.dtype, 1j))

    def transpose(y_bar, x, *, n, axis, norm):
        return of_length(fourier(y_bar, n=n, axis=axis, norm=opposite(norm)), axis, x.shape[axis])

    domain = situations


@op
class real_fourier:
    """Half the spectrum of real numbers; the adjoint is real too, so a mirrored frequency counts half."""

    shifts = ("axis",)

    def evaluate(x, *, n, axis, norm):
        return np.fft.rfft(x, n, axis, norm)

    def out(x, *, n, axis, norm):
        return resized(x, axis, n // 2 + 1, np.result_type(x.dtype, 1j))

    def transpose(y_bar, x, *, n, axis, norm):
        y_bar = counted(y_bar, axis, n, 0.5)
        return of_length(
            inverse_real_fourier(y_bar, n=n, axis=axis, norm=opposite(norm)), axis, x.shape[axis]
        )

    def domain(rng, dtype):
        if np.dtype(dtype).kind == "f":
            yield from situations(rng, dtype)


@op
class inverse_real_fourier:
    """n real numbers from half their spectrum; the imaginary parts of real frequencies are ignored."""

    shifts = ("axis",)

    def evaluate(x, *, n, axis, norm):
        return np.fft.irfft(x, n, axis, norm)

    def out(x, *, n, axis, norm):
        return resized(x, axis, n, real_dtype(x))

    def transpose(y_bar, x, *, n, axis, norm):
        half = counted(real_fourier(y_bar, n=n, axis=axis, norm=opposite(norm)), axis, n, 2.0)
        return of_length(half, axis, x.shape[axis])

    domain = situations


# -------------------------------------------------- one axis
def along(op, a, n, axis, norm, out, function: str):
    """The op on one axis of a; n is the length that it takes, by default all of the axis."""
    refuse(function, out=out)
    opposite(norm)  # names a normalisation that there is not
    a = as_array(a)
    axis = normal_axis(axis, a.ndim)
    if n is None:
        n = a.shape[axis] if op is not inverse_real_fourier else (a.shape[axis] - 1) * 2
    return op(a, n=n, axis=axis, norm=norm or "backward")


@numpy_function(np.fft.fft)
def fft(a, n=None, axis=-1, norm=None, out=None):
    """The discrete Fourier transform of one axis, cut off or padded with zeros to length n."""
    return along(fourier, a, n, axis, norm, out, "np.fft.fft")


@numpy_function(np.fft.ifft)
def ifft(a, n=None, axis=-1, norm=None, out=None):
    """The inverse of fft."""
    return along(inverse_fourier, a, n, axis, norm, out, "np.fft.ifft")


@numpy_function(np.fft.rfft)
def rfft(a, n=None, axis=-1, norm=None, out=None):
    """The n // 2 + 1 first frequencies of real numbers; the others are their mirror image."""
    return along(real_fourier, a, n, axis, norm, out, "np.fft.rfft")


@numpy_function(np.fft.irfft)
def irfft(a, n=None, axis=-1, norm=None, out=None):
    """The inverse of rfft: n real numbers, by default an even number of them."""
    return along(inverse_real_fourier, a, n, axis, norm, out, "np.fft.irfft")


@numpy_function(np.fft.hfft)
def hfft(a, n=None, axis=-1, norm=None, out=None):
    """The real spectrum of numbers whose second half is the conjugate mirror image of the first."""
    return along(inverse_real_fourier, conjugated(a), n, axis, opposite(norm), out, "np.fft.hfft")


@numpy_function(np.fft.ihfft)
def ihfft(a, n=None, axis=-1, norm=None, out=None):
    """The inverse of hfft."""
    return conjugated(along(real_fourier, a, n, axis, opposite(norm), out, "np.fft.ihfft"))


# -------------------------------------------------- several axes
def lengths(a, s, axes, real_result=False):
    """A length and an axis for each transform, as NumPy reads s and axes."""
    if axes is None:
        if s is not None:
            warnings.warn(
                "`axes` should not be `None` if `s` is not `None` (Deprecated in NumPy 2.0).",
                DeprecationWarning,
                stacklevel=4,
            )
        axes = range(-(a.ndim if s is None else len(s)), 0)
    axes = [normal_axis(axis, a.ndim) for axis in axes]
    if s is None:
        s = [a.shape[axis] for axis in axes]
        if real_result:
            s[-1] = (s[-1] - 1) * 2
    s = list(s)
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return [(a.shape[axis] if n == -1 else n, axis) for n, axis in zip(s, axes, strict=True)]


@numpy_function(np.fft.fftn)
def fftn(a, s=None, axes=None, norm=None, out=None):
    """fft along several axes, the last one first; an axis may come more than once."""
    a = as_array(a)
    for n, axis in lengths(a, s, axes)[::-1]:
        a = fft(a, n, axis, norm, out)
    return a


@numpy_function(np.fft.ifftn)
def ifftn(a, s=None, axes=None, norm=None, out=None):
    """The inverse of fftn."""
    a = as_array(a)
    for n, axis in lengths(a, s, axes)[::-1]:
        a = ifft(a, n, axis, norm, out)
    return a


@numpy_function(np.fft.fft2)
def fft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """fftn of the last two axes."""
    return fftn(a, s, axes, norm, out)


@numpy_function(np.fft.ifft2)
def ifft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """The inverse of fft2."""
    return ifftn(a, s, axes, norm, out)


@numpy_function(np.fft.rfftn)
def rfftn(a, s=None, axes=None, norm=None, out=None):
    """rfft of the last of several axes, then fft of the others."""
    a = as_array(a)
    *others, (n, axis) = lengths(a, s, axes)
    a = rfft(a, n, axis, norm, out)
    for n, axis in others[::-1]:
        a = fft(a, n, axis, norm, out)
    return a


@numpy_function(np.fft.irfftn)
def irfftn(a, s=None, axes=None, norm=None, out=None):
    """The inverse of rfftn."""
    a = as_array(a)
    *others, (n, axis) = lengths(a, s, axes, real_result=True)
    for k, other in others:
        a = ifft(a, k, other, norm, out)
    return irfft(a, n, axis, norm, out)


@numpy_function(np.fft.rfft2)
def rfft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """rfftn of the last two axes."""
    return rfftn(a, s, axes, norm, out)


@numpy_function(np.fft.irfft2)
def irfft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """The inverse of rfft2."""
    return irfftn(a, s, axes, norm, out)


# -------------------------------------------------- the zero frequency in the middle
def shifted(x, axes, sign: int):
    x = as_array(x)
    axes = tuple(range(x.ndim)) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,)
    by = [x.shape[axis] // 2 if sign > 0 else -(x.shape[axis] // 2) for axis in axes]
    return roll(x, tuple(by), tuple(axes))


@numpy_function(np.fft.fftshift)
def fftshift(x, axes=None):
    """The frequencies in ascending order, the zero frequency in the middle."""
    return shifted(x, axes, 1)


@numpy_function(np.fft.ifftshift)
def ifftshift(x, axes=None):
    """The inverse of fftshift."""
    return shifted(x, axes, -1)
