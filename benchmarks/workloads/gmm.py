"""The log posterior of a Gaussian mixture: few ops on large arrays, batched products, a logsumexp.

The model is ADBench's (Srajer, Kukelova and Fitzgibbon 2018, A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning): the inverse covariance of a
component is Q'Q with Q lower triangular; its row of `icf` holds the logarithms of Q's diagonal, then the
entries below it, column by column.
"""

import math

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case


def placement(d):
    """Carries the entries below the diagonal into the flat Q' by a product, which all libraries share."""
    places = [row + column * d for column in range(d) for row in range(column + 1, d)]
    return np.eye(d * d)[places]


def constant(n, d, k, gamma, m):
    """What does not depend on the parameters: of the normal densities and of the Wishart prior."""
    degrees = d + m + 1
    log_gamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma((degrees - i) / 2) for i in range(d))
    prior = k * (degrees * d * math.log(gamma / math.sqrt(2)) - log_gamma)
    return -n * d / 2 * math.log(2 * math.pi) - prior


def logsumexp(np, x):
    """Over the first axis."""
    top = np.amax(x, axis=0)
    return top + np.log(np.sum(np.exp(x - top), axis=0))


def log_posterior(np, parameters, x, place, gamma, m, fixed):
    alphas, means, icf = parameters
    n, d = x.shape
    k = means.shape[0]
    logs, below = icf[:, :d], icf[:, d:]
    scales, total = np.exp(logs), np.sum(logs, axis=1)
    gaps = x - means[:, None, :]
    z = gaps * scales[:, None, :] + gaps @ (below @ place).reshape((k, d, d))
    inner = (alphas + total)[:, None] - 0.5 * np.sum(z * z, axis=2)
    likelihood = np.sum(logsumexp(np, inner)) - n * logsumexp(np, alphas)
    prior = 0.5 * gamma**2 * (np.sum(scales * scales) + np.sum(below * below)) - m * np.sum(total)
    return fixed + likelihood + prior


def by_hand(parameters, x, place, gamma, m, fixed):
    alphas, means, icf = parameters
    (n, d), k = x.shape, len(means)
    logs, below = icf[:, :d], icf[:, d:]
    scales, total = np.exp(logs), np.sum(logs, axis=1)
    q = (below @ place).reshape(k, d, d)
    gaps = x - means[:, None]
    z = gaps * scales[:, None] + gaps @ q
    inner = (alphas + total)[:, None] - 0.5 * np.sum(z * z, axis=2)
    top = np.amax(inner, axis=0)
    weights = np.exp(inner - top)
    sums = np.sum(weights, axis=0)
    weights /= sums
    shares = np.exp(alphas - np.amax(alphas))
    log_shares = np.amax(alphas) + np.log(np.sum(shares))
    value = fixed + np.sum(top + np.log(sums)) - n * log_shares
    value += 0.5 * gamma**2 * (np.sum(scales * scales) + np.sum(below * below)) - m * np.sum(total)

    counts = np.sum(weights, axis=1)
    z_bar = z * -weights[:, :, None]
    z_bar_sum = np.sum(z_bar, axis=1)
    means_bar = -(z_bar_sum * scales + np.squeeze(q @ z_bar_sum[:, :, None], 2))
    scales_bar = np.einsum("knd,knd->kd", z_bar, gaps)
    logs_bar = scales_bar * scales + (counts - m)[:, None] + gamma**2 * scales * scales
    below_bar = (np.swapaxes(gaps, 1, 2) @ z_bar).reshape(k, d * d) @ place.T + gamma**2 * below
    alphas_bar = counts - n * shares / np.sum(shares)
    return value, (alphas_bar, means_bar, np.concatenate((logs_bar, below_bar), axis=1))


def cases(tiny=False):
    n, d, k = (5, 3, 2) if tiny else (1000, 10, 25)
    gamma, m = 1.0, 0.0
    rng = np.random.default_rng(0)
    icf = 0.1 * rng.normal(size=(k, d * (d + 1) // 2))
    parameters = rng.normal(size=k), rng.normal(size=(k, d)), icf
    data = rng.normal(size=(n, d)), placement(d), gamma, m, constant(n, d, k, gamma, m)

    case = Case("gmm", f"mixture of {k} in {d} dimensions, {n:,} points, value and gradient")
    case.add("function", lambda: lambda: log_posterior(np, parameters, *data))
    case.add("by hand", lambda: lambda: by_hand(parameters, *data))
    add_libraries(case, "gradient", log_posterior, parameters, *data)
    yield case
