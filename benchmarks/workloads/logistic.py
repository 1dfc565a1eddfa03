"""Logistic regression, 10,000 x 100: the gradient is two thin products, the Hessian a large one."""

import numpy as np

from benchmarks.candidates import add_libraries
from benchmarks.harness import Case

PRODUCT = "A.T * s @ A"


def loss(np, w, signed):
    """Mean of log(1 + exp(-margin)); the rows of `signed` are the examples times their labels, -1 or 1."""
    return np.mean(np.log1p(np.exp(-(signed @ w))))


def gradient_by_hand(w, signed):
    e = np.exp(-(signed @ w))
    return np.mean(np.log1p(e)), -((e / (1 + e)) @ signed) / len(signed)


def weights_by_hand(w, signed):
    e = np.exp(-(signed @ w))
    return e / (1 + e) ** 2 / len(signed)


def hessian_by_hand(w, signed):
    return (signed * weights_by_hand(w, signed)[:, None]).T @ signed


def product(s, a):
    """The one large product that no Hessian can do without, with its weights given."""
    return lambda: a.T * s @ a


def cases(tiny=False):
    m, n = (6, 3) if tiny else (10_000, 100)
    rng = np.random.default_rng(0)
    signed = rng.normal(size=(m, n)) * rng.choice([-1, 1], size=(m, 1))
    w = rng.normal(size=n) / np.sqrt(n)

    case = Case("logistic-gradient", f"logistic regression {m:,} x {n}, gradient")
    case.add("function", lambda: lambda: loss(np, w, signed))
    case.add("by hand", lambda: lambda: gradient_by_hand(w, signed))
    add_libraries(case, "gradient", loss, w, signed)
    yield case

    case = Case("logistic-hessian", f"logistic regression {m:,} x {n}, Hessian", targets={PRODUCT: 2})
    case.add("function", lambda: lambda: loss(np, w, signed))
    case.add("by hand", lambda: lambda: hessian_by_hand(w, signed))
    case.add(PRODUCT, lambda: product(weights_by_hand(w, signed), signed))
    add_libraries(case, "hessian", loss, w, signed)
    yield case
