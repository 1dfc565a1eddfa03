"""Functions and operators of tensors element by element: rows of PyTorch's name and NumPy's function."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dualdiff.core import OPS
from dualdiff.ops.elementwise import sigmoid as of_real
from dualdiff.ops.elementwise import stop_gradient
from dualdiff.torch.dispatch import apply, binary, common, computed, method, methods, unary
from dualdiff.torch.tensor import Tensor, operand, outside

# -------------------------------------------------- one argument
#             PyTorch   NumPy       name in the graph, where it is not the function's own
exp = unary("exp", np.exp)
exp2 = unary("exp2", np.exp2)
expm1 = unary("expm1", np.expm1)
log = unary("log", np.log)
log2 = unary("log2", np.log2)
log10 = unary("log10", np.log10)
log1p = unary("log1p", np.log1p, "Log1PBackward0")
sqrt = unary("sqrt", np.sqrt)
sin = unary("sin", np.sin)
cos = unary("cos", np.cos)
tan = unary("tan", np.tan)
asin = arcsin = unary("asin", np.arcsin)
acos = arccos = unary("acos", np.arccos)
atan = arctan = unary("atan", np.arctan)
sinh = unary("sinh", np.sinh)
cosh = unary("cosh", np.cosh)
tanh = unary("tanh", np.tanh)
asinh = arcsinh = unary("asinh", np.arcsinh)
acosh = arccosh = unary("acosh", np.arccosh)
atanh = arctanh = unary("atanh", np.arctanh)
sinc = unary("sinc", np.sinc)
deg2rad = unary("deg2rad", np.deg2rad, "Deg2RadBackward0")
rad2deg = unary("rad2deg", np.rad2deg, "Rad2DegBackward0")
reciprocal = unary("reciprocal", np.reciprocal)
neg = negative = unary("neg", np.negative, floating=False)
abs = absolute = unary("abs", np.absolute, floating=False)
square = unary("square", np.square, "PowBackward0", floating=False)
conj = unary("conj", np.conjugate, floating=False)
angle = unary("angle", np.angle)
sigmoid = unary("sigmoid", of_real)
rsqrt = unary("rsqrt", lambda x: 1 / np.sqrt(x))
relu = unary("relu", lambda x: np.where(np.less_equal(x, 0), x.dtype.type(0), x), floating=False)
logit = unary("logit", lambda x: np.log(x / (1 - x)))


def flat(f: Any) -> Any:
    """A function whose derivative is 0 almost everywhere, and known to the graph as 0, as PyTorch has it."""

    def call(x: Any) -> Any:
        y = stop_gradient(f(x))
        return y if x.dtype.kind not in "fc" else OPS["select_where"](np.False_, x, y)

    return call


sign = sgn = unary("sign", flat(np.sign), floating=False)
floor = unary("floor", flat(np.floor), floating=False)
ceil = unary("ceil", flat(np.ceil), floating=False)
trunc = fix = unary("trunc", flat(np.trunc), floating=False)
frac = unary("frac", lambda x: x - stop_gradient(np.trunc(x)))
isnan = unary("isnan", np.isnan, floating=False)
isinf = unary("isinf", np.isinf, floating=False)
isfinite = unary("isfinite", np.isfinite, floating=False)
logical_not = unary("logical_not", np.logical_not, floating=False)
bitwise_not = unary("bitwise_not", np.invert, floating=False)


@method
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole numbers, halves to even; with `decimals` that many digits behind the point."""
    return apply("RoundBackward0", flat(lambda x: np.round(x, decimals)), input)


# -------------------------------------------------- two arguments
_add = binary("add", np.add, operator.add, ("AddBackward0",) * 3)
_sub = binary("sub", np.subtract, operator.sub, ("SubBackward0", "SubBackward0", "RsubBackward1"))
mul = multiply = binary("mul", np.multiply, operator.mul, ("MulBackward0",) * 3)
_div = binary(
    "div", np.divide, operator.truediv, ("DivBackward0", "DivBackward0", "MulBackward0"), floating=True
)
pow = binary("pow", np.power, operator.pow, ("PowBackward1", "PowBackward0", "PowBackward2"))
remainder = binary("remainder", np.remainder, operator.mod, ("RemainderBackward1", "RemainderBackward0", ""))
fmod = binary("fmod", np.fmod, np.fmod, ("FmodBackward1", "FmodBackward0", ""))
atan2 = arctan2 = binary("atan2", np.arctan2, np.arctan2, ("Atan2Backward0",) * 3, floating=True)
hypot = binary("hypot", np.hypot, np.hypot, ("HypotBackward0",) * 3)
logaddexp = binary("logaddexp", np.logaddexp, np.logaddexp, ("LogaddexpBackward0",) * 3)
maximum = binary("maximum", np.maximum, np.maximum, ("MaximumBackward0",) * 3)
minimum = binary("minimum", np.minimum, np.minimum, ("MinimumBackward0",) * 3)
copysign = binary("copysign", np.copysign, np.copysign, ("CopysignBackward0",) * 3, floating=True)

