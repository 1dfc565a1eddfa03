"""nan, branches that are not taken, zeros that are strong, and who warns of what."""

import contextlib
import warnings

import numpy as np
import pytest
from conventions import convention, each_mode, each_way, hold, orders, points, silent, table

import dualdiff as dd

nan, inf = np.nan, np.inf
SINGULAR = pytest.mark.parametrize(("f", "slope"), [(np.log, 1.0), (np.sqrt, 0.5)], ids=["log", "sqrt"])
X = np.array([0.0, 1.0])


def branched(f):
    return lambda x: np.where(x > 0, f(x), 0.0)


# -------------------------------------------------- branches
@SINGULAR
@convention("NAN-2", "NAN-3")
def test_branch_not_taken_enters_in_reverse_and_not_forward(f, slope):
    """A zero cotangent times an infinite slope is nan; a tangent is selected, so it is finite."""
    g = branched(f)
    pull = lambda x: dd.vjp(g, x)[1](np.ones(2))[0]  # noqa: E731
    push = lambda x: dd.jvp(g, (x,), (np.ones(2),))[1]  # noqa: E731
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(pull(X), [nan, slope])
        np.testing.assert_array_equal(push(X), [0.0, slope])
        np.testing.assert_array_equal(dd.vmap(pull)(np.stack([X, X])), [[nan, slope]] * 2)
        np.testing.assert_array_equal(dd.vmap(push)(np.stack([X, X])), [[0.0, slope]] * 2)


@points(
    *(
        (
            f"NAN-4 where_safe leaves out the {f.__name__} that is not taken",
            lambda x, f=f: dd.where_safe(x > 0, f, 0.0, x),
            (X,),
            ([0, slope],),
        )
        for f, slope in ((np.log, 1), (np.sqrt, 0.5))
    ),
    (
        "NAN-2 a branch with a substituted argument is finite",
        lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0),
        (X,),
        ([0, 1],),
    ),
)
@each_way
def test_derivative_at_point(f, xs, slopes, way):
    hold(way, f, xs, slopes)


@pytest.mark.parametrize(
    ("f", "x", "word", "expected"),
    orders(
        *(
            (
                f"NAN-4 where_safe has the second derivative of {f.__name__} where it is taken, at {x}",
                lambda x, f=f: dd.where_safe(x > 0, f, 0.0, x),
                x,
                {1: slope, 2: curvature},
            )
            for f, x, slope, curvature in (
                (np.log, 0.0, 0, 0),
                (np.log, 1.0, 1, -1),
                (np.sqrt, 0.0, 0, 0),
                (np.sqrt, 1.0, 0.5, -0.25),
            )
        )
    ),
)
def test_higher_derivative_at_point_in_every_nesting(f, x, word, expected):
    for mode in word:
        f = dd.grad(f, mode=mode)
    assert f(x) == pytest.approx(expected, rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(dd.vmap(f)(np.array([x, x])), [expected] * 2, rtol=1e-13, atol=1e-15)


# -------------------------------------------------- strong zeros
@SINGULAR
@convention("NAN-5")
def test_strong_zero_lets_no_branch_enter_that_is_not_taken(f, slope):
    with np.errstate(all="ignore"), dd.strong_zero():
        np.testing.assert_array_equal(dd.vjp(branched(f), X)[1](np.ones(2))[0], [0.0, slope])
        np.testing.assert_array_equal(dd.jvp(branched(f), (X,), (np.ones(2),))[1], [0.0, slope])


@convention("NAN-5")
def test_strong_zero_is_that_of_the_sweep_and_not_of_the_function():
    with np.errstate(all="ignore"), dd.strong_zero():
        slopes = [
            dd.grad(f, mode=mode)(0.0)
            for f in (lambda x: 0 * np.log(x), lambda x: np.sqrt(x**2))
            for mode in ("reverse", "forward")
        ]
    np.testing.assert_array_equal(slopes, [0, nan, nan, 0])


# -------------------------------------------------- debug
def logarithm(x):
    return np.sum(np.where(x > 0, np.log(x), 0.0))


@each_mode
@convention("NAN-7")
def test_debug_names_the_op_the_line_and_the_cause(mode):
    line = f"test_conventions_of_nan.py:{logarithm.__code__.co_firstlineno + 1}"
    run = (lambda: dd.jvp(logarithm, (X,), (0 * X,))) if mode == "forward" else lambda: dd.grad(logarithm)(X)
    with dd.debug(), pytest.raises(FloatingPointError, match=f"log received 0.0 .* at {line}; .* is -inf"):
        run()
    caused = rf"log received 0.0 .* at {line}; .* nan: 0 \* inf"
    with dd.debug(primal=False), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=caused):
        run()


