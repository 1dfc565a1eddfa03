"""Sparse Jacobians of problems with published numbers: the Brusselator, and ADBench's bundle adjustment."""

import numpy as np
import pytest

import dualdiff as dd

pytest.importorskip("scipy")
import scipy.sparse as sp

from benchmarks.workloads import brusselator, bundle_adjustment

sparse = dd.sparse


# -------------------------------------------------- Brusselator
def right_hand_side(n):
    start, *data = brusselator.problem(n)
    return lambda z: brusselator.rhs(np, z, *data), start


# The sum and the norm of the right-hand side at the start, and the norm of its Jacobian, in double precision.
CHECKS = {
    6: (-6.9359340205442095, 2555.5847506744813, 9498.161851333234),
    12: (-49.43920289377047, 6552.068763043097, 91849.14519215765),
}


@pytest.mark.parametrize("n", CHECKS)
def test_brusselator_has_the_known_numbers(n):
    f, start = right_hand_side(n)
    total, norm, jacobian_norm = CHECKS[n]
    matrix = sparse.jacobian(f)(start)
    assert np.sum(f(start)) == pytest.approx(total, rel=1e-11)
    assert np.linalg.norm(f(start)) == pytest.approx(norm, rel=1e-13)
    assert np.linalg.norm(matrix.data) == pytest.approx(jacobian_norm, rel=1e-13)
    np.testing.assert_allclose(matrix.toarray(), dd.jacobian(f)(start), rtol=1e-13)


@pytest.mark.parametrize("n", [6, 12])
def test_entries_of_the_brusselator_jacobian_sum_to_minus_the_number_of_cells_anywhere(n):
    """Diffusion sums to 0, and in each cell (2uv - A - 1) + u^2 + (A - 2uv) - u^2 = -1."""
    f, start = right_hand_side(n)
    plan = sparse.prepare_jacobian(f, start)
    for z in (start, np.ones_like(start), np.random.default_rng(0).normal(size=start.shape)):
        assert plan(z).sum() == pytest.approx(-n * n, abs=1e-7)


@pytest.mark.parametrize(("n", "local"), [(6, 420), (12, 1704)])
def test_local_pattern_of_the_brusselator_is_smaller_where_u_is_zero(n, local):
    """At the start u is 0 on two lines of the grid, so u^2 and 2uv are missing there."""
    f, start = right_hand_side(n)
    assert sparse.pattern(f, start, kind="global").nnz == 12 * n * n
    assert sparse.pattern(f, start, kind="local").nnz == local


@pytest.mark.parametrize("n", [6, 12, 24, 48])
def test_brusselator_needs_ten_seeds(n):
    f, start = right_hand_side(n)
    report = sparse.prepare_jacobian(f, start).report()
    assert (report.entries, report.scope, report.dense_ops) == (12 * n * n, "global", {})
    assert 6 <= report.forward_seeds <= 10 and report.reverse_seeds == 0


# -------------------------------------------------- bundle adjustment
# The smallest instance of ADBench's tests: two equal cameras, ten equal points, ten equal observations
# (github.com/microsoft/ADBench, MIT licence, copyright Microsoft Corporation). A row of the block of an
# observation has 11 derivatives by the camera, 3 by the point, 1 by the weight.
CAMERA = [
    1.797201, 0.590697, -0.635786, 90.85955, 29.361415, 28.777534, 211.628116, -0.284531, -14.762924,
    0.058931, 0.069976,
]  # fmt: skip
POINT, WEIGHT, SEEN = [4.173048, 5.586898, 1.403869], 0.417022, [-525.672849, 161.811929]
ERRORS, WEIGHT_ERROR = [-0.2690488492351894, 0.2599447926779019], 0.826092651516
BLOCK = [
    [228.87720220824676, 634.5748114955454, -782.2228662593405, 2.4289261560715967, -11.782807962801131,
     2.5416931248774346, -1.0365708495851809, 0.417022, 0.0, -350.7395210960052, -912.1077736680086,
     -2.4289261560715967, 11.782807962801131, -2.5416931248774346, -0.6451670397129874],
    [-120.54243599499688, -385.6732407664604, 97.54762914033265, -1.7837210852957657, 4.154667994331261,
     2.040257180298989, 0.3491763974331459, 0.0, 0.417022, 118.1491477044145, 307.25010896034325,
     1.7837210852957657, -4.154667994331261, -2.040257180298989, 0.623335921553064],
]  # fmt: skip


def instance(cameras=2, points=10, observations=10):
    x = np.concatenate([np.tile(CAMERA, cameras), np.tile(POINT, points), np.full(observations, WEIGHT)])
    j = np.arange(observations)
    return x, np.tile(SEEN, (observations, 1)), j % cameras, j % points, cameras, points


def known(cameras=2, points=10, observations=10):
    """The Jacobian of the instance, dense."""
    matrix = np.zeros((3 * observations, 11 * cameras + 3 * points + observations))
    for j in range(observations):
        c, p = 11 * (j % cameras), 11 * cameras + 3 * (j % points)
        w = 11 * cameras + 3 * points + j
        columns = [*range(c, c + 11), *range(p, p + 3), w]
        matrix[2 * j : 2 * j + 2, columns] = BLOCK
        matrix[2 * observations + j, w] = -2 * WEIGHT
    return matrix


def test_bundle_adjustment_has_the_published_residuals():
    found = bundle_adjustment.residuals(*instance())
    np.testing.assert_allclose(found[:20].reshape(10, 2), np.tile(ERRORS, (10, 1)), rtol=1e-11)
    np.testing.assert_allclose(found[20:], WEIGHT_ERROR, rtol=1e-12)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_bundle_adjustment_has_the_published_jacobian(mode):
    data = instance()
    matrix = sparse.prepare_jacobian(bundle_adjustment.residuals, *data, mode=mode)(*data)
    expected = known()
    assert matrix.shape == (30, 62) == expected.shape
    assert matrix.nnz == 10 * 29  # two numbers of a block are 0 whatever the input
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-9, atol=1e-300)


def test_bundle_adjustment_with_the_published_pattern():
    """All 31 entries of an observation, the two that are 0 included."""
    data, expected = instance(), known()
    pattern = expected != 0
    for j in range(10):
        c = 11 * (j % 2)
        pattern[2 * j, c + 8] = pattern[2 * j + 1, c + 7] = True
    matrix = sparse.jacobian(bundle_adjustment.residuals, pattern=sp.csr_array(pattern))(*data)
    assert matrix.nnz == 310
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-9, atol=1e-300)
