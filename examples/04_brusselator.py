"""A stiff reaction and diffusion on a grid: SciPy's implicit solver with an exact sparse Jacobian.

Each of the 2 N N unknowns meets six others, so the Jacobian has 6 entries in a row, and a handful of seeds
shows them all: the plan finds pattern and colouring once, and every call of the solver costs one sweep.
"""

import numpy as np
from scipy.integrate import solve_ivp

import dualdiff as dd

N, ALPHA, A, B = 16, 0.02, 3.4, 1.0
grid = np.arange(N) / (N - 1)
X, Y = np.meshgrid(grid, grid, indexing="ij")
HEATED = (X - 0.3) ** 2 + (Y - 0.6) ** 2 <= 0.01


def laplacian(w):
    """Differences to the four neighbours on a torus."""
    around = np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1)
    return (around - 4 * w) * (N - 1) ** 2


def rhs(t, z):
    u, v = z.reshape(2, N, N)
    reaction = u * u * v
    heat = np.where(HEATED & (t >= 1.1), 5.0, 0.0)
    du = ALPHA * laplacian(u) + B + reaction - (A + 1) * u + heat
    dv = ALPHA * laplacian(v) + A * u - reaction
    return np.stack([du, dv]).reshape(-1)


def main():
    start = np.stack([22 * (Y * (1 - Y)) ** 1.5, 27 * (X * (1 - X)) ** 1.5]).reshape(-1)
    jacobian = dd.sparse.prepare_jacobian(rhs, 0.0, start, argnums=1)
    options = {"method": "BDF", "rtol": 1e-6, "atol": 1e-8}
    exact = solve_ivp(rhs, (0.0, 2.0), start, jac=jacobian, **options)
    differences = solve_ivp(rhs, (0.0, 2.0), start, jac_sparsity=jacobian.pattern, **options)
    dense = dd.jacobian(rhs, 1)(0.5, start)
    return {
        "unknowns": len(start),
        "entries": jacobian.pattern.nnz,
        "seeds": jacobian.coloring.ncolors,
        "differs from dense by": np.max(np.abs(jacobian(0.5, start).toarray() - dense)),
        "Jacobians": exact.njev,
        "by differences differs": np.max(np.abs(exact.y[:, -1] - differences.y[:, -1])),
        "mean of u at the end": np.mean(exact.y[: N * N, -1]),
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>24}: {number}")
