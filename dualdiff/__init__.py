"""Automatic differentiation on NumPy: forward and reverse mode for everything, from one registry of ops."""

import importlib
from typing import TYPE_CHECKING

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
from dualdiff.transforms.linear import jvp, linearize, stop_gradient, vjp
from dualdiff.transforms.second import hessian, hvp
from dualdiff.tree import register_container

if TYPE_CHECKING:  # a type checker sees at once what Python imports when it is first used
    from dualdiff.covered import coverage
    from dualdiff.teach import compare_modes, explain
    from dualdiff.transforms.ambience import debug, strong_zero
    from dualdiff.transforms.branches import where_safe
    from dualdiff.transforms.checkpoint import checkpoint, checkpointed_loop
    from dualdiff.transforms.custom import custom_jvp, custom_vjp
    from dualdiff.transforms.explanation import explain_mode
    from dualdiff.transforms.replaying import replay

# Names imported when first used, all at once would double the time of import; and where they are.
LATER = {
    "numpy": "", "sparse": "", "testing": "", "teach": "",
    "compare_modes": "teach", "explain": "teach", "coverage": "covered",
    "explain_mode": "transforms.explanation", "replay": "transforms.replaying",
    "debug": "transforms.ambience", "strong_zero": "transforms.ambience", "where_safe": "transforms.branches",
    "checkpoint": "transforms.checkpoint", "checkpointed_loop": "transforms.checkpoint",
    "custom_jvp": "transforms.custom", "custom_vjp": "transforms.custom",
}  # fmt: skip


def __getattr__(name: str):
    """dualdiff.numpy, testing and so on."""
    if name not in LATER:
        raise AttributeError(f"module 'dualdiff' has no attribute {name!r}")
    if not LATER[name]:
        return importlib.import_module(f"dualdiff.{name}")
    return getattr(importlib.import_module(f"dualdiff.{LATER[name]}"), name)


__version__ = "0.1.0"

__all__ = [
    "grad", "value_and_grad", "jvp", "vjp", "linearize",
    "jacobian", "jacfwd", "jacrev", "value_and_jacobian", "hessian", "hvp",
    "explain_mode", "compare_modes", "explain", "vmap", "replay", "stop_gradient",
    "where_safe", "debug", "strong_zero",
    "checkpoint", "checkpointed_loop", "custom_jvp", "custom_vjp",
    "elementwise", "op", "register_container", "coverage", "errors",
]  # fmt: skip
