"""The conventions at singular points as one table: a promise in words, a call and its derivative.

Every row is tried forward along each basis vector, in reverse and in a batch, and applying the derivative
must warn of nothing. The derivative is that of the sum of the results, for each argument. Rows with higher
orders are in a second table. Types, conversions and lifetimes are in test_conventions_of_values.py.
"""

import itertools
import warnings

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.ops.logsums import logsumexp

nan, inf, pi = np.nan, np.inf, np.pi
E2 = np.eye(2)
EDGES = [0.0, 1, -1, 2, 0.5]
TIED = np.array([3.0, -3.0, 0.0, 1.0])


def norm(order, **keywords):
    return lambda x: np.linalg.norm(x, order, **keywords)


def weighted(f, *weights):
    """The sum of results times 1, 2, ..., or the given weights."""
    return lambda x: f(x) @ np.array(weights)


# (promise, function, arguments, derivative for each argument)
ROWS = [
    # ---- elementwise, one argument
    (
        "SP-1 abs has slope 0 at both zeros and nan at nan",
        np.abs,
        ([0.0, -0.0, 1, -1, nan],),
        ([0, 0, 1, -1, nan],),
    ),
    *(
        (f"SP-3 {f.__name__} is flat everywhere, also on a step", f, ([0.3, 0.0, 1.0],), ([0, 0, 0],))
        for f in (np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.spacing)
    ),
    ("SP-4 sqrt has an infinite slope at 0 and none below", np.sqrt, ([0.0, 4, -1],), ([inf, 0.25, nan],)),
    ("SP-5 cbrt has an infinite slope at 0", np.cbrt, ([0.0, 8, -8],), ([inf, 1 / 12, 1 / 12],)),
    *(
        (f"SP-6 {f.__name__} has an infinite slope at 0", f, ([0.0],), ([inf],))
        for f in (np.log, np.log2, np.log10)
    ),
    ("SP-6 log1p has an infinite slope at -1", np.log1p, ([-1.0],), ([inf],)),
    ("SP-7 reciprocal falls infinitely fast at 0", np.reciprocal, ([0.0],), ([-inf],)),
    ("SP-8 arcsin has infinite slopes at both ends", np.arcsin, ([1.0, -1],), ([inf, inf],)),
    ("SP-8 arccos has infinite slopes at both ends", np.arccos, ([1.0, -1],), ([-inf, -inf],)),
    ("SP-8 arctanh has infinite slopes at both ends", np.arctanh, ([1.0, -1],), ([inf, inf],)),
    ("SP-8 arccosh has an infinite slope at 1", np.arccosh, ([1.0],), ([inf],)),
    ("SP-10 sinc is smooth at 0", np.sinc, ([0.0, 0.5],), ([0, -4 / pi],)),
    ("SP-11 tanh is exactly flat where it has reached 1", np.tanh, ([1000.0],), ([0],)),
    ("SP-14 expm1 has slope 1 next to 0", np.expm1, ([1e-20],), ([1],)),
    ("SP-15 nan_to_num is flat where it replaces", np.nan_to_num, ([nan, inf, 1],), ([0, 0, 1],)),
    ("SP-16 maximum with 0 has slope 1/2 at 0", lambda x: np.maximum(x, 0.0), ([0.0],), ([0.5],)),
    ("SP-21 frexp scales its mantissa by a power of two", lambda x: np.frexp(x)[0], ([3.0],), ([0.25],)),
    ("SP-21 ldexp multiplies by a power of two", lambda x: np.ldexp(x, 3), ([3.0],), ([8],)),
    ("SP-22 nextafter moves as its first argument does", np.nextafter, ([1.0], [2.0]), ([1], [0])),
    ("SP-23 unwrap adds constants", np.unwrap, ([0.0, 4, 8],), ([1, 1, 1],)),
    ("SP-24 no algebra rescues exp(-1/x) at 0", lambda x: np.exp(-1 / x), ([0.0],), ([nan],)),
    ("SP-24 no algebra rescues 0 log(x) at 0", lambda x: 0 * np.log(x), ([0.0],), ([nan],)),
    ("SP-24 no algebra rescues sqrt(x**2) at 0", lambda x: np.sqrt(x**2), ([0.0],), ([nan],)),
    ("GEN-3 no algebra rescues x log(x) at 0", lambda x: x * np.log(x), ([0.0],), ([nan],)),
    ("NAN-1 nan has a derivative where the value does not matter", lambda x: 2 * x, ([nan],), ([2],)),
    ("NAN-1 nan makes the derivative nan where it does", np.sin, ([nan],), ([nan],)),
    (
        "NAN-4 where_safe leaves out the logarithm that is not taken",
        lambda x: dd.where_safe(x > 0, np.log, 0.0, x),
        ([0.0, 1],),
        ([0, 1],),
    ),
    (
        "NAN-4 where_safe leaves out the root that is not taken",
        lambda x: dd.where_safe(x > 0, np.sqrt, 0.0, x),
        ([0.0, 1],),
        ([0, 0.5],),
    ),
    # ---- elementwise, several arguments
    ("SP-30 maximum shares a tie", np.maximum, ([1.0], [1.0]), ([0.5], [0.5])),
    ("SP-30 minimum shares a tie", np.minimum, ([1.0], [1.0]), ([0.5], [0.5])),
    (
        "SP-31 maximum selects the operand that is nan",
        np.maximum,
        ([nan, 1, nan], [1, nan, nan]),
        ([1, 0, 0.5], [0, 1, 0.5]),
    ),
    (
        "SP-31 minimum selects the operand that is nan",
        np.minimum,
        ([nan, 1, nan], [1, nan, nan]),
        ([1, 0, 0.5], [0, 1, 0.5]),
    ),
    (
        "SP-32 SP-33 fmax shares a tie and passes over nan",
        np.fmax,
        ([1.0, nan, 1, nan], [1, 1, nan, nan]),
        ([0.5, 0, 1, 0], [0.5, 1, 0, 0]),
    ),
    (
        "SP-32 SP-33 fmin shares a tie and passes over nan",
        np.fmin,
        ([1.0, nan, 1, nan], [1, 1, nan, nan]),
        ([0.5, 0, 1, 0], [0.5, 1, 0, 0]),
    ),
    ("SP-34 clip is maximum, then minimum", np.clip, (EDGES, 0.0, 1.0), ([0.5, 0.5, 0, 0, 1], 1.5, 1.5)),
    ("SP-35 power is flat at exponent 0", np.power, ([0.0, 2], [0.0, 0]), ([0, 0], [0, np.log(2)])),
    ("SP-36 a number as exponent 0 is flat too", lambda x: x**0 + x**0.0, ([0.0],), ([0],)),
    (
        "SP-37 power at base 0 is flat in the exponent",
        np.power,
        ([0.0, 0, 0], [2.0, 1, 0.5]),
        ([0, 1, inf], [0, 0, 0]),
    ),
    (
        "SP-38 power at base 0 and a negative exponent is a pole in both",
        np.power,
        ([0.0], [-1.0]),
        ([-inf], [-inf]),
    ),
    (
        "SP-39 power of a negative base has no slope in the exponent",
        np.power,
        ([-2.0, -2, -2], [2.0, 3, 0.5]),
        ([-4, 12, nan], [nan] * 3),
    ),
    ("SP-40 a constant exponent does not look at the logarithm", lambda x: x**3.0, ([-2.0],), ([12],)),
    ("SP-42 arctan2 is flat at the origin", np.arctan2, ([0.0], [0.0]), ([0], [0])),
    ("SP-43 hypot is flat at the origin", np.hypot, ([0.0], [0.0]), ([0], [0])),
    (
        "SP-44 logaddexp shares evenly between equal infinities",
        np.logaddexp,
        ([-inf, inf], [-inf, inf]),
        ([0.5, 0.5], [0.5, 0.5]),
    ),
    (
        "SP-44 logaddexp2 shares evenly between equal infinities",
        np.logaddexp2,
        ([-inf, inf], [-inf, inf]),
        ([0.5, 0.5], [0.5, 0.5]),
    ),
    (
        "SP-45 logaddexp gives all to the larger infinity",
        np.logaddexp,
        ([inf, 0, -inf], [0.0, inf, 0]),
        ([1, 0, 0], [0, 1, 1]),
    ),
    (
        "SP-47 remainder falls by the floor of the quotient",
        np.remainder,
        ([5.3, -5.3, 5.3], [2.0, 2, -2]),
        ([1, 1, 1], [-2, 3, 3]),
    ),
    (
        "SP-48 fmod falls by the quotient cut towards 0",
        np.fmod,
        ([5.3, -5.3, 5.3], [2.0, 2, -2]),
        ([1, 1, 1], [-2, 2, 2]),
    ),
    ("SP-49 floor_divide is flat", np.floor_divide, ([5.3], [2.0]), ([0], [0])),
    (
        "SP-49 divmod has the slopes of its parts",
        lambda x, y: np.divmod(x, y)[1],
        ([5.3], [2.0]),
        ([1], [-2]),
    ),
    (
        "SP-50 copysign has slope 0 at 0, and is flat in the sign",
        np.copysign,
        ([0.0, 1, -1], [-1.0, -1, 1]),
        ([0, -1, -1], [0, 0, 0]),
    ),
    (
        "SP-51 heaviside moves with its value at 0 there alone",
        np.heaviside,
        ([0.0, 1], [0.5, 0.5]),
        ([0, 0], [1, 0]),
    ),
    # ---- reductions, scans, sorting
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
    ("RD-12 cumprod goes on behind a zero", np.cumprod, ([2.0, 0, 3],), ([1, 8, 0],)),
    ("RD-13 var of equal elements is flat", np.var, ([1.0, 1, 1],), ([0, 0, 0],)),
    ("RD-13 std of equal elements is flat", np.std, ([1.0, 1, 1],), ([0, 0, 0],)),
    ("RD-13 std of one element is flat", np.std, ([1.0],), ([0],)),
    ("RD-15 logsumexp shares between equal infinities", logsumexp, ([-inf, -inf],), ([0.5, 0.5],)),
    ("RD-15 logsumexp gives all to one infinity", logsumexp, ([inf, 0.0],), ([1, 0],)),
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
        (1.0, [0.0, 1, 2], [0.0, 1, 5]),
        (4, [0, -4, 0], [0, 1, 0]),
    ),
    (
        "RD-21 interp is flat beyond its points and at the last",
        lambda x: np.interp(x, [0.0, 1, 2], [0.0, 1, 5]),
        ([-1.0, 2, 3, 0],),
        ([0, 0, 0, 1],),
    ),
    # ---- norms
    ("NR-1 the norm of zeros is flat", np.linalg.norm, ([0.0, 0],), ([0, 0],)),
    ("NR-1 the norm of a zero matrix is flat", np.linalg.norm, ([[0.0, 0], [0, 0]],), (np.zeros((2, 2)),)),
    ("NR-2 the 1-norm has the signs, and 0 at zeros", norm(1), (TIED,), ([1, -1, 0, 1],)),
    ("NR-3 the 2-norm has the direction", norm(2), (TIED,), (TIED / np.sqrt(19),)),
    ("NR-4 the 3-norm is flat at the origin", norm(3), ([0.0, 0],), ([0, 0],)),
    (
        "NR-4 the 3-norm away from it",
        norm(3),
        (TIED,),
        ([0.6223013117609552, -0.6223013117609552, 0, 0.06914459019566169],),
    ),
    ("NR-5 the norm of order inf shares ties, with signs", norm(inf), (TIED,), ([0.5, -0.5, 0, 0],)),
    ("NR-6 the norm of order -inf is flat at a zero", norm(-inf), (TIED,), ([0, 0, 0, 0],)),
    ("NR-6 the norm of order -inf shares ties", norm(-inf), ([3.0, -3, 1, 1],), ([0, 0, 0.5, 0.5],)),
    ("NR-7 the norm of order 0 counts", norm(0), (TIED,), ([0, 0, 0, 0],)),
    (
        "NR-8 a norm of order below 1 rises infinitely fast at a zero",
        norm(0.5),
        (TIED,),
        ([2.5773502691896253, -2.5773502691896253, inf, 4.464101615137754],),
    ),
    ("NR-9 a norm of negative order is flat where an element is 0", norm(-2), (TIED,), ([0, 0, 0, 0],)),
    ("NR-10 the matrix 2-norm shares equal singular values", norm(2), (E2,), (E2 / 2,)),
    ("NR-10 the matrix 2-norm is flat at zero", norm(2), (0 * E2,), (0 * E2,)),
    ("NR-11 the nuclear norm is flat at zero", norm("nuc"), (0 * E2,), (0 * E2,)),
    ("NR-11 the nuclear norm of the identity", norm("nuc"), (E2,), (E2,)),
    (
        "NR-12 singular values that are 0 are at their least",
        lambda a: np.sum(np.linalg.svdvals(a)),
        (0 * E2,),
        (0 * E2,),
    ),
    (
        "NR-13 the matrix 1-norm shares tied columns",
        norm(1),
        ([[1.0, 2], [3, 2]],),
        ([[0.5, 0.5], [0.5, 0.5]],),
    ),
    (
        "NR-13 the matrix inf-norm shares tied rows",
        norm(inf),
        ([[1.0, 2], [2, 1]],),
        ([[0.5, 0.5], [0.5, 0.5]],),
    ),
    ("NR-14 the square of a norm is flat at zero", lambda x: np.linalg.norm(x) ** 2, ([0.0, 0],), ([0, 0],)),
    (
        "NR-15 norms of rows have the numbers of each",
        lambda x: np.linalg.norm(x, inf, axis=1, keepdims=True),
        ([[3.0, -3], [0, 0]],),
        ([[0.5, -0.5], [0, 0]],),
    ),
    # ---- linear algebra
    (
        "LA-1 det of a singular matrix has its cofactors",
        np.linalg.det,
        ([[1.0, 2], [2, 4]],),
        ([[4, -2], [-2, 1]],),
    ),
    (
        "LA-2 det of a matrix of rank 2 of 3 has them too",
        np.linalg.det,
        ([[1.0, 2, 3], [2, 4, 6], [0, 1, 5]],),
        ([[14, -10, 2], [-7, 5, -1], [0, 0, 0]],),
    ),
    ("LA-3 det of lower rank is flat", np.linalg.det, (np.zeros((3, 3)),), (np.zeros((3, 3)),)),
    ("LA-3 det of one zero has slope 1", np.linalg.det, ([[0.0]],), ([[1]],)),
    (
        "LA-4 slogdet of a singular matrix has the signs of the cofactors",
        lambda a: np.linalg.slogdet(a)[1],
        ([[1.0, 2], [2, 4]],),
        ([[inf, -inf], [-inf, inf]],),
    ),
    (
        "LA-5 equal eigenvalues have the derivative of their sum",
        lambda a: np.sum(np.linalg.eigvalsh(a)),
        (E2,),
        (E2,),
    ),
    (
        "LA-5 weighted equal eigenvalues are finite",
        weighted(np.linalg.eigvalsh, 1.0, 2.0),
        (E2,),
        (np.diag([1.0, 2]),),
    ),
    (
        "LA-6 an eigenvector asked nothing about its equals is flat",
        lambda a: np.linalg.eigh(a)[1][0, 0],
        (E2,),
        (0 * E2,),
    ),
    (
        "LA-8 weighted equal singular values are finite",
        weighted(lambda a: np.linalg.svd(a)[1], 1.0, 2.0),
        (E2,),
        (np.diag([1.0, 2]),),
    ),
    (
        "LA-10 eigvalsh moves with both triangles alike",
        lambda a: np.linalg.eigvalsh(a)[0],
        ([[2, 0.5], [0.5, 1]],),
        ([[0.14644660940672624, -0.3535533905932738], [-0.3535533905932738, 0.8535533905932737]],),
    ),
    (
        "LA-11 cholesky moves with both triangles alike",
        lambda a: np.linalg.cholesky(a)[1, 0],
        ([[2, 0.5], [0.5, 1]],),
        ([[-0.08838834764831842, 0.35355339059327373], [0.35355339059327373, 0]],),
    ),
    (
        "LA-13 a matrix to the power 0 is constant",
        lambda a: np.linalg.matrix_power(a, 0),
        ([[1.0, 2], [3, 4]],),
        (np.zeros((2, 2)),),
    ),
    (
        "LA-13 a negative power is that of the inverse",
        lambda a: np.linalg.matrix_power(a, -1),
        ([[2.0, 0], [0, 4]],),
        ([[-0.25, -0.125], [-0.125, -0.0625]],),
    ),
    # ---- indexing, empty arrays
    (
        "IX-1 an index that comes twice counts twice",
        lambda x: x[np.array([0, 0, 2])],
        ([1.0, 2, 3],),
        ([2, 0, 1],),
    ),
    (
        "IX-2 take wraps and adds up where it wrapped to",
        lambda x: np.take(x, [-1, 5], mode="wrap"),
        ([1.0, 2, 3],),
        ([0, 0, 2],),
    ),
    (
        "IX-2 take clips and adds up where it clipped to",
        lambda x: np.take(x, [-1, 5], mode="clip"),
        ([1.0, 2, 3],),
        ([1, 0, 1],),
    ),
    (
        "IX-4 only the choice taken moves",
        lambda x, y: np.choose([0, 1], [x, y]),
        ([1.0, 2], [3.0, 4]),
        ([1, 0], [0, 1]),
    ),
    ("EM-1 the sum of nothing has no slopes", np.sum, (np.zeros(0),), (np.zeros(0),)),
    ("EM-1 the product of nothing has no slopes", np.prod, (np.zeros(0),), (np.zeros(0),)),
    (
        "NAN-2 a branch with a substituted argument is finite",
        lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0),
        ([0.0, 1],),
        ([0, 1],),
    ),
]
TRIED = pytest.mark.parametrize(("f", "xs", "slopes"), [pytest.param(*rest, id=id) for id, *rest in ROWS])


