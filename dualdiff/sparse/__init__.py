"""Sparse Jacobians and Hessians: detect the pattern, colour it, push few compressed seeds, read the entries.

detect.py finds a pattern, coloring.py groups columns or rows that may share a seed, recovery.py says where
each entry is read from, plan.py puts the three together. SciPy, an extra, has the sparse types.
"""

from dualdiff.sparse.detect import hessian_pattern, pattern

__all__ = ["pattern", "hessian_pattern"]
