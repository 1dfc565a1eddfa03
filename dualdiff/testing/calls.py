"""Calls of NumPy functions with their keywords, each with points around which it is smooth.

What random programs (programs.py) choose from beside the ops of the registry, whose domains are in their
records. A row is the call as NumPy code and one `Place` for each argument. Longer than 400 lines because the
table is one list: a function that answers NumPy's and is not in it is named by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import FUNCTIONS, OPS, Op
from dualdiff.domains import Domain, above_one, nonzero, positive, reals, unit
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.testing.samples import cases, generator
from dualdiff.testing.terms import Term, apply, call, name


class Place(NamedTuple):
    """Where an argument may lie: a shape, and a function that draws the middle of a smooth neighbourhood."""

    shape: tuple[int, ...]
    draw: Callable


class Example(NamedTuple):
    """A call, by its text, as a function of terms, and the middles of its arguments for each dtype.

    exact       whether its value is bit for bit that of the plain call
    """

    text: str
    call: Callable
    centres: dict[str, tuple[np.ndarray, ...]]
    exact: bool


def place(*shape: int, on: Domain = reals) -> Place:
    return Place(shape, lambda rng, dtype: on.sample(rng, shape, dtype))


def distinct(*shape: int) -> Place:
    """No two elements nearer than 0.5, and none near 0: no ties, kinks or changes of order close by."""

    def draw(rng: np.random.Generator, dtype: Any) -> np.ndarray:
        n = int(np.prod(shape))
        x = (rng.permutation(n) - n // 2 + 0.5).astype(float) * 0.5
        return (x.reshape(shape) + (0.3j if np.dtype(dtype).kind == "c" else 0)).astype(dtype)

    return Place(shape, draw)


def regular(*shape: int) -> Place:
    """Well-conditioned matrices with distinct singular values: a diagonal, and little beside it."""

    def draw(rng: np.random.Generator, dtype: Any) -> np.ndarray:
        diagonal = np.zeros(shape)
        for i in range(min(shape[-2:])):
            diagonal[..., i, i] = 1.5 + i
        return (diagonal + 0.3 * reals.sample(rng, shape, dtype)).astype(dtype)

    return Place(shape, draw)


def increasing(*shape: int) -> Place:
    return Place(shape, lambda rng, dtype: (np.arange(np.prod(shape)) + 0.25).reshape(shape).astype(dtype))


V, W, A, B = place(4), place(3), place(2, 3), place(3, 2)
BLOCK, PAIR, EMPTY, SCALAR = place(2, 3, 4), place(2), place(0, 3), place()
D, E = distinct(5), distinct(3, 4)
POSITIVE = place(2, 3, on=positive)
SQUARE, STACK, TALL = regular(3, 3), regular(2, 3, 3), regular(4, 3)
MASK = np.array([True, False, True])
GRID = np.array([[0.5, -1.0, 0.25], [1.5, 0.75, -0.5]])
GRAM = lambda a: np.matmul(np.conj(a).T, a) + 2 * np.eye(3)  # noqa: E731

# The calls that take complex numbers as well.
ANALYTIC: list[tuple] = [
    # reductions and their keywords
    (lambda x: np.sum(x, axis=0), A),
    (lambda x: np.sum(x, axis=(0, -1), keepdims=True), BLOCK),
    (lambda x: np.sum(x, axis=-1, where=MASK, initial=0.5), A),
    (lambda x: np.sum(x, axis=0), EMPTY),
    (lambda x: x.sum(axis=1, keepdims=True), A),
    (lambda x: np.mean(x, axis=(0, 2)), BLOCK),
    (lambda x: np.mean(x, axis=1, where=MASK), A),
    (lambda x: x.mean(), A),
    (lambda x: np.var(x, axis=0, ddof=1), B),
    (lambda x: np.var(x, axis=-1, where=MASK, keepdims=True), A),
    (lambda x: np.std(x), A),
    (lambda x: x.std(axis=1), A),
    (lambda x: np.prod(x, axis=-1), A),
    (lambda x: np.prod(x, axis=0, initial=1.5, where=GRID > 0), A),
    (lambda x: np.average(x, axis=0, weights=[1.0, 3.0]), A),
    (lambda x, w: np.average(x, weights=w), V, place(4, on=positive)),
    (lambda x: np.trace(x, offset=1), SQUARE),
    (lambda x: np.nansum(x, axis=0), A),
    (lambda x: np.nanmean(x, axis=1, keepdims=True), A),
    (lambda x: np.nanvar(x, axis=0), B),
    (lambda x: np.nanstd(x, axis=0, ddof=1), B),
    (lambda x: np.nanprod(x, axis=1), A),
    (lambda x: np.add.reduce(x, axis=(0, 1)), BLOCK),
    (lambda x: np.multiply.reduce(x, axis=1, keepdims=True), A),
    (lambda x: np.linalg.trace(x), STACK),
    (lambda x: np.count_nonzero(x, axis=0) * x, E),
    # scans and differences
    (lambda x: np.cumsum(x), A),
    (lambda x: np.cumsum(x, axis=1), BLOCK),
    (lambda x: np.cumprod(x, axis=-1), A),
    (lambda x: np.nancumsum(x, axis=0), A),
    (lambda x: np.nancumprod(x, axis=0), A),
    (lambda x: np.cumulative_sum(x, axis=0, include_initial=True), A),
    (lambda x: np.cumulative_prod(x, axis=1), A),
    (lambda x: np.multiply.accumulate(x, axis=1), A),
    (lambda x: np.diff(x, n=2), V),
    (lambda x, p: np.diff(x, axis=0, prepend=p), A, place(1, 3)),
    (lambda x: np.ediff1d(x, to_begin=0.5), A),
    (lambda x: np.gradient(x, 0.5), V),
    (lambda x: np.gradient(x, 2.0, edge_order=1)[1], B),
    (lambda x: np.trapezoid(x, dx=0.5, axis=0), A),
    (lambda y, x: np.trapezoid(y, x), V, increasing(4)),
    # shapes
    (lambda x: np.reshape(x, (3, -1), order="F"), A),
    (lambda x: x.reshape(-1), A),
    (lambda x: np.ravel(x, order="F"), A),
    (lambda x: x.flatten(), BLOCK),
    (lambda x: np.transpose(x, (2, 0, 1)), BLOCK),
    (lambda x: x.T, A),
    (lambda x: x.transpose(1, 0, 2), BLOCK),
    (lambda x: np.matrix_transpose(x), BLOCK),
    (lambda x: np.swapaxes(x, 0, -1), BLOCK),
    (lambda x: np.moveaxis(x, [0, 1], [-1, 0]), BLOCK),
    (lambda x: np.rollaxis(x, 2), BLOCK),
    (lambda x: np.expand_dims(x, (0, 2)), A),
    (lambda x: np.squeeze(x[:, None], axis=1), A),
    (lambda x: np.broadcast_to(x, (4, 2, 3)), A),
    (lambda x, y: np.broadcast_arrays(x, y)[0], W, A),
    (lambda x: np.atleast_1d(x), SCALAR),
    (lambda x: np.atleast_2d(x), V),
    (lambda x: np.atleast_3d(x), A),
    (lambda x: np.tile(x, (2, 2)), A),
    (lambda x: np.repeat(x, [1, 0, 2], axis=1), A),
    (lambda x: x.repeat(2), A),
    (lambda x: np.resize(x, (4, 2)), A),
    (lambda x: np.flip(x, axis=(0, 1)), A),
    (lambda x: np.flipud(x), A),
    (lambda x: np.fliplr(x), A),
    (lambda x: np.rot90(x, k=3), A),
    (lambda x: np.roll(x, (1, -1), axis=(0, 1)), A),
    (lambda x: np.roll(x, 2), A),
    (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1), A),
    (lambda x: np.copy(x), A),
    (lambda x: x.copy(), A),
    (lambda x: np.tril(x, k=1), SQUARE),
    (lambda x: np.triu(x, k=-1), STACK),
    (lambda x: np.diag(x, k=1), W),
    (lambda x: np.diag(x), SQUARE),
    (lambda x: np.diagflat(x), PAIR),
    (lambda x: np.diagonal(x, offset=1, axis1=0, axis2=2), BLOCK),
    (lambda x: x.diagonal(), SQUARE),
    (lambda x: np.linalg.diagonal(x), STACK),
    (lambda x, y: np.meshgrid(x, y, indexing="ij")[0], W, PAIR),
    (lambda x: np.zeros_like(x) + x, A),
    (lambda x: np.ones_like(x) * x, A),
    (lambda x, s: np.full_like(x, s), A, SCALAR),
    (lambda x: np.vander(x, 3, increasing=True), W),
    (lambda x, y: np.linspace(x, y, 5), PAIR, PAIR),
    (lambda x, y: np.linspace(x, y, 4, endpoint=False, axis=-1), SCALAR, PAIR),
    # joining and cutting
    (lambda x, y: np.concatenate([x, y], axis=0), A, place(1, 3)),
    (lambda x, y: np.concatenate((x, y), axis=None), A, V),
    (lambda x, y: np.stack([x, y, x], axis=-1), A, A),
    (lambda x, y: np.vstack([x, y]), A, W),
    (lambda x, y: np.hstack([x, y]), V, W),
    (lambda x, y: np.dstack([x, y]), A, A),
    (lambda x, y: np.column_stack([x, y]), W, B.__class__((3, 2), B.draw)),
    (lambda x, y: np.block([[x, y], [y, x]]), SQUARE, SQUARE),
    (lambda x: np.split(x, 2, axis=2)[1], BLOCK),
    (lambda x: np.array_split(x, 3)[0], V),
    (lambda x: np.hsplit(x, 3)[2], A),
    (lambda x: np.vsplit(x, 2)[0], A),
    (lambda x: np.dsplit(x, [1, 2])[1], BLOCK),
    (lambda x: np.unstack(x, axis=1)[0], A),
    (lambda x, y: np.append(x, y, axis=0), A, A),
    (lambda x, y: np.insert(x, [1, 3], y), V, PAIR),
    (lambda x: np.delete(x, [0, -1]), V),
    (lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=0.5), A),
    (lambda x: np.pad(x, 2, mode="reflect"), V),
    (lambda x: np.pad(x, 1, mode="edge"), A),
    (lambda x: np.pad(x, (2, 1), mode="wrap"), V),
    (lambda x: np.pad(x, 1, mode="symmetric"), A),
    (lambda x: np.pad(x, 2, mode="linear_ramp"), V),
    (lambda x: np.pad(x, 1, mode="mean"), A),
    # picking
    (lambda x: x[..., ::-1], A),
    (lambda x: x[1:, None, :2], A),
    (lambda x: x[[0, 0, 1]], A),
    (lambda x: x[[0, 1, 1], [2, 0, 0]], A),
    (lambda x: x[:, [2, 0]], A),
    (lambda x: x[:, MASK], A),
    (lambda x: x[GRID > 0], A),
    (lambda x: x[np.array([[0, 1], [1, 0]])], A),
    (lambda x: x[-1, ..., 0], BLOCK),
    (lambda x: np.take(x, [2, 0, 2], axis=1), A),
    (lambda x: x.take([5, -1, 0]), A),
    (lambda x: np.take(x, [7, -3], mode="wrap"), A),
    (lambda x: np.take_along_axis(x, np.array([[2, 0], [1, 1]]), axis=1), A),
    (lambda x: np.compress([True, False, True], x, axis=1), A),
    (lambda x: np.extract(GRID > 0, x), A),
    (lambda x, y: np.where(GRID > 0, x, y), A, W),
    (lambda x, y: np.choose([0, 1, 1], [x, y]), W, W),
    (lambda x, y: np.select([GRID > 1, GRID < 0], [x, y], default=0.5), A, A),
    (lambda x: np.apply_along_axis(np.cumsum, 0, x), A),
    (lambda x: np.apply_over_axes(np.sum, x, [0, 2]), BLOCK),
    # products
    (lambda x, y: x @ y, A, B),
    (lambda x, y: np.matmul(x, y), BLOCK, place(4, 2)),
    (lambda x, y: x @ y, W, BLOCK.__class__((2, 3, 4), BLOCK.draw)),
    (lambda x, y: np.dot(x, y), A, W),
    (lambda x, y: x.dot(y), W, W),
    (lambda x, y: np.inner(x, y), A, W),
    (lambda x, y: np.vdot(x, y), A, A),
    (lambda x, y: np.outer(x, y), PAIR, W),
    (lambda x, y: np.multiply.outer(x, y), PAIR, A),
    (lambda x, y: np.kron(x, y), A, PAIR),
    (lambda x, y: np.cross(x, y), A, W),
    (lambda x, y: np.tensordot(x, y, axes=([1, 0], [0, 1])), A, B),
    (lambda x, y: np.tensordot(x, y, 1), A, W),
    (lambda x, y: np.einsum("ij,kj->ik", x, y), A, A),
    (lambda x: np.einsum("ii->i", x), SQUARE),
    (lambda x, y, z: np.einsum("i,ij,j", x, y, z), PAIR, A, W),
    (lambda x, y: np.einsum("...j,j", x, y), BLOCK, V),
    (lambda x, y: np.vecdot(x, y), A, W),
    (lambda x, y: np.linalg.vecdot(x, y), A, A),
    (lambda x, y: np.matvec(x, y), STACK, W),
    (lambda x, y: np.vecmat(x, y), W, STACK),
    (lambda x, y: np.linalg.outer(x, y), PAIR, W),
    (lambda x, y: np.linalg.cross(x, y), A, A),
    (lambda x, y, z: np.linalg.multi_dot([x, y, z]), A, B, PAIR),
    (lambda x, y: np.linalg.matmul(x, y), STACK, SQUARE),
    (lambda x, y: np.linalg.tensordot(x, y, axes=1), A, B),
    (lambda x, y: np.convolve(x, y, mode="same"), V, W),
    (lambda x, y: np.convolve(x, y), W, PAIR),
    (lambda x, y: np.correlate(x, y, "full"), V, PAIR),
    (lambda c, x: np.polyval(c, x), W, A),
    (lambda p, q: np.polyadd(p, q), W, PAIR),
    (lambda p, q: np.polysub(p, q), PAIR, W),
    (lambda p, q: np.polymul(p, q), W, PAIR),
    (lambda p, q: np.polydiv(p, q)[0], V, place(2, on=nonzero)),
    (lambda p: np.polyder(p), V),
    (lambda p: np.polyint(p, m=2, k=[0.5, 1.0]), W),
    (lambda x: call(np.poly, x), W),
    # linear algebra
    (lambda a, b: np.linalg.solve(a, b), SQUARE, B),
    (lambda a, b: np.linalg.solve(a, b), STACK, W),
    (lambda a: np.linalg.inv(a), STACK),
    (lambda a: np.linalg.det(a), STACK),
    (lambda a: np.linalg.slogdet(a)[1], SQUARE),
    (lambda a: np.linalg.cholesky(GRAM(a)), SQUARE),
    (lambda a: np.linalg.cholesky(GRAM(a), upper=True), SQUARE),
    (lambda a: np.linalg.eigvalsh(GRAM(a)), SQUARE),
    (lambda a: np.linalg.eigh(GRAM(a), UPLO="U")[0], SQUARE),
    (lambda a: np.linalg.svd(a, compute_uv=False), TALL),
    (lambda a: np.linalg.svdvals(a), A.__class__((2, 3), regular(2, 3).draw)),
    (lambda a: np.linalg.qr(a)[1], TALL),
    (lambda a: np.linalg.qr(a, mode="r"), SQUARE),
    (lambda a: np.linalg.pinv(a), TALL),
    (lambda a: np.linalg.eigvals(a), SQUARE),
    (lambda a: np.linalg.matrix_power(a, 3), SQUARE),
    (lambda a: np.linalg.matrix_power(a, -2), SQUARE),
    (lambda a, b: np.linalg.lstsq(a, b)[0], TALL, V),
    (lambda a, b: np.linalg.tensorsolve(a, b), SQUARE, W),
    (lambda a: np.linalg.tensorinv(a, ind=1), SQUARE),
    (lambda x: np.linalg.norm(x), A),
    (lambda x: np.linalg.norm(x, axis=1, keepdims=True), BLOCK),
    (lambda x: np.linalg.norm(x, "nuc"), SQUARE),
    (lambda x: np.linalg.norm(x, 2), SQUARE),
    (lambda x: np.linalg.norm(x, 3, axis=0), E),
    (lambda x: np.linalg.vector_norm(x, ord=2.5, axis=-1), E),
    (lambda x: np.linalg.matrix_norm(x), STACK),
    (lambda x: np.linalg.cond(x), SQUARE),
    # transforms
    (lambda x: np.fft.fft(x, axis=0), A),
    (lambda x: np.fft.ifft(x, n=5), A),
    (lambda x: np.fft.fftn(x, axes=(0, 2), norm="ortho"), BLOCK),
    (lambda x: np.fft.ifft2(x, norm="forward"), A),
    (lambda x: np.fft.fft2(x), A),
    (lambda x: np.fft.ifftn(x), A),
    (lambda x: np.fft.irfft(x, n=5), W),
    (lambda x: np.fft.hfft(x), W),
    (lambda x: np.fft.irfftn(x), A),
    (lambda x: np.fft.irfft2(x, s=(2, 3)), A),
    (lambda x: np.fft.fftshift(x), A),
    (lambda x: np.fft.ifftshift(x, axes=1), A),
    # statistics
    (lambda x: np.cov(x), B),
    (lambda x, y: np.cov(x, y, ddof=0), V, V),
    (lambda x: np.corrcoef(x), A),
    # parts of complex numbers
    (lambda x: np.real(x), A),
    (lambda x: np.conj(x) * x, A),
    (lambda x: np.abs(x), E),
    (lambda x: np.nan_to_num(x), A),
    (lambda x: np.lib.scimath.sqrt(x), place(2, 3, on=nonzero)),
    (lambda x: np.lib.scimath.log(x), place(2, 3, on=nonzero)),
    (lambda x: np.lib.scimath.power(x, 1.5), place(2, on=nonzero)),
    (lambda x: np.float_power(x, 2.5), POSITIVE),
    (lambda x: x**3 - 2.0 / x, E),
    (lambda x: np.power(2.0, x) / 3 - x**-1.5, POSITIVE),
    (lambda x: np.sqrt(x) * np.log(x) + np.log1p(x), POSITIVE),
    (lambda x: x.astype(complex).real, A),
    (lambda x: np.trim_zeros(x), distinct(4)),
]

# The calls for real numbers alone.
REAL: list[tuple] = [
    (lambda x: np.max(x), E),
    (lambda x: np.max(x, axis=1, keepdims=True), E),
    (lambda x: np.min(x, axis=0, initial=0.2, where=[True, False, True, True]), E),
    (lambda x: x.max(axis=-1), E),
    (lambda x: np.amin(x, axis=(0, 1)), E),
    (lambda x: np.nanmax(x, axis=0), E),
    (lambda x: np.nanmin(x), E),
    (lambda x: np.ptp(x, axis=1), E),
    (lambda x: np.median(x, axis=0), E),
    (lambda x: np.nanmedian(x), D),
    (lambda x: np.quantile(x, [0.3, 0.8], axis=1), E),
    (lambda x, q: np.quantile(x, 0.3 + 0.02 * q), distinct(11), place(2, on=unit)),
    (lambda x: np.percentile(x, 40, method="hazen"), D),
    (lambda x: np.nanquantile(x, 0.3, axis=0), E),
    (lambda x: np.nanpercentile(x, [20, 60]), E),
    (lambda x: np.sort(x, axis=0), E),
    (lambda x: np.sort(x, axis=None), E),
    (lambda x: np.partition(x, 2), D),
    (lambda x: x[np.argsort(x)], D),
    (lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), E),
    (lambda x: x[np.argmax(x)] * x[np.argmin(x)], D),
    (lambda x: x[np.lexsort((x,))], D),
    (lambda x: x[np.argpartition(x, 1)[:1]], D),
    (lambda x: np.unique(x), D),
    (lambda x: np.maximum(x, 0.1) * np.fmin(x, 2.1), E),
    (lambda x: np.clip(x, -0.9, 0.9), E),
    (lambda x: x.clip(-0.6, None), E),
    (lambda x, y: np.maximum(x, y), E, Place((1, 1), lambda rng, dtype: np.zeros((1, 1), dtype))),
    (lambda x: np.maximum.accumulate(x, axis=1), E),
    (lambda x: np.logaddexp.reduce(x, axis=0), A),
    (lambda x: np.hypot(x, 1.5) + np.arctan2(x, 2.0), E),
    (lambda x: np.where(x > 0, x * x, np.exp(x)), E),
    (lambda x: x[x > 0.1], E),
    (lambda x: x[np.nonzero(x < 0)], E),
    (lambda x: x[np.flatnonzero(x > 0.1)], D),
    (lambda x: np.piecewise(x, [x < 0, x > 1], [-1.0, np.sin, np.cos]), E),
    (lambda x: np.select([x > 1, x < 0], [x, np.square(x)], default=x), E),
    (lambda x: np.interp(x, [-2.0, -0.1, 0.1, 2.0], [1.0, 0.5, 3.0, 2.0]), place(4, on=nonzero)),
    (
        lambda x, p, f: np.interp(x, p, f),
        place(4, on=positive),
        Place((3,), lambda rng, dtype: np.array([-1.0, 0.0, 4.0], dtype)),
        W,
    ),
    (lambda x: np.remainder(x, 5.0) + np.fmod(x, 7.0), E),
    (lambda x: x % 3.0 + x // 3.0, E),
    (lambda x: np.modf(x)[0], Place((3,), lambda rng, dtype: np.array([0.5, 1.4, -2.5], dtype))),
    (
        lambda x: np.abs(x) * np.sign(x) + np.floor(4 * x + 0.5),
        Place((2,), lambda rng, dtype: np.array([0.5, -1.5], dtype)),
    ),
    (lambda x: np.copysign(x, -1.0) * np.heaviside(x, 0.5), E),
    (lambda x: np.round(x), Place((2,), lambda rng, dtype: np.array([0.75, -1.25], dtype))),
    (lambda x: np.linalg.norm(x, 1), E),
    (lambda x: np.linalg.norm(x, np.inf, axis=0), E),
    (lambda x: np.linalg.norm(x, -np.inf), D),
    (lambda x: np.fft.rfft(x), A),
    (lambda x: np.fft.rfftn(x, axes=(0, 1)), A),
    (lambda x: np.fft.rfft2(x), A),
    (lambda x: np.fft.ihfft(x), V),
    (lambda y: np.polyfit([-1.0, 0.0, 1.0, 2.0], y, 1), V),
    (lambda x: np.unwrap(x), V),
    (lambda x: np.geomspace(x, 4.0, 3), place(on=positive)),
    (lambda x: np.logspace(x, 1.0, 3), SCALAR),
    (lambda x: np.histogram(np.arange(3.0), bins=2, weights=x)[0], W),
    (lambda x: np.bincount([0, 2, 2, 1], weights=x), V),
    (lambda x: np.nan_to_num(x, nan=2.0), A),
    (lambda x: np.sinc(x) + np.i0(x), A),
    (lambda x: np.angle(x + 0.5j), A),
    (lambda x: np.angle(1j * x + 2.0, deg=True), A),
    (lambda x: np.abs(np.exp(1j * x) + x), A),
    (lambda x: np.deg2rad(x) + np.degrees(x) / 90, A),
    (lambda x: np.arccosh(x) + np.sqrt(x), place(2, 3, on=above_one)),
    (lambda x: np.divmod(x, 4.0)[1], E),
    (lambda x: np.round(100 * x, -1) + x, Place((2,), lambda rng, dtype: np.array([0.17, 0.32], dtype))),
    (lambda x: np.cbrt(x) + np.fabs(x), E),
    (lambda x: x.astype(np.float32).astype(float) * 0 + x, E),
    (lambda x: np.digitize(x, [0.0]) * x, E),
    (lambda x: np.searchsorted([-0.1, 0.1], x) * x, E),
    (lambda x: np.isclose(x, 0.0) + x, E),
]


def examples() -> tuple[Example, ...]:
    """All calls: those of the two tables, and each op of the registry at the points of its domain."""
    return _examples(tuple(OPS.values()))


@lru_cache(4)
def _examples(ops: tuple[Op, ...]) -> tuple[Example, ...]:
    found = [tabled(f, places, ("float64", "complex128")) for f, *places in ANALYTIC]
    found += [tabled(f, places, ("float64",)) for f, *places in REAL]
    return (*found, *(example for op in ops if op is not stop_gradient for example in of_op(op)))


def tabled(f: Callable, places: list[Place], dtypes: tuple[str, ...]) -> Example:
    text = f(*terms(len(places))).text
    rng = generator(text)
    centres = {dtype: tuple(place.draw(rng, dtype) for place in places) for dtype in dtypes}
    return Example(text, f, centres, exact=False)


def terms(count: int) -> list[Term]:
    return [name("xyzw"[k]) for k in range(count)]


def of_op(op: Op) -> Iterator[Example]:
    """An op by its record, and under each of NumPy's names for it; arguments without derivative are fixed."""
    spellings: list[Callable] = [lambda *args, **params: apply(op, *args, **params)]
    spellings += [function for function, ours in FUNCTIONS.items() if ours is op]
    found = cases(op, float)
    for at, case in enumerate(found[:2] if isinstance(op.domain, tuple) else found):
        if not case.active or not all(x.size for x in case.args):
            continue
        same = [other for other in cases(op, complex)[at : at + 1] if alike(case, other)]
        for spelling in spellings if not case.params else spellings[:1]:

            def made(*xs: Any, spelling: Callable = spelling, case: Any = case) -> Any:
                return of_outputs(spelling(*case.filled(case.args, xs), **case.params), op, case)

            centres = {"float64": case.primals} | dict.fromkeys(
                ["complex128"] * len(same), same and same[0].primals
            )
            yield Example(made(*terms(len(case.active))).text, made, centres, exact=True)


def alike(case: Any, other: Any) -> bool:
    """Whether a complex case is the same call: shapes, parameters and the arguments that are held fixed."""
    fixed = [i for i in range(len(case.args)) if i not in case.active]
    return (
        case.active == other.active
        and [x.shape for x in case.args] == [x.shape for x in other.args]
        and repr(case.params) == repr(other.params)
        and all(np.array_equal(case.args[i], other.args[i]) for i in fixed)
    )


def of_outputs(term: Term, op: Op, case: Any) -> Term:
    """The term itself, or a sum of what carries a derivative where the op has several results."""
    if not op.multiple:
        return term
    floating = [k for k, y in enumerate(op(*case.args, **case.params)) if y.dtype.kind in "fc"]
    total = term[floating[0]].sum()
    for k in floating[1:]:
        total = total + term[k].sum() * (0.5 + k)
    return total
