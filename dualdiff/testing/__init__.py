"""Checks of derivatives for users and for this library's own suite: laws of ops, differences, dot products.

check_op            every law on one declared op, at points from its domain
check_grads         the derivatives of a function in each mode and nesting, against differences
finite_difference   a directional derivative from values alone
complex_step        the same to the last digit, for analytic functions
dot_test            the pullback is the adjoint of the pushforward
taylor_test         gradient and Hessian by the slopes of Taylor remainders
strategies          Hypothesis strategies for arrays and small random programs (needs hypothesis)
programs            random programs over all of NumPy, each from a seed
agreement           every mode and nesting of a program against each other and against differences
fuzz                python -m dualdiff.testing.fuzz: random programs and wrong calls for as long as you like
"""

from importlib import import_module
from typing import Any

from dualdiff.testing.check import TaylorSlopes, check_grads, check_op, dot_test, taylor_test
from dualdiff.testing.differences import complex_step, finite_difference

__all__ = [
    "check_grads",
    "check_op",
    "complex_step",
    "dot_test",
    "finite_difference",
    "taylor_test",
    "TaylorSlopes",
]  # without strategies: a starred import would need Hypothesis


def __getattr__(name: str) -> Any:
    """Imported when they are first used: Hypothesis is an extra, and the others are large tables."""
    if name in ("strategies", "programs", "agreement", "fuzz"):
        return import_module(f"dualdiff.testing.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
