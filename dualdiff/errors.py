"""Every exception of dualdiff, and how a message is put together.

A message says what was asked and found, with numbers, then what to do; the anchor at its end names the
paragraph of docs/reference/errors.md that explains it.
"""

from __future__ import annotations


class DualdiffError(Exception):
    """Base of all errors; each subclass also derives from the built-in a caller would expect."""

    anchor = "dualdiff"

    def __init__(self, found: str, remedy: str = ""):
        self.found, self.remedy = found, remedy
        tail = f"  -> errors#{self.anchor}"
        super().__init__(f"{found}\n  {remedy}{tail}" if remedy else f"{found}{tail}")


class ScalarOutputError(DualdiffError, TypeError):
    """grad and its kin were given a function whose output is not one real number."""

    anchor = "scalar-output"


class InputTypeError(DualdiffError, TypeError, ValueError):
    """An argument or option that no transform can take: integer arrays, unknown modes, bad argnums."""

    anchor = "input-type"


class ShapeError(DualdiffError, ValueError):
    """Shapes that do not fit: a tangent, a cotangent, a mapped axis, the result of a user's rule."""

    anchor = "shape"


class StructureError(DualdiffError, TypeError, ValueError):
    """Containers that do not match, or a leaf that is no number."""

    anchor = "structure"


class NoDerivative(DualdiffError, TypeError, NotImplementedError):
    """A function, keyword or method that dualdiff has no rule for; nothing is ever ignored."""

    anchor = "no-derivative"


class EscapedTensor(DualdiffError, RuntimeError):
    """A tensor was used after the transform that made it had returned."""

    anchor = "escaped"


class ConversionError(DualdiffError, TypeError):
    """Turning a live tensor into a plain number or array would drop its derivative."""

    anchor = "conversion"


class MutationError(DualdiffError, RuntimeError, TypeError):
    """An in-place write that cannot be followed."""

    anchor = "mutation"


class ControlFlowError(DualdiffError, TypeError):
    """A batched value has no single truth, so it cannot steer Python control flow or a shape."""

    anchor = "control-flow"


class NonFiniteError(DualdiffError, FloatingPointError):
    """Under debug: the first value, tangent or cotangent that is not finite, with the op that made it."""

    anchor = "non-finite"


class UndefinedDerivative(DualdiffError, ArithmeticError):
    """Under debug: a loss asks a function for a derivative that it does not have."""

    anchor = "undefined-derivative"


class UndefinedDerivativeWarning(UserWarning):
    """Under debug: a derivative that is a convention enters one of higher order."""


class UnusedInputWarning(UserWarning):
    """Under debug: the result does not depend on a differentiated argument."""


class GradientMismatch(DualdiffError, AssertionError):
    """A checked derivative differs from its oracle."""

    anchor = "gradient-mismatch"


class DeclarationError(DualdiffError, TypeError, ValueError):
    """An op was declared incompletely or against its kind."""

    anchor = "declaration"


class PlanMismatch(DualdiffError, ValueError):
    """A prepared plan was used with other shapes or dtypes than it was made for."""

    anchor = "plan-mismatch"
