"""At the edges of every domain both modes agree: zeros, infinities, NaN, ties, empty axes, empty masks.

What the derivative is there is in test_conventions_of_kinks.py and its neighbours, point by point. Here
nothing is asserted but that every way to it gives one answer: NaN in the same places, the same numbers
elsewhere. The ways are the sweep backwards, all columns forward, the transposed differential in place of a
pullback written by hand, and batches of these. Differences say nothing there, so each way is the oracle of
the others.
"""

import itertools

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.core import OPS
from dualdiff.testing.laws import changed
from dualdiff.testing.samples import Case, cases, direction, draw, generator
from dualdiff.tree import flatten, map_tree

NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 1e-310]
FEWER = [0.0, 1.0, -1.0, 0.5, np.inf, np.nan]  # in every combination of three

# Ops of which one way may say nan where another has a number, and why. Two numbers are equal here too.
PARTLY = {
    "eig": "vectors of equal eigenvalues are not determined",
    "eigh": "vectors of equal eigenvalues are not determined",
    "svd": "vectors of equal singular values are not determined",
    "qr": "the factors of a matrix of lower rank are not determined",
    "polynomial_roots": "roots that are equal, or none where a coefficient is infinite",
    "softmax": "forward, a direction that is 0 in a slice meets the nan there",
    "accumulate_multiply": "products of infinities of both signs, summed in another order",
    "polar_factor": "the isometry of a matrix of lower rank is not determined",
    "slogdet": "poles of both signs, summed in another order, where the rank is less by two",
    "accumulate_divide": "poles of both signs, summed in another order",
    "accumulate_hypot": "at two infinities the slope is nan, times a weight of 0 that one way meets first",
}


def mixes(op):
    """Whether results are sums over many elements: 0 * inf is in all of them, so infinities are left out."""
    return op.kind == "multilinear" or op.name in ("recurrence", "solve") or op.core == 2


# -------------------------------------------------- points
def grid(op):
    """Every combination of the special numbers, one long vector per argument."""
    n = len(op.domain)
    columns = np.array(list(itertools.product(NUMBERS if n < 3 else FEWER, repeat=n))).T
    whole = np.nan_to_num(np.clip(columns, -4, 4)).astype(int)
    floats = [draw(domain, generator("edge"), (), np.dtype(float)).dtype == float for domain in op.domain]
    args = tuple(x if f else i for f, x, i in zip(floats, columns, whole, strict=True))
    yield Case(op, args, {}, tuple(i for i, x in enumerate(args) if x.dtype == float), ())


def edges(x, finite):
    """x with special numbers in it, with ties, and special matrices."""
    yield from (0 * x, -0.0 * x, 0 * x + 1, -x)
    if not x.size:
        return
    for number in (0.0,) if finite else (0.0, np.nan, np.inf, -np.inf):
        for places in ([0], [-1], [0, -1], [0, x.size // 2]):
            y = x.copy()
            y.reshape(-1)[places] = number
            yield y
    tied = x.copy()
    tied.reshape(-1)[-1] = tied.reshape(-1)[0]
    yield from (tied, np.full_like(x, x.flat[0]))
    if x.ndim > 1 and x.shape[-1] == x.shape[-2]:
        n = x.shape[-1]
        yield from (
            m + 0 * x for m in (2 * np.eye(n), np.diag(np.arange(1.0, n + 1)), np.diag(np.arange(n) * 1.0))
        )


def around(op):
    """The points of the op's domain with one argument moved to an edge."""
    for case in cases(op, float):
        for i in case.active:
            for x in edges(case.args[i], finite=mixes(op)):
                yield case._replace(args=(*case.args[:i], x, *case.args[i + 1 :]))


# -------------------------------------------------- ways
def backwards(case, y_bar):
    return dd.vjp(case.function, *case.primals)[1](y_bar)


def forwards(case, y_bar):
    return dd.vjp(case.function, *case.primals, mode="forward")[1](y_bar)


def derived(case, y_bar):
    return backwards(case._replace(op=changed(case.op, pullback=None, transposes=None)), y_bar)


def batched(way):
    def one_of_two(case, y_bar):
        def one(*primals):
            return way(case._replace(args=tuple(case.filled(case.args, primals))), y_bar)

        both = dd.vmap(one)(*(np.stack([x, x]) for x in case.primals))
        return map_tree(lambda x: x[1], both)

    return one_of_two


WAYS = {
    "forward": forwards,
    "derived": derived,
    "batched": batched(backwards),
    "batched forward": batched(forwards),
}


def assert_same(found, expected, case):
    """NaN in the same places, infinities of one sign, and equal numbers up to rounding."""
    for x, y in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype), case
        where = f"{case!r} at {case.args}"
        if case.op.name in PARTLY:
            both = np.isfinite(x) & np.isfinite(y)
            x, y = np.where(both, x, 0), np.where(both, y, 0)
        rounding = 1e-12 * np.max(np.abs(y), where=np.isfinite(y), initial=0.0)
        atol = 0 if isinstance(case.op.domain, tuple) else rounding
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=atol, err_msg=where)


