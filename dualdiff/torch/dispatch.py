"""How a function of tensors is made of one on arrays: take the values, compute, name the result.

`apply` is the general way. `unary` and `binary` are shorter ways for elementwise functions: operands of one
dtype go straight to the engine's fast entries, everything else takes PyTorch's promotion first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dualdiff.core import OPS, Op
from dualdiff.errors import DualdiffError
from dualdiff.modes import reverse_entries  # noqa: F401  (for what it installs)
from dualdiff.modes.reverse import TapeTensor
from dualdiff.ops import softmax  # noqa: F401  (for the ops that it declares)
from dualdiff.ops.structural import astype
from dualdiff.torch.dtypes import default_real, result_dtype
from dualdiff.torch.errors import DtypeError, SizeError
from dualdiff.torch.graph import LEVEL, GradFn
from dualdiff.torch.state import STATE
from dualdiff.torch.tensor import Tensor, View, current, operand, outside, tracked_array
from dualdiff.torch.writes import owner_of

FIRST, BOTH = (0,), (0, 1)  # where tracked operands stand

new = object.__new__


def method(f: Callable) -> Callable:
    """Let a function that takes a tensor first be a method of tensors as well."""
    methods(**{f.__name__: f})
    return f


def methods(**functions: Any) -> None:
    """Give tensors methods or properties under these names."""
    for name, function in functions.items():
        setattr(Tensor, name, function)


def apply(label: str, f: Callable, *args: Any, **kwargs: Any) -> Any:
    """f of the values of tensors, as a tensor or a tuple of them."""
    values = [operand(x) for x in args]
    y = computed(label, f, values, kwargs)
    if isinstance(y, tuple):
        return tuple(outside(part, label) for part in y)
    return outside(y, "" if any(y is x for x in values) else label)


def single(label: str, op: Op, input: Tensor, **params: Any) -> Tensor:
    """The engine's op of one array, without the detour of `apply`."""
    x = current(input)
    if type(x) is not TapeTensor:
        return outside(op(operand(input), **params), label)
    return recorded(TapeTensor.interpret(op, LEVEL, (x,), params), op, FIRST, label)


def recorded(y: TapeTensor, op: Op, active: tuple[int, ...], label: str) -> Tensor:
    """A tensor for what the engine has just recorded, its node under a GradFn.

    The slots are set one by one, which costs less than calling the classes; see `wrapped` and Tensor.
    """
    raw = y.node
    grad_fn = new(GradFn)
    grad_fn.label, grad_fn.op, grad_fn.active, grad_fn.raw = label, op, active, raw
    grad_fn.exact, grad_fn.hooks = raw[3].exact, None
    y.node = node = (raw[0], raw[1], raw[2], grad_fn, None, None, None, *raw[7:])
    tensor = new(Tensor)
    tensor.value = y if type(y.primal) is np.ndarray else tracked_array(y.primal, node)
    tensor.kept_grad = tensor.viewed = None
    return tensor


def computed(label: str, f: Callable, values: list, kwargs: dict) -> Any:
    """f(*values), with NumPy's complaint about shapes or dtypes as PyTorch's users catch it."""
    try:
        return f(*values, **kwargs)
    except (DualdiffError, IndexError, np.linalg.LinAlgError):  # as they are: an IndexError is PyTorch's too
        raise
    except (ValueError, TypeError) as error:
        own = getattr(getattr(f, "func", f), "__name__", "<lambda>")  # of a partial too
        name = own if own != "<lambda>" else label.removesuffix("Backward0").lower()
        said = str(error).splitlines()[0].rstrip(" .")
        arrays = [x for x in values if hasattr(x, "dtype")]
        if isinstance(error, TypeError):
            dtypes = ", ".join(str(x.dtype) for x in arrays)
            raise DtypeError(f"{name} of {dtypes}: {said}.", "Convert one with to(dtype).") from error
        raise SizeError(
            f"{name} of tensors of shape {', '.join(str(tuple(x.shape)) for x in arrays)}: {said}.",
            "Shapes broadcast from the right; reshape, or add an axis of length 1 with x[:, None].",
        ) from error


def inexact(x: Any) -> Any:
    """x, or the default dtype's numbers where it holds integers."""
    return astype(x, default_real()) if x.dtype.kind in "biu" else x


def common(*values: Any) -> list:
    """Arrays and Python numbers in the dtype that PyTorch promotes them to."""
    dtype = result_dtype(values)
    return [
        (x if x.dtype == dtype else astype(x, dtype)) if hasattr(x, "dtype") else dtype.type(x)
        for x in values
    ]


def number_or_value(x: Any) -> Any:
    """The value of an operand of an operator: NumPy's scalars count as Python's numbers, as in PyTorch."""
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, Tensor):
        return operand(x)
    if isinstance(x, (int, float, complex, np.ndarray)):
        return x
    return NotImplemented


