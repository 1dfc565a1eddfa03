"""custom_jvp and custom_vjp: functions with derivatives of their user's own, in both modes and any order.

A call becomes a `Call` (rules.py), a function of its numeric leaves with a rule. `apply` hands it to the
tensor of the highest level among them, as `bind` does with an op, and runs the rule on what is under that
level: values of lower levels, which carry their derivatives through the rule as through any code. Reverse
mode for a jvp rule and forward mode for a vjp rule are the same transposition of a linear function, `Linear`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.avals import Aval, aval_of, inexact
from dualdiff.core import CONSTANT, Level, Op, TapeLevel, Tracer, bind
from dualdiff.errors import DualdiffError, InputTypeError, NoDerivative
from dualdiff.modes.batch import BatchTensor
from dualdiff.modes.forward import DualTensor, dual
from dualdiff.modes.guard import kept
from dualdiff.modes.reverse import TapeTensor, leaf
from dualdiff.modes.tape import SELECT, Rule, Tape, sweep
from dualdiff.modes.zero import Zero
from dualdiff.tensor import Tensor
from dualdiff.transforms.boundary import check_callable, name_of, own
from dualdiff.transforms.rules import Batched, Call, bare, live, number, zero_like
from dualdiff.tree import Tree, flatten, unflatten

INSIDE = 1e300  # numbers of levels that belong to no transform, such as those of avals, begin here


# -------------------------------------------------- what the user sees
class Custom:
    """A function that is differentiated by rules given for it; those in `nondiff_argnums` are static."""

    kind: str  # for messages

    def __init__(self, f: Callable, nondiff_argnums: int | tuple[int, ...] = ()):
        check_callable(f, self.kind)
        functools.update_wrapper(self, f, updated=())  # what f has on it may be rules of its own
        self.f = f
        self.name = name_of(f)
        self.static = nondiff_argnums if isinstance(nondiff_argnums, (tuple, list)) else (nondiff_argnums,)
        if not all(type(i) is int for i in self.static):
            raise InputTypeError(f"{self.kind} was given nondiff_argnums={nondiff_argnums!r}.", "Give ints.")
        self.signature: inspect.Signature | None = None
        if not isinstance(f, np.ufunc):  # whose parameters are not only its arguments
            with contextlib.suppress(TypeError, ValueError):  # some functions of C have none
                self.signature = inspect.signature(f)
        self.pulling = Rule(pull_recorded, push_recorded, op=self.name)
        self.op = Op(
            name=f"{self.kind}({self.name})",  # never that of an op, which modes may know by its name
            kind="general",
            multiple=True,
            evaluate=evaluate,
            differential=differential,
            pullback=pullback,
            batch=batch,
        )

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = self.positional(args, kwargs)
        static = self.positions(len(args))
        for i in static:
            if any(live(x) for x in flatten(args[i])[0]):
                raise InputTypeError(
                    f"argument {i} of {self.name} is one of its nondiff_argnums and holds a tensor.",
                    "Take it out of nondiff_argnums, or pass stop_gradient(x).",
                )
        leaves, tree = flatten(tuple([x for i, x in enumerate(args) if i not in static]))
        leaves = [x.materialise() if type(x) is Zero else x for x in leaves]
        if not any(live(x) for x in leaves):
            return self.f(*args)
        fronts: list[Tree] = []
        call = Call(self, {i: args[i] for i in static}, leaves, bare(tree, fronts))
        ys = apply(call, [x for x in leaves if number(x)])
        if fronts:  # tensors of a front end give such tensors back
            ys = [unflatten(fronts[0], [y]) for y in ys]
        return unflatten(call.out_tree, ys)

    def positional(self, args: tuple, kwargs: dict) -> tuple:
        """All arguments by position, with defaults, as the rules take them."""
        if self.signature is None and not kwargs:
            return args
        bound = (self.signature or inspect.signature(self.f)).bind(*args, **kwargs)
        bound.apply_defaults()
        unplaced = [name for name in bound.kwargs if name in kwargs]
        if unplaced:
            raise InputTypeError(
                f"{self.kind}({self.name}) was given arguments that have no position: {', '.join(unplaced)}.",
                "Its rules take all arguments by position; close over the others.",
            )
        return bound.args

    def positions(self, n: int) -> tuple[int, ...]:
        """The static arguments of a call with n arguments."""
        if any(not -n <= i < n for i in self.static):
            raise InputTypeError(
                f"{self.kind}({self.name}) has nondiff_argnums={tuple(self.static)!r}; it was called with "
                f"{n} arguments."
            )
        return tuple([i % n for i in self.static])


class custom_jvp(Custom):
    """f with a rule for its tangents: @custom_jvp, then @f.defjvp on rule(primals, tangents).

    rule(*nondiff, primals, tangents) returns (y, y_dot): the value, and its tangent in the same structure and
    shapes, linear in the tangents. primals and tangents are tuples with one entry per argument that is not in
    nondiff_argnums. It is run wherever f is differentiated, in place of f.

    Derivative  forward mode runs the rule; reverse mode transposes it, for which what it does to tangents
                must be made of NumPy functions and declared ops. Integers have tangents of float zeros,
                leaves that are no numbers None; None for a tangent in the result means zero.
    Raises      NoDerivative, StructureError, ShapeError, InputTypeError
    """

    kind = "custom_jvp"
    rule: Callable | None = None

    def defjvp(self, rule: Callable) -> Callable:
        """Take `rule` for this function, and give it back, so that this is a decorator."""
        check_callable(rule, "defjvp")
        self.rule = rule
        return rule


class custom_vjp(Custom):
    """f with a rule for its cotangents: @custom_vjp, then f.defvjp(fwd, bwd).

    fwd takes f's arguments and returns (y, residuals), the latter of any structure; bwd(*nondiff, residuals,
    y_bar) returns a tuple of cotangents, one for each argument that is not in nondiff_argnums, in its
    structure and shapes; None stands for zero.

    Derivative  reverse mode runs fwd in place of f, and bwd when it sweeps back; forward mode transposes
                bwd, for which it must be linear, and what it does to cotangents made of NumPy functions and
                declared ops. Cotangents of integer results are float zeros; those returned for integers are
                not read.
    Raises      NoDerivative, StructureError, ShapeError
    """

    kind = "custom_vjp"
    fwd: Callable | None = None
    bwd: Callable | None = None

    def defvjp(self, fwd: Callable, bwd: Callable) -> None:
        """Take these rules for this function."""
        check_callable(fwd, "defvjp")
        check_callable(bwd, "defvjp")
        self.fwd, self.bwd = fwd, bwd


# -------------------------------------------------- what each mode makes of a call
def apply(call: Any, xs: list) -> list:
    """The values of a call: the leaf with the highest level acts."""
    tracers = [x for x in xs if isinstance(x, Tracer)]
    top = max(tracers, key=lambda x: x.level.number, default=None)
    if top is None or top.level is CONSTANT or type(top) is Aval:
        return call.run(xs)
    kind, level = type(top), top.level
    if level.closed:
        level.escaped()
    mine = [type(x) is kind and x.level is level for x in xs]
    if hasattr(kind, "around"):  # under debug (modes/watch.py)
        return list(
            kind.around(
                call.custom.op, level, tuple(xs), {"call": call}, lambda *ys: tuple(apply(call, list(ys)))
            )
        )
    if kind not in (DualTensor, TapeTensor, BatchTensor):
        return list(bind(call.custom.op, tuple(xs), {"call": call}))
    primals = [x.primal if m else x for x, m in zip(xs, mine, strict=True)]
    primals = [x.again() if isinstance(x, Tensor) else x for x in primals]
    if kind is BatchTensor:
        ys = checked(apply(Batched(call, level.size, mine), primals), level, call)
        return [BatchTensor(level, y) for y in ys]
    if kind is DualTensor:
        ys, y_dots = pushed(call, primals, [x.tangent if m else None for x, m in zip(xs, mine, strict=True)])
        pairs = zip(checked(ys, level, call), checked(y_dots, level, call), strict=True)
        return [dual(level, y, y_dot) for y, y_dot in pairs]
    active = [i for i, m in enumerate(mine) if m]
    ys, pull, push = recorded(call, level, primals, active)
    made_by = [xs[i].node for i in active]
    rule, params = call.custom.pulling, {"pull": pull, "push": push}
    node = (level.tick(), None, None, rule, tuple(map(aval_of, ys)), (), params, *made_by)
    return [output(level, node, k, y) for k, y in enumerate(checked(ys, level, call))]


def output(level: TapeLevel, node: tuple, k: int, y: Any) -> Any:
    """Value k of a call as a tensor of the tape."""
    if not inexact(y.dtype):
        return y
    return TapeTensor(level, y, (level.tick(), y.shape, y.dtype, SELECT, None, None, k, node))


def checked(values: list, level: Level, call: Any) -> list:
    """The values, if no tensor came in beside the arguments whose derivative would be lost or confused."""
    for x in values:
        if live(x) and level.number <= x.level.number < INSIDE:
            raise NoDerivative(
                f"{call.custom.name} or its rule closes over a tensor of {x.level.transform}"
                f"({x.level.function}), whose derivative the rule does not give.",
                f"Pass it as an argument of {call.custom.name}, or close over stop_gradient(x).",
            )
    return values


def pushed(call: Any, xs: list, x_dots: list) -> tuple[list, list]:
    """Forward mode: values and tangents."""
    if call.custom.kind == "custom_jvp":
        return call.push(xs, x_dots)
    ys, residuals = call.forward(xs)
    return ys, transposed(call, residuals, [aval_of(y) for y in ys], x_dots)


def recorded(call: Any, level: TapeLevel, xs: list, active: list[int]) -> tuple[list, Callable, Callable]:
    """Reverse mode: values, and the two directions of the linear map, for the active leaves."""
    n = len(xs)
    if call.custom.kind == "custom_jvp":
        ys: list = []

        def tangents(*dots):
            found, y_dots = call.push(xs, placed(dots, active, n))
            ys.extend(found)
            return y_dots

        linear = Linear(tangents, [aval_of(xs[i]) for i in active], call, level.guarded)
        return ys, linear.pull, linear.push
    ys, (leaves, rest) = call.forward(xs)
    residuals = [kept(level, x) for x in leaves], rest
    avals = [aval_of(y) for y in ys]

    def pull(y_bars):
        bars = [zero_like(a) if y_bar is None else y_bar for a, y_bar in zip(avals, y_bars, strict=True)]
        found = call.backward(residuals, bars)
        return [found[i] for i in active]

    def push(x_dots):
        return transposed(call, residuals, avals, placed(x_dots, active, n))

    return ys, pull, push


def placed(values: Any, active: list[int], n: int) -> list:
    """One value per leaf, None for those that are not active."""
    found = [None] * n
    for i, value in zip(active, values, strict=True):
        found[i] = value
    return found


def transposed(call: Any, residuals: tuple, avals: list[Aval], x_dots: list) -> list:
    """The tangents of the values, from bwd: its transpose as a function of the cotangents."""
    floating = [k for k, aval in enumerate(avals) if inexact(aval.dtype)]
    active = [i for i, x_dot in enumerate(x_dots) if x_dot is not None]

    def cotangents(*bars):
        y_bars = [zero_like(aval) for aval in avals]
        for k, bar in zip(floating, bars, strict=True):
            y_bars[k] = bar
        found = call.backward(residuals, y_bars)
        return [found[i] for i in active]

    linear = Linear(cotangents, [avals[k] for k in floating], call)
    return placed(linear.pull([x_dots[i] for i in active]), floating, len(avals))


class Linear:
    """A linear function, recorded once on symbolic arguments, to be swept both ways."""

    def __init__(self, f: Callable, avals: list[Aval], call: Any, guarded: dict | None = None):
        self.custom = call.custom
        level = TapeLevel(f"the rule of {self.custom.name}", guarded=guarded)
        try:
            inputs = [leaf(level, aval) for aval in avals]
            idents = [x.node[0] for x in inputs]
            roots = [self.root(y, level) for y in f(*inputs)]
        finally:
            level.close()
        self.tape = Tape(idents, roots)

    def root(self, y: Any, level: TapeLevel) -> Any:
        if own(y, TapeTensor, level):
            return y.node
        if type(y) is Aval or (y is not None and not vanishes(y)):
            raise self.fault()
        return None

    def fault(self) -> NoDerivative:
        tangent = self.custom.kind == "custom_jvp"
        rule, what = ("rule", "tangents") if tangent else ("bwd", "cotangent")
        method, mode = ("defjvp", "reverse") if tangent else ("defvjp", "forward")
        return NoDerivative(
            f"the {rule} given to {self.custom.name}.{method} is not linear in its {what}, which {mode} mode "
            "needs.",
            f"Every term must hold exactly one of the {what.rstrip('s')}s, to the first power.",
        )

    def pull(self, bars: list) -> list:
        pairs = zip(self.tape.roots, bars, strict=True)
        seeds = [(root, bar) for root, bar in pairs if root is not None and bar is not None]
        try:
            found = sweep(seeds)
        except (TypeError, AttributeError, KeyError) as error:  # of the shape that stands for a tangent
            if isinstance(error, DualdiffError) and not isinstance(error, NoDerivative):
                raise
            raise self.fault() from error
        if any(type(bar) is Aval for bar in found.values()):
            raise self.fault()
        return [found.get(ident) for ident in self.tape.leaves]

    def push(self, dots: list) -> list:
        found = self.tape.push(dots)
        if any(type(dot) is Aval for dot in found):
            raise self.fault()
        return found


def vanishes(y: Any) -> bool:
    """Whether a tangent that depends on no tangent is zero; a nan is 0 * inf."""
    while isinstance(y, Tensor):
        y = y.primal
    return not np.any((y != 0) & (y == y))


# -------------------------------------------------- the node of a tape, and the op that other modes see
def pull_recorded(y_bar: Any, ys: tuple, xs: tuple, params: dict) -> list:
    return params["pull"]([y_bar.get(k) for k in range(len(ys))])


def push_recorded(x_dots: list, ys: tuple, xs: tuple, params: dict) -> list:
    return params["push"](x_dots)


def evaluate(*xs: Any, call: Any) -> tuple:
    return tuple(apply(call, list(xs)))


def differential(ys: tuple, *values: Any, call: Any) -> tuple:
    xs, dots = values[: len(values) // 2], values[len(values) // 2 :]
    _, y_dots = pushed(call, list(xs), [None if type(x_dot) is Zero else x_dot for x_dot in dots])
    return tuple([Zero.like(y) if y_dot is None else y_dot for y, y_dot in zip(ys, y_dots, strict=True)])


def pullback(y_bars: tuple, ys: tuple, *xs: Any, call: Any) -> tuple:
    """For tensors that are no tape's of a transform: the rule is run when the sweep asks."""
    active = [i for i, x in enumerate(xs) if inexact(aval_of(x).dtype)]
    _, pull, _ = recorded(call, TapeLevel(call.custom.name), list(xs), active)
    bars = pull([None if type(y_bar) is Zero else y_bar for y_bar in y_bars])
    return tuple(placed(bars, active, len(xs)))


def batch(size: int, mapped: list[bool], values: list, params: dict) -> tuple:
    return tuple(apply(Batched(params["call"], size, mapped), values))