def arrays(values):
    return tuple(np.asarray(v, float) for v in values)


def same(found, slopes):
    """Equal to rounding, in units of the largest number."""
    for x_bar, slope in zip(found, slopes, strict=True):
        assert x_bar.shape == slope.shape
        largest = np.max(np.abs(slope), where=np.isfinite(slope), initial=1.0)
        np.testing.assert_allclose(x_bar, slope, rtol=1e-13, atol=1e-15 * largest)


def test_promises_have_words_of_their_own():
    assert len({id for id, *_ in ROWS}) == len(ROWS)


def basis(xs):
    """Every argument and place, and tangents that are 1 there and 0 elsewhere."""
    for k, x in enumerate(xs):
        for place in np.ndindex(x.shape):
            x_dot = np.zeros(x.shape)
            x_dot[place] = 1.0
            yield k, place, x_dot


def along(f, xs, k, place):
    """The derivative of the sum of the results along one basis vector."""
    x_dot = np.zeros(xs[k].shape)
    x_dot[place] = 1.0
    with np.errstate(all="ignore"):
        return np.sum(dd.jvp(lambda x: f(*xs[:k], x, *xs[k + 1 :]), (xs[k],), (x_dot,))[1])


@TRIED
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the function itself
def test_derivative_at_point_forward(f, xs, slopes):
    xs, slopes = arrays(xs), arrays(slopes)
    finite = all(np.isfinite(slope).all() for slope in slopes)
    for k, x in enumerate(xs):
        for place in np.ndindex(x.shape):
            expected = slopes[k][place]
            if finite:
                assert along(f, xs, k, place) == pytest.approx(expected, rel=1e-13, abs=1e-13)
            elif (
                np.shape(f(*xs)) == x.shape
            ):  # elementwise: the other places have a 0, which meets their pole
                alone = [v[place] for v in xs]
                assert along(f, alone, k, ()) == pytest.approx(expected, rel=1e-13, nan_ok=True)
            else:
                found = along(f, xs, k, place)
                assert np.isnan(found) or found == pytest.approx(expected, rel=1e-13)


