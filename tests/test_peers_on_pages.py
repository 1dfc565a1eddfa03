"""What the pages for those who come from autograd and JAX say of the other library is what it does."""

import numpy as np
import pytest

import dualdiff as dd

PROGRAMS = {
    "norm at 0": (lambda np: np.linalg.norm, np.zeros(2)),
    "std of equal numbers": (lambda np: np.std, np.ones(3)),
    "prod with a zero": (lambda np: np.prod, np.array([0.0, 2.0, 3.0])),
    "sinc at 0": (lambda np: np.sinc, 0.0),
    "clip at a bound": (lambda np: lambda x: np.clip(x, 0.0, 1.0), 1.0),
    "abs at 0": (lambda np: np.abs, 0.0),
    "hypot at 0": (lambda np: lambda x: np.hypot(x[0], x[1]), np.zeros(2)),
    "complex square": (lambda np: lambda z: np.abs(z) ** 2, 1 + 2j),
}
nan = np.nan
AUTOGRAD = {
    "norm at 0": [nan, nan],
    "std of equal numbers": [nan] * 3,
    "prod with a zero": [nan, 0, 0],
    "sinc at 0": nan,
    "clip at a bound": 0,
    "complex square": 2 - 4j,
}
JAX = {
    "norm at 0": [nan, nan],
    "std of equal numbers": [nan] * 3,
    "abs at 0": 1,
    "hypot at 0": [0.5, 0.5],
    "complex square": 2 - 4j,
}
OURS = {
    "norm at 0": [0, 0],
    "std of equal numbers": [0, 0, 0],
    "prod with a zero": [6, 0, 0],
    "sinc at 0": 0,
    "clip at a bound": 0.5,
    "abs at 0": 0,
    "hypot at 0": [0, 0],
    "complex square": 2 + 4j,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_dualdiff_has_what_the_pages_say(program):
    make, x = PROGRAMS[program]
    np.testing.assert_allclose(dd.grad(make(np))(x), OURS[program], rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("program", AUTOGRAD)
def test_autograd_has_what_its_page_says(program):
    autograd = pytest.importorskip("autograd")
    make, x = PROGRAMS[program]
    np.testing.assert_allclose(autograd.grad(make(autograd.numpy))(x), AUTOGRAD[program], rtol=1e-12)


@pytest.mark.parametrize("program", JAX)
def test_jax_has_what_its_page_says(program):
    jax = pytest.importorskip("jax")
    make, x = PROGRAMS[program]
    np.testing.assert_allclose(jax.grad(make(jax.numpy))(x), JAX[program], rtol=1e-6)
