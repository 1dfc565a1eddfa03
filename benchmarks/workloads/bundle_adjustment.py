"""Bundle adjustment: a sparse Jacobian made of one block of 2 x 15 for each observation.

The model is ADBench's (Srajer, Kukelova and Fitzgibbon 2018, A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning): a camera has 11 numbers, a
point 3, an observation its weight. Compared is the data of the CSR matrix.
"""

import numpy as np

from benchmarks.candidates import PEERS
from benchmarks.harness import Case
from dualdiff import jacobian as dense_jacobian
from dualdiff import sparse, vmap


def cross(np, a, b):
    """The cross product along the last axis."""
    turned = [
        a[..., (k + 1) % 3] * b[..., (k + 2) % 3] - a[..., (k + 2) % 3] * b[..., (k + 1) % 3]
        for k in range(3)
    ]
    return np.stack(turned, -1)


def project(np, camera, point):
    """Where cameras see points: rotation 3, centre 3, focal length, principal point 2, distortion 2."""
    r, y = camera[..., :3], point - camera[..., 3:6]
    angle = np.sqrt(np.sum(r * r, -1))[..., None]
    v = r / angle
    along = v * np.sum(v * y, -1)[..., None]
    z = y * np.cos(angle) + cross(np, v, y) * np.sin(angle) + along * (1 - np.cos(angle))
    u = z[..., :2] / z[..., 2:]
    s = np.sum(u * u, -1)[..., None]
    bent = u * (1 + camera[..., 9:10] * s + camera[..., 10:11] * s * s)
    return bent * camera[..., 6:7] + camera[..., 7:9]


def reprojection(np, camera, point, weight, seen):
    return weight[..., None] * (project(np, camera, point) - seen)


def residuals(x, seen, camera, point, cameras, points):
    """All of them from one vector of cameras, points and weights, as ADBench orders rows and columns."""
    shift = 11 * cameras
    c, p = x[:shift].reshape(-1, 11), x[shift : shift + 3 * points].reshape(-1, 3)
    w = x[shift + 3 * points :]
    errors = reprojection(np, c[camera], p[point], w, seen)
    return np.concatenate([errors.reshape(-1), 1 - w * w])


def problem(cameras, points, observations):
    """Cameras that look at points before them: (unknowns, seen, camera and point of each observation)."""
    rng = np.random.default_rng(0)
    near = [0.1, -0.2, 0.15, 0, 0, -6, 1.0, 0, 0, 0.01, 0.001]
    c = near + 0.05 * rng.normal(size=(cameras, 11))
    parts = c.ravel(), rng.uniform(-1, 1, 3 * points), rng.uniform(0.5, 1, observations)
    j = np.arange(observations)
    return np.concatenate(parts), rng.normal(size=(observations, 2)), j % cameras, j % points


def blocks(x, camera, point, cameras, points):
    """The 15 numbers of each observation."""
    c, p = x[: 11 * cameras].reshape(-1, 11), x[11 * cameras : 11 * cameras + 3 * points].reshape(-1, 3)
    w = x[11 * cameras + 3 * points :]
    return np.concatenate([c[camera], p[point], w[:, None]], axis=1)


def assembled(values, weights):
    """The data of the matrix from blocks (observations, 2, 15), each row in the order of its columns.

    The principal point moves either coordinate alone, so two numbers of a block are 0 whatever the input.
    """
    return np.concatenate([np.delete(values.reshape(-1, 30), (8, 22), axis=1).reshape(-1), -2 * weights])


def by_complex_step(x, seen, camera, point, cameras, points):
    """All observations at once, a complex step for each of the 15 numbers of an observation."""

    def run():
        at = blocks(x, camera, point, cameras, points)
        steps = at[:, None, :] + 1e-100j * np.eye(15)
        found = reprojection(np, steps[..., :11], steps[..., 11:14], steps[..., 14], seen[:, None])
        return assembled(np.imag(found).swapaxes(1, 2) * 1e100, x[-len(seen) :])

    return run


def by_blocks(x, seen, *rest):
    """vmap of the Jacobian of one observation."""
    block = vmap(dense_jacobian(lambda b, seen: reprojection(np, b[:11], b[11:14], b[14], seen)))
    return lambda: assembled(block(blocks(x, *rest), seen), x[-len(seen) :])


def by_blocks_in_jax(x, seen, *rest):
    library = PEERS["jax.jit"]()
    jax, jnp = library.jax, library.np
    one = jax.jacfwd(lambda b, seen: reprojection(jnp, b[:11], b[11:14], b[14], seen))
    run = jax.jit(jax.vmap(one))
    return lambda: assembled(np.asarray(run(jnp.asarray(blocks(x, *rest)), seen)), x[-len(seen) :])


def planned(x, *data, replay=True):
    plan = sparse.prepare_jacobian(residuals, x, *data, replay=replay)
    return lambda: plan(x, *data).data


def cases(tiny=False):
    sizes = (2, 10, 10) if tiny else (20, 200, 2000)
    data = (*problem(*sizes), *sizes[:2])
    what = "{2} observations of {1} points by {0} cameras".format(*sizes)
    case = Case("bundle-adjustment", f"sparse Jacobian, {what}")
    case.add("function", lambda: lambda: residuals(*data))
    case.add("by hand", lambda: by_complex_step(*data))
    case.add("dualdiff", lambda: planned(*data))
    case.add("not replayed", lambda: planned(*data, replay=False))
    case.add("dualdiff, blocks", lambda: by_blocks(*data))
    case.add("jax.jit", lambda: by_blocks_in_jax(*data))
    yield case

    case = Case("bundle-adjustment-plan", f"what is done once, {what}", unit="ms", count=1000)
    case.apart = "colour", "prepare"
    pattern = sparse.pattern(residuals, *data)
    case.add("by hand", lambda: lambda: 29 * sizes[2])
    case.add("dualdiff", lambda: lambda: sparse.pattern(residuals, *data).nnz)
    case.add("colour", lambda: lambda: sparse.color(pattern).columns)
    case.add("prepare", lambda: lambda: sparse.prepare_jacobian(residuals, *data) and 0)
    yield case
