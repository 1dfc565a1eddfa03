"""Newton's method for 10,000 variables: a sparse Hessian from three products, solved with directly.

Each variable of Rosenbrock's chain meets its two neighbours. A star colouring of the tridiagonal pattern has
3 colours, an acyclic one 2, and the matrix is symmetric to the last bit.
"""

import numpy as np
from scipy.sparse.linalg import spsolve

import dualdiff as dd

N = 10_000


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def main():
    x = np.ones(N) + 0.1 * np.sin(np.arange(N))
    hessian = dd.sparse.prepare_hessian(rosenbrock, x)
    acyclic = dd.sparse.prepare_hessian(rosenbrock, x, partition="acyclic")
    h = hessian(x)
    a, b = x[:-1], x[1:]
    diagonal = np.append(1200 * a * a - 400 * b + 2, 0.0) + np.append(0.0, np.full(N - 1, 200.0))
    result = {
        "entries": h.nnz,
        "colours, star": hessian.coloring.ncolors,
        "colours, acyclic": acyclic.coloring.ncolors,
        "diagonal differs by": np.max(np.abs(h.diagonal() - diagonal)),
        "off it": np.max(np.abs(h.diagonal(1) + 400 * a)),
        "star and acyclic differ by": np.max(np.abs((h - acyclic(x)).data)),
        "asymmetric entries": (h != h.T).nnz,
    }
    gradient = dd.grad(rosenbrock)
    steps = 0
    while np.max(np.abs(gradient(x))) > 1e-9 and steps < 20:
        x, steps = x - spsolve(hessian(x).tocsc(), gradient(x)), steps + 1
    return {**result, "steps of Newton": steps, "distance from the minimum": np.max(np.abs(x - 1))}


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>26}: {number}")
