"""The tridiagonal Hessian of Rosenbrock's function of 10,000 variables, from three products or two.

By hand: the product of the Hessian with three coloured vectors at once, in NumPy, put into a CSR matrix.
Compared is the data of that matrix.
"""

import numpy as np

from benchmarks.candidates import PEERS
from benchmarks.harness import Case
from benchmarks.workloads.rosenbrock import f
from dualdiff import sparse
from dualdiff.sparse.recovery import recovery


def products_by_hand(x, v):
    """The Hessian times every row of v."""
    a, b, va, vb = x[:-1], x[1:], v[:, :-1], v[:, 1:]
    product = np.zeros_like(v)
    product[:, :-1] = (1200 * a * a - 400 * b + 2) * va - 400 * a * vb
    product[:, 1:] += 200 * vb - 400 * a * va
    return product


def by_hand(x):
    plan = sparse.prepare_hessian(lambda x: f(np, x), x)
    pattern, seeds = plan.pattern, plan.forward.arrays[0]
    recover, matrix = recovery(plan.coloring), type(plan.pattern)

    def run():
        data = recover(products_by_hand(x, seeds).reshape(-1))
        return matrix((data, pattern.indices.copy(), pattern.indptr.copy()), shape=pattern.shape).data

    return run


def planned(x, partition="star", replay=True):
    plan = sparse.prepare_hessian(lambda x: f(np, x), x, partition=partition, replay=replay)
    return lambda: plan(x).data


def coloured_in_jax(x):
    """The same three products by jax.hvp, compiled."""
    library = PEERS["jax.jit"]()
    jax, jnp = library.jax, library.np
    plan = sparse.prepare_hessian(lambda x: f(np, x), x)
    recover, pattern, matrix = recovery(plan.coloring), plan.pattern, type(plan.pattern)
    seeds, point = jnp.asarray(plan.forward.arrays[0]), jnp.asarray(x)
    slope = jax.grad(lambda x: f(jnp, x))
    products = jax.jit(lambda x: jax.vmap(lambda v: jax.jvp(slope, (x,), (v,))[1])(seeds))

    def run():
        data = recover(np.asarray(products(point)).reshape(-1))
        return matrix((data, pattern.indices.copy(), pattern.indptr.copy()), shape=pattern.shape).data

    return run


def cases(tiny=False):
    n = 7 if tiny else 10_000
    x = np.random.default_rng(0).normal(size=n)
    case = Case("sparse-hessian", f"Rosenbrock n = {n}, sparse Hessian", targets={"by hand": 2.0})
    case.add("function", lambda: lambda: f(np, x))
    case.add("by hand", lambda: by_hand(x))
    case.add("dualdiff", lambda: planned(x))
    case.add("not replayed", lambda: planned(x, replay=False))
    case.add("acyclic", lambda: planned(x, "acyclic"))
    case.add("jax.jit", lambda: coloured_in_jax(x))
    yield case
