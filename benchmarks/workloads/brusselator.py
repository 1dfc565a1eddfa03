"""A sparse Jacobian of a reaction and diffusion on a torus: 2 N N unknowns, 6 entries in each row.

The right-hand side is the two-dimensional Brusselator of Gowda et al. and of SciMLBenchmarks. Compared is
the data of the CSR matrix: planned once by dualdiff and replayed (as jax.jit replays), or with the function
run again in every call; with hand-written formulas; coloured by hand in JAX; picked out of dense Jacobians.
The time per unknown, at growing N, shows that the cost is linear.
"""

import numpy as np

from benchmarks.candidates import PEERS, Dualdiff
from benchmarks.harness import Case
from dualdiff import sparse

A, B = 3.4, 1.0


def laplacian(np, w):
    return np.roll(w, 1, 0) + np.roll(w, -1, 0) + np.roll(w, 1, 1) + np.roll(w, -1, 1) - 4 * w


def rhs(np, z, heat, alpha):
    n = heat.shape[0]
    w = np.reshape(z, (2, n, n))
    u, v = w[0], w[1]
    reaction = u * u * v
    du = alpha * laplacian(np, u) + B + reaction - (A + 1) * u + heat
    dv = alpha * laplacian(np, v) + A * u - reaction
    return np.reshape(np.stack([du, dv]), (-1,))


def problem(n):
    """The start, the heat and the diffusion of a grid of n by n."""
    side = np.arange(n) / (n - 1)
    x, y = np.meshgrid(side, side, indexing="ij")
    start = np.stack([22 * (y * (1 - y)) ** 1.5, 27 * (x * (1 - x)) ** 1.5]).reshape(-1)
    heat = np.where((x - 0.3) ** 2 + (y - 0.6) ** 2 <= 0.01, 5.0, 0.0)
    return start, heat, 10.0 * (n - 1) ** 2


def stencil(n, alpha):
    """The constant part of the Jacobian as a CSR array, and the places of its diagonals in the data."""
    import scipy.sparse

    place = np.arange(n * n).reshape(n, n)
    near = [np.roll(place, s, axis).ravel() for s in (1, -1) for axis in (0, 1)]
    own = place.ravel()
    rows = np.concatenate([own] * 5)
    values = np.concatenate([np.full(4 * n * n, alpha), np.full(n * n, -4 * alpha)])
    one = scipy.sparse.coo_array((values, (rows, np.concatenate([*near, own]))), shape=(n * n, n * n))
    eye = scipy.sparse.diags_array(np.ones(n * n))
    fixed = scipy.sparse.block_array([[one - (A + 1) * eye, eye], [eye, one]], format="csr")
    fixed.sort_indices()
    number = fixed.copy()
    number.data = np.arange(fixed.nnz)
    places = [number.diagonal(k) for k in (0, n * n, -n * n)]
    fixed.data[places[1]], fixed.data[places[2]] = 0.0, A
    return fixed, places


def by_hand(start, n, alpha):
    """Adding the derivatives of the reaction to the constant part."""
    fixed, (diagonal, upper, lower) = stencil(n, alpha)
    matrix = type(fixed)

    def run():
        u, v = start.reshape(2, -1)
        uv, uu = 2 * u * v, u * u
        data = fixed.data.copy()
        data[diagonal[: n * n]] += uv
        data[diagonal[n * n :]] -= uu
        data[upper] += uu
        data[lower] -= uv
        return matrix((data, fixed.indices.copy(), fixed.indptr.copy()), shape=fixed.shape).data

    return run


def planned(start, *data, replay=True):
    plan = sparse.prepare_jacobian(lambda z: rhs(np, z, *data), start, replay=replay)
    return lambda: plan(start).data


def coloured_in_jax(start, *data):
    """What a careful person does in JAX: one compiled function from the point to the data of the matrix."""
    plan = sparse.prepare_jacobian(lambda z: rhs(np, z, *data), start)
    library = PEERS["jax.jit"]()
    jax, jnp = library.jax, library.np
    colors, pattern = plan.coloring.columns, plan.pattern
    seeds = jnp.asarray(plan.forward.arrays[0])
    rows = np.repeat(np.arange(len(start)), np.diff(pattern.indptr))
    f = library.closed(rhs, data)

    def entries(z):
        pushed = jax.vmap(lambda seed: jax.jvp(f, (z,), (seed,))[1])(seeds)
        return pushed[colors[pattern.indices], rows]

    run, z, matrix = jax.jit(entries), jnp.asarray(start), type(pattern)
    arrays = pattern.indices, pattern.indptr
    return lambda: matrix((np.asarray(run(z)), *(a.copy() for a in arrays)), shape=pattern.shape).data