# -------------------------------------------------- warnings
def at_ones(y):
    return np.ones(np.shape(y))


@pytest.mark.parametrize(
    ("f", "xs"),
    table(
        ("WN-1 sqrt at 0", np.sqrt, (0.0,)),
        ("WN-1 the power 0. at 0", lambda x: x**0.0, (0.0,)),
        ("WN-1 the power 3. at -2", lambda x: x**3.0, (-2.0,)),
        ("WN-1 sinc at 0", np.sinc, (0.0,)),
        ("WN-1 the norm of zeros", np.linalg.norm, ([0.0, 0],)),
        ("WN-1 the deviation of equal elements", np.std, ([1.0, 1, 1],)),
        ("WN-1 a product with zeros", np.prod, ([0.0, 0, 3],)),
        ("WN-1 arctan2 at the origin", np.arctan2, (0.0, 0.0)),
        ("WN-1 hypot at the origin", np.hypot, (0.0, 0.0)),
        ("WN-1 logaddexp of two -inf", np.logaddexp, (-inf, -inf)),
    ),
)
def test_derivative_does_not_warn_where_the_function_does_not(f, xs):
    xs = tuple(map(np.asarray, xs))
    silent(lambda: f(*xs))  # the function itself is quiet, so all that follows has to be
    y, pullback = silent(lambda: dd.vjp(f, *xs))
    silent(pullback, at_ones(y))
    _, lin = silent(lambda: dd.linearize(f, *xs))
    silent(lin, *map(at_ones, xs))
    silent(lin.T, at_ones(y))
    silent(lambda: dd.jvp(f, xs, tuple(map(at_ones, xs))))
    silent(lambda: dd.vmap(lambda *xs: dd.vjp(f, *xs)[1](at_ones(y)))(*(np.stack([x, x]) for x in xs)))


@each_mode
@convention("WN-2")
def test_function_warns_once_as_it_does_without_a_derivative(mode):
    with pytest.warns(RuntimeWarning, match="divide by zero") as outside:
        np.log(np.float64(0.0))
    with pytest.warns(RuntimeWarning, match="divide by zero") as inside:
        dd.grad(np.log, mode=mode)(0.0)
    assert [str(w.message) for w in inside] == [str(w.message) for w in outside]
    assert len(inside) == 1


@pytest.mark.parametrize("setting", ["ignore", "raise"])
@each_mode
@convention("WN-3")
def test_settings_of_numpy_are_as_before(mode, setting, unregistered):
    broken = dd.elementwise(lambda x: x * 1.0, lambda y, x: 1 / 0, name="broken_partial")
    with np.errstate(all=setting):
        before = np.geterr()
        for f, error in (
            (np.sqrt, None),
            (lambda x: np.sqrt(x) * (1 / 0), ZeroDivisionError),
            (lambda x: np.sqrt(broken(x)), ZeroDivisionError),  # in the rule itself
        ):
            with pytest.raises(error) if error else contextlib.nullcontext():
                dd.grad(f, mode=mode)(4.0)
            assert np.geterr() == before


@convention("UN-3", "WN-4")
@each_mode
def test_constant_function_is_silent_and_debug_warns(mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dd.grad(lambda x: 1.0, mode=mode)(2.0) == 0.0
        assert dd.grad(lambda x, y: x, (0, 1), mode=mode)(2.0, 3.0) == (1.0, 0.0)
    with dd.debug(), pytest.warns(UserWarning, match="does not depend on argument 0"):
        assert dd.grad(lambda x: 1.0, mode=mode)(2.0) == 0.0
