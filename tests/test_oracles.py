"""Gradients and Hessian products beside JAX, where it has the function of the same name, at random points.

JAX is an oracle for tests alone; the tests are skipped where it is not installed. At kinks the conventions
differ on purpose (test_conventions_of_kinks.py has ours), so the points are of each op's smooth domain.
"""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.core import OPS
from dualdiff.testing.samples import draw, generator

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

# Rows whose derivatives differ on purpose, or which JAX gives none, and why.
DIFFERENT = {
    "nextafter": "JAX has no derivative of it; here it moves as its first argument does",
    "spacing": "JAX has no derivative of it",
    "ldexp": "JAX differentiates by the exponent too, and takes it as a float",
}
SHARED = [
    op
    for op in OPS.values()
    if isinstance(op.evaluate, np.ufunc) and op.kind == "elementwise" and op.name not in DIFFERENT
    and hasattr(jax.numpy, op.name) and all(d is not None for d in op.partials)
]  # fmt: skip


def point(op):
    """Two examples: one for the place, one for the direction."""
    rng = generator(f"oracle {op.name}")
    xs, vs = ([draw(d, rng, (5,), np.dtype(float)) for d in op.domain] for _ in range(2))
    return tuple(xs), tuple(vs)


def test_oracle_shares_most_rows():
    assert len(SHARED) > 35


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("op", SHARED, ids=lambda op: op.name)
def test_gradient_is_that_of_jax(op, mode):
    xs, _ = point(op)
    weights = np.arange(1.0, 6)
    places = tuple(range(len(xs)))
    ours = dd.grad(lambda *xs: np.sum(weights * op.evaluate(*xs)), places, mode=mode)(*xs)
    theirs = jax.grad(lambda *xs: jax.numpy.sum(weights * getattr(jax.numpy, op.name)(*xs)), places)(*xs)
    for x_bar, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x_bar, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", ["forward-over-reverse", "reverse-over-reverse", "reverse-over-forward"])
@pytest.mark.parametrize("op", SHARED, ids=lambda op: op.name)
def test_hessian_product_is_that_of_jax(op, mode):
    xs, vs = point(op)
    theirs = getattr(jax.numpy, op.name)

    def f(*xs):  # a factor beside it, so that the Hessian is not diagonal alone
        return np.sum(op.evaluate(*xs)) * np.sum(xs[0])

    def g(*xs):
        return jax.numpy.sum(theirs(*xs)) * jax.numpy.sum(xs[0])

    _, product = dd.hvp(f, xs, vs, mode=mode)
    expected = jax.jvp(jax.grad(g, tuple(range(len(xs)))), xs, vs)[1]
    for found, wanted in zip(product if len(xs) > 1 else (product,), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-11)
