"""Random programs: patterns cover, sparse matrices equal dense ones, and so do replayed plans, anywhere."""

import numpy as np
import pytest

import dualdiff as dd

pytest.importorskip("scipy")
sparse = dd.sparse
SHAPE = (3, 4)
SEEDS = range(24)

# Steps from two matrices and a number to a matrix of the same shape: all structures that a pattern knows.
STEPS = [
    lambda a, b, n: np.sin(a),
    lambda a, b, n: a * b,
    lambda a, b, n: a + b[::-1],
    lambda a, b, n: a / (1 + b * b),
    lambda a, b, n: np.roll(a, n % 5, axis=n % 2),
    lambda a, b, n: np.cumsum(a, axis=n % 2) / 5,
    lambda a, b, n: a - np.mean(a, axis=n % 2, keepdims=True),
    lambda a, b, n: np.where(a > b, a, b * b),
    lambda a, b, n: np.maximum(a, b),
    lambda a, b, n: np.sort(a, axis=n % 2),
    lambda a, b, n: np.concatenate([a[1:], b[:1]]),
    lambda a, b, n: a[[2, 0, 1]],
    lambda a, b, n: np.tril(a) + b,
    lambda a, b, n: np.array([[0, 1, 0], [2, 0, 0], [0, 0, 3]]) @ a / 3,
    lambda a, b, n: np.einsum("ij,kj->ik", a, b) @ np.eye(*SHAPE) / 4,
    lambda a, b, n: a.at[0].set(b[1]),
    lambda a, b, n: a.reshape(SHAPE[::-1]).T,
    lambda a, b, n: dd.stop_gradient(a) * b,
    lambda a, b, n: np.floor(a) + b,
    lambda a, b, n: np.stack([a[0], b[1], a[2] * b[0]]),
    lambda a, b, n: np.linalg.solve(np.diag([4.0, 5.0, 6.0]) + 1, a),
    lambda a, b, n: np.real(np.fft.ifft(np.fft.fft(a, axis=1) * 1j, axis=1)),
    lambda a, b, n: dd.vmap(lambda row: row * row[0])(a),
    lambda a, b, n: np.pad(a, ((1, 1), (0, 0)), mode="edge")[n % 3 : n % 3 + 3],
    lambda a, b, n: np.take_along_axis(a, np.argsort(b, axis=1), axis=1),
    lambda a, b, n: np.exp(-a * a) * np.prod(b, axis=0),
]


def program(seed):
    """Eight random steps on twelve numbers."""
    picks = np.random.default_rng(seed).integers(0, 10**6, (8, 4)).tolist()

    def f(x):
        values = [x.reshape(SHAPE)]
        for step, i, j, n in picks:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(STEPS[step % len(STEPS)](a, b, n))
        return values[-1] * values[-2]

    return f, np.random.default_rng(seed + 1).uniform(0.3, 1.5, 12)


def dense(f, x):
    found = dd.jacobian(f)(x)
    return found.reshape(12, 12), max(1.0, abs(found).max())


@pytest.mark.parametrize("kind", ["global", "path", "local"])
@pytest.mark.parametrize("seed", SEEDS)
def test_pattern_of_a_program_covers_its_jacobian(seed, kind):
    f, x = program(seed)
    expected, size = dense(f, x)
    covered = sparse.pattern(f, x, kind=kind).toarray()
    assert not ((abs(expected) > 1e-13 * size) & ~covered).any()


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("seed", SEEDS)
def test_plan_of_a_program_is_its_jacobian_at_other_points_too(seed, mode, replay):
    f, x = program(seed)
    plan = sparse.prepare_jacobian(f, x, mode=mode, replay=replay)
    for point in (x, 1.1 * x, x[::-1].copy()):
        expected, size = dense(f, point)
        np.testing.assert_allclose(plan(point).toarray(), expected, rtol=1e-11, atol=1e-12 * size)


@pytest.mark.parametrize(
    "how", [{}, {"partition": "acyclic"}, {"replay": True}], ids=["star", "acyclic", "replay"]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_sparse_hessian_of_a_program_is_its_hessian(seed, how):
    f, x = program(seed)

    def energy(x):
        return np.sum(f(x) ** 2)

    plan = sparse.prepare_hessian(energy, x, **how)
    for point in (x, 1.05 * x):
        expected, found = dd.hessian(energy)(point), plan(point)
        np.testing.assert_allclose(
            found.toarray(), expected, rtol=1e-9, atol=1e-9 * max(1, abs(expected).max())
        )
        assert (found != found.T).nnz == 0