@TRIED
def test_derivative_at_point_in_reverse(f, xs, slopes):
    xs, slopes = arrays(xs), arrays(slopes)
    with np.errstate(all="ignore"):
        y, pullback = dd.vjp(f, *xs)
        np.testing.assert_array_equal(y, f(*xs))
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pullback(np.ones(np.shape(y)))
    same(found, slopes)


@TRIED
def test_derivative_at_point_in_a_batch(f, xs, slopes):
    xs, slopes = arrays(xs), arrays(slopes)

    def gradient(*xs):
        y, pullback = dd.vjp(f, *xs)
        return pullback(np.ones(np.shape(y)))

    with np.errstate(all="ignore"):
        batch = dd.vmap(gradient)(*(np.stack([x, x]) for x in xs))
    for k in (0, 1):
        same([x_bar[k] for x_bar in batch], slopes)


# -------------------------------------------------- higher orders
# (promise, function of one number, point, {order: derivative})
HIGHER = [
    ("SP-2 x abs(x) has no curvature at 0", lambda x: x * np.abs(x), 0.0, {2: 0}),
    ("SP-9 sinc is smooth to every order at 0", np.sinc, 0.0, {1: 0, 2: -(pi**2) / 3, 3: 0, 4: pi**4 / 5}),
    ("SP-11 tanh that has reached 1 has no curvature", np.tanh, 30.0, {2: 0}),
    ("SP-14 expm1 next to 0 keeps its digits twice", np.expm1, 1e-20, {1: 1, 2: 1}),
    ("SP-41 the square has curvature 2 at 0", lambda x: x**2, 0.0, {2: 2}),
    ("SP-41 the cube has a third derivative at 0", lambda x: x**3.0, 0.0, {2: 0, 3: 6}),
    ("SP-41 the first power has no curvature", lambda x: x**1, 0.0, {2: 0}),
    ("SP-43 hypot has no curvature at the origin", lambda x: np.hypot(x, 0.0), 0.0, {2: 0}),
    ("SP-46 logaddexp has curvature 1/4 at a tie", lambda x: np.logaddexp(x, 0.0), 0.0, {2: 0.25}),
    ("HO-4 exp is its own derivative, also that of its output", np.exp, 1.0, {2: np.e, 3: np.e}),
    (
        "NAN-4 where_safe is flat beside a logarithm",
        lambda x: dd.where_safe(x > 0, np.log, 0.0, x),
        0.0,
        {1: 0, 2: 0},
    ),
    (
        "NAN-4 where_safe bends as the root taken",
        lambda x: dd.where_safe(x > 0, np.sqrt, 0.0, x),
        1.0,
        {2: -0.25},
    ),
]
WORDS = [
    pytest.param(f, x, word, expected, id=f"{promise}-{''.join(mode[0] for mode in word)}")
    for promise, f, x, orders in HIGHER
    for order, expected in orders.items()
    for word in itertools.product(("forward", "reverse"), repeat=order)
]