# -------------------------------------------------- elementwise, one argument
def unary(name: str, f: Callable, label: str = "", *, floating: bool = True) -> Callable:
    """PyTorch's function `name`, which is NumPy's f element by element; integers become floating if asked."""
    label = label or f"{name.capitalize()}Backward0"
    entry: Any = TapeTensor.entries[getattr(f, "evaluate", f)]
    op: Any = OPS.get(getattr(f, "__name__", ""))
    fast = entry is not None and op is not None and op.kind == "elementwise"

    def call(input: Tensor) -> Tensor:
        x = current(input)
        if fast and type(x) is TapeTensor:
            return recorded(entry(x), op, FIRST, label)
        x = operand(input)
        return outside(f(inexact(x) if floating else x), label)

    return method(titled(call, name, f"{name} of each element."))


def titled(call: Callable, name: str, doc: str) -> Callable:
    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return call


# -------------------------------------------------- elementwise, two arguments
FAST = frozenset([TapeTensor, np.ndarray])
COMPARISONS = frozenset(["lt", "le", "gt", "ge", "eq", "ne"])


def binary(
    name: str, f: Callable, plain: Callable, labels: tuple[str, str, str], *, floating: bool = False
) -> Callable:
    """PyTorch's function `name` of two operands: NumPy's ufunc f, or `plain`, which does the same faster.

    `labels` are PyTorch's names for tensor and tensor, tensor and number, number and tensor. It is a method
    as well, and if `plain` is one of Python's operators, that operator, which may decline an operand.
    """
    of_tensors, with_number, of_number = labels
    op = OPS[f.__name__]
    kinds = "fc" if floating else "fciu"  # dtypes in which operands of one dtype need no promotion

    def call(input: Any, other: Any) -> Any:
        if type(input) is Tensor:
            kind = type(other)
            if kind is Tensor:
                if input.viewed is None is other.viewed and STATE.grad:
                    x, y = input.value, other.value  # what `current` gives, without two calls
                else:
                    x, y = current(input), current(other)
                if type(x) in FAST and type(y) in FAST:
                    dtype = x.node[2] if type(x) is TapeTensor else x.dtype
                    same = dtype is (y.node[2] if type(y) is TapeTensor else y.dtype)
                    if same and dtype.kind in kinds:
                        return fast(plain, op, x, y, of_tensors)
                return slow(input, other)
            x = current(input)
            if (kind is float or kind is int) and type(x) in FAST and x.dtype.kind in "fc":
                return fast(plain, op, x, other, with_number)
        elif (type(input) is float or type(input) is int) and type(other) is Tensor:
            y = current(other)
            if type(y) in FAST and y.dtype.kind in "fc":
                return fast(plain, op, input, y, of_number)
        return slow(input, other)

    def slow(input: Any, other: Any) -> Any:
        x, y = number_or_value(input), number_or_value(other)
        if x is NotImplemented or y is NotImplemented:
            return NotImplemented
        label = of_tensors if hasattr(x, "dtype") and hasattr(y, "dtype") else with_number
        label = label if hasattr(x, "dtype") else of_number
        x, y = common(x, y)
        if floating:
            x, y = inexact(x), inexact(y)
        return outside(computed(name, f, [x, y], {}), label)

    def function(input: Any, other: Any) -> Any:
        y = call(input, other)
        if y is NotImplemented:
            kinds = f"{type(input).__name__} and {type(other).__name__}"
            raise TypeError(f"{name} takes tensors and numbers; it was given {kinds}")
        return y

    word = plain.__name__.strip("_")
    if plain is getattr(operator, plain.__name__, None):
        methods(**{f"__{word}__": call})
        if word not in COMPARISONS:
            methods(**{f"__r{word}__": lambda self, other: call(other, self)})
    return method(titled(function, name, f"{name} of two operands, element by element; shapes broadcast."))


def fast(plain: Callable, op: Op, x: Any, y: Any, label: str) -> Tensor:
    """The operation on values of one dtype, by the engine's own entries."""
    try:
        z = plain(x, y)
    except ValueError:
        z = computed(label, plain, [x, y], {})  # which says what does not fit
    if type(z) is TapeTensor:
        return recorded(z, op, BOTH if type(x) is type(y) else FIRST, label)
    return Tensor(z if type(z) is np.ndarray else np.asarray(z))


# -------------------------------------------------- views
def view_of(base: Tensor, label: str, f: Callable, why_not: str = "", **params: Any) -> Tensor:
    """f of the value of base, as a tensor that knows what it is a view of, if NumPy did not have to copy."""
    y = single(label, f, base, **params) if type(f) is Op else apply(label, f, base)
    old, new = base.array, y.array
    if type(new) is np.ndarray and type(old) is np.ndarray and owner_of(new) is owner_of(old):
        y.viewed = View(base, partial(f, **params) if params else f, why_not)
    return y
