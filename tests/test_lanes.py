"""Many seeds in one sweep, chunk by chunk: the same numbers, within a budget of memory."""

import tracemalloc

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.transforms import lanes


@pytest.mark.parametrize(("inputs", "outputs"), [(200, 2000), (2000, 200)])
def test_chunked_jacobian_needs_its_own_memory_and_the_budget(inputs, outputs, monkeypatch):
    matrix = np.random.default_rng(0).normal(size=(outputs, inputs))
    jacobian = dd.jacobian(lambda x: np.exp(np.sin(np.tanh(matrix @ x))))
    x = np.ones(inputs)
    expected = jacobian(x)
    budget = 2**20  # a third of the result
    monkeypatch.setattr(lanes, "BUDGET", budget)
    tracemalloc.start()
    found = jacobian(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    copies = 2 if inputs < outputs else 1  # columns are turned into rows at the end
    assert peak < copies * found.nbytes + 2 * budget


@pytest.mark.parametrize("chunk_size", [1, 3, 7])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_chunks_without_a_derivative_are_zeros(mode, chunk_size):
    def f(x):
        return np.concatenate([np.zeros(2), x[4:6] ** 2, np.zeros(3)])

    found = dd.jacobian(f, mode=mode, chunk_size=chunk_size)(np.ones(7))
    np.testing.assert_array_equal(found, dd.jacobian(f, mode=mode)(np.ones(7)))


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_chunks_of_a_jacobian_inside_another_transform(mode, outer):
    def f(x, chunk_size):
        return np.sum(dd.jacobian(lambda z: z**3 * z[0], mode=mode, chunk_size=chunk_size)(x) ** 2)

    x = np.linspace(0.5, 1.5, 5)
    chunked = dd.grad(lambda x: f(x, 2), mode=outer)(x)
    np.testing.assert_allclose(chunked, dd.grad(lambda x: f(x, None), mode=outer)(x), rtol=1e-14)