def some_active(case):
    """All arguments differentiated, and each alone."""
    yield case
    if len(case.active) > 1:
        yield from (case._replace(active=(i,)) for i in case.active)


def assert_ways_agree(case, ways):
    try:
        y = case.function(*case.primals)
    except (np.linalg.LinAlgError, ValueError, IndexError):
        return  # no value, no derivative
    y_bar = direction(generator("edge"), y)
    expected = backwards(case, y_bar)
    for way in ways:
        assert_same(WAYS[way](case, y_bar), expected, case)


def ways_of(op):
    written = op.kind == "general" and (op.pullback or op.transposes)
    return [way for way in WAYS if way != "derived" or written]


# Not SciPy's functions: at infinities and 1e300 some of them never return.
DIFFERENTIABLE = [op for op in OPS.values() if op.kind != "constant" and not op.name.startswith("special.")]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("op", "way"),
    [(op, way) for op in DIFFERENTIABLE for way in ways_of(op)],
    ids=lambda p: p if isinstance(p, str) else p.name,
)
def test_ways_agree_at_the_edges_of_an_op(op, way):
    with np.errstate(all="ignore"):
        for case in grid(op) if isinstance(op.domain, tuple) else around(op):
            for some in some_active(case):
                assert_ways_agree(some, [way])


@pytest.mark.parametrize("name", PARTLY)
def test_op_of_which_less_is_asked_is_there(name):
    assert OPS[name].kind != "constant"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
def test_pushforward_and_transposed_pullback_agree_at_the_edges(op):
    """Along a direction without zeros: jvp in forward mode, and in reverse mode, which transposes twice."""
    with np.errstate(all="ignore"):
        for case in grid(op) if isinstance(op.domain, tuple) else around(op):
            dots = direction(generator("edge"), case.primals)
            try:
                forward = dd.jvp(case.function, case.primals, dots)[1]
            except (np.linalg.LinAlgError, ValueError, IndexError):
                continue
            assert_same(dd.jvp(case.function, case.primals, dots, mode="reverse")[1], forward, case)


