"""How a test takes the number of a promise, and the ways in which a derivative at a point is tried.

A row of a table begins with its number, as in "SP-1 abs has slope 0"; a test that stands alone is decorated
with `convention`. So `pytest -k NAN-2` runs what holds that promise. The promises themselves are in
promises.toml, which test_promises.py keeps together with the tests.
"""

import itertools
import warnings

import numpy as np
import pytest

import dualdiff as dd

MODES = ("forward", "reverse")
each_mode = pytest.mark.parametrize("mode", MODES)


def convention(*numbers):
    """Give a test the numbers as its id."""
    return pytest.mark.parametrize((), [pytest.param(id=" ".join(numbers))])


def table(*rows):
    """Parameters of rows that begin with their promise, which is the id."""
    promises = [promise for promise, *_ in rows]
    assert len(set(promises)) == len(rows), "two rows have the same words"
    return [pytest.param(*rest, id=promise) for promise, *rest in rows]


# -------------------------------------------------- the derivative at a point
# A row is (promise, function, arguments, for each argument the derivative of the sum of the results).
def points(*rows):
    """Try the rows in every way of WAYS."""
    return pytest.mark.parametrize(("f", "xs", "slopes"), table(*rows))


def arrays(values):
    return tuple(np.asarray(v, float) for v in values)


def same(found, slopes):
    """Equal to rounding, in units of the largest number."""
    for x_bar, slope in zip(found, slopes, strict=True):
        assert x_bar.shape == slope.shape
        largest = np.max(np.abs(slope), where=np.isfinite(slope), initial=1.0)
        np.testing.assert_allclose(x_bar, slope, rtol=1e-13, atol=1e-15 * largest)


def silent(linear, *seeds):
    """What a linear map gives, which must warn of nothing on the way."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        return linear(*seeds)


def finite(slopes):
    return all(np.isfinite(slope).all() for slope in slopes)


def basis_vector(x, place):
    x_dot = np.zeros(x.shape)
    x_dot[place] = 1.0
    return x_dot


def along(f, xs, k, place):
    """The derivative of the sum of the results along one basis vector of argument k, by jvp and linearize."""
    g, x_dot = lambda x: f(*xs[:k], x, *xs[k + 1 :]), basis_vector(xs[k], place)
    with np.errstate(all="ignore"):
        value, y_dot = dd.jvp(g, (xs[k],), (x_dot,))
        np.testing.assert_array_equal(value, f(*xs))
        _, lin = dd.linearize(g, xs[k])
    np.testing.assert_allclose(silent(lin, x_dot), y_dot, rtol=1e-13, atol=1e-15)
    return np.sum(y_dot)


def forward(f, xs, slopes):
    """Along every basis vector.

    Beside a pole the zeros of a basis vector would make nan (SP-25), so an elementwise function is tried one
    element at a time there, and any other with zeros that are strong.
    """
    for k, x in enumerate(xs):
        for place in np.ndindex(x.shape):
            expected = slopes[k][place]
            if finite(slopes):
                found = along(f, xs, k, place)
            elif np.shape(f(*xs)) == x.shape:
                found = along(f, [v[place] for v in xs], k, ())
            else:
                with dd.strong_zero():
                    found = along(f, xs, k, place)
            assert found == pytest.approx(expected, rel=1e-13, abs=1e-13, nan_ok=True)


def pulled(f, *xs):
    """The derivatives of the sum of the results, in reverse."""
    y, pullback = dd.vjp(f, *xs)
    return pullback(np.ones(np.shape(y)))


def reverse(f, xs, slopes):
    with np.errstate(all="ignore"):
        y, pullback = dd.vjp(f, *xs)
        np.testing.assert_array_equal(y, f(*xs))
    same(silent(pullback, np.ones(np.shape(y))), slopes)


def batch(f, xs, slopes):
    """Two examples, with all arguments mapped and with one."""
    every = tuple(range(len(xs)))
    for mapped in {every, *((k,) for k in every)}:
        axes = tuple(0 if k in mapped else None for k in every)
        rows = [np.stack([x, x]) if k in mapped else x for k, x in enumerate(xs)]
        with np.errstate(all="ignore"):
            found = dd.vmap(lambda *xs: pulled(f, *xs), in_axes=axes)(*rows)
        for k in (0, 1):
            same([x_bar[k] for x_bar in found], slopes)


def nested(f, xs, slopes):
    """As a value inside another transform, whose tensors the arguments are."""
    with np.errstate(all="ignore"):
        same(dd.jvp(lambda *xs: pulled(f, *xs), xs, tuple(np.zeros(x.shape) for x in xs))[0], slopes)
        same(dd.vjp(lambda *xs: pulled(f, *xs), *xs)[0], slopes)
        if finite(slopes):
            ones = tuple(np.ones(x.shape) for x in xs)
            total = sum(np.sum(slope) for slope in slopes)
            size = max(1.0, *(np.sum(np.abs(slope)) for slope in slopes))
            push = lambda *xs: dd.jvp(f, xs, ones)[1]  # noqa: E731
            for outer in (dd.jvp(push, xs, ones), dd.vjp(push, *xs)):
                assert np.sum(outer[0]) == pytest.approx(total, rel=1e-13, abs=1e-13 * size)


WAYS = (
    pytest.param(forward, id="GEN-2 forward"),
    pytest.param(reverse, id="GEN-2 reverse"),
    pytest.param(batch, id="in a batch"),
    pytest.param(nested, id="HO-2 nested"),
)
each_way = pytest.mark.parametrize("way", WAYS)


def hold(way, f, xs, slopes):
    """Try one row in one way."""
    way(f, arrays(xs), arrays(slopes))


# -------------------------------------------------- higher orders of a function of one number
def orders(*rows):
    """Parameters of rows (promise, f, x, {order: derivative}), for every nesting of the modes."""
    return [
        pytest.param(f, x, word, expected, id=f"{promise}-{''.join(mode[0] for mode in word)}")
        for promise, f, x, derivatives in rows
        for order, expected in derivatives.items()
        for word in itertools.product(MODES, repeat=order)
    ]
