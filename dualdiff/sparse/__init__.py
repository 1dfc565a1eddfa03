"""Sparse Jacobians and Hessians: detect the pattern, colour it, push few compressed seeds, read the entries.

detect.py finds a pattern, coloring.py groups columns or rows that may share a seed, recovery.py says where
each entry is read from, plan.py puts the three together. SciPy, an extra, has the sparse types.
"""

from dualdiff.sparse.coloring import Coloring, color
from dualdiff.sparse.derivative import hessian, jacobian
from dualdiff.sparse.detect import hessian_pattern, pattern
from dualdiff.sparse.plan import Plan, Report, prepare_hessian, prepare_jacobian

__all__ = [
    "pattern", "hessian_pattern", "color", "Coloring",
    "jacobian", "hessian", "prepare_jacobian", "prepare_hessian", "Plan", "Report",
]  # fmt: skip
