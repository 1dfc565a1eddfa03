"""SciPy's special functions through their own ufuncs: mpmath's derivatives, kinks, errors.

mpmath differentiates in 30 digits by its own definitions of the functions, and so knows nothing of the rules.
The laws of the ops are in test_ops.py with all others.
"""

import numpy as np
import pytest
from conventions import convention

special = pytest.importorskip("scipy.special")

import dualdiff as dd  # noqa: E402
import dualdiff.special as ours  # noqa: E402
from dualdiff.core import FUNCTIONS, OPS  # noqa: E402
from dualdiff.errors import NoDerivative  # noqa: E402
from dualdiff.testing import check_grads  # noqa: E402

inf, nan = np.inf, np.nan
ROWS = [op for name, op in OPS.items() if name.startswith("special.")]


def test_namespace_has_every_rule_under_the_name_of_scipy():
    covered = {f for f in FUNCTIONS if isinstance(f, np.ufunc) and FUNCTIONS[f] in ROWS}
    named = {name for name, f in vars(special).items() if isinstance(f, np.ufunc) and f in covered}
    assert {name for name in named if getattr(ours, name, None) is not getattr(special, name)} == set()


# -------------------------------------------------- mpmath as the oracle
# name: (function, how mpmath spells it, points)
ORACLE = {
    "erf": (special.erf, lambda mp: mp.erf, [-2.0, 0.0, 0.3, 4.0]),
    "erfc": (special.erfc, lambda mp: mp.erfc, [-1.0, 0.5, 5.0]),
    "erfcx": (special.erfcx, lambda mp: lambda x: mp.exp(x * x) * mp.erfc(x), [-1.0, 0.4, 3.0]),
    "erfi": (special.erfi, lambda mp: mp.erfi, [-1.0, 0.4]),
    "erfinv": (special.erfinv, lambda mp: mp.erfinv, [-0.9, 0.0, 0.5]),
    "erfcinv": (special.erfcinv, lambda mp: lambda x: mp.erfinv(1 - x), [0.3, 1.2]),
    "dawsn": (
        special.dawsn,
        lambda mp: lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
        [0.0, 1.5],
    ),
    "ndtr": (special.ndtr, lambda mp: mp.ncdf, [-3.0, 0.0, 1.0]),
    "log_ndtr": (special.log_ndtr, lambda mp: lambda x: mp.log(mp.ncdf(x)), [-20.0, -1.0, 2.0]),
    "ndtri": (special.ndtri, lambda mp: lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [0.1, 0.7]),
    "expit": (special.expit, lambda mp: lambda x: 1 / (1 + mp.exp(-x)), [-3.0, 0.0, 30.0]),
    "logit": (special.logit, lambda mp: lambda x: mp.log(x / (1 - x)), [0.1, 0.6]),
    "log_expit": (special.log_expit, lambda mp: lambda x: -mp.log(1 + mp.exp(-x)), [-30.0, 0.5]),
    "gamma": (special.gamma, lambda mp: mp.gamma, [0.3, 4.5, -1.5]),
    "gammaln": (special.gammaln, lambda mp: lambda x: mp.log(abs(mp.gamma(x))), [0.3, 40.5, -1.5]),
    "rgamma": (special.rgamma, lambda mp: mp.rgamma, [0.3, 4.5]),
    "psi": (special.psi, lambda mp: lambda x: mp.psi(0, x), [0.3, 9.0, -0.4]),
    "polygamma": (lambda x: ours.polygamma(2, x), lambda mp: lambda x: mp.psi(2, x), [0.3, 9.0]),
    "multigammaln": (
        lambda x: ours.multigammaln(x, 3),
        lambda mp: lambda x: mp.log(mp.gamma(x) * mp.gamma(x - 0.5) * mp.gamma(x - 1)),
        [2.5, 7.0],
    ),
    "beta": (lambda x: special.beta(x, 1.7), lambda mp: lambda x: mp.beta(x, 1.7), [0.4, 3.0]),
    "betaln": (lambda x: special.betaln(0.7, x), lambda mp: lambda x: mp.log(mp.beta(0.7, x)), [0.4, 30.0]),
    "entr": (special.entr, lambda mp: lambda x: -x * mp.log(x), [0.2, 3.0]),
    "rel_entr": (lambda y: special.rel_entr(0.4, y), lambda mp: lambda y: 0.4 * mp.log(0.4 / y), [0.2, 3.0]),
    "kl_div": (lambda y: special.kl_div(0.4, y), lambda mp: lambda y: 0.4 * mp.log(0.4 / y) + y, [0.2, 3.0]),
    "xlogy": (lambda y: special.xlogy(0.4, y), lambda mp: lambda y: 0.4 * mp.log(y), [0.2, 3.0]),
    "binom": (lambda n: special.binom(n, 2.3), lambda mp: lambda n: mp.binomial(n, 2.3), [4.5]),
    "poch": (lambda m: special.poch(1.5, m), lambda mp: lambda m: mp.rf(1.5, m), [0.7]),
    "zeta-s": (lambda s: special.zeta(s, 0.7), lambda mp: lambda s: mp.zeta(s, 0.7), [1.2, 3.0, 9.0]),
    "zeta-q": (lambda q: special.zeta(2.5, q), lambda mp: lambda q: mp.zeta(2.5, q), [0.3, 5.0]),
    "riemann": (special.zeta, lambda mp: mp.zeta, [1.3, 4.0]),
    "gammainc": (
        lambda x: special.gammainc(2.5, x),
        lambda mp: lambda x: mp.gammainc(2.5, 0, x, regularized=True),
        [0.3, 4.0],
    ),
    "gammaincinv": (
        lambda p: special.gammaincc(2.5, special.gammainccinv(2.5, p)),
        lambda mp: lambda p: p,
        [0.3, 0.9],
    ),
    "betainc": (
        lambda x: special.betainc(2.5, 1.5, x),
        lambda mp: lambda x: mp.betainc(2.5, 1.5, 0, x, regularized=True),
        [0.3, 0.9],
    ),
    "jv": (lambda x: special.jv(1.5, x), lambda mp: lambda x: mp.besselj(1.5, x), [0.3, 8.0]),
    "j0": (special.j0, lambda mp: lambda x: mp.besselj(0, x), [0.0, 2.0]),
    "j1": (special.j1, lambda mp: lambda x: mp.besselj(1, x), [0.0, 2.0]),
    "y1": (special.y1, lambda mp: lambda x: mp.bessely(1, x), [0.5, 2.0]),
    "iv": (lambda x: special.iv(2, x), lambda mp: lambda x: mp.besseli(2, x), [0.3, 8.0]),
    "i1e": (special.i1e, lambda mp: lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), [0.3, -8.0]),
    "kv": (lambda x: special.kv(0.3, x), lambda mp: lambda x: mp.besselk(0.3, x), [0.3, 8.0]),
    "kve": (lambda x: special.kve(2, x), lambda mp: lambda x: mp.exp(x) * mp.besselk(2, x), [0.3, 8.0]),
    "k1e": (special.k1e, lambda mp: lambda x: mp.exp(x) * mp.besselk(1, x), [0.3, 8.0]),
    "spherical_jn": (
        lambda x: ours.spherical_jn(2, x),
        lambda mp: lambda x: mp.sqrt(mp.pi / (2 * x)) * mp.besselj(2.5, x),
        [0.5, 7.0],
    ),
    "spherical_kn": (
        lambda x: ours.spherical_kn(1, x, derivative=True),
        lambda mp: lambda x: mp.diff(lambda t: mp.pi / 2 * mp.exp(-t) * (1 / t + 1 / t**2), x),
        [0.5],
    ),
    "exp1": (special.exp1, lambda mp: mp.e1, [0.2, 4.0]),
    "expi": (special.expi, lambda mp: mp.ei, [0.2, -4.0]),
    "expn": (lambda x: special.expn(3, x), lambda mp: lambda x: mp.expint(3, x), [0.2, 4.0]),
    "exprel": (special.exprel, lambda mp: lambda x: mp.expm1(x) / x, [-2.0, 1e-3, 3.0]),
    "spence": (special.spence, lambda mp: lambda x: mp.polylog(2, 1 - x), [0.3, 1.7]),
    "sici": (lambda x: special.sici(x)[0], lambda mp: mp.si, [0.3, 5.0]),
    "shichi": (lambda x: special.shichi(x)[1], lambda mp: mp.chi, [0.3, 5.0]),
    "fresnel": (lambda x: special.fresnel(x)[1], lambda mp: mp.fresnelc, [0.3, 2.0]),
    "airy": (lambda x: special.airy(x)[3], lambda mp: lambda x: mp.airybi(x, derivative=1), [-2.0, 1.0]),
    "lambertw": (lambda x: special.lambertw(x).real, lambda mp: mp.lambertw, [0.3, 5.0]),
    "boxcox": (
        lambda p: special.boxcox(2.5, p),
        lambda mp: lambda p: (mp.mpf(2.5) ** p - 1) / p,
        [0.5, 1e-9],
    ),
    "boxcox1p": (lambda x: special.boxcox1p(x, 0.3), lambda mp: lambda x: ((1 + x) ** 0.3 - 1) / 0.3, [0.5]),
    "owens_t": (
        lambda h: special.owens_t(h, 0.8),
        lambda mp: (
            lambda h: mp.quad(
                lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t) / (2 * mp.pi), [0, 0.8]
            )
        ),
        [0.7],
    ),
    "ellipk": (special.ellipk, lambda mp: mp.ellipk, [-0.5, 0.0, 0.6]),
    "ellipe": (special.ellipe, lambda mp: mp.ellipe, [-0.5, 0.0, 0.6]),
    "ellipkm1": (special.ellipkm1, lambda mp: lambda p: mp.ellipk(1 - p), [0.3]),
    "ellipkinc": (lambda m: special.ellipkinc(0.8, m), lambda mp: lambda m: mp.ellipf(0.8, m), [0.4]),
    "ellipeinc": (lambda m: special.ellipeinc(0.8, m), lambda mp: lambda m: mp.ellipe(0.8, m), [0.4]),
    "hyp1f1": (lambda z: special.hyp1f1(1.2, 2.3, z), lambda mp: lambda z: mp.hyp1f1(1.2, 2.3, z), [0.7]),
    "hyp2f1": (
        lambda z: special.hyp2f1(1.2, 0.4, 2.3, z),
        lambda mp: lambda z: mp.hyp2f1(1.2, 0.4, 2.3, z),
        [0.7],
    ),
    "hyp0f1": (lambda z: special.hyp0f1(2.3, z), lambda mp: lambda z: mp.hyp0f1(2.3, z), [0.7]),
    "legendre": (lambda x: special.eval_legendre(4, x), lambda mp: lambda x: mp.legendre(4, x), [-0.4, 0.9]),
    "jacobi": (
        lambda x: special.eval_jacobi(3, 0.4, 1.2, x),
        lambda mp: lambda x: mp.jacobi(3, 0.4, 1.2, x),
        [-0.4],
    ),
    "laguerre": (lambda x: special.eval_laguerre(3, x), lambda mp: lambda x: mp.laguerre(3, 0, x), [1.4]),
    "hermite": (lambda x: special.eval_hermite(3, x), lambda mp: lambda x: mp.hermite(3, x), [1.4]),
    "softmax": (
        lambda x: ours.softmax(np.stack([x, 0.5 + 0 * x]))[0],
        lambda mp: lambda x: mp.exp(x) / (mp.exp(x) + mp.exp(0.5)),
        [-1.0, 2.0],
    ),
    "log_softmax": (
        lambda x: ours.log_softmax(np.stack([x, 0.5 + 0 * x]))[0],
        lambda mp: lambda x: x - mp.log(mp.exp(x) + mp.exp(0.5)),
        [-1.0, 2.0],
    ),
    "huber": (
        lambda r: special.huber(1.5, r),
        lambda mp: lambda r: r * r / 2 if r < 1.5 else 1.5 * (r - 0.75),
        [0.4, 2.0],
    ),
    "pseudo_huber": (
        lambda d: special.pseudo_huber(d, 0.7),
        lambda mp: lambda d: d * d * (mp.sqrt(1 + (0.7 / d) ** 2) - 1),
        [1.3],
    ),
    "factorial": (ours.factorial, lambda mp: mp.factorial, [3.5]),
    "comb": (lambda k: ours.comb(6.5, k), lambda mp: lambda k: mp.binomial(6.5, k), [2.5]),
    "softplus": (ours.softplus, lambda mp: lambda x: mp.log(1 + mp.exp(x)), [-2.0, 3.0]),
    "voigt": (
        lambda s: special.voigt_profile(0.4, s, 0.6),
        lambda mp: (
            lambda s: (
                mp.re(mp.exp(-(((0.4 + 0.6j) / s) ** 2) / 2) * mp.erfc(-1j * (0.4 + 0.6j) / s / mp.sqrt(2)))
                / s
                / mp.sqrt(2 * mp.pi)
            )
        ),
        [0.8],
    ),
}
POINTS = [
    pytest.param(f, spelled, x, id=f"{name}-{x}") for name, (f, spelled, xs) in ORACLE.items() for x in xs
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("f", "spelled", "x"), POINTS)
def test_derivative_of_special_function_is_that_of_mpmath(f, spelled, x, order):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(30):
        slopes = [float(mpmath.diff(spelled(mpmath), x, n)) for n in range(1, order + 1)]
    by_reverse, by_forward = f, f
    for _ in range(order):
        by_reverse = dd.grad(by_reverse)
        by_forward = lambda x, g=by_forward: dd.jvp(g, (x,), (1.0,))[1]  # noqa: E731
    for found in (by_reverse(x), by_forward(x)):
        assert found == pytest.approx(slopes[-1], rel=2e-9 if order == 2 else 1e-11, abs=1e-12)


