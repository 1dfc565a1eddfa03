"""Random programs: plain NumPy code on arrays, from a seed; they run, print as Python and can be cut down.

A program is written while it runs at its own point: a step whose value is not finite, too large or too wide
is thrown away, and where a function has a domain its arguments are a point of it, moved a little. What
a program is checked for is in agreement.py. Longer than 400 lines because the kinds of steps are one list.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

import dualdiff as dd
from dualdiff.core import Tracer
from dualdiff.testing.calls import Example, examples
from dualdiff.testing.terms import Closure, Term, call, filled, function_of, name, spelled, subscript
from dualdiff.tree import flatten

LARGEST, WIDEST = 30.0, 60  # of the values that are kept: by absolute value, by number of elements
NEAR = 0.1  # how far an argument moves from the middle of a smooth neighbourhood
ATTEMPTS = 12


# -------------------------------------------------- statements
class Assign(NamedTuple):
    """target = term"""

    target: str
    term: Term

    def run(self, values: dict) -> None:
        values[self.target] = self.term.evaluate(values)

    def lines(self) -> list[str]:
        return [f"{self.target} = {self.term}"]


class Write(NamedTuple):
    """target[key] = term, or += and its like; without a key the whole target is updated in place."""

    target: str
    key: Any
    symbol: str
    term: Term

    def run(self, values: dict) -> None:
        value, target = self.term.evaluate(values), values[self.target]
        if self.key is None:
            values[self.target] = IN_PLACE[self.symbol](target, value)
            return
        key = filled(self.key, values)
        target[key] = value if self.symbol == "=" else IN_PLACE[self.symbol](target[key], value)

    def lines(self) -> list[str]:
        place = self.target if self.key is None else f"{self.target}[{subscript(self.key)}]"
        return [f"{place} {self.symbol} {self.term}"]


class Do(NamedTuple):
    """A call for what it does to its arguments."""

    term: Term

    def run(self, values: dict) -> None:
        self.term.evaluate(values)

    def lines(self) -> list[str]:
        return [self.term.text]


class If(NamedTuple):
    """A branch on a value."""

    condition: Term
    then: tuple
    otherwise: tuple

    def run(self, values: dict) -> None:
        run(self.then if self.condition.evaluate(values) else self.otherwise, values)

    def lines(self) -> list[str]:
        return [f"if {self.condition}:", *indented(self.then), "else:", *indented(self.otherwise)]


class While(NamedTuple):
    """A loop that a value ends."""

    condition: Term
    body: tuple

    def run(self, values: dict) -> None:
        while self.condition.evaluate(values):
            run(self.body, values)

    def lines(self) -> list[str]:
        return [f"while {self.condition}:", *indented(self.body)]


class For(NamedTuple):
    """A loop of a fixed number of rounds."""

    rounds: int
    body: tuple

    def run(self, values: dict) -> None:
        for _ in range(self.rounds):
            run(self.body, values)

    def lines(self) -> list[str]:
        return [f"for _ in range({self.rounds}):", *indented(self.body)]


def _add(x: Any, y: Any) -> Any:
    x += y
    return x


def _subtract(x: Any, y: Any) -> Any:
    x -= y
    return x


def _multiply(x: Any, y: Any) -> Any:
    x *= y
    return x


def _divide(x: Any, y: Any) -> Any:
    x /= y
    return x


IN_PLACE: dict[str, Callable] = {"+=": _add, "-=": _subtract, "*=": _multiply, "/=": _divide}


def run(statements: Sequence, values: dict) -> None:
    for statement in statements:
        statement.run(values)


def indented(statements: Sequence) -> list[str]:
    return ["    " + line for statement in statements for line in statement.lines()] or ["    pass"]


# -------------------------------------------------- programs
class Program:
    """A function of `arguments`, the point it was written at.

    features    what is in it: "branch" where a value steers it, "write", "nested", "mask" and the like
    exact       whether every call in it keeps the bits of the plain call
    """

    def __init__(
        self, seed: int, arguments: tuple, statements: Sequence, outputs: Any, features: set, exact: bool
    ):
        self.seed = seed
        self.arguments = arguments
        self.statements = tuple(statements)
        self.outputs = outputs
        self.features = frozenset(features)
        self.exact = exact
        self.__name__ = f"program_{seed}"

    def __call__(self, *args: Any) -> Any:
        values = {f"p{k}": x for k, x in enumerate(args)}
        run(self.statements, values)
        return filled(self.outputs, values)

    def point(self) -> tuple:
        """The arguments in memory of their own: a program may write into them."""
        return copy.deepcopy(self.arguments)

    def __repr__(self) -> str:
        parameters = ", ".join(f"p{k}" for k in range(len(self.arguments)))
        body = [*indented(self.statements), f"    return {spelled(self.outputs)}"]
        return "\n".join([f"def program({parameters}):", *body])

    def script(self) -> str:
        """The program with its point as a script that runs."""
        heads = ["import numpy as np", "", "import dualdiff as dd", "from dualdiff.core import OPS"]
        if "special." in repr(self):
            heads += ["from scipy import special", "", "import dualdiff.special"]
        point = [f"p{k} = {spelled(x)}" for k, x in enumerate(self.arguments)]
        called = ", ".join(f"p{k}" for k in range(len(self.arguments)))
        return "\n".join([*heads, "", "", repr(self), "", "", *point, f"print(program({called}))"])

    def without(self, k: int) -> Program:
        """The program with one statement less; it may then read a name that is not there."""
        kept = self.statements[:k] + self.statements[k + 1 :]
        return Program(self.seed, self.arguments, kept, self.outputs, set(self.features), self.exact)

    def returning(self, outputs: Any) -> Program:
        return Program(self.seed, self.arguments, self.statements, outputs, set(self.features), self.exact)


def least(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The program cut down, one statement or output at a time, as long as it still fails."""
    for leaf in flatten(program.outputs)[0]:
        if fails(alone := program.returning(leaf)):
            program = alone
            break
    k = len(program.statements) - 1
    while k >= 0:
        if fails(shorter := program.without(k)):
            program = shorter
        k -= 1
    return program


