"""Automatic differentiation on NumPy: forward and reverse mode for everything, from one registry of ops."""

import importlib

from dualdiff import errors
from dualdiff.declare import elementwise, op
from dualdiff.transforms.batching import vmap
from dualdiff.transforms.derivative import (
    grad,
    jacfwd,
    jacobian,
    jacrev,
    value_and_grad,
    value_and_jacobian,
)
from dualdiff.transforms.explanation import explain_mode
from dualdiff.transforms.linear import jvp, linearize, stop_gradient, vjp
from dualdiff.transforms.second import hessian, hvp
from dualdiff.tree import register_container


def __getattr__(name: str):
    """dualdiff.numpy, testing and so on, imported when first used: they would double the time of import."""
    if name in ("numpy", "sparse", "testing", "teach"):
        return importlib.import_module(f"dualdiff.{name}")
    if name in ("compare_modes", "explain"):
        return getattr(importlib.import_module("dualdiff.teach"), name)
    if name in ("debug", "strong_zero"):
        return getattr(importlib.import_module("dualdiff.transforms.ambience"), name)
    if name in ("checkpoint", "checkpointed_loop"):
        return getattr(importlib.import_module("dualdiff.transforms.checkpoint"), name)
    if name in ("custom_jvp", "custom_vjp"):
        return getattr(importlib.import_module("dualdiff.transforms.custom"), name)
    if name == "replay":
        return importlib.import_module("dualdiff.transforms.replaying").replay
    if name == "where_safe":
        return importlib.import_module("dualdiff.transforms.branches").where_safe
    if name == "coverage":
        return importlib.import_module("dualdiff.covered").coverage
    raise AttributeError(f"module 'dualdiff' has no attribute {name!r}")


__version__ = "0.1.0"

__all__ = [
    "grad", "value_and_grad", "jvp", "vjp", "linearize",
    "jacobian", "jacfwd", "jacrev", "value_and_jacobian", "hessian", "hvp",
    "explain_mode", "compare_modes", "explain", "vmap", "replay", "stop_gradient",
    "where_safe", "debug", "strong_zero",
    "checkpoint", "checkpointed_loop", "custom_jvp", "custom_vjp",
    "elementwise", "op", "register_container", "coverage", "errors",
]  # fmt: skip
