"""debug and strong_zero: what a with-statement asks of all transforms that are called inside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dualdiff.modes.ambient import AMBIENT
from dualdiff.modes.careful import Careful, Watch


@contextmanager
def debug(*, primal: bool = True) -> Iterator[None]:
    """Inside `with debug():` the first value, tangent or cotangent that is not finite raises an error.

    The error names the op, the line of the function that applied it, what the op was given, its domain, and
    "0 * inf" where that is the cause. primal=False looks at derivatives alone: for functions whose values are
    infinite on purpose. What is made of values that are not finite already, such as an input, is passed over.
    Sweeps also raise if a plain array that the function read has changed since, and where a loss asks what
    eigenvectors leave open; an argument that the result does not depend on is warned of.

    Holds for transforms and pullbacks that are called inside, in this thread or task; it may be nested.

    Cost        several times the time of a derivative, and the operands of every op; none outside
    Raises      NonFiniteError, UndefinedDerivative, MutationError; warns UnusedInputWarning,
                UndefinedDerivativeWarning
    """
    before = AMBIENT.get()
    token = AMBIENT.set(Careful(Watch(primal), before is not None and before.strong))
    try:
        yield
    finally:
        AMBIENT.reset(token)


@contextmanager
def strong_zero() -> Iterator[None]:
    """Inside `with strong_zero():` a tangent or cotangent that is exactly 0 makes every product with it 0.

    Also that with infinity or nan, so that a branch of np.where that is not taken does not make the gradient
    nan. Results that are finite without it are the same to the last bit. A zero that is a factor of the
    function stays what it is: the tangent of 0 * log(x) at 0 is 0 times that of the logarithm, which is
    infinite, and so nan.

    Derivative  as without it, with 0 for 0 * inf and 0 * nan where the 0 is a tangent or cotangent
    Cost        some microseconds for each product of a sweep; none outside

    >>> import numpy as np, dualdiff
    >>> with strong_zero():
    ...     dualdiff.grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0), mode="reverse")(0.0)
    np.float64(0.0)
    """
    before = AMBIENT.get()
    token = AMBIENT.set(Careful(None if before is None else before.watch, True))
    try:
        yield
    finally:
        AMBIENT.reset(token)
