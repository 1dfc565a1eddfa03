"""A tracer that reads like an array: operators, NumPy's protocols, attributes, conversions.

There is no mode in this file. Each mode derives its tensor from `Tensor`, says what its value is, and
installs fast entries for the elementwise ops. Methods are the functions of ops/ under ndarray's names.
Longer than 400 lines because an array has that many names.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import CONSTANT, FUNCTIONS, OPS, Op, Tracer, bind
from dualdiff.errors import ControlFlowError, ConversionError, InputTypeError, MutationError, NoDerivative
from dualdiff.memory import apart
from dualdiff.ops import (
    arrange,
    assignment,
    creation,
    differences,
    elementwise,
    extremes,
    fft,
    histograms,
    indexing,
    joining,
    linalg_cholesky,
    linalg_eigen,
    linalg_functions,
    linalg_norm,
    logsums,
    ordering,
    padding,
    polynomials,
    products,
    quantiles,
    questions,
    reductions,
    sampled,
    scans,
    selection,
    sets,
    slicewise,
    statistics,
    structural,
    ufuncs,
    updates,
    writing,
)

# Imported for what they register: these functions answer NumPy's and have no method on an array.
_FUNCTIONS_ONLY = (
    creation, differences, fft, histograms, joining, linalg_cholesky, linalg_eigen, linalg_functions,
    linalg_norm, logsums, padding, polynomials, quantiles, questions, sampled, sets, slicewise, statistics,
)  # fmt: skip

# Types of operand that stand for themselves: the fast entries test membership here and nothing else.
PLAIN = frozenset(
    [np.ndarray, float, int, bool, np.float64, np.float32, np.float16, np.longdouble, np.complex128]
    + [np.complex64, np.int64, np.int32, np.bool_]
)  # not complex: 1j * np.float64(1) is Python's complex, which has no shape

SEQUENCES = frozenset([list, tuple])  # operands that become arrays before a rule sees them

# Ops for which a Python number beside a float64 array may as well be a 0-d array: same bits, and NumPy takes
# it in two thirds of the time. The fast entries make it one, for the op and for what its derivative does.
LIFTS = frozenset(["add", "subtract", "multiply", "divide"])
FLOAT64 = np.dtype(float)  # dtypes of NumPy are single objects, so that identity tells them

# op name -> (method, reflected method, the plain operator, which beats calling the ufunc and is what
# plain code would have run). Modes replace these methods by their fast entries.
OPERATORS: dict[str, tuple[str, str | None, Callable]] = {
    "add": ("__add__", "__radd__", operator.add),
    "subtract": ("__sub__", "__rsub__", operator.sub),
    "multiply": ("__mul__", "__rmul__", operator.mul),
    "divide": ("__truediv__", "__rtruediv__", operator.truediv),
    "power": ("__pow__", "__rpow__", operator.pow),
    "floor_divide": ("__floordiv__", "__rfloordiv__", operator.floordiv),
    "remainder": ("__mod__", "__rmod__", operator.mod),
    "less": ("__lt__", None, operator.lt),
    "less_equal": ("__le__", None, operator.le),
    "equal": ("__eq__", None, operator.eq),
    "not_equal": ("__ne__", None, operator.ne),
    "greater": ("__gt__", None, operator.gt),
    "greater_equal": ("__ge__", None, operator.ge),
    "negative": ("__neg__", None, operator.neg),
    "positive": ("__pos__", None, operator.pos),
    "absolute": ("__abs__", None, operator.abs),
    "matmul": ("__matmul__", "__rmatmul__", operator.matmul),
}


# The operators that write in place.
IN_PLACE: dict[str, str] = {
    "__iadd__": "add", "__isub__": "subtract", "__imul__": "multiply", "__itruediv__": "divide",
    "__ifloordiv__": "floor_divide", "__imod__": "remainder", "__ipow__": "power", "__imatmul__": "matmul",
    "__iand__": "bitwise_and", "__ior__": "bitwise_or", "__ixor__": "bitwise_xor",
}  # fmt: skip


def has_entries(op: Op) -> bool:
    """Whether an op gets fast entries: elementwise ops and products of one or two arguments."""
    fast = op.partials is not None or (op.kind == "multilinear" and isinstance(op.evaluate, np.ufunc))
    return fast and op.arity <= 2


def numeric(op: Op, y: Any) -> Any:
    """The result y of op, unless an operand made it something that carries no derivative or has other rules.

    Fractions, decimals and object arrays give objects; matrices and masked arrays multiply in their own way.
    """
    plain = y.dtype.kind != "O" if type(y) is np.ndarray else hasattr(y, "dtype")
    if plain and (type(y) is np.ndarray or not isinstance(y, np.ndarray)):
        return y
    raise InputTypeError(
        f"{op.name} of a tensor and another operand gave {type(y).__name__}"
        + (" of dtype object." if type(y) is np.ndarray else ", which is no plain array of numbers."),
        "Convert the operand with float() or np.asarray(operand, float) first.",
    )


def install(cls: type[Tensor], op: Op, entry: Callable[[Op, Callable], Callable]) -> None:
    """Give `cls` its entries for one op: for the ufunc, and for the operators if it has some."""
    cls.entries.add(op, entry)
    if op.name in OPERATORS:
        method, reflected, plain = OPERATORS[op.name]
        direct = entry(op, plain)
        setattr(cls, method, direct)
        if reflected:
            other_way = getattr(direct, "reflected", None)
            setattr(cls, reflected, other_way or (lambda self, other: direct(other, self)))


class Entries(dict):
    """A ufunc -> its fast entry in one mode, made when it is first asked for; None where there is none."""

    def __init__(self) -> None:
        self.unmade: dict[Callable, tuple[Op, Callable]] = {}

    def add(self, op: Op, entry: Callable[[Op, Callable], Callable]) -> None:
        self.pop(op.evaluate, None)  # of the op before it was declared again
        self.unmade[op.evaluate] = op, entry

    def __missing__(self, ufunc: Callable) -> Callable | None:
        if ufunc not in self.unmade:
            return None
        op, entry = self.unmade[ufunc]
        self[ufunc] = made = entry(op, ufunc)
        return made


def ufunc_protocol(entries: Entries) -> Callable:
    """NumPy's protocol for ufuncs, for the tensors with these fast entries."""

    def __array_ufunc__(
        self: Tensor, ufunc: np.ufunc, method: str, x: Any, *others: Any, **kwargs: Any
    ) -> Any:
        if not kwargs and method == "__call__":
            entry = entries[ufunc] or FUNCTIONS.get(ufunc)
            if entry is not None:
                return entry(x, *others) if others else entry(x)
        return ufuncs.call(ufunc, method, (x, *others), kwargs)

    return __array_ufunc__


