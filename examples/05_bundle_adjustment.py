"""Bundle adjustment: cameras and points from what the cameras saw, by sparse least squares.

An observation depends on one camera (11 numbers) and one point (3), whatever the number of both. The model is
that of ADBench: rotation about an axis, projection, radial distortion. Cameras and points are made up, seen
without noise, disturbed, and found again up to the freedom that the picture leaves.
"""

import numpy as np
from scipy.optimize import least_squares

import dualdiff as dd

CAMERAS, POINTS = 4, 30


def rotated(r, y):
    """The vectors y turned about the axes r by the angles |r|: the formula of Rodrigues."""
    angle = np.sqrt(np.sum(r * r, axis=1, keepdims=True))
    v = r / angle
    across = np.cross(v, y)
    along = v * np.sum(v * y, axis=1, keepdims=True)
    return y * np.cos(angle) + across * np.sin(angle) + along * (1 - np.cos(angle))


def project(camera, point):
    """Where each camera sees its point. A camera: axis 3, centre 3, focal length 1, middle 2, bend 2."""
    z = rotated(camera[:, :3], point - camera[:, 3:6])
    u = z[:, :2] / z[:, 2:]
    s = np.sum(u * u, axis=1, keepdims=True)
    bent = u * (1 + camera[:, 9:10] * s + camera[:, 10:11] * s * s)
    return bent * camera[:, 6:7] + camera[:, 7:9]


def residuals(x, camera, point, seen):
    cameras, points = x[: 11 * CAMERAS].reshape(-1, 11), x[11 * CAMERAS :].reshape(-1, 3)
    return (project(cameras[camera], points[point]) - seen).reshape(-1)


def main():
    rng = np.random.default_rng(0)
    near = [0.1, -0.2, 0.15, 0, 0, -6, 1.0, 0, 0, 0.01, 0.001]
    cameras = near + 0.05 * rng.normal(size=(CAMERAS, 11))
    truth = np.concatenate([cameras.ravel(), rng.uniform(-1, 1, 3 * POINTS)])
    camera, point = (k.ravel() for k in np.meshgrid(np.arange(CAMERAS), np.arange(POINTS)))
    seen = residuals(truth, camera, point, np.zeros((len(camera), 2))).reshape(-1, 2)
    start = truth + 0.01 * rng.normal(size=len(truth))
    jacobian = dd.sparse.prepare_jacobian(residuals, start, camera, point, seen)
    fit = least_squares(residuals, start, jac=jacobian, args=(camera, point, seen), x_scale="jac", xtol=1e-12)
    return {
        "shape": jacobian.shape,
        "entries": jacobian.pattern.nnz,
        "seeds": jacobian.coloring.ncolors,
        "sum of squares at first": np.sum(residuals(start, camera, point, seen) ** 2),
        "sum of squares found": 2 * fit.cost,
    }


if __name__ == "__main__":
    for name, number in main().items():
        print(f"{name:>24}: {number}")
