"""The classes of dualdiff.errors as PyTorch's users catch them: nearly all are RuntimeError as well."""

from __future__ import annotations

from dualdiff import errors


class BackwardError(errors.ScalarOutputError, RuntimeError):
    """backward() or grad() without a gradient, for an output that is not one number."""


class FreedGraph(errors.EscapedTensor):
    """A second sweep through residuals that the first one freed."""


class NotTracked(errors.InputTypeError, RuntimeError):
    """A tensor that does not require a gradient, or cannot, where one is needed."""


class CountError(errors.StructureError, RuntimeError):
    """A backward of one's own that does not return one gradient for each input."""


class SizeError(errors.ShapeError, RuntimeError):
    """Operands whose shapes do not fit each other."""


class DtypeError(errors.InputTypeError, RuntimeError):
    """An operand whose dtype the function does not take, or cannot write into."""


class TrackedError(errors.ConversionError, RuntimeError):
    """A conversion that would drop the derivative of a tensor that requires one."""
