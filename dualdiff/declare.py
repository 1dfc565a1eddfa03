"""How an op is declared: a row for an elementwise op, a class body used as a namespace for every other.

A declaration is checked where it stands: what is missing or contradicts the kind is named. Everything else
about the op (dispatch, modes, tests, tables) follows from the record that `register` enters.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from dualdiff.avals import Aval
from dualdiff.core import FUNCTIONS, Op, register
from dualdiff.domains import Domain, reals
from dualdiff.errors import DeclarationError, NoDerivative


class over:
    """The partial 1 / divisor(y, *xs).

    A mode divides by it, so that no digit is lost where the divisor is of a narrower dtype than the result
    or a Python number beside extended precision.
    """

    __slots__ = ("divisor",)

    def __init__(self, divisor: Callable):
        self.divisor = divisor

    def __call__(self, *values: Any) -> Any:
        return np.divide(1.0, self.divisor(*values))


def elementwise(
    evaluate: Callable,
    *partials: Any,
    on: Domain | tuple[Domain, ...] = reals,
    complex: bool = False,
    name: str | None = None,
    doc: str = "",
    source: str = "",
    kink: str = "",
) -> Op:
    """Declare an elementwise op in one row: the function, then dy/dx_i for each argument.

    A partial is None (the derivative is structurally zero), a number, or a function of (y, *xs), the output
    and the inputs; over(f) is 1 / f. A parameter whose name starts with an underscore is not read, and what
    no partial reads is not kept for the reverse sweep. For a function with real values of complex arguments
    the partial d is the number with dy = Re(d dx).

    `on` says where the op is smooth (one domain, or one per argument), `complex` whether it accepts complex
    arguments, `kink` which derivative it takes where there is none.
    """
    name = _claimed(name or evaluate.__name__, sys._getframe(1))
    fewest, arity = _row_arity(evaluate, len(partials))
    if not fewest <= len(partials) <= arity or not partials:
        raise DeclarationError(
            f"op {name!r} takes {arity} arguments but states {len(partials)} partials.",
            "Give one partial per argument; None where there is no derivative.",
        )
    arity = len(partials)
    on = on if isinstance(on, tuple) else (on,) * arity
    if not all(isinstance(domain, Domain) for domain in on):
        raise DeclarationError(
            f"op {name!r} is declared on={on!r}.",
            "Give domains of dualdiff.domains, such as reals or positive.",
        )
    if len(on) != arity:
        raise DeclarationError(f"op {name!r} takes {arity} arguments but states {len(on)} domains.")
    record = register(
        Op(
            name=name,
            kind="constant" if all(d is None for d in partials) else "elementwise",
            evaluate=evaluate,
            partials=tuple(_name_partial(name, d, i, arity) for i, d in enumerate(partials)),
            reads=tuple(_reads(d) for d in partials),
            out=functools.partial(_elementwise_out, evaluate),
            core=0,
            domain=on,
            complex=complex,
            kink=kink,
            doc=" ".join(filter(None, (doc, kink))),
            source=source,
            arity=arity,
        )
    )
    module = getattr(evaluate, "__module__", None) or ""  # None where code was executed without a module
    if module.partition(".")[0] == "numpy" or isinstance(evaluate, np.ufunc):
        FUNCTIONS[evaluate] = record
    return record


def _row_arity(evaluate: Callable, stated: int) -> tuple[int, int]:
    """The fewest and the most arguments of a row's function; as stated where it does not say."""
    code = getattr(evaluate, "__code__", None)
    if isinstance(evaluate, np.ufunc):
        return evaluate.nin, evaluate.nin
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return stated, stated
    return code.co_argcount - len(getattr(evaluate, "__defaults__", None) or ()), code.co_argcount


_homes: dict[str, str] = {}  # the module that declared each name


def _claimed(name: str, frame: FrameType) -> str:
    """The name, refused where it is that of an op of this library: operators and rules find ops by name.

    Declaring an op of one's own again is fine: a notebook cell runs more than once.
    """
    module = frame.f_globals.get("__name__", "")
    home = _homes.setdefault(name, module)
    if home != module and home.startswith("dualdiff."):
        raise DeclarationError(
            f"op {name!r} exists already: it is declared in {home}.",
            "Give another name=; a row for a NumPy function answers for it under any name.",
        )
    _homes[name] = module
    return name


def _reads(partial: Any) -> tuple[int, ...]:
    if type(partial) is over:
        return _reads(partial.divisor)
    if not callable(partial):
        return ()
    return tuple(i for i, name in enumerate(_positional(partial)) if not name.startswith("_"))


def _positional(f: Callable) -> tuple[str, ...]:
    """The names of the positional parameters, from the code object: a signature costs ten times as much."""
    code = getattr(f, "__code__", None)
    if code is None:
        return tuple(inspect.signature(f).parameters)
    return code.co_varnames[: code.co_argcount]


def _name_partial(op: str, partial: Any, i: int, arity: int) -> Any:
    """Check one partial and give a lambda the name that a traceback should show, like `divide.d_1`."""
    if type(partial) is over:
        return over(_name_partial(op, partial.divisor, i, arity))
    if partial is None or isinstance(partial, numbers.Number):
        return partial
    if not callable(partial):
        raise DeclarationError(
            f"partial {i} of op {op!r} is {partial!r}.", "Give None, a number or a function."
        )
    if len(_positional(partial)) != arity + 1:
        raise DeclarationError(
            f"partial {i} of op {op!r} does not take (output, {arity} inputs).",
            "A partial is a function of the output and every input; start an unread name with _.",
        )
    if partial.__name__ == "<lambda>":
        partial.__code__ = partial.__code__.replace(co_name=f"{op}.d_{i}")
        partial.__name__ = f"{op}.d_{i}"
    return partial


