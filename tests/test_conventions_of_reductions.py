"""The derivatives of reductions, scans, sorting, indexing and empty arrays at ties, zeros and infinities."""

import warnings

import numpy as np
import pytest
from conventions import convention, each_mode, each_way, hold, points, silent, table

import dualdiff as dd
from dualdiff.ops.logsums import logsumexp

nan, inf = np.nan, np.inf
E2 = np.eye(2)
X = np.array([1.0, 2.0, 3.0])
KNOTS, HEIGHTS = [0.0, 1, 2], [0.0, 1, 5]


@points(
    ("RD-1 max shares ties", np.max, ([1.0, 2, 2],), ([0, 0.5, 0.5],)),
    (
        "RD-2 max shares ties row by row",
        lambda x: np.max(x, axis=1),
        ([[1.0, 2, 2], [3, 3, 3]],),
        ([[0, 0.5, 0.5], [1 / 3] * 3],),
    ),
    ("RD-3 max selects what is nan", np.max, ([1, nan, 2],), ([0, 1, 0],)),
    ("RD-3 max shares between several nan", np.max, ([nan, nan],), ([0.5, 0.5],)),
    (
        "RD-4 an initial value ties like an element",
        lambda x: np.max(x, initial=2.0),
        ([1.0, 2],),
        ([0, 0.5],),
    ),
    ("RD-4 an initial value that wins takes all", lambda x: np.max(x, initial=10.0), ([1.0, 2],), ([0, 0],)),
    ("RD-5 nanmax shares ties of what is no nan", np.nanmax, ([nan, 1, 1],), ([0, 0.5, 0.5],)),
    ("RD-5 nansum leaves nan out", np.nansum, ([nan, 1.0],), ([0, 1],)),
    ("RD-6 median of an even number has two halves", np.median, ([4.0, 1, 2, 3],), ([0, 0, 0.5, 0.5],)),
    ("RD-6 median of equal elements still has two halves", np.median, ([1.0, 2, 2, 3],), ([0, 0.5, 0.5, 0],)),
    (
        "RD-7 percentile interpolates between neighbours",
        lambda x: np.percentile(x, 25.0),
        ([3.0, 1, 2],),
        ([0, 0.5, 0.5],),
    ),
    (
        "RD-8 sort keeps the order of equal elements",
        lambda x: np.sort(x) * np.array([1.0, 2, 3]),
        ([2.0, 2, 1],),
        ([2, 3, 1],),
    ),
    ("RD-9 a running maximum is the pairwise one", np.maximum.accumulate, ([1.0, 2, 2, 1],), ([1, 2, 1, 0],)),
    (
        "RD-9 a running maximum of ties halves at each step",
        np.maximum.accumulate,
        ([2.0, 2, 2],),
        ([1.75, 0.75, 0.5],),
    ),
    ("RD-10 prod with one zero has one slope", np.prod, ([0.0, 2, 3],), ([6, 0, 0],)),
    ("RD-10 prod with two zeros is flat", np.prod, ([0.0, 0, 3],), ([0, 0, 0],)),
    ("RD-10 prod with a zero of other factors", np.prod, ([0.0, 3, 4],), ([12, 0, 0],)),
    ("RD-12 cumprod goes on behind a zero", np.cumprod, ([2.0, 0, 3],), ([1, 8, 0],)),
    ("RD-13 var of equal elements is flat", np.var, ([1.0, 1, 1],), ([0, 0, 0],)),
    ("RD-13 std of equal elements is flat", np.std, ([1.0, 1, 1],), ([0, 0, 0],)),
    ("RD-13 std of one element is flat", np.std, ([1.0],), ([0],)),
    (
        "RD-14 std without freedom is nan, and so is its slope",
        lambda x: np.std(x, ddof=1),
        ([1.0],),
        ([nan],),
    ),
    ("RD-15 logsumexp shares between equal infinities", logsumexp, ([-inf, -inf],), ([0.5, 0.5],)),
    ("RD-15 logsumexp gives all to one infinity", logsumexp, ([inf, 0.0],), ([1, 0],)),
    ("RD-15 logsumexp shares between two of them", logsumexp, ([inf, inf],), ([0.5, 0.5],)),
    ("RD-16 logsumexp shares large equal elements", logsumexp, ([1000.0, 1000],), ([0.5, 0.5],)),
    (
        "RD-17 softmax of large elements is finite",
        lambda x: np.exp(x - logsumexp(x))[0],
        ([1000.0, 0],),
        ([0, 0],),
    ),
    ("RD-18 ptp shares ties at either end", np.ptp, ([1.0, 1, 3],), ([-0.5, -0.5, 1],)),
    (
        "RD-19 a repeated label reads the diagonal",
        lambda a: np.einsum("ii->", a),
        ([[1.0, 2], [3, 4]],),
        (E2,),
    ),
    (
        "RD-19 a repeated label that stays does too",
        lambda a: np.einsum("ii->i", a),
        ([[1.0, 2], [3, 4]],),
        (E2,),
    ),
    (
        "RD-20 interp at a knot has the slope to its right",
        lambda x, xp, fp: np.interp(x, xp, fp),
        (1.0, KNOTS, HEIGHTS),
        (4, [0, -4, 0], [0, 1, 0]),
    ),
    (
        "RD-21 interp is flat beyond its points and at the last, and rises at the first",
        lambda x: np.interp(x, KNOTS, HEIGHTS),
        ([-1.0, 2, 3, 0],),
        ([0, 0, 0, 1],),
    ),
    # ---- indexing
    ("IX-1 an index that comes twice counts twice", lambda x: x[[0, 0, 2]], (X,), ([2, 0, 1],)),
    (
        "IX-2 take wraps and adds up where it wrapped to",
        lambda x: np.take(x, [-1, 5, 4], mode="wrap"),
        (X,),
        ([0, 1, 2],),
    ),
    (
        "IX-2 take clips and adds up where it clipped to",
        lambda x: np.take(x, [-1, 5, 4], mode="clip"),
        (X,),
        ([1, 0, 2],),
    ),
    ("IX-3 negative indices count from the end", lambda x: x[-1] * x[-3], (X,), ([3, 0, 1],)),
    ("IX-3 also in an array of them", lambda x: x[[-1, -1, -2]], (X,), ([0, 1, 2],)),
    (
        "IX-4 only the choice taken moves",
        lambda x, y: np.choose([0, 1], [x, y]),
        ([1.0, 2], [3.0, 4]),
        ([1, 0], [0, 1]),
    ),
    (
        "IX-4 only the selected branch moves",
        lambda x, y: np.select([[True, False], [True, True]], [x, y], 7.0),
        ([1.0, 2], [3.0, 4]),
        ([1, 0], [0, 1]),
    ),
    # ---- empty arrays
    ("EM-1 the sum of nothing has no slopes", np.sum, (np.zeros(0),), (np.zeros(0),)),
    ("EM-1 the product of nothing has no slopes", np.prod, (np.zeros(0),), (np.zeros(0),)),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the function itself, as without a derivative
@each_way
def test_derivative_at_point(f, xs, slopes, way):
    hold(way, f, xs, slopes)


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    table(
        ("RD-11 HO-3 prod with a zero", np.prod, [0.0, 2, 3], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        (
            "RD-16 HO-3 logsumexp of large equal elements",
            logsumexp,
            [1000.0, 1000],
            [[0.25, -0.25], [-0.25, 0.25]],
        ),
        ("RD-1 max with a tie", np.max, [1.0, 2, 2], np.zeros((3, 3))),
        ("RD-13 std of equal elements", np.std, [1.0, 1, 1], np.zeros((3, 3))),
        (
            "NR-14 norm squared at zero, which does not know what it is",
            lambda x: np.linalg.norm(x) ** 2,
            [0.0, 0],
            0 * E2,
        ),
        ("NR-14 the sum of squares at zero, which does", lambda x: np.sum(x * x), [0.0, 0], 2 * E2),
    ),
)
def test_hessian_at_point_in_every_nesting(f, x, expected, outer, inner):
    for found in (
        dd.hessian(f, mode=(outer, inner))(np.array(x)),
        dd.vmap(dd.hessian(f, mode=(outer, inner)))(np.array([x, x]))[1],
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
        np.testing.assert_array_equal(found, found.T)


@convention("RD-16")
def test_value_of_logsumexp_does_not_overflow():
    assert dd.value_and_grad(logsumexp)(np.array([1000.0, 1000]))[0] == 1000.6931471805599


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.choose([0, 1], [np.log(x), x]),
        lambda x: np.select([[True, False]], [np.log(x)], x),
    ],
    ids=["choose", "select"],
)
@convention("IX-4")
def test_branch_that_is_not_chosen_enters_as_in_where(f):
    """In reverse its zero cotangent meets the pole; forward its tangent is left out."""
    x = np.array([2.0, 0.0])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(dd.vjp(f, x)[1](np.ones(2))[0], [0.5, nan])
        np.testing.assert_array_equal(dd.jvp(f, (x,), (np.ones(2),))[1], [0.5, 1.0])