# -------------------------------------------------- kinks
# (function, arguments, derivative for each argument)
KINKS = [
    ("SP-12 expit-far-left", special.expit, (-1000.0,), (0.0,)),
    ("SP-12 expit-far-right", special.expit, (1000.0,), (0.0,)),
    ("SP-13 softplus-minus-inf", ours.softplus, (-inf,), (0.0,)),
    ("SP-18 gammaln-0", special.gammaln, (0.0,), (-inf,)),
    ("SP-19 entr-0", special.entr, (0.0,), (inf,)),
    ("SP-20 i0e-0", special.i0e, (0.0,), (0.0,)),
    ("i1e-0", special.i1e, (0.0,), (0.5,)),
    ("SP-52 xlogy-0-0", special.xlogy, (0.0, 0.0), (0.0, 0.0)),
    ("SP-52 xlogy-0-1", special.xlogy, (0.0, 1.0), (0.0, 0.0)),
    ("SP-52 xlogy-0-2", special.xlogy, (0.0, 2.0), (np.log(2), 0.0)),
    ("SP-53 xlog1py-0--1", special.xlog1py, (0.0, -1.0), (0.0, 0.0)),
    ("exprel-0", special.exprel, (0.0,), (0.5,)),
    ("spence-1", special.spence, (1.0,), (-1.0,)),
    ("logit-0", special.logit, (0.0,), (inf,)),
    ("log_ndtr-far-left", special.log_ndtr, (-1e8,), (1e8,)),
    ("gammasgn", special.gammasgn, (-1.5,), (0.0,)),
    ("huber-inside-edge", special.huber, (1.0, 1.0), (0.0, 1.0)),
]


