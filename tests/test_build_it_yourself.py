"""The engine that tutorial 5 builds has the derivatives of dualdiff, in both modes and nested."""

import re
from pathlib import Path

import numpy as np
import pytest

import dualdiff as dd

PAGE = Path(__file__).parent.parent / "docs/tutorials/5-build-it-yourself.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text().split("## 7.")[0], re.M | re.S)


@pytest.fixture(scope="module")
def built():
    namespace = {}
    exec("\n".join(BLOCKS), namespace)
    return namespace


ROW, COLUMN = np.array([0.3, 1.1, 0.7]), np.array([[0.9], [1.4]])
MATRIX = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


class Numpy:
    """NumPy under the names that the page uses."""

    sin, cos, exp, log, tanh, sum_all = np.sin, np.cos, np.exp, np.log, np.tanh, np.sum


class Built:
    def __init__(self, namespace):
        self.__dict__.update(namespace)


PROGRAMS = {
    "every operator": lambda m, x: m.sum_all(2 - x * 3 + (1 / x - x / 2) * -x),
    "every function": lambda m, x: m.sum_all(m.sin(x) * m.cos(x) + m.exp(m.tanh(x)) / m.log(x + 2)),
    "a row beside a column": lambda m, x: m.sum_all(m.tanh(x * COLUMN) / (x + COLUMN)),
    "a value used three times": lambda m, x: m.sum_all(m.sin(x) * x * x),
    "products of matrices": lambda m, x: m.sum_all(m.tanh((x * MATRIX) @ MATRIX.T) @ (x * MATRIX)),
}
of_programs = pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)


@of_programs
def test_gradient_is_that_of_dualdiff(built, f):
    expected = dd.grad(lambda x: f(Numpy, x))(ROW)
    np.testing.assert_allclose(built["grad"](lambda x: f(Built(built), x))(ROW), expected, rtol=1e-12)


@of_programs
def test_forward_derivative_is_that_of_dualdiff(built, f):
    v = np.array([1.0, -2.0, 0.5])
    expected = dd.jvp(lambda x: f(Numpy, x), (ROW,), (v,))
    np.testing.assert_allclose(built["jvp"](lambda x: f(Built(built), x), ROW, v), expected, rtol=1e-12)


@of_programs
@pytest.mark.parametrize("outer", ["forward", "reverse"])
def test_second_derivative_is_that_of_dualdiff(built, f, outer):
    v = np.array([1.0, -2.0, 0.5])
    _, expected = dd.hvp(lambda x: f(Numpy, x), (ROW,), (v,))
    gradient = built["grad"](lambda x: f(Built(built), x))
    found = built["jvp"](gradient, ROW, v)[1] if outer == "forward" else built["vjp"](gradient, ROW)[1](v)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_engine_has_fewer_than_200_lines():
    lines = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
    assert len(lines) < 200