# Attributes of an array that can be assigned to, and what to write on a tensor instead.
SETTABLE = {
    "shape": "x = x.reshape(shape)", "dtype": "x = x.astype(dtype)", "real": "x = v + 1j * x.imag",
    "imag": "x = x.real + 1j * v", "flat": "x[...] = v",
}  # fmt: skip


def _refuse_to_set(name: str) -> Callable:
    def refuse(self: Tensor, value: Any) -> NoReturn:
        raise MutationError(f"x.{name} = v on a tensor of shape {self.shape}.", f"Write {SETTABLE[name]}.")

    return refuse


class Tensor(Tracer):
    """What the tensors of every mode have in common. `isinstance(x, np.ndarray)` is False, on purpose.

    All have the same slots, under names that say what a mode keeps there, so that a tensor that is written to
    can become one of another mode. `alias` belongs to memory.py.
    """

    __slots__ = ("level", "primal", "part", "alias", "__weakref__")
    __hash__ = object.__hash__
    part: Any
    alias: Any
    entries: Entries  # per mode

    def __init_subclass__(cls) -> None:
        cls.entries = Entries()
        if "__array_ufunc__" not in vars(cls):
            cls.__array_ufunc__ = ufunc_protocol(cls.entries)  # type: ignore[method-assign]
        for name in SETTABLE:
            if isinstance(found := vars(cls).get(name), property):
                setattr(cls, name, found.setter(_refuse_to_set(name)))

    # ---------------------------------------------------------------- what a mode may know better
    @property
    def shape(self) -> tuple[int, ...]:
        return self.primal.shape

    @property
    def dtype(self) -> Any:
        return self.primal.dtype

    def concrete(self) -> Any:
        """The plain value under every level, to steer control flow; batched tensors have none and raise."""
        if self.level.closed:
            self.level.escaped()
        return self.primal.concrete() if isinstance(self.primal, Tensor) else self.primal

    # ---------------------------------------------------------------- NumPy's protocols
    __array_ufunc__ = ufunc_protocol(Entries())

    def __array_function__(self, func: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        try:
            return ufuncs.call_function(func, args, kwargs)
        except ControlFlowError as error:
            if not error.found.startswith("a batched value"):
                raise
            # What was asked of a value below, where the name of the function is not known.
            raise ControlFlowError(f"np.{func.__name__} of {error.found}", error.remedy) from None

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        # Looked up when asked: the namespace is made of everything below it, this file included.
        return importlib.import_module("dualdiff.numpy")

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise ConversionError(
            f"a {type(self).__name__} of shape {self.shape} was about to become a plain array, "
            "which would drop its derivative.",
            "Build arrays of tensors with np.stack or dualdiff.numpy.array; to write tensors into an array, "
            "start from dualdiff.numpy.zeros, np.zeros_like(x) or x.copy(); or pass stop_gradient(x).",
        )

    # ---------------------------------------------------------------- attributes
    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def become(self, y: Any) -> None:
        """Be y from now on, under every name that this tensor has."""
        if not isinstance(y, Tensor):
            y = self.constant(y)
        made = self.part if self.level is CONSTANT else 0
        if y.level is not self.level and hasattr(y.level, "size") and made < y.level.number:
            raise MutationError(
                f"a write of batched values to a tensor of shape {self.shape} that all examples share.",
                "Inside vmap, write to an array made there with np.zeros_like, or use x.at[i].set(v).",
            )
        self.__class__ = type(y)  # type: ignore[assignment]
        self.level, self.primal, self.part = y.level, y.primal, getattr(y, "part", None)
        self.alias = None

    def again(self) -> Tensor:
        """A tensor of the same value that keeps it when this one is written to."""
        if self.level.closed:
            self.level.escaped()
        y = object.__new__(type(self))
        y.level, y.primal, y.part = self.level, self.primal, getattr(self, "part", None)
        return y

    @property
    def T(self) -> Any:
        return FUNCTIONS[np.transpose](self)

    @property
    def mT(self) -> Any:
        return FUNCTIONS[np.matrix_transpose](self)

    @property
    def real(self) -> Any:
        return elementwise.real(self) if self.dtype.kind == "c" else self

    @property
    def imag(self) -> Any:
        return elementwise.imag(self)

    @property
    def flat(self) -> Any:
        """The elements one after another, as a tensor to read from; NumPy's would write through."""
        return structural.ravel(self)

    @property
    def device(self) -> str:
        return "cpu"

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        """x itself: there is no other memory to look at, and no other dtype to read it as."""
        if type is not None or (dtype is not None and np.dtype(dtype) != self.dtype):
            raise NoDerivative(f"ndarray.view of a tensor of {self.dtype} as another type.", "Use astype.")
        return self

    def to_device(self, device: str, /, *, stream: Any = None) -> Any:
        if device != "cpu" or stream is not None:
            raise ValueError(f"a tensor is on the device 'cpu', not {device!r}")
        return self

    @property
    def at(self) -> updates.At:
        """Functional updates: x.at[i].set(v), .add, .multiply, .divide, .power, .min, .max."""
        return updates.At(self)

    # ---------------------------------------------------------------- methods
    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> Any:
        return structural.reshape(self, shape[0] if len(shape) == 1 else shape, order)

    def transpose(self, *axes: Any) -> Any:
        if not axes or axes == (None,):
            return structural.transpose(self)
        return structural.transpose(self, axes[0] if isinstance(axes[0], (tuple, list)) else axes)

    def flatten(self, order: str = "C") -> Any:
        return apart(structural.ravel(self, order))

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        return selection.compress(condition, self, axis, out)

    def astype(
        self, dtype: Any, order: Any = "K", casting: str = "unsafe", subok: bool = True, copy: Any = True
    ):
        return structural.cast(self, structural.as_dtype(dtype), casting)

    def conj(self) -> Any:
        return OPS["conjugate"](self)

    conjugate = conj
    ravel = structural.ravel
    swapaxes = structural.swapaxes
    squeeze = structural.squeeze
    copy = structural.copy
    take = indexing.take
    repeat = arrange.repeat
    choose = selection.choose
    diagonal = arrange.diagonal
    nonzero = indexing.nonzero
    dot = products.dot
    trace = products.trace
    sum = reductions.sum
    mean = reductions.mean
    var = reductions.var
    std = reductions.std
    prod = reductions.prod
    max = extremes.max
    min = extremes.min
    all = extremes.all
    any = extremes.any
    argmax = extremes.argmax
    argmin = extremes.argmin
    cumsum = scans.cumsum
    cumprod = scans.cumprod
    argsort = ordering.argsort
    argpartition = ordering.argpartition
    searchsorted = ordering.searchsorted
    clip = ordering.clip
    round = ordering.round
    fill = assignment.fill
    put = assignment.put
    sort = assignment.sort
    partition = assignment.partition

    # ---------------------------------------------------------------- operators without a fast entry
    def __divmod__(self, other: Any) -> Any:
        return OPS["divmod"](self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return OPS["divmod"](other, self)

    def __invert__(self) -> Any:
        return OPS["invert"](self)

    def __and__(self, other: Any) -> Any:
        return OPS["bitwise_and"](self, other)

    def __or__(self, other: Any) -> Any:
        return OPS["bitwise_or"](self, other)

    def __xor__(self, other: Any) -> Any:
        return OPS["bitwise_xor"](self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __getitem__(self, key: Any) -> Any:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        writing.assign(self, key, value)

    # ---------------------------------------------------------------- Python's view of a value
    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor of shape ()")
        return self.shape[0]

    def __iter__(self) -> Iterator:
        if not self.shape:
            raise TypeError("iteration over a tensor of shape ()")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool((self.concrete() == value).any())

    def __bool__(self) -> bool:
        return bool(self.concrete())

    def __int__(self) -> int:
        return int(self.concrete())

    def __index__(self) -> int:
        return operator.index(self.concrete())

    def __float__(self) -> float:
        raise self._no_number("float")

    def __complex__(self) -> complex:
        raise self._no_number("complex")

    def __trunc__(self) -> int:  # which math.trunc asks for, where math.floor and all others ask for a float
        raise self._no_number("math.trunc")

    def item(self, *args: Any) -> Any:
        raise self._no_number("item")

    def tolist(self) -> Any:
        raise self._no_number("tolist")

    def _no_number(self, conversion: str) -> ConversionError:
        return ConversionError(
            f"{conversion}() of a {type(self).__name__} would drop its derivative; math.* and writing into a "
            "plain array convert as well.",
            "Use the np.* function on the tensor itself, np.stack to build arrays, dualdiff.numpy.zeros or "
            "x.copy() for an array to write tensors into, or stop_gradient(x).",
        )

    def __format__(self, spec: str) -> str:
        return format(self.concrete(), spec)

    def __str__(self) -> str:
        return str(self.concrete())

    def __round__(self, ndigits: int | None = None) -> Any:
        return OPS["rint"](self) if not ndigits else FUNCTIONS[np.round](self, ndigits)

    def __copy__(self) -> Any:
        return FUNCTIONS[np.copy](self)

    def __deepcopy__(self, memo: dict) -> Any:
        return FUNCTIONS[np.copy](self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise ConversionError(
            f"a live {type(self).__name__} cannot be pickled.", "Pickle the results of the transform instead."
        )


def slot(name: str) -> Any:
    """A slot of every tensor, for the name that a mode gives it."""
    return vars(Tensor)[name]


def _unavailable(name: str) -> property:
    def refuse(self: Tensor) -> NoReturn:
        if name == "resize":
            raise MutationError("ndarray.resize changes an array's memory.", "Write x = np.resize(x, shape).")
        raise NoDerivative(
            f"ndarray.{name} is not available on a {type(self).__name__}.", "Apply it to stop_gradient(x)."
        )

    return property(refuse)


# One property per name, not `__getattr__`, whose mere presence slows the reading of every attribute.
for _name in set(dir(np.ndarray)) - set(dir(Tensor)):
    if not _name.startswith("_"):
        setattr(Tensor, _name, _unavailable(_name))


def _operator(op: Op, reflected: bool) -> Callable:
    if reflected:
        return lambda self, other: bind(op, (other, self), {})
    if op.arity == 1:
        return lambda self: bind(op, (self,), {})
    return lambda self, other: bind(op, (self, other), {})


for _method, _name in IN_PLACE.items():
    setattr(Tensor, _method, writing.in_place(OPS[_name]))

for _name in SETTABLE:
    setattr(Tensor, _name, vars(Tensor)[_name].setter(_refuse_to_set(_name)))

# Avals answer the same operators: an entry applies the plain operator to whatever a tensor holds.
for _class in (Tensor, Aval):
    for _name, (_method, _reflected, _) in OPERATORS.items():
        setattr(_class, _method, _operator(OPS[_name], reflected=False))
        if _reflected:
            setattr(_class, _reflected, _operator(OPS[_name], reflected=True))