@pytest.mark.parametrize(("f", "xs", "slopes"), [pytest.param(*rest, id=id) for id, *rest in KINKS])
def test_special_function_has_stated_derivative(f, xs, slopes):
    xs = tuple(map(np.float64, xs))
    argnums = tuple(range(len(xs)))
    with np.errstate(all="ignore"):
        _, pullback = dd.vjp(f, *xs)
        batch = dd.vmap(dd.grad(f, argnums))(*(np.stack([x, x]) for x in xs))
    with np.errstate(all="raise"):
        found = pullback(1.0)
    for k, slope in enumerate(slopes):
        assert found[k] == pytest.approx(slope, rel=1e-14)
        assert batch[k][1] == pytest.approx(slope, rel=1e-14)
        alone = lambda x, k=k: f(*xs[:k], x, *xs[k + 1 :])  # noqa: E731
        with np.errstate(all="ignore"):
            assert dd.jvp(alone, (xs[k],), (1.0,))[1] == pytest.approx(slope, rel=1e-14)


@convention("RD-17")
def test_softmax_of_large_numbers_is_finite():
    x = np.array([1000.0, 0.0])
    np.testing.assert_array_equal(dd.jacobian(ours.softmax)(x), np.zeros((2, 2)))
    np.testing.assert_array_equal(ours.softmax(x), special.softmax(x))
    np.testing.assert_allclose(dd.grad(lambda x: ours.log_softmax(x)[1])(x), [-1.0, 1.0])
    A = np.random.default_rng(3).standard_normal((2, 3, 4))
    for axis in (None, 1, (0, 2)):
        np.testing.assert_allclose(ours.softmax(A, axis), special.softmax(A, axis), rtol=1e-15)
        np.testing.assert_allclose(ours.log_softmax(A, axis), special.log_softmax(A, axis), rtol=1e-14)
    check_grads(lambda x: ours.softmax(x, axis=(0, -1)), (A,))
    check_grads(lambda x: ours.log_softmax(x, axis=1), (A,))


