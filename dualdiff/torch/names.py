"""What PyTorch calls the operations that the engine records by itself: parts of functions, derivatives."""

from __future__ import annotations

NAMES = {
    "multiply": "MulBackward0", "subtract": "SubBackward0", "divide": "DivBackward0",
    "negative": "NegBackward0", "absolute": "AbsBackward0", "power": "PowBackward0",
    "square": "PowBackward0", "matmul": "MmBackward0",
    "reduce_sum": "SumBackward1", "reduce_mean": "MeanBackward1", "reshape_to": "ViewBackward0",
    "permute": "PermuteBackward0", "expand_to": "ExpandBackward0", "cut": "SliceBackward0",
    "spread": "SliceBackward0", "gather": "IndexBackward0", "scatter_add": "IndexPutBackward0",
    "overwrite": "CopySlices", "join": "CatBackward0", "convert": "ToCopyBackward0",
    "select_where": "WhereBackward0", "conjugate": "ConjBackward0", "length": "LinalgVectorNormBackward0",
}  # fmt: skip


def name_of(op: str) -> str:
    """PyTorch's name for the engine's op, or one of the same make."""
    return NAMES.get(op) or "".join(part.capitalize() for part in op.split("_")) + "Backward0"
