"""A soap film over a frame: Hessians that are only ever multiplied with, in SciPy's solvers.

`hvp` gives the Hessian times a vector to the trust region method. `linearize` of the gradient gives it as a
LinearOperator, from one run, to the method of conjugate gradients in Newton's method. Neither forms a matrix.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.linalg import cg

import dualdiff as dd

N = 20
side = np.linspace(0, 1, N + 2)
FRAME = np.zeros((N + 2, N + 2))
FRAME[0], FRAME[-1] = np.sin(np.pi * side), np.sin(np.pi * side)


def area(inner):
    """The area of the film over the unit square with heights `inner` inside the frame."""
    u = np.pad(inner.reshape(N, N), 1) + FRAME
    across, down = np.diff(u, axis=0)[:, :-1], np.diff(u, axis=1)[:-1]
    return np.sum(np.sqrt(1 + ((N + 1) * across) ** 2 + ((N + 1) * down) ** 2)) / (N + 1) ** 2


gradient = dd.grad(area)


def newton(x, steps=8):
    """Newton's method; each step solves with conjugate gradients on a map that is swept, not formed."""
    for _ in range(steps):
        slope, curvature = dd.linearize(gradient, x)
        step, _ = cg(curvature.as_linear_operator(), -slope, rtol=1e-10)
        x = x + step
    return x


def main():
    start = np.zeros(N * N)
    products = []

    def hessp(x, v):
        products.append(1)
        return dd.hvp(area, (x,), (v,))[1]

    found = minimize(area, start, jac=gradient, hessp=hessp, method="trust-ncg", options={"gtol": 1e-10})
    film = newton(start)
    return {
        "unknowns": N * N,
        "area": found.fun,
        "slope left": np.max(np.abs(gradient(found.x))),
        "products with the Hessian": len(products),
        "slope left by Newton": np.max(np.abs(gradient(film))),
        "films differ by": np.max(np.abs(found.x - film)),
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>26}: {number}")
