"""Statistics and sampled functions: NaN left out, quantiles by every method, weights, histograms, interp.

Keywords against differences and against NumPy's values; the derivatives at ties and NaN as they are stated.
"""

import warnings

import numpy as np
import pytest
from families import family

import dualdiff as dd
import dualdiff.numpy as dnp
from dualdiff.core import FUNCTIONS
from dualdiff.errors import ControlFlowError, NoDerivative

nan, inf = np.nan, np.inf
rng = np.random.default_rng(41)
A = (rng.permutation(12).reshape(3, 4) - 5.3) / 4
B = rng.uniform(0.3, 2, (3, 4))
CUBE = (rng.permutation(30).reshape(2, 3, 5) - 15.7) / 8
V = (rng.permutation(7) - 2.8) / 3
W = rng.uniform(0.3, 2, 7)
Z = A[:, ::-1] + 1j * A
HOLES = np.array([[True, False, False, True], [False, True, False, False], [False, False, False, True]])
ROW = np.array([True, False, True, True])


def holed(f, **keywords):
    """f of its argument with NaN in some places, which differences must not see."""
    return lambda x: f(np.where(HOLES, nan, x), **keywords)


CASES = {
    "nansum": (holed(np.nansum), A),
    "nansum-axis": (holed(np.nansum, axis=1, keepdims=True), A * A),
    "nansum-where": (holed(np.nansum, axis=0, initial=2.0, where=ROW), A),
    "nansum-complex": (holed(np.nansum, axis=0), Z),
    "nanprod": (holed(np.nanprod, axis=1), B),
    "nanmean": (holed(np.nanmean), A),
    "nanmean-axis": (holed(np.nanmean, axis=0, keepdims=True), A),
    "nanmean-where": (holed(np.nanmean, axis=1, where=ROW), B),
    "nanmean-complex": (holed(np.nanmean, axis=1), Z),
    "nanvar": (holed(np.nanvar), A),
    "nanvar-axis": (holed(np.nanvar, axis=1, ddof=0.5), A),
    "nanvar-where": (holed(np.nanvar, axis=1, where=np.array([True, True, True, False])), B),
    "nanvar-mean": (holed(np.nanvar, axis=1, mean=np.ones((3, 1))), A),
    "nanvar-complex": (holed(np.nanvar, axis=0), Z),
    "nanstd": (holed(np.nanstd, axis=1, keepdims=True), A),
    "nanstd-correction": (holed(np.nanstd, correction=1), A),
    "nanmax": (holed(np.nanmax, axis=1), A),
    "nanmax-initial": (holed(np.nanmax, axis=0, initial=0.6, where=ROW), B.T[:3, :].repeat(2, 1)[:, :4]),
    "nanmin": (holed(np.nanmin), A),
    "nancumsum": (holed(np.nancumsum, axis=1), A),
    "nancumprod": (holed(np.nancumprod), B),
    "nanmedian": (holed(np.nanmedian), A),
    "nanmedian-axis": (holed(np.nanmedian, axis=1, keepdims=True), A),
    "nanquantile": (holed(np.nanquantile, q=0.3), A),
    "nanquantile-axis": (holed(np.nanquantile, q=np.array([0.3, 0.6]), axis=1), A),
    "nanpercentile": (holed(np.nanpercentile, q=[[20.0], [55.0]], axis=0, keepdims=True), A),
    "quantile": (lambda x: np.quantile(x, 0.37), V),
    "quantile-q": (lambda x, q: np.quantile(x, q, axis=1), (CUBE, np.array([0.21, 0.62]))),
    "quantile-axes": (lambda x: np.quantile(x, [0.2, 0.9], axis=(0, -1), keepdims=True), CUBE),
    "quantile-weights": (
        lambda x: np.quantile(x, [0.2, 0.66], weights=W, method="inverted_cdf", axis=0), V,
    ),
    "quantile-end": (lambda x: np.quantile(x, [0.0, 1.0]), V),
    "percentile": (lambda x: np.percentile(x, 37, axis=-1), A),
    "percentile-q": (lambda x, q: np.percentile(x, q), (V, np.array(33.0))),
    "average": (np.average, A),
    "average-weights": (lambda x, w: np.average(x, weights=w), (A, B)),
    "average-axis": (lambda x, w: np.average(x, axis=1, weights=w), (A, B[0])),
    "average-axes": (
        lambda x, w: np.average(x, axis=(2, 0), weights=w, keepdims=True), (CUBE, rng.uniform(1, 2, (5, 2))),
    ),
    "average-returned": (lambda x, w: np.average(x, 0, w, returned=True), (A, B)),
    "average-complex": (lambda x, w: np.average(x, 0, w), (Z, B)),
    "cov": (np.cov, A),
    "cov-columns": (lambda x: np.cov(x, rowvar=False, bias=True), A),
    "cov-two": (lambda x, y: np.cov(x, y, ddof=0), (V, W)),
    "cov-weights": (lambda x, w: np.cov(x, aweights=w), (A, B[0])),
    "cov-frequencies": (lambda x: np.cov(x, fweights=np.array([1, 2, 3, 1])), A),
    "cov-both": (lambda x, w: np.cov(x, fweights=[1, 2, 3, 1], aweights=w), (A, B[0])),
    "cov-scalar": (np.cov, V),
    "cov-complex": (np.cov, Z),
    "corrcoef": (np.corrcoef, A),
    "corrcoef-two": (lambda x, y: np.corrcoef(x, y), (V, W)),
    "corrcoef-complex": (lambda x: np.corrcoef(x, rowvar=False), Z),
    "trapezoid": (np.trapezoid, A),
    "trapezoid-dx": (lambda y, dx: np.trapezoid(y, dx=dx, axis=0), (A, np.array(0.3))),
    "trapezoid-x": (lambda y, x: np.trapezoid(y, x), (A, B[0])),
    "trapezoid-x-axis": (lambda y, x: np.trapezoid(y, x, axis=0), (A, B)),
    "trapezoid-complex": (lambda y: np.trapezoid(y, axis=0), Z),
    "interp": (lambda x, xp, fp: np.interp(x, xp, fp), (A, np.sort(W), V)),
    "interp-ends": (lambda x, xp, fp: np.interp(x, xp, fp, left=2.0, right=-1.0), (3 * A, np.sort(W), V)),
    "interp-period": (
        lambda x, xp, fp: np.interp(x, xp, fp, period=1.7), (A, np.array([1.6, 0.3, 3.9]), V[:3]),
    ),
    "interp-complex": (lambda x, fp: np.interp(x, np.array([-2.0, -0.4, 0.7, 1.1]), fp), (A, Z[0])),
    "interp-one": (lambda x, fp: np.interp(x, [0.1], fp), (A, np.array([2.0]))),
    "bincount": (lambda w: np.bincount([0, 2, 2, 5, 1, 0, 2], weights=w, minlength=8), V),
    "histogram-weights": (lambda w: np.histogram(V, 3, weights=w)[0], W),
    "histogram-density": (lambda w: np.histogram(V, [-1.0, 0.1, 0.8, 1.4], weights=w, density=True)[0], W),
    "histogram-density-of-x": (lambda x: np.histogram(x, 5, density=True), V),
    "histogram-range": (lambda w: np.histogram(V, 4, range=(-0.5, 0.8), weights=w), W),
    "histogram-edges": (lambda x: np.histogram_bin_edges(x, 4), V),
    "histogram-edges-auto": (lambda x: np.histogram_bin_edges(x, "auto"), V),
    "histogram-given-edges": (
        lambda w, e: np.histogram(V, e, weights=w, density=True), (W, np.array([-1.0, 0.1, 0.8, 1.4])),
    ),
    "histogram2d": (lambda w: np.histogram2d(V, W, 3, weights=w), W),
    "histogram2d-density": (
        lambda w: np.histogram2d(V, W, [3, [0.1, 1.0, 2.0]], weights=w, density=True)[0], W,
    ),
    "histogramdd": (lambda x, w: np.histogramdd(x, 2, weights=w, density=True), (CUBE[0].T, V[:5])),
}  # fmt: skip
METHODS = [
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen",
    "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
]  # fmt: skip
CASES |= {
    f"quantile-{method}": (
        lambda x, q, m=method: np.quantile(x, q, method=m),
        (V, np.array([0.03, 0.41, 0.92])),
    )
    for method in METHODS
} | {f"nanquantile-{method}": (holed(np.nanquantile, q=0.43, axis=1, method=method), A) for method in METHODS}