_QUESTION = ("", "", "")
eq = binary("eq", np.equal, operator.eq, _QUESTION)
ne = not_equal = binary("ne", np.not_equal, operator.ne, _QUESTION)
lt = less = binary("lt", np.less, operator.lt, _QUESTION)
le = less_equal = binary("le", np.less_equal, operator.le, _QUESTION)
gt = greater = binary("gt", np.greater, operator.gt, _QUESTION)
ge = greater_equal = binary("ge", np.greater_equal, operator.ge, _QUESTION)
logical_and = binary("logical_and", np.logical_and, np.logical_and, _QUESTION)
logical_or = binary("logical_or", np.logical_or, np.logical_or, _QUESTION)
logical_xor = binary("logical_xor", np.logical_xor, np.logical_xor, _QUESTION)
bitwise_and = binary("bitwise_and", np.bitwise_and, operator.and_, _QUESTION)
bitwise_or = binary("bitwise_or", np.bitwise_or, operator.or_, _QUESTION)
bitwise_xor = binary("bitwise_xor", np.bitwise_xor, operator.xor, _QUESTION)


@method
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha other."""
    return _add(input, other if alpha == 1 else mul(other, alpha))


@method
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha other."""
    return _sub(input, other if alpha == 1 else mul(other, alpha))


subtract = sub


@method
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, never in integers; rounding_mode "floor" or "trunc" gives whole numbers."""
    if rounding_mode is None:
        return _div(input, other)
    rounded: dict[str, Any] = {
        "floor": np.floor_divide,
        "trunc": lambda x, y: np.trunc(x / y).astype(x.dtype),
    }
    f = rounded[rounding_mode]
    x, y = common(operand(input), operand(other))
    z = computed("div", lambda x, y: stop_gradient(f(x, y)), [x, y], {})
    return outside(z + 0 * (x + y) if z.dtype.kind == "f" else z, "DivBackward2")


divide = true_divide = div


@method
def floor_divide(input: Any, other: Any) -> Tensor:
    """input / other, rounded down."""
    return div(input, other, rounding_mode="floor")


@method
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight (end - input)."""
    return apply("LerpBackward0", lambda x, y, w: x + w * (y - x), input, end, weight)


@method
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value tensor1 tensor2."""
    return apply("AddcmulBackward0", lambda x, a, b: x + value * (a * b), input, tensor1, tensor2)


@method
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value tensor1 / tensor2."""
    return apply("AddcdivBackward0", lambda x, a, b: x + value * (a / b), input, tensor1, tensor2)


@method
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, not below min and not above max; derivative 1/2 at a bound."""
    label = "ClampBackward0" if isinstance(min, Tensor) or isinstance(max, Tensor) else "ClampBackward1"
    bounds = [x for x in (min, max) if x is not None]
    x, *rest = common(*(operand(v) for v in (input, *bounds)))
    low = rest.pop(0) if min is not None else None
    high = rest.pop(0) if max is not None else None
    return outside(np.clip(x, low, high), label)


clip = clamp


@method
def nan_to_num(input: Tensor, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    """input with numbers for nan and the infinities."""
    return apply("NanToNumBackward0", np.nan_to_num, input, nan=nan, posinf=posinf, neginf=neginf)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, else other; with the condition alone, the indices where it holds."""
    mask = operand(condition)
    if input is None:
        return tuple(outside(np.asarray(i)) for i in np.nonzero(mask))
    x, y = common(operand(input), operand(other))
    return outside(computed("where", np.where, [mask, x, y], {}), "WhereBackward0")


@method
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """input with `value` where the mask holds."""
    x = operand(input)
    v = operand(value)
    y = v.astype(x.dtype) if hasattr(v, "dtype") else x.dtype.type(v)
    return outside(computed("masked_fill", np.where, [operand(mask), y, x], {}), "MaskedFillBackward0")


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """real + i imag."""
    return apply("ComplexBackward0", lambda x, y: x + 1j * y, real, imag)


@method
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Whether |input - other| <= atol + rtol |other|, element by element."""
    return outside(np.isclose(input.array, other.array, rtol, atol, equal_nan))


@method
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


@method
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same numbers."""
    return bool(np.array_equal(input.array, other.array))


# -------------------------------------------------- other names
methods(
    __neg__=neg, __pos__=lambda x: x, __abs__=abs, __invert__=bitwise_not,
    __floordiv__=floor_divide, __rfloordiv__=lambda self, other: floor_divide(other, self),
    arcsin=asin, arccos=acos, arctan=atan, arcsinh=asinh, arccosh=acosh, arctanh=atanh, arctan2=atan2,
    negative=neg, absolute=abs, multiply=mul, subtract=sub, divide=div, true_divide=div, clip=clamp,
    not_equal=ne, less=lt, less_equal=le, greater=gt, greater_equal=ge, fix=trunc, sgn=sign,
    where=lambda self, condition, other: where(condition, self, other),
)  # fmt: skip
