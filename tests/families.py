"""What every function with NumPy's signature obeys, tried on a table of calls: one table for each family.

A table holds {name: (function, argument or tuple of arguments)} at smooth points. The law tests of the ops
do not see functions made of them, nor what their keywords do.
"""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.testing import check_grads
from dualdiff.tree import flatten


def leaves(y):
    return flatten(y)[0]


def value_is_numpys(f, xs):
    """Under both modes the values, shapes and dtypes of the plain call, but for rounding."""
    expected = leaves(f(*xs))
    for y in (dd.jvp(f, xs, xs)[0], dd.vjp(f, *xs)[0]):
        for found, plain in zip(leaves(y), expected, strict=True):
            assert (found.shape, found.dtype) == (np.shape(plain), np.asarray(plain).dtype)
            np.testing.assert_allclose(found, plain, rtol=1e-13, atol=1e-14)


def agrees_with_differences(f, xs):
    """Both modes, and each nested in each, against central differences."""
    check_grads(f, xs)


def batches_as_a_loop(f, xs):
    """The value, a pushforward and a pullback of three examples at once."""
    batch = [np.stack([x, x * 1.0625, x * 0.9375]) for x in xs]

    def slopes(*xs):
        y, pullback = dd.vjp(f, *xs)
        return dd.jvp(f, xs, tuple(x * x for x in xs))[1], pullback(y)

    for g in (f, slopes):
        loop = [leaves(g(*(x[i] for x in batch))) for i in range(3)]
        for k, y in enumerate(leaves(dd.vmap(g)(*batch))):
            expected = np.stack([row[k] for row in loop])
            np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-12)


def stays_in_single_precision(f, xs):
    """The dtypes of the plain call, and the numbers of double precision."""
    half = tuple(x.astype("c8" if x.dtype.kind == "c" else "f4") for x in xs)
    y, y_dot = dd.jvp(f, half, half)
    y, pullback = dd.vjp(f, *half)
    assert [x.dtype for x in pullback(y)] == [x.dtype for x in half]
    wide = tuple(x.astype("c16" if x.dtype.kind == "c" else "f8") for x in half)
    expected = leaves(dd.jvp(f, wide, wide)[1])
    for a, b, plain, c in zip(leaves(y), leaves(y_dot), leaves(f(*half)), expected, strict=True):
        assert a.dtype == b.dtype == np.asarray(plain).dtype
        np.testing.assert_allclose(b, c, rtol=5e-5, atol=5e-5 * (1 + np.max(np.abs(c), initial=0)))


LAWS = (value_is_numpys, agrees_with_differences, batches_as_a_loop, stays_in_single_precision)


def family(cases, *, without=()):
    """Parametrise a test by law and call, but for the pairs 'call-law' that make no sense."""
    return pytest.mark.parametrize(
        ("law", "f", "xs"),
        [
            pytest.param(law, f, xs if isinstance(xs, tuple) else (xs,), id=f"{name}-{law.__name__}")
            for name, (f, xs) in cases.items()
            for law in LAWS
            if f"{name}-{law.__name__}" not in without
        ],
    )
