"""A Gaussian mixture by its likelihood: parameters in a dict, full covariances, SciPy's L-BFGS.

The points are drawn from two Gaussians. At the maximum a step of the EM algorithm changes nothing: a share is
the mean responsibility of its component, a mean that of the points, weighted by responsibility.
"""

import numpy as np
from scipy.optimize import minimize

import dualdiff as dd
from dualdiff.special import logsumexp

rng = np.random.default_rng(0)
SPREAD = np.array([[0.5, 0.3], [0.0, 0.4]])
POINTS = np.concatenate([rng.normal(size=(200, 2)), [3, 1] + rng.normal(size=(100, 2)) @ SPREAD])
START = {"shares": np.zeros(2), "means": np.array([[-1.0, 0], [2, 0]]), "roots": np.stack([np.eye(2)] * 2)}


def log_joint(p):
    """log(share * density) of every point under every component; the inverse covariances are R R'."""
    gaps = (POINTS[:, None] - p["means"])[:, :, None] @ p["roots"]
    logdet = np.log(np.abs(np.linalg.det(p["roots"])))
    shares = p["shares"] - logsumexp(p["shares"])
    return shares + logdet - 0.5 * np.sum(gaps**2, axis=(2, 3)) - np.log(2 * np.pi)


def packed(p):
    return np.concatenate([x.ravel() for x in p.values()])


def unpacked(v):
    return {"shares": v[:2], "means": v[2:6].reshape(2, 2), "roots": v[6:].reshape(2, 2, 2)}


def loss(v):
    return -np.mean(logsumexp(log_joint(unpacked(v)), axis=1))


def main():
    options = {"ftol": 1e-15, "gtol": 1e-9}
    found = minimize(dd.value_and_grad(loss), packed(START), jac=True, method="L-BFGS-B", options=options)
    p = unpacked(found.x)
    joint = log_joint(p)
    weights = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    counts = weights.sum(axis=0)
    shares = np.exp(p["shares"] - logsumexp(p["shares"]))
    return {
        "loss": found.fun,
        "means": p["means"].round(3).tolist(),
        "EM moves a share by": np.max(np.abs(shares - counts / len(POINTS))),
        "EM moves a mean by": np.max(np.abs(p["means"] - weights.T @ POINTS / counts[:, None])),
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>20}: {number}")