# -------------------------------------------------- empty arrays
def heard(call):
    """The result, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return call(), [str(warning.message) for warning in caught]


@convention("EM-2")
def test_mean_of_nothing_warns_as_numpy_and_its_derivative_not_at_all():
    nothing = np.zeros(0)
    _, by_numpy = heard(lambda: np.mean(nothing))
    assert any("Mean of empty slice" in said for said in by_numpy)
    (y, pullback), by_vjp = heard(lambda: dd.vjp(np.mean, nothing))
    assert np.isnan(y) and by_vjp == by_numpy
    assert silent(pullback, 1.0)[0].shape == (0,)
    gradient, by_grad = heard(lambda: dd.grad(np.mean, mode="forward")(nothing))
    assert gradient.shape == (0,) and by_grad == by_numpy


@each_mode
@convention("EM-3")
def test_max_of_nothing_raises_as_numpy(mode):
    with pytest.raises(ValueError, match="zero-size array to reduction operation maximum"):
        dd.grad(np.max, mode=mode)(np.zeros(0))


@each_mode
@convention("EM-4")
def test_jacobian_of_nothing_to_nothing_is_empty(mode):
    assert dd.jacobian(lambda x: 2 * x, mode=mode)(np.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
@convention("EM-5")
def test_empty_batch_has_the_shape_and_dtype_of_an_example(dtype):
    found = dd.vmap(np.cumsum)(np.zeros((0, 3), dtype))
    assert found.shape == (0, 3) and found.dtype == dtype
