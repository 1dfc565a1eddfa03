"""Marginal likelihood of a Gaussian process on 300 points: a Cholesky factor, a solve, three parameters."""

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def loss(np, theta, squares, eye, y):
    """Minus its logarithm, up to a constant; `theta` is log(length), log(deviation), log(noise)."""
    kernel = np.exp(2 * theta[1] - 0.5 * squares * np.exp(-2 * theta[0])) + np.exp(2 * theta[2]) * eye
    factor = np.linalg.cholesky(kernel)
    white = np.linalg.solve(factor, y)
    return 0.5 * np.sum(white * white) + np.sum(np.log(np.diag(factor)))


def by_hand(theta, squares, eye, y):
    """Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equation (5.9)."""
    near, noise = squares * np.exp(-2 * theta[0]), np.exp(2 * theta[2])
    smooth = np.exp(2 * theta[1] - 0.5 * near)
    factor = np.linalg.cholesky(smooth + noise * eye)
    inverse = np.linalg.inv(factor)
    white = inverse @ y
    alpha = inverse.T @ white
    value = 0.5 * (white @ white) + np.sum(np.log(np.diag(factor)))
    kernel_bar = 0.5 * (inverse.T @ inverse - np.outer(alpha, alpha))
    weighted = kernel_bar * smooth
    return value, np.array([np.vdot(weighted, near), 2 * np.sum(weighted), 2 * noise * np.trace(kernel_bar)])


def cases(tiny=False):
    n = 5 if tiny else 300
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 10, size=n))
    y = np.sin(x) + 0.3 * rng.normal(size=n)
    theta = np.log([1.2, 0.9, 0.4])
    data = (x[:, None] - x) ** 2, np.eye(n), y

    case = Case("gaussian-process", f"marginal likelihood of {n} points, gradient in 3 hyperparameters")
    case.add("function", lambda: lambda: loss(np, theta, *data))
    case.add("by hand", lambda: lambda: by_hand(theta, *data))
    add_libraries(case, "gradient", loss, theta, *data)
    yield case