# -------------------------------------------------- the way in
def test_ufunc_takes_its_keywords():
    x = np.array([0.3, 0.7])
    y = dd.vjp(lambda x: special.erf(x, dtype=np.float32), x)[0]
    np.testing.assert_array_equal(y, special.erf(x, dtype=np.float32))
    with pytest.raises(NoDerivative, match="where="):
        dd.vjp(lambda x: special.erf(x, where=np.array([True, False])), x)
    with pytest.raises(TypeError, match="out="):
        dd.vjp(lambda x: special.erf(x, out=np.zeros(2)), x)
    np.testing.assert_array_equal(
        dd.vjp(lambda x: special.xlogy.outer(x, x), x)[0], special.xlogy.outer(x, x)
    )


UNKNOWN = {
    "jv": (special.jv, (1.5, 2.0), "v"),
    "kn": (special.kn, (1.0, 2.0), "v"),
    "hyp2f1": (special.hyp2f1, (1.5, 2.0, 1.0, 0.3), "a"),
    "eval_genlaguerre": (special.eval_genlaguerre, (1.5, 2.0, 0.3), "n"),
    "eval_jacobi": (special.eval_jacobi, (1.5, 2.0, 1.0, 0.3), "n"),
}


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", UNKNOWN)
@convention("ER-3")
def test_parameter_without_a_derivative_is_refused_by_name(name, mode):
    f, xs, parameter = UNKNOWN[name]
    with pytest.raises(NoDerivative, match=rf"scipy\.special\.{name} .*'{parameter}'"):
        dd.grad(f, mode=mode)(*xs)
    assert np.isfinite(dd.grad(f, len(xs) - 1, mode=mode)(*xs))


