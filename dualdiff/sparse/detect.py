"""Which outputs depend on which inputs: one more mode, of tangents that carry a relation instead of numbers.

The pattern is found on the linearised program: forward mode runs as it always does, its tangents are
`Reaching` tensors, and what the op of a rule does to them is in reach.py. So what stops a derivative stops a
dependence, and rules of one's own are followed. Values that depend on the input are `Varying`: their numbers
are known, and nothing about the pattern may rest on them unless the kind of pattern says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.avals import Aval, aval_of
from dualdiff.core import FUNCTIONS, Level, Op, Tracer
from dualdiff.errors import ControlFlowError, InputTypeError
from dualdiff.ops import ufuncs
from dualdiff.sparse import relation
from dualdiff.sparse.reach import Call, reach
from dualdiff.tensor import Tensor, slot
from dualdiff.transforms.boundary import check_callable
from dualdiff.transforms.derivative import gradient_for
from dualdiff.transforms.linear import push_forward
from dualdiff.transforms.selection import Selection
from dualdiff.tree import map_tree

KINDS = ("global", "path", "local")


class PatternLevel(Level):
    """A level that knows what the pattern may rest on, and remembers what it rested on.

    kind     "global", "path" or "local"
    steered  whether a value that depends on the input decided something in Python
    dense    the ops of which nothing better was known than everything on everything
    """

    __slots__ = ("kind", "steered", "dense")

    def __init__(self, f: Callable, kind: str):
        super().__init__("pattern", f)
        self.kind = kind
        self.steered = False
        self.dense: dict[str, int] = {}

    def steer(self, value: Any) -> Any:
        """The value, for Python to decide by; refused where the pattern is to hold everywhere."""
        if self.kind == "global":
            raise ControlFlowError(
                "a value that depends on the input steers Python control flow, so that no pattern holds for "
                "every input.",
                "Use np.where, or kind='path', whose pattern holds for inputs that take the same path.",
            )
        self.steered = True
        return value


class Varying(Tensor):
    """A value that depends on the input, and its number at this input."""

    __slots__ = ()
    value = slot("primal")

    def __init__(self, level: Any, value: Any):
        self.level = level
        self.value = value

    def concrete(self) -> Any:
        if self.level.closed:
            self.level.escaped()
        return self.level.steer(self.value)

    as_mask = concrete

    def __repr__(self) -> str:
        return f"Varying({self.value!r})"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    # Outside a pattern such a value is a plain array (stop_gradient gives them), so it converts like one.
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.concrete(), dtype)

    def __float__(self) -> float:
        return float(self.concrete())

    def __complex__(self) -> complex:
        return complex(self.concrete())

    def item(self, *args: Any) -> Any:
        return self.concrete().item(*args)

    def tolist(self) -> Any:
        return self.concrete().tolist()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc in FUNCTIONS or not self._alone(inputs):
            return ufuncs.call(ufunc, method, inputs, kwargs)
        return self._plainly(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, func: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if func in FUNCTIONS or any(issubclass(kind, Tracer) and kind is not Varying for kind in types):
            return ufuncs.call_function(func, args, kwargs)
        return self._plainly(func, args, kwargs)

    def _alone(self, inputs: tuple) -> bool:
        return all(type(x) is Varying or not isinstance(x, Tracer) for x in inputs)

    def _plainly(self, func: Callable, args: tuple, kwargs: dict) -> Any:
        """A function without a rule, on values that carry no derivative; its result varies as they do."""
        args, kwargs = map_tree(lambda x: x.concrete() if type(x) is Varying else x, (args, kwargs))
        return map_tree(lambda y: varying(self.level, y), func(*args, **kwargs))

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        if any(type(x) is Reaching and x.level is level for x in args):
            return Reaching.interpret(op, level, args, params)
        y = op(*(x.value if mine(x, level) else x for x in args), **params)
        return tuple(varying(level, part) for part in y) if op.multiple else varying(level, y)


def mine(x: Any, level: Level) -> bool:
    return type(x) is Varying and x.level is level


def varying(level: Any, y: Any) -> Any:
    """y as a value that depends on the input, unless it is no array."""
    return Varying(level, y) if hasattr(y, "dtype") else y


class Reaching(Tensor):
    """A tangent without numbers: its aval, and a relation of its elements to the inputs."""

    __slots__ = ()
    aval, relation = slot("primal"), slot("part")

    def __init__(self, level: PatternLevel, aval: Aval, relation: Any):
        self.level = level
        self.aval = aval
        self.relation = relation

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    def concrete(self) -> Any:
        raise ControlFlowError(
            "a tangent steers Python control flow, so that its rule is not linear.",
            "A rule may branch on values, not on tangents.",
        )

    def __repr__(self) -> str:
        return f"Reaching({self.aval!r}, {self.relation.nnz} entries)"

    @classmethod
    def interpret(cls, op: Op, level: Any, args: tuple, params: dict) -> Any:
        tangents = {i: x for i, x in enumerate(args) if type(x) is Reaching and x.level is level}
        known = [x.aval if i in tangents else x.value if mine(x, level) else x for i, x in enumerate(args)]
        outs = result_aval(op, known, params)
        fixed = not any(isinstance(x, Tracer) for i, x in enumerate(args) if i not in tangents)
        active = {i: x.relation for i, x in tangents.items()}
        found = [
            carried(level, Call(op, tuple(known), params, active, fixed, level.kind == "local", out))
            for out in (outs if op.multiple else (outs,))
        ]
        return tuple(found) if op.multiple else found[0]


def carried(level: PatternLevel, call: Call) -> Any:
    """One result of an op on tangents."""
    if call.op.kind == "constant":  # integers and booleans of a tangent, whose numbers are not known
        return Varying(level, np.zeros(call.out.shape, call.out.dtype))
    found, unknown = reach(call)
    if unknown:
        level.dense[call.op.name] = level.dense.get(call.op.name, 0) + 1
    return Reaching(level, call.out, found)


def result_aval(op: Op, known: list, params: dict) -> Any:
    """The aval of the result; where the record does not say, that of the result for ones."""
    if op.out is not None:
        out = op.out(*known, **params)
        return tuple(map(aval_of, out)) if op.multiple else aval_of(out)
    with np.errstate(all="ignore"):
        y = op.evaluate(*(np.ones(x.shape, x.dtype) if type(x) is Aval else x for x in known), **params)
    return tuple(map(aval_of, y)) if op.multiple else aval_of(y)


# -------------------------------------------------- functions
def pattern(f: Callable, *args: Any, argnums: Any = 0, kind: str = "path") -> Any:
    """Which outputs of f depend on which inputs: the places where its Jacobian may differ from 0.

    Shapes      a boolean CSR array of SciPy, (outputs, inputs), all leaves ravelled in order
    Derivative  an entry that is missing is 0 in the Jacobian. kind="global": for every input; a value that
                steers Python control flow is refused. kind="path": for every input that takes the same path
                through f. kind="local": for this very input, whose zeros count. Arguments of integers,
                booleans or other types, and what f closes over, are constants for each kind.
    Cost        one run of f, and work in the size of the patterns of its intermediate arrays
    Raises      ControlFlowError, InputTypeError, StructureError; ImportError without SciPy
    """
    check_callable(f, "pattern")
    return detect(Selection(f, argnums, args, {}, "pattern"), kind)[0]


def hessian_pattern(f: Callable, *args: Any, argnums: Any = 0, kind: str = "path") -> Any:
    """Which pairs of inputs of the scalar function f have a second derivative that may differ from 0.

    Shapes      a symmetric boolean CSR array of SciPy, (inputs, inputs)
    Derivative  the pattern of the gradient, which is a function of registered ops like any other
    Raises      as `pattern`; ScalarOutputError
    """
    check_callable(f, "hessian_pattern")
    return detect_hessian(f, argnums, args, {}, kind)[0]


def detect_hessian(f: Callable, argnums: Any, args: tuple, kwargs: dict, kind: str) -> tuple:
    """As `detect`, for the gradient of f; symmetric."""
    gradient = gradient_for("hessian", f, argnums, False, "reverse")
    found, *rest = detect(Selection(gradient, argnums, args, kwargs, "hessian_pattern"), kind)
    return relation.canonical(relation.united(found, found.T.tocsr())), *rest


def detect(chosen: Selection, kind: str) -> tuple:
    """The pattern, what it holds for ("global", "path" or "local"), the dense ops, avals of outputs, tree."""
    if kind not in KINDS:
        raise InputTypeError(
            f"{chosen.transform} was given kind={kind!r}.", f"Choose one of {', '.join(map(repr, KINDS))}."
        )
    relation.scipy_sparse()
    if any(isinstance(x, Tracer) for x in chosen.leaves):
        raise InputTypeError(
            f"{chosen.transform} was called inside another transform; a pattern has no derivative.",
            "Find the pattern outside, and pass it in.",
        )
    width = sum(x.size for x in chosen.leaves)
    level = PatternLevel(chosen.f, kind)
    hide = (lambda x: x) if kind == "local" else (lambda x: Varying(level, x))
    leaves = [hide(x) for x in chosen.leaves]
    hidden = copy.copy(chosen)
    hidden.args, hidden.kwargs = map_tree(lambda x: hide_argument(x, hide), (chosen.args, chosen.kwargs))
    try:
        ys, y_dots, tree, _ = push_forward(
            hidden, leaves, chosen.trees, seeds(level, chosen.leaves, width), transform=chosen.transform
        )
    finally:
        level.close()
    avals = [aval_of(y) for y in ys]
    rows = [
        y_dot.relation if type(y_dot) is Reaching else relation.nothing(y.size, width)
        for y, y_dot in zip(avals, y_dots, strict=True)
    ]
    holds = "global" if kind == "path" and not level.steered else kind
    return relation.canonical(relation.stacked(rows).copy()), holds, level.dense, avals, tree


def hide_argument(x: Any, hide: Callable) -> Any:
    """An argument that is not differentiated: numbers may be others at the next call, so they vary too."""
    if isinstance(x, float):
        return hide(np.float64(x))
    return hide(x) if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc" else x


def seeds(level: PatternLevel, leaves: list, width: int) -> list:
    """Each element of each leaf depends on itself."""
    found, start = [], 0
    for x in leaves:
        found.append(Reaching(level, aval_of(x), relation.unit(x.size, start, width)))
        start += x.size
    return found