# A rule for the number of bins needs the values of one example.
@family(CASES, without={"histogram-edges-auto-batches_as_a_loop"})
def test_statistic_obeys(law, f, xs):
    law(f, xs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
def test_quantile_of_every_method_is_numpys(method, n):
    """Many positions, the exact ones included, where a method turns over."""
    x = np.random.default_rng(n).permutation(n) * 1.5
    q = np.array([0, 0.1, 0.125, 0.2, 0.25, 1 / 3, 0.4, 0.5, 0.6, 0.625, 0.75, 0.8, 0.875, 0.9, 1])
    np.testing.assert_array_equal(dd.vjp(lambda x: np.quantile(x, q, method=method), x)[0],
                                  np.quantile(x, q, method=method))  # fmt: skip
    holes = np.insert(x, [0, n // 2], nan)
    found = dd.vjp(lambda x: np.nanquantile(x, q, method=method), holes)[0]
    np.testing.assert_array_equal(found, np.nanquantile(holes, q, method=method))


@pytest.mark.parametrize("seed", range(4))
def test_weighted_quantile_is_numpys(seed):
    rng = np.random.default_rng(seed)
    x, w, q = rng.permutation(8) * 1.0, rng.integers(0, 4, 8) + 1e-3, rng.uniform(0, 1, 6)
    w[rng.integers(0, 8)] = 0
    f = lambda x: np.quantile(x, q, weights=w, method="inverted_cdf")  # noqa: E731
    np.testing.assert_array_equal(dd.vjp(f, x)[0], f(x))
    x[3] = nan
    g = lambda x: np.nanquantile(x, q, weights=w, method="inverted_cdf")  # noqa: E731
    np.testing.assert_array_equal(dd.vjp(g, x)[0], g(x))


def forward(f, x):
    return dd.jacobian(f, mode="forward")(x)


def reverse(f, x):
    return dd.jacobian(f, mode="reverse")(x)


def batched(f, x):
    return dd.vmap(dd.jacobian(f, mode="reverse"))(np.stack([x * 0.5 + 1, x]))[1]


# name: (function, point, gradient of the sum of its values)
POINTS = {
    "nansum": (np.nansum, [nan, 1.0], [0, 1]),
    "nanmax ties": (np.nanmax, [nan, 1.0, 1.0], [0, 0.5, 0.5]),
    "nanmin ties": (np.nanmin, [1.0, nan, 1.0], [0.5, 0, 0.5]),
    "nanmean": (np.nanmean, [nan, 1.0, 4.0], [0, 0.5, 0.5]),
    "nanprod zeros": (np.nanprod, [nan, 0.0, 4.0], [0, 4, 0]),
    "nanstd equal": (np.nanstd, [nan, 2.0, 2.0], [0, 0, 0]),
    "nanmedian": (np.nanmedian, [4.0, nan, 1.0, 2.0, 3.0], [0, 0, 0, 0.5, 0.5]),
    "percentile": (lambda x: np.percentile(x, 25.0), [3.0, 1.0, 2.0], [0, 0.5, 0.5]),
    "quantile at an element": (lambda x: np.quantile(x, 0.5), [3.0, 1.0, 2.0], [0, 0, 1]),
    "quantile ties": (lambda x: np.quantile(x, 0.5), [2.0, 2.0, 1.0, 3.0], [0.5, 0.5, 0, 0]),
    "quantile nan": (lambda x: np.quantile(x, 0.5), [2.0, nan, 1.0], [0, 1, 0]),
    "median_unbiased end": (
        lambda x: np.quantile(x, 0.01, method="median_unbiased"), [2.0, 5.0, 1.0], [0, 0, 1],
    ),
    "interp knot": (lambda x: np.interp(x, [0.0, 1, 2], [0.0, 1, 5]), 1.0, 4),
    "interp fp": (lambda fp: np.interp(1.0, [0.0, 1, 2], fp), [0.0, 1, 5], [0, 1, 0]),
    "interp xp": (lambda xp: np.interp(1.0, xp, [0.0, 1, 5]), [0.0, 1, 2], [0, -4, 0]),
    "interp beyond": (lambda x: np.interp(x, [0.0, 1, 2], [0.0, 1, 5]), [-1.0, 2.0, 3.0, 0.0], [0, 0, 0, 1]),
    "interp last fp": (lambda fp: np.interp([2.0, 7.0], [0.0, 1, 2], fp), [0.0, 1, 5], [0, 0, 2]),
    "histogram counts": (lambda x: np.histogram(x, 3)[0] * 1.0, [0.0, 1.0, 3.0], [0, 0, 0]),
    "trapezoid of one": (np.trapezoid, [2.0], [0]),
}  # fmt: skip


@pytest.mark.parametrize("way", [forward, reverse, batched])
@pytest.mark.parametrize("name", POINTS)
def test_statistic_has_stated_derivative(name, way):
    f, x, expected = POINTS[name]
    x = np.asarray(x, float)
    found = way(f, x)
    assert found.shape == np.shape(f(x)) + x.shape
    np.testing.assert_allclose(found.reshape(-1, *x.shape).sum(axis=0), expected, rtol=1e-15, atol=1e-16)


QUANTITIES = [np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin, np.nanmedian]


@pytest.mark.parametrize("f", QUANTITIES)
def test_slice_of_nan_alone_warns_as_numpy_does(f):
    x = np.array([[1.0, 2.0], [nan, nan]])
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        y = f(x, axis=1)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        value, pullback = dd.vjp(lambda x: f(x, axis=1), x)
        (x_bar,) = pullback(np.ones(2))
    np.testing.assert_array_equal(value, y)
    assert [w.category for w in found] == [w.category for w in expected]
    assert np.isfinite(x_bar[0]).all()


@pytest.mark.parametrize("f", [np.nanargmax, np.nanargmin])
def test_place_that_skips_nan_is_plain(f):
    seen = []
    dd.jvp(lambda x: seen.append(f(np.where(HOLES, nan, x), axis=1)) or x, (A,), (A,))
    np.testing.assert_array_equal(seen[0], f(np.where(HOLES, nan, A), axis=1))
    with pytest.raises(ValueError, match="All-NaN"):
        dd.vjp(lambda x: f(x * nan), A)


def test_counts_of_a_histogram_are_plain_integers():
    seen = []
    dd.vjp(lambda x: seen.append(np.histogram(x, 3)[0]) or x, V)
    assert type(seen[0]) is np.ndarray and seen[0].dtype == np.histogram(V, 3)[0].dtype


@pytest.mark.parametrize("bins", [3, [-1.0, 0.1, 0.8, 1.4], "sturges"], ids=str)
def test_histogram_of_edges_and_ends_is_numpys(bins):
    x = np.array([-1.0, 0.1, 0.1, 0.8, 1.4, 1.4, -3.0, 2.0])
    for range in (None, (-1.0, 1.4)):
        f = lambda x: np.histogram(x, bins, range)  # noqa: B023, E731
        for found, plain in zip(dd.vjp(f, x)[0], f(x), strict=True):
            np.testing.assert_allclose(found, plain, rtol=1e-15)


def test_what_numpy_refuses_is_refused():
    for f in (
        lambda x: np.quantile(x, 1.5),
        lambda x: np.quantile(x, 0.5, method="middle"),
        lambda x: np.quantile(x, 0.5, weights=np.ones(7)),
        lambda x: np.percentile(x, -1),
        lambda x: np.interp(x, [1.0, 2.0], [1.0]),
        lambda x: np.histogram(x, 0),
        lambda x: np.histogram(x, [2.0, 1.0]),
        lambda x: np.bincount([1, 2], weights=x),
        lambda x: np.average(x, weights=np.ones(2), axis=0),
        lambda x: np.cov(x, ddof=0.5),
    ):
        with pytest.raises(ValueError):
            dd.vjp(f, V)
    with pytest.raises(ZeroDivisionError):
        dd.vjp(lambda x: np.average(x, weights=x - x), V)
    for f, keyword in (
        (lambda x: np.nanmean(x, out=np.zeros(())), "out="),
        (lambda x: np.quantile(x, 0.5, out=np.zeros(())), "out="),
        (lambda x: np.nansum(x, out=np.zeros(())), "out="),
    ):
        with pytest.raises((NoDerivative, TypeError), match=keyword):
            dd.vjp(f, V)


def test_old_keywords_of_numpy_are_renamed_or_refused():
    with pytest.warns(DeprecationWarning, match="renamed"):
        y = FUNCTIONS[np.quantile](V, 0.3, interpolation="lower")
    assert y == np.quantile(V, 0.3, method="lower")
    with pytest.raises(NoDerivative, match="ddof="):
        FUNCTIONS[np.corrcoef](A, ddof=0)


def test_number_of_bins_cannot_depend_on_the_example():
    batch = np.stack([V, W])
    with pytest.raises(ControlFlowError):
        dd.vmap(lambda x: np.histogram(x, "auto")[1])(batch)
    with pytest.raises(ControlFlowError):
        dd.vmap(lambda i: np.bincount(i))(np.array([[0, 1], [2, 2]]))


def test_namespace_interpolates_tensors_where_numpy_does():
    assert dnp.interp is np.interp
    np.testing.assert_allclose(
        dd.grad(lambda t: dnp.interp(0.5, dnp.array([0.0, t]), [0.0, 1.0]))(2.0), -0.125
    )