@pytest.mark.parametrize("a", [0.05, 0.7, 1.0, 3.5, 40.0, 700.0])
@pytest.mark.parametrize("part", [0.01, 0.4, 1.0, 1.3, 4.0])
def test_incomplete_gamma_by_its_parameter_is_that_of_mpmath(a, part):
    mpmath = pytest.importorskip("mpmath")
    x = a * part
    with mpmath.workdps(40):
        expected = float(mpmath.diff(lambda a: mpmath.gammainc(a, 0, x, regularized=True), a))
    assert dd.grad(special.gammainc)(a, x) == pytest.approx(expected, rel=1e-11, abs=1e-300)
    assert dd.jvp(lambda a: special.gammaincc(a, x), (a,), (1.0,))[1] == pytest.approx(-expected, rel=1e-11)
    with pytest.raises(NoDerivative, match="second derivative by its argument 'a'"):
        dd.grad(dd.grad(special.gammainc))(a, x)


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.3), (1.0, 1.0), (2.5, 0.7), (3.0, 40.0), (200.0, 150.0)])
@pytest.mark.parametrize("x", [1e-6, 0.05, 0.3, 0.6, 0.97])
def test_incomplete_beta_by_its_parameters_is_that_of_mpmath(a, b, x):
    mpmath = pytest.importorskip("mpmath")
    share = lambda a, b: mpmath.betainc(a, b, 0, x, regularized=True)  # noqa: E731
    with mpmath.workdps(200):
        expected = float(mpmath.diff(lambda a: share(a, b), a)), float(mpmath.diff(lambda b: share(a, b), b))
    for i, slope in enumerate(expected):
        assert dd.grad(special.betainc, i)(a, b, x) == pytest.approx(slope, rel=1e-10, abs=1e-290)
        assert dd.grad(special.betaincc, i)(a, b, x) == pytest.approx(-slope, rel=1e-10, abs=1e-290)
        with pytest.raises(NoDerivative, match="second derivative by its arguments 'a' and 'b'"):
            dd.grad(dd.grad(special.betainc, i), i)(a, b, x)