def picked(jacobian, start, *data):
    """The entries of a dense Jacobian, from a function without arguments."""
    pattern = sparse.pattern(lambda z: rhs(np, z, *data), start)
    rows = np.repeat(np.arange(len(start)), np.diff(pattern.indptr))
    return lambda: np.asarray(jacobian())[rows, pattern.indices]


def differences(start, *data):
    """SciPy's forward differences with the same colours: eight digits at best."""
    from scipy.optimize._numdiff import approx_derivative, group_columns

    f = lambda z: rhs(np, z, *data)  # noqa: E731
    pattern = sparse.pattern(f, start)
    groups = group_columns(pattern)
    return lambda: approx_derivative(f, start, method="2-point", sparsity=(pattern, groups)).data


def compared(n):
    """One call, planned, by hand, by others."""
    start, *data = problem(n)
    case = Case("brusselator", f"sparse Jacobian, {start.size} unknowns", targets={"jax.jit": 4.0})
    case.apart = "function", "differences"
    case.add("function", lambda: lambda: rhs(np, start, *data))
    case.add("by hand", lambda: by_hand(start, n, data[1]))
    case.add("dualdiff", lambda: planned(start, *data))
    case.add("not replayed", lambda: planned(start, *data, replay=False))
    case.add("jax.jit", lambda: coloured_in_jax(start, *data))
    case.add("differences", lambda: differences(start, *data))
    return case


def against_dense(n):
    """One call, planned and dense."""
    start, *data = problem(n)
    case = Case("brusselator-dense", f"the same against dense Jacobians, {start.size} unknowns")
    case.targets = {"jax.jit": 0.01}
    case.add("by hand", lambda: by_hand(start, n, data[1]))
    case.add("dualdiff", lambda: planned(start, *data))
    case.add("not replayed", lambda: planned(start, *data, replay=False))
    case.add(
        "dualdiff dense", lambda: picked(Dualdiff().jacobian(rhs, start, "forward", *data), start, *data)
    )
    jit = lambda: PEERS["jax.jit"]().jacobian(rhs, start, "forward", *data)  # noqa: E731
    case.add("jax.jit", lambda: picked(jit(), start, *data))
    return case


def coloured(pattern):
    return lambda: sparse.color(pattern).columns


def once(n):
    """What is done once: the pattern, the colouring, the whole plan."""
    start, *data = problem(n)
    f = lambda z: rhs(np, z, *data)  # noqa: E731
    case = Case(f"brusselator-plan-{start.size}", f"what is done once, {start.size} unknowns", "ms", 1000)
    case.apart = "colour", "prepare"
    case.add("by hand", lambda: lambda: stencil(n, data[1])[0].indices)
    case.add("dualdiff", lambda: lambda: sparse.pattern(f, start).indices)
    case.add("colour", lambda: coloured(sparse.pattern(f, start)))
    case.add("prepare", lambda: lambda: sparse.prepare_jacobian(f, start).coloring.columns)
    return case


def grown(n):
    """The time per unknown."""
    start, *data = problem(n)
    name, size = f"brusselator-{start.size}", start.size
    case = Case(name, f"sparse Jacobian, {size} unknowns", "ns per unknown", size / 1000)
    case.add("function", lambda: lambda: rhs(np, start, *data))
    case.add("by hand", lambda: by_hand(start, n, data[1]))
    case.add("dualdiff", lambda: planned(start, *data))
    case.add("not replayed", lambda: planned(start, *data, replay=False))
    return case


def cases(tiny=False):
    yield compared(6 if tiny else 32)
    yield against_dense(6 if tiny else 32)
    for n in (6,) if tiny else (6, 12, 24, 48, 96, 192):
        yield once(n)
        yield grown(n)