@pytest.mark.parametrize(("f", "x", "word", "expected"), WORDS)
def test_higher_derivative_at_point_in_every_nesting(f, x, word, expected):
    for mode in word:
        f = dd.grad(f, mode=mode)
    assert f(x) == pytest.approx(expected, rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(dd.vmap(f)(np.array([x, x])), [expected] * 2, rtol=1e-13, atol=1e-15)


HESSIANS = [
    ("RD-11 prod with a zero", np.prod, [0.0, 2, 3], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
    ("RD-16 logsumexp of large equal elements", logsumexp, [1000.0, 1000], [[0.25, -0.25], [-0.25, 0.25]]),
    ("RD-1 max with a tie", np.max, [1.0, 2, 2], np.zeros((3, 3))),
    ("RD-13 std of equal elements", np.std, [1.0, 1, 1], np.zeros((3, 3))),
    (
        "NR-14 norm squared at zero, which does not know what it is",
        lambda x: np.linalg.norm(x) ** 2,
        [0.0, 0],
        0 * E2,
    ),
    ("NR-14 the sum of squares at zero, which does", lambda x: np.sum(x * x), [0.0, 0], 2 * E2),
]


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
@pytest.mark.parametrize(("f", "x", "expected"), [pytest.param(*rest, id=id) for id, *rest in HESSIANS])
def test_hessian_at_point_in_every_nesting(f, x, expected, outer, inner):
    found = dd.hessian(f, mode=(outer, inner))(np.array(x))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(found, found.T)


# -------------------------------------------------- what is not the same both ways
@pytest.mark.parametrize(("f", "slope"), [(np.log, 1.0), (np.sqrt, 0.5)])
@convention("NAN-2", "NAN-3")
def test_branch_not_taken_enters_in_reverse_and_not_forward(f, slope):
    """A zero cotangent times an infinite slope is nan; a tangent is selected, so it is finite."""
    g = lambda x: np.where(x > 0, f(x), 0.0)  # noqa: E731
    x = np.array([0.0, 1.0])
    with np.errstate(all="ignore"):
        (found,) = dd.vjp(g, x)[1](np.ones(2))
        tangents = dd.jvp(g, (x,), (np.ones(2),))[1]
    np.testing.assert_array_equal(found, [nan, slope])
    np.testing.assert_array_equal(tangents, [0.0, slope])


@convention("SP-25")
def test_number_zero_meets_a_pole_and_no_tangent_does_not():
    with np.errstate(all="ignore"):
        assert np.isnan(dd.jvp(np.sqrt, (0.0,), (0.0,))[1])
        assert dd.jvp(lambda x: x + np.sqrt(0.0), (1.0,), (1.0,))[1] == 1.0


@pytest.mark.parametrize(("f", "slope"), [(np.log, 1.0), (np.sqrt, 0.5)])
@convention("NAN-5")
def test_strong_zero_lets_no_branch_enter_that_is_not_taken(f, slope):
    g = lambda x: np.where(x > 0, f(x), 0.0)  # noqa: E731
    with np.errstate(all="ignore"), dd.strong_zero():
        found = dd.vjp(g, np.array([0.0, 1.0]))[1](np.ones(2))[0]
    np.testing.assert_array_equal(found, [0.0, slope])


@convention("NAN-5", "SP-25")
def test_strong_zero_is_that_of_the_sweep_and_not_of_the_function():
    with np.errstate(all="ignore"), dd.strong_zero():
        slopes = [
            dd.grad(f, mode=mode)(0.0)
            for f in (lambda x: 0 * np.log(x), lambda x: np.sqrt(x**2))
            for mode in ("reverse", "forward")
        ]
        assert dd.jvp(np.sqrt, (0.0,), (0.0,))[1] == 0.0
    np.testing.assert_array_equal(slopes, [0, nan, nan, 0])


def logarithm(x):
    return np.sum(np.where(x > 0, np.log(x), 0.0))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@convention("NAN-7")
def test_debug_names_the_op_the_line_and_the_cause(mode):
    line = f"test_conventions.py:{logarithm.__code__.co_firstlineno + 1}"
    x, zeros = np.array([0.0, 1.0]), np.zeros(2)
    run = (lambda: dd.jvp(logarithm, (x,), (zeros,))) if mode == "forward" else lambda: dd.grad(logarithm)(x)
    with dd.debug(), pytest.raises(FloatingPointError, match=f"log received 0.0 .* at {line}; .* is -inf"):
        run()
    caused = rf"log received 0.0 .* at {line}; .* nan: 0 \* inf"
    with dd.debug(primal=False), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=caused):
        run()


@convention("UN-3", "WN-4")
def test_constant_function_is_silent_and_debug_warns():
    assert dd.grad(lambda x: 1.0)(2.0) == 0.0
    with dd.debug(), pytest.warns(UserWarning, match="does not depend on argument 0"):
        assert dd.grad(lambda x: 1.0)(2.0) == 0.0


@convention("NR-14")
def test_debug_warns_of_the_second_derivative_of_the_norm_of_zeros():
    with dd.debug(), pytest.warns(UserWarning, match="the norm of zeros has a kink"):
        dd.hessian(lambda x: np.linalg.norm(x) ** 2)(np.zeros(2))


@convention("LA-7")
def test_debug_names_the_equal_eigenvalues():
    with dd.debug(), pytest.raises(FloatingPointError, match=r"Eigenvalues 0 and 1 are equal \(1.0\)"):
        dd.grad(lambda a: np.linalg.eigh(a)[1][0, 1])(E2)


@pytest.mark.parametrize("decompose", [lambda a: np.linalg.eigh(a)[1], lambda a: np.linalg.svd(a)[0]])
@convention("LA-9")
def test_debug_refuses_a_loss_that_depends_on_the_phase_of_vectors(decompose):
    a = np.array([[2, 1j], [-1j, 3]])
    with dd.debug(), pytest.raises(ArithmeticError, match="the loss depends on the phases"):
        dd.grad(lambda a: np.real((1 + 2j) * decompose(a)[1, 1]))(a)


@convention("LA-12")
def test_pseudoinverse_of_a_singular_matrix_keeps_its_rank():
    found = dd.grad(lambda a: np.sum(np.linalg.pinv(a)))(np.array([[1.0, 2], [2, 4]]))
    np.testing.assert_allclose(found, [[0.0048, -0.0144], [-0.0144, -0.0768]], rtol=1e-10)


@convention("LA-7")
def test_loss_that_depends_on_the_choice_of_vectors_has_no_derivative():
    assert np.isnan(dd.grad(lambda a: np.linalg.eigh(a)[1][0, 1])(E2)).any()


@pytest.mark.parametrize("f", [lambda a: np.linalg.solve(a, np.ones(2)), np.linalg.inv])
@convention("LA-14")
def test_singular_system_raises_as_without_a_derivative(f):
    with pytest.raises(np.linalg.LinAlgError):
        dd.vjp(f, np.ones((2, 2)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@convention("RD-14")
def test_deviation_without_freedom_is_nan_and_so_is_its_slope():
    assert np.isnan(dd.grad(lambda x: np.std(x, ddof=1))(np.array([1.0]))).all()


@convention("WN-2")
def test_function_warns_as_it_does_without_a_derivative():
    with pytest.warns(RuntimeWarning, match="divide by zero") as caught:
        dd.grad(np.log)(0.0)
    assert len(caught) == 1