def test_inverse_of_incomplete_beta_by_its_parameters():
    for f, inverse in ((special.betainc, special.betaincinv), (special.betaincc, special.betainccinv)):
        for i in (0, 1):
            gradient = dd.grad(lambda a, b: f(a, b, inverse(a, b, 0.3)), i)  # noqa: B023
            assert gradient(2.5, 1.5) == pytest.approx(0.0, abs=1e-12)
            mixed = dd.grad(dd.grad(f, i), 2)(2.5, 1.5, 0.3), dd.grad(dd.grad(f, 2), i)(2.5, 1.5, 0.3)
            assert mixed[0] == pytest.approx(mixed[1], rel=1e-12)


def test_inverse_of_incomplete_gamma_by_its_parameter():
    """gammainc(a, gammaincinv(a, y)) is y for every a."""
    for f, inverse in ((special.gammainc, special.gammaincinv), (special.gammaincc, special.gammainccinv)):
        assert dd.grad(lambda a: f(a, inverse(a, 0.3)))(2.5) == pytest.approx(0.0, abs=1e-12)  # noqa: B023
        mixed = [dd.grad(dd.grad(f, i), 1 - i)(2.5, 1.7) for i in (0, 1)]
        assert mixed[0] == pytest.approx(mixed[1], rel=1e-12)


def test_function_without_a_rule_is_refused_by_name():
    with pytest.raises(NoDerivative, match=r"scipy\.special\.struve has no derivative"):
        dd.vjp(lambda x: special.struve(1.0, x), 2.0)
    with pytest.raises(NoDerivative, match="exact=True"):
        dd.vjp(lambda x: ours.comb(5, x, exact=True), 2.0)