# -------------------------------------------------- NumPy's functions
NOTHING = np.zeros((2, 3), bool)
SOME = np.array([[True, False, True], [False, False, False]])
X = np.array([[3.0, 1.0, 2.0], [2.0, 2.0, 5.0]])
WITH_NAN = np.array([[np.nan, 1.0, 2.0], [np.nan] * 3])
EMPTY = np.zeros((2, 0))
CALLS = {
    "mean nothing": (lambda x: np.mean(x, where=NOTHING), X),
    "mean some": (lambda x: np.mean(x, axis=1, where=SOME), X),
    "mean some nan": (lambda x: np.mean(x, axis=1, where=SOME), WITH_NAN),
    "var nothing": (lambda x: np.var(x, where=NOTHING), X),
    "var some": (lambda x: np.var(x, axis=1, where=SOME), X),
    "std nothing": (lambda x: np.std(x, where=NOTHING), X),
    "std some": (lambda x: np.std(x, axis=1, where=SOME), X),
    "std equal": (lambda x: np.std(x, axis=0), X),
    "std ddof": (lambda x: np.std(x, axis=1, ddof=1), X[:, :1]),
    "sum nothing": (lambda x: np.sum(x, where=NOTHING), X),
    "prod nothing": (lambda x: np.prod(x, where=NOTHING), X),
    "max some": (lambda x: np.max(x, axis=1, where=SOME, initial=2.0), X),
    "nanmean": (lambda x: np.nanmean(x, axis=1), WITH_NAN),
    "nanvar": (lambda x: np.nanvar(x, axis=1), WITH_NAN),
    "nanstd": (lambda x: np.nanstd(x, axis=1), WITH_NAN),
    "nansum": (lambda x: np.nansum(x, axis=1), WITH_NAN),
    "nanprod": (lambda x: np.nanprod(x, axis=1), WITH_NAN),
    "nanmax": (lambda x: np.nanmax(x, axis=1), WITH_NAN),
    "nanmedian": (lambda x: np.nanmedian(x, axis=1), WITH_NAN),
    "nanquantile": (lambda x: np.nanquantile(x, 0.3, axis=1), WITH_NAN),
    "nancumsum": (lambda x: np.nancumsum(x, axis=1), WITH_NAN),
    "median nan": (lambda x: np.median(x, axis=1), WITH_NAN),
    "median ties": (lambda x: np.median(x, axis=1), X),
    "quantile nan": (lambda x: np.quantile(x, 0.3, axis=1), WITH_NAN),
    "ptp ties": (lambda x: np.ptp(x, axis=1), X),
    "sort ties": (lambda x: np.sort(x, axis=1), X),
    "sort nan": (lambda x: np.sort(x, axis=1), WITH_NAN),
    "clip ties": (lambda x: np.clip(x, 2.0, 3.0), X),
    "average nan": (lambda x: np.average(x, axis=1, weights=[1.0, 0.0, 2.0]), WITH_NAN),
    "cumprod zeros": (lambda x: np.cumprod(x - 2.0, axis=1), X),
    "diff nan": (lambda x: np.diff(x, axis=1), WITH_NAN),
    "trapezoid nan": (lambda x: np.trapezoid(x, axis=1), WITH_NAN),
    "interp knots": (lambda x: np.interp(x, [1.0, 2.0, 3.0], [0.0, 1.0, 5.0]), X),
    "nan_to_num": (np.nan_to_num, WITH_NAN),
    "norms of nothing": (lambda x: np.linalg.norm(0 * x, axis=1), X),
    "norms with ties": (lambda x: np.linalg.norm(x, np.inf, axis=1), X),
    "norm inf nan": (lambda x: np.linalg.norm(x, np.inf, axis=1), WITH_NAN),
    "sum of nothing": (lambda x: np.sum(x, axis=1), EMPTY),
    "mean of nothing": (lambda x: np.mean(x, axis=1), EMPTY),
    "var of nothing": (lambda x: np.var(x, axis=1), EMPTY),
    "std of nothing": (lambda x: np.std(x, axis=1), EMPTY),
    "prod of nothing": (lambda x: np.prod(x, axis=1), EMPTY),
    "median of nothing": (lambda x: np.median(x, axis=1), EMPTY),
    "norm of nothing": (lambda x: np.linalg.norm(x, axis=1), EMPTY),
    "logsumexp of infinities": (lambda x: np.logaddexp.reduce(np.log(0 * x), axis=1), X),
    "power of a negative base": (lambda x: np.power(-x, x[::-1]), X),
    "power of two arguments": (lambda x: x[0] ** x[1], np.array([-2.0, 2.0])),
    "determinant of rank 1": (np.linalg.det, np.ones((2, 2))),
    "eigenvector of equal values": (lambda a: np.linalg.eigh(a)[1][0, 0], np.eye(2)),
    "nuclear norm of 0": (lambda a: np.linalg.norm(a, "nuc"), np.zeros((2, 3))),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CALLS)
def test_ways_agree_at_the_edges_of_a_function(name):
    f, x = CALLS[name]
    with np.errstate(all="ignore"):
        y, pullback = dd.vjp(f, x)
        y_bar, x_dot = direction(generator("edge"), (y, x))
        (expected,) = pullback(y_bar)
        both = np.stack([x, x])
        for mode in ("forward", "reverse"):
            np.testing.assert_allclose(dd.vjp(f, x, mode=mode)[1](y_bar)[0], expected, rtol=1e-12, atol=1e-15)
            batch = dd.vmap(lambda x, mode=mode: dd.vjp(f, x, mode=mode)[1](y_bar)[0])(both)
            np.testing.assert_allclose(batch[1], expected, rtol=1e-12, atol=1e-15)
        push = [dd.jvp(f, (x,), (x_dot,), mode=mode)[1] for mode in ("forward", "reverse")]
        np.testing.assert_allclose(push[1], push[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("point", [(-2.0, 2.0), (0.0, 0.5), (0.0, -1.0)])
def test_partial_of_one_argument_does_not_reach_another(point, mode):
    with np.errstate(all="ignore"):
        both = dd.grad(np.power, (0, 1), mode=mode)(*point)
        alone = [dd.grad(np.power, i, mode="reverse")(*point) for i in (0, 1)]
        chunks = dd.jacobian(np.power, (0, 1), mode=mode, chunk_size=1)(*point)
    np.testing.assert_array_equal(both, alone)
    np.testing.assert_array_equal(chunks, alone)
