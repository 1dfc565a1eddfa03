"""Checks of derivatives for users and for this library's own suite: laws of ops, differences, dot products.

check_op            every law on one declared op, at points from its domain
check_grads         the derivatives of a function in each mode and nesting, against differences
finite_difference   a directional derivative from values alone
complex_step        the same to the last digit, for analytic functions
dot_test            the pullback is the adjoint of the pushforward
taylor_test         gradient and Hessian by the slopes of Taylor remainders
strategies          Hypothesis strategies for arrays and small random programs (needs hypothesis)
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
    """`strategies` is imported when it is first used: Hypothesis is an extra."""
    if name == "strategies":
        return import_module("dualdiff.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