@functools.lru_cache(1024)
def _elementwise_dtype(evaluate: Callable, dtypes: tuple) -> np.dtype:
    ones = [d(1) if isinstance(d, type) else np.ones((), d) for d in dtypes]
    with np.errstate(all="ignore"):
        return np.asarray(evaluate(*ones)).dtype


def _elementwise_out(evaluate: Callable, *xs: Any) -> Aval:
    shape = np.broadcast_shapes(*(getattr(x, "shape", ()) for x in xs))
    return Aval(shape, _elementwise_dtype(evaluate, tuple(getattr(x, "dtype", type(x)) for x in xs)))


_OPTIONAL = (
    "out", "batch", "core", "shifts", "moves", "views", "undefined", "gauge", "structure", "pullback",
    "domain", "source",
)  # fmt: skip
_ACCEPTED = {
    "evaluate",
    "transpose",
    "transposes",
    "differential",
    "linear",
    "constant",
    "multiple",
    *_OPTIONAL,
}


def op(namespace: type) -> Op:
    """Declare an op from a class body: `evaluate` and the one fact that its kind needs.

    evaluate(*arrays, **params)          the function; positional arguments are arrays, others static
    transpose(y_bar, *xs, **params)      linear: the cotangents of the linear arguments (a tuple if several);
                                         `linear` names their positions when other arguments are data
    transposes                           multilinear: one function (y_bar, *xs) -> x_bar per argument
    differential(y, *xs, *dxs, **params) general: dy, linear in the dxs; transposes may stand beside it for
                                         arguments in which the op is linear, pullback where it pays
    constant = True                      integer and boolean results: no derivative
    out(*xs, **params)                   the aval of the result; needed where a differential applies the op
    core, shifts, batch                  how it batches: acts on the last `core` axes; or `shifts` names axis
                                         parameters, along which alone it acts; or batch(size, mapped,
                                         values, params)
    moves = True                         it only moves elements: forward mode need not silence warnings
    views = True                         NumPy's result shows the memory of the argument, so that neither may
                                         be written while both live; "read-only" where none can write to it
    undefined(y, *xs, **params)          in debug: a sentence where the derivative is a convention, else None
    gauge(y_bar, y, *xs, **params)       in debug: a sentence where y_bar asks what y leaves open, else None
    structure                            for sparsity, where core and shifts say too little: "prefix" if an
                                         element needs those before it; or (*xs, **params) -> the labels of
                                         the arguments and of the result, as einsum has them, or for each
                                         argument two arrays: flat places in the result, and in it
    domain(rng, dtype)                   yields (args, params) at points where it is smooth
    """
    facts = {k: v for k, v in vars(namespace).items() if not k.startswith("__")}
    name = _claimed(facts.pop("name", namespace.__name__.rstrip("_")), sys._getframe(1))
    unknown = set(facts) - _ACCEPTED
    if unknown:
        raise DeclarationError(f"op {name!r} states {', '.join(sorted(unknown))}, which no op has.")
    missing = [fact for fact in ("evaluate", "domain") if fact not in facts]
    kind = _kind(facts)
    if kind is None:
        missing.append("transpose, transposes, differential or constant = True")
    if missing:
        raise DeclarationError(
            f"op {name!r} lacks {', '.join(missing)}.", "See how-to/add-an-op for what each kind states."
        )
    arity = _arity(facts["evaluate"])
    transposes = facts.get("transposes")
    if isinstance(transposes, tuple) and len(transposes) != arity:
        raise DeclarationError(
            f"op {name!r} takes {arity} arguments but states {len(transposes)} transposes."
        )
    if kind == "linear" and arity is not None:
        facts.setdefault("linear", tuple(range(arity)))
    facts.pop("constant", None)
    return register(
        Op(name=name, kind=kind, arity=arity, doc=inspect.cleandoc(namespace.__doc__ or ""), **facts)
    )


def _arity(evaluate: Callable) -> int | None:
    """The number of array arguments; None where it takes any number."""
    if isinstance(evaluate, np.ufunc):
        return evaluate.nin
    code = getattr(evaluate, "__code__", None)
    return None if code is not None and code.co_flags & inspect.CO_VARARGS else len(_positional(evaluate))


def _kind(facts: dict) -> str | None:
    if facts.get("constant"):
        return "constant"
    for fact, kind in (("differential", "general"), ("transpose", "linear"), ("transposes", "multilinear")):
        if fact in facts:
            return kind
    return None


def numpy_function(*functions: Callable | str) -> Callable:
    """Let the decorated function, which has NumPy's signature, answer for NumPy's `functions` on tensors.

    A function newer than the oldest supported NumPy is given by its name, and left out where NumPy lacks it.
    """

    def decorate(ours: Callable) -> Callable:
        for function in functions:
            known: Any = getattr(np, function, None) if isinstance(function, str) else function
            if known is not None:
                FUNCTIONS[known] = ours
        return ours

    return decorate


def refuse(function: str, **keywords: Any) -> None:
    """Raise NoDerivative for every keyword that was given: none is ever ignored."""
    for keyword, value in keywords.items():
        if value is not None and value is not np._NoValue:
            raise NoDerivative(
                f"{function} on a tensor does not support {keyword}= (got {type(value).__name__}).",
                f"Leave out {keyword}=, or apply the function to stop_gradient(x).",
            )