# -------------------------------------------------- writing one
class Unfit(Exception):
    """A step that cannot be taken at this point."""


class Writer:
    """A program as far as it is written, and the values of its names at its point."""

    def __init__(self, rng: np.random.Generator, kind: str, writes: bool):
        self.rng = rng
        self.kind = kind  # "float64", "float32", "complex128" or "mixed"
        self.writes = writes
        self.statements: list = []
        self.values: dict[str, Any] = {}
        self.names: list[str] = []  # of arrays that steps may read
        self.features: set[str] = set()
        self.exact = True
        self.count = 0
        self.arguments: list = []

    # ---------------------------------------------------------------- choices
    def pick(self, options: Sequence) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def varies(self, x: Term) -> bool:
        """Whether a value is a tensor when the arguments are: tensors are not written into plain arrays."""
        found: list[bool] = []

        def f(*args: Any) -> Any:
            values = {f"p{k}": argument for k, argument in enumerate(args)}
            run(self.statements, values)
            found.append(isinstance(values[x.text], Tracer))
            return args

        point = tuple(copy.deepcopy(self.arguments))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dd.jvp(f, point, point)
        return found[0]

    def fresh(self, letter: str = "v") -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def some(self, fits: Callable[[Any], bool] = lambda x: True) -> Term:
        """A name whose value fits; the later ones more often."""
        fitting = [label for label in self.names if fits(self.values[label])]
        if not fitting:
            raise Unfit
        recent = fitting[-3:] if self.chance(0.6) else fitting
        return name(self.pick(recent))

    def value(self, term: Term) -> Any:
        return term.evaluate(self.values)

    # ---------------------------------------------------------------- growing
    def extend(self, *statements: Any, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> None:
        """Take statements in if they run here and leave moderate numbers in the names to keep."""
        values = dict(self.values)
        values.update({label: values[label].copy() for label in targets(statements) if label in values})
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(statements, values)
        for label in keep:
            if not moderate(values[label]):
                raise Unfit
        self.statements += statements
        self.values = values
        self.names = [label for label in self.names if label not in drop]
        self.names += [label for label in keep if label not in self.names]

    def let(self, term: Term) -> str:
        label = self.fresh()
        self.extend(Assign(label, term), keep=[label])
        return label

    # ---------------------------------------------------------------- making values fit
    def real(self, term: Term) -> Term:
        return self.pick([term.real, term.imag]) if np.iscomplexobj(self.value(term)) else term

    def squashed(self, term: Term, complex: bool = False) -> Term:
        """Between -1 and 1, smoothly."""
        if not np.iscomplexobj(self.value(term)):
            f = self.pick([np.sin, np.cos, np.tanh, lambda x: x / (1 + x * x)])
            return 1j * f(term) if complex and self.chance(0.5) else f(term)
        if not complex:
            return self.pick([np.sin, np.tanh])(self.real(term))
        return term / (1 + np.real(np.conj(term) * term))

    def shaped(self, shape: tuple, term: Term) -> Term:
        """A term that broadcasts to the shape."""
        value = self.value(term)
        if broadcasts(np.shape(value), shape) and self.chance(0.8):
            return term
        if np.size(value) and math.prod(shape) and self.chance(0.7):
            return np.resize(term, shape)
        return np.sum(term) if self.chance(0.5) or not np.size(value) else np.ravel(term)[self.index(value)]

    def index(self, value: Any) -> int:
        return int(self.rng.integers(-np.size(value), np.size(value)))

    def fitted(self, shape: tuple, complex: bool = False) -> Term:
        return self.squashed(self.shaped(shape, self.some()), complex)

    def near(self, centre: np.ndarray) -> Term:
        """The middle of a smooth neighbourhood, moved by what is there."""
        if self.kind == "float32":
            centre = centre.astype("c8" if centre.dtype.kind == "c" else "f4")
        moved = self.fitted(centre.shape, centre.dtype.kind == "c")
        return NEAR * moved + (centre if centre.ndim else centre.item())

    def constant(self, shape: tuple) -> np.ndarray:
        x = self.rng.integers(1, 17, shape) / 8 * self.rng.choice([-1.0, 1.0], shape)
        return np.asarray(x, "f4" if self.kind == "float32" else float)

    def weak(self) -> float:
        return float(self.rng.integers(2, 13)) / 8

    # ---------------------------------------------------------------- steps
    def step_example(self, example: Example | None = None) -> None:
        example = example or self.pick(examples())
        kinds = [kind for kind in example.centres if kind == "float64" or self.kind == "complex128"]
        term = example.call(*map(self.near, example.centres[self.pick(kinds[-1:] + kinds)]))
        if np.asarray(self.value(term)).dtype.kind not in "fc":
            term = term * 0.5 + self.squashed(np.sum(self.some()))
        value = self.value(term)
        bound = float(np.max(np.abs(value), initial=0.0))
        if np.size(value) > WIDEST:
            term = np.ravel(term)[:WIDEST]
        self.let(term if bound < 8 else term / round(bound))
        self.exact = self.exact and example.exact

    def step_arithmetic(self) -> None:
        x = self.some()
        y = self.shaped(np.shape(self.value(x)), self.some())
        made = [
            lambda: x + y, lambda: x - y, lambda: x * np.cos(self.real(y)), lambda: y * x,
            lambda: x / (2 + np.sin(self.real(y))), lambda: self.weak() * x - y, lambda: x + x * y,
            lambda: 2.0 / (3 + np.cos(self.real(x))) + y, lambda: -x + self.constant((1,)) * y,
            lambda: (3 + np.sin(self.real(x))) ** self.pick([2, 3, -1, 0.5, 1.5]) * y,
            lambda: x * x if self.chance(0.5) else x**2, lambda: abs(3 + np.sin(self.real(x))),
        ]  # fmt: skip
        self.let(self.pick(made)())

    def step_index(self) -> None:
        x = self.some(lambda x: np.ndim(x) > 0 and np.size(x) > 0)
        self.let(x[self.key(np.shape(self.value(x)))])

    def key(self, shape: tuple) -> Any:
        """Basic, advanced and boolean indices, and mixtures of them."""
        if self.chance(0.2):
            self.features.add("mask")
            return self.rng.random(shape) < 0.7
        parts: list = []
        for n in shape[: int(self.rng.integers(1, len(shape) + 1))]:
            parts.append(self.pick([self.slice, self.place, self.places])(n))
        if self.chance(0.2):
            parts.insert(int(self.rng.integers(len(parts) + 1)), None)
        elif self.chance(0.2):
            parts.append(Ellipsis)
        return parts[0] if len(parts) == 1 else tuple(parts)

    def slice(self, n: int) -> slice:
        return self.pick(
            [slice(None, None, -1), slice(1, None), slice(None, -1), slice(None, None, 2), slice(None)]
        )

    def place(self, n: int) -> int:
        return int(self.rng.integers(-n, n)) if n else 0

    def places(self, n: int) -> list:
        return [int(i) for i in self.rng.integers(-n, n, 2)] if n else []

    def step_where(self) -> None:
        x = self.some(lambda x: np.size(x) > 0)
        value = np.real(self.value(x))
        c = between(np.ravel(value))
        y = self.shaped(np.shape(value), self.some())
        condition = self.pick([lambda a: a > c, lambda a: ~(a <= c)])(self.part(x))
        self.let(np.where(condition, x, y) if self.chance(0.7) else np.where(condition, np.exp(-x * x), 0.5))

    def part(self, x: Term) -> Term:
        return x.real if np.iscomplexobj(self.value(x)) else x

    def step_branch(self) -> None:
        x, y = self.some(), self.some()
        total = float(np.sum(np.real(self.value(x))))
        condition = np.sum(self.part(x)) > round(total + self.pick([-0.5, 0.5]), 3)
        label = self.fresh()
        then, otherwise = Assign(label, np.sin(self.part(y)) * 1.5), Assign(label, self.squashed(y) * y)
        for term in (then.term, otherwise.term):
            if not moderate(self.value(term)):
                raise Unfit
        self.extend(If(condition, (then,), (otherwise,)), keep=[label])
        self.features.add("branch")

    def step_loop(self) -> None:
        x, label = self.some(), self.fresh()
        u = name(label)
        if self.chance(0.5):
            body = Assign(label, 0.5 * np.sin(self.part(x)) + 0.5 * u)
            self.extend(Assign(label, 1.0 * x), For(int(self.rng.integers(4)), (body,)), keep=[label])
            return
        size = float(np.sum(np.abs(self.value(x)) ** 2))
        if not 1e-2 < size < 100:
            raise Unfit
        condition = np.real(np.vdot(u, u)) > 0.09 * size  # each round leaves a quarter
        self.extend(Assign(label, 1.0 * x), While(condition, (Assign(label, 0.5 * u),)), keep=[label])
        self.features.add("branch")

    def step_buffer(self) -> None:
        """A plain array that is used, written to, and used again."""
        x = self.some(lambda x: np.ndim(x) > 0)
        shape = np.shape(self.value(x))
        b, one, two = self.fresh("b"), self.fresh(), self.fresh()
        write = Write(b, self.pick([None, Ellipsis]), self.pick(["*=", "+="]), call_constant(0.5))
        make = Assign(b, call(np.array, self.constant(shape)))
        again = Assign(two, name(one) - np.cos(self.part(x)) * name(b))
        self.extend(make, Assign(one, x * name(b)), write, again, keep=[one, two])
        self.features.add("buffer")

    def step_closure(self) -> None:
        x, y, label = self.some(), self.some(), self.fresh("f")
        body = function_of("t", np.sin(self.part(x)).sum() * name("t") + name("t") * name("t"))
        applied = Term(lambda f, x: f(f(x)), (name(label), y), {}, f"{label}({label}({y}))")
        out = self.fresh()
        self.extend(Assign(label, body), Assign(out, applied), keep=[out])

    def step_nested(self) -> None:
        """A derivative inside the program, of a function that closes over its values."""
        x = self.some(lambda x: np.asarray(x).dtype.kind == "f")
        shape = np.shape(self.value(x))
        y = self.shaped(shape, self.some())
        t = name("t")
        inside = np.sin(t) * np.cos(self.real(y)) + t * t * self.weak()
        scalar, vector = function_of("t", np.sum(inside)), function_of("t", inside)
        self.let(self.pick([derivatives, pushed, pulled, mapped, checkpointed])(scalar, vector, x, self))
        self.features.add("nested")

    def step_write(self) -> None:
        """A copy, then writes into it; nothing else looks at its memory meanwhile."""
        x = self.some(lambda x: np.ndim(x) > 0 and np.size(x) > 1)
        if not self.varies(x):
            raise Unfit
        shape, label = np.shape(self.value(x)), self.fresh("w")
        steps: list = []
        start = dict(self.values)
        for _ in range(int(self.rng.integers(1, 4))):
            kind = self.pick(supported_writes())
            steps.append(WRITES[kind][0](self, label, shape, np.asarray(start[x.text])))
        self.extend(Assign(label, x.copy()), *steps, keep=[label])
        self.features.add("write")

    STEPS = (
        (step_example, 8), (step_arithmetic, 4), (step_index, 2), (step_where, 1), (step_branch, 1),
        (step_loop, 1), (step_buffer, 1), (step_closure, 1), (step_nested, 1), (step_write, 2),
    )  # fmt: skip

    def step(self) -> None:
        steps = [step for step, weight in self.STEPS for _ in range(weight)]
        if not (self.writes and supported_writes()):
            steps = [step for step in steps if step is not Writer.step_write]
        if not buffers_are_kept():
            steps = [step for step in steps if step is not Writer.step_buffer]
        for _ in range(ATTEMPTS):
            count = self.count
            try:
                return self.pick(steps)(self)
            except (Unfit, ValueError, ZeroDivisionError, np.linalg.LinAlgError):
                self.count = count  # ValueError: shapes that do not fit; another step is taken
        return None


def moderate(value: Any) -> bool:
    value = np.asarray(value)
    return value.dtype.kind in "fc" and value.size <= WIDEST and bool(np.all(np.abs(value) < LARGEST))


def broadcasts(shape: tuple, to: tuple) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def between(values: np.ndarray) -> float:
    """A number in the widest gap between values, so that no small change crosses it."""
    ordered = np.sort(np.concatenate([values, [values.min() - 1, values.max() + 1]]))
    k = int(np.argmax(np.diff(ordered)))
    return round(float(ordered[k] + ordered[k + 1]) / 2, 6)


def call_constant(x: float) -> Term:
    return Term(lambda: x, (), {}, repr(x))


def targets(statements: Sequence) -> set[str]:
    """The names that statements write into."""
    return {s.target for s in statements if isinstance(s, Write)}


# -------------------------------------------------- derivatives inside programs
def derivatives(scalar: Closure, vector: Closure, x: Term, writer: Writer) -> Term:
    mode = writer.pick(["auto", "forward", "reverse"])
    return Term(
        lambda f, x: dd.grad(f, mode=mode)(x), (scalar, x), {}, f"dd.grad({scalar}, mode={mode!r})({x})"
    )


def pushed(scalar: Closure, vector: Closure, x: Term, writer: Writer) -> Term:
    return Term(
        lambda f, x: dd.jvp(f, (x,), (x,))[1], (vector, x), {}, f"dd.jvp({vector}, ({x},), ({x},))[1]"
    )


def pulled(scalar: Closure, vector: Closure, x: Term, writer: Writer) -> Term:
    pull = Term(lambda f, x: dd.vjp(f, x)[1](x)[0], (vector, x), {}, f"dd.vjp({vector}, {x})[1]({x})[0]")
    return np.where(True, pull, x)


def mapped(scalar: Closure, vector: Closure, x: Term, writer: Writer) -> Term:
    if np.ndim(writer.value(x)) == 0:
        raise Unfit
    row = function_of("t", np.sin(name("t")) * np.sum(np.cos(writer.real(x))) + name("t"))
    return Term(lambda f, x: dd.vmap(f)(x), (row, x), {}, f"dd.vmap({row})({x})")


def checkpointed(scalar: Closure, vector: Closure, x: Term, writer: Writer) -> Term:
    if not hasattr(dd, "checkpoint"):
        raise Unfit
    return Term(lambda f, x: dd.checkpoint(f)(x), (vector, x), {}, f"dd.checkpoint({vector})({x})")


# -------------------------------------------------- writes, each with a probe that says whether they work
def _set(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Write:
    key = w.key(shape)
    return Write(label, key, "=", w.fitted(np.shape(np.zeros(shape)[key])))


def _augment(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Write:
    key = w.key(shape)
    return Write(label, key, w.pick(["+=", "-=", "*="]), w.fitted(np.shape(np.zeros(shape)[key])))


def _whole(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Write:
    return Write(label, None, w.pick(["+=", "-=", "*=", "/="]), 2 + w.fitted(shape))


def _at(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Do:
    places = [w.place(shape[0]) for _ in range(3)]
    return Do(call(np.add.at, name(label), places, np.sum(w.fitted(())), text="np.add.at"))


def _copyto(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Do:
    return Do(np.copyto(name(label), w.fitted(shape), where=w.rng.random(shape) < 0.5))


def _out(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Do:
    return Do(call(np.multiply, name(label), w.fitted(shape), out=name(label)))


def _put(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Do:
    return Do(np.put(name(label), [0, -1], np.sum(w.fitted(()))))


def _fill(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Do:
    return Do(name(label).fill(np.sum(w.fitted(()))))


def _masked(w: Writer, label: str, shape: tuple, x: np.ndarray) -> Write:
    w.features.add("branch")
    return Write(label, name(label).real > LARGEST, "=", call_constant(0.5))


def _try_out(x: Any) -> None:
    np.multiply(x, 2.0, out=x)


def _try_set(x: Any) -> None:
    x[0] = x[1] * 2


def _try_mask(x: Any) -> None:
    x[x > 0] = 1.0


def _try_item(x: Any) -> None:
    x[:1] += x[1:2] * 1.0


WRITES: dict[str, tuple[Callable, Callable]] = {
    "set": (_set, _try_set),
    "augment": (_augment, _try_item),
    "whole": (_whole, lambda x: _multiply(x, 2.0)),
    "at": (_at, lambda x: np.add.at(x, [0, 0], 1.0)),
    "copyto": (_copyto, lambda x: np.copyto(x, 2.0)),
    "out": (_out, _try_out),
    "put": (_put, lambda x: np.put(x, [0], 1.0)),
    "fill": (_fill, lambda x: x.fill(1.0)),
    "mask": (_masked, _try_mask),
}


@lru_cache(None)
def supported_writes() -> tuple[str, ...]:
    """The kinds of writes that tensors take: a probe of each runs once."""

    def works(write: Callable) -> bool:
        def f(x: Any) -> Any:
            y = x.copy()
            write(y)
            return np.sum(y)

        try:
            for mode in ("forward", "reverse"):
                dd.grad(f, mode=mode)(np.array([1.0, 2.0]))
        except (TypeError, RuntimeError):
            return False
        return True

    return tuple(kind for kind, (_, probe) in WRITES.items() if works(probe))


@lru_cache(None)
def buffers_are_kept() -> bool:
    """Whether a plain array may be written after its use in every mode, which makes it a step."""

    def f(x: Any) -> Any:
        b = np.array([2.0, 3.0])
        y = x * b
        b *= 2.0
        return y

    x = np.ones(2)
    return all(np.array_equal(j(f)(x), np.diag([2.0, 3.0])) for j in (dd.jacfwd, dd.jacrev))


# -------------------------------------------------- from a seed
KINDS = ("float64", "float64", "float64", "complex128", "float32", "mixed")
SHAPES = ((3,), (2, 3), (), (1,), (2, 1), (0,), (2, 2, 2), (4,))


def generate(
    seed: int,
    *,
    steps: int | None = None,
    kind: str | None = None,
    focus: Example | None = None,
    writes: bool = True,
) -> Program:
    """The program of a seed: the same in every run with the same registry.

    Shapes      one to three arguments, some of them containers, of few small shapes
    Dtypes      kind: "float64", "float32", "complex128", or "mixed" for arguments of both precisions
    Cost        a run of NumPy for each step; `focus` is a call that will be in it

    >>> from dualdiff.testing import programs
    >>> program = programs.generate(7)
    >>> bool(repr(program) == repr(programs.generate(7)))
    True
    """
    rng = np.random.default_rng(seed)
    writer = Writer(rng, kind or KINDS[int(rng.integers(len(KINDS)))], writes)
    arguments = tuple(_argument(writer, k) for k in range(int(rng.integers(1, 4))))
    if not any(np.size(writer.values[label]) for label in writer.names):
        return generate(seed + 1_000_003, steps=steps, kind=kind, focus=focus, writes=writes)
    total = int(rng.integers(1, 6)) if steps is None else steps
    at = int(rng.integers(total)) if focus else -1
    for k in range(total):
        if k == at:
            _focused(writer, focus)
        else:
            writer.step()
    outputs = _outputs(writer)
    return Program(seed, arguments, writer.statements, outputs, writer.features, writer.exact)


def _focused(writer: Writer, example: Any) -> None:
    for _ in range(ATTEMPTS):
        try:
            return writer.step_example(example)
        except (Unfit, ValueError):
            continue
    return None


def _argument(writer: Writer, k: int) -> Any:
    """An argument of the program and the statements that give its leaves names."""
    dtypes = {"mixed": ["f4", "f8"], "float32": ["f4"], "complex128": ["c16", "f8"], "float64": ["f8"]}

    def leaf() -> np.ndarray:
        shape, dtype = writer.pick(SHAPES), writer.pick(dtypes[writer.kind])
        x = writer.constant(shape) + (0.5j if dtype == "c16" else 0)
        return np.asarray(x, dtype)

    argument = writer.pick([leaf, leaf, lambda: {"a": leaf(), "b": [leaf()]}, lambda: (leaf(), leaf())])()
    whole = name(f"p{k}")
    writer.values[f"p{k}"] = argument
    writer.arguments.append(argument)
    parts: Iterator[Term] = iter([whole])
    if isinstance(argument, dict):
        parts = iter([whole["a"], whole["b"][0]])
    elif isinstance(argument, tuple):
        parts = iter([whole[0], whole[1]])
    for part in parts:
        label = writer.fresh("x")
        writer.extend(Assign(label, part), keep=[label])
    return argument


def _outputs(writer: Writer) -> Any:
    """The last value and a few others, alone or in a container."""
    found = [name(label) for label in writer.names if label.startswith(("v", "w"))] or [
        name(writer.names[-1])
    ]
    chosen = [found[-1]] + [found[int(i)] for i in writer.rng.integers(len(found), size=2)]
    shapes = [lambda: chosen[0], lambda: tuple(chosen[:2]), lambda: {"y": chosen[0], "z": chosen[1:]},
              lambda: [chosen[0], (chosen[2],)]]  # fmt: skip
    return writer.pick(shapes)()


__all__ = ["Program", "generate", "least", "supported_writes"]
