"""explain: what the registry says of a function, in words: formula, kind, what each mode makes of it.

Everything is read from the record of the op, and the formulas from its rules (formulas.py); of a function
that is made of ops it says which.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dualdiff.avals import aval_of
from dualdiff.core import FUNCTIONS, OPS, Op
from dualdiff.domains import Domain
from dualdiff.errors import DualdiffError, InputTypeError
from dualdiff.teach import words
from dualdiff.teach.formulas import Spelled
from dualdiff.teach.recording import Recording
from dualdiff.teach.words import Formula, Words
from dualdiff.testing.samples import Case, cases

MODULES = {"": np, "linalg": np.linalg, "fft": np.fft, "emath": np.emath}
SCIPY = "scipy.special"

KINDS = {
    "elementwise": "each element of the result depends on the elements at its place",
    "linear": "linear in its arrays together",
    "multilinear": "linear in each array while the others are held fixed",
    "general": "known by a differential that is linear in the infinitesimals",
    "constant": "no derivative flows through it",
}
FORWARD = {
    "elementwise": "each tangent times its partial, added",
    "linear": "the op on the tangents",
    "multilinear": "the op once for each argument, with its tangent in its place, added",
    "general": "the differential on the tangents",
}
REVERSE = {
    "elementwise": "the cotangent times each partial, summed to its shape",
    "linear": "the transpose",
    "multilinear": "the transpose by each argument, the others held fixed",
    "general": "the differential, transposed: run on symbolic tangents and walked back",
}


class Explanation:
    """What is known of a function; prints as lines, `lines` has them as (field, text).

    name    of the op, or of the function that is made of ops
    kind    of the op, or "composite"
    op      the record, None for a composite
    ops     of a composite, the ops that it ran at a small example
    """

    def __init__(self, name: str, kind: str, op: Op | None, ops: list[str], lines: list[tuple[str, str]]):
        self.name, self.kind, self.op, self.ops, self.lines = name, kind, op, ops, lines

    def __str__(self) -> str:
        width = max(len(field) for field, _ in self.lines)
        rows = [f"{field:<{width}}  {text}" for field, text in self.lines]
        return "\n".join([self.name, *("  " + row.rstrip() for row in rows)])

    __repr__ = __str__

    def __getitem__(self, field: str) -> str:
        """The text of a field: "kind", "formula", "forward", "reverse", "domain" ..."""
        return dict(self.lines)[field]


def explain(function: Any) -> Explanation:
    """What the registry says of a function: kind, formulas, what each mode makes of it, where it is smooth.

    `function` is a name such as "tanh", "np.linalg.solve", "scipy.special.erf" or that of an op, or the
    function itself.

    Raises      InputTypeError for what is not known, with names that are like it

    >>> print(explain("tanh"))
    tanh
      kind     elementwise: each element of the result depends on the elements at its place
      formula  y = tanh x
      partial  dy/dx = 1 - y * y
      forward  y_dot = x_dot * (1 - y * y): each tangent times its partial, added
      reverse  x_bar = y_bar * (1 - y * y): the cotangent times each partial, summed to its shape; keeps y
      batch    one run for a whole batch
      domain   reals
    """
    name, found = resolved(function)
    if isinstance(found, Op):
        return of_op(name, found)
    return of_composite(name, found)


# -------------------------------------------------- names
def resolved(function: Any) -> tuple[str, Any]:
    """The name to show, and the op or the function of ours that answers."""
    if isinstance(function, Op):
        return function.name, function
    if isinstance(function, str):
        return named(function)
    special = dict(of_scipy())
    ours = answering(function)
    module = getattr(function, "__module__", None) or ""
    if ours is None and (module.startswith("dualdiff") or function in special.values()):
        ours = function
    if ours is None:
        raise unknown(getattr(function, "__name__", type(function).__name__))
    return getattr(function, "__name__", ours.__name__), ours


def answering(x: Any) -> Any:
    """What answers for a function of NumPy, None where nothing does."""
    hashable = callable(x) and getattr(type(x), "__hash__", None) is not None
    return FUNCTIONS.get(x) if hashable else None


def named(text: str) -> tuple[str, Any]:
    """The function of this name: of NumPy, of SciPy's special functions, or of an op."""
    path = text.strip().removeprefix("numpy.").removeprefix("np.")
    module, _, last = path.rpartition(".")
    if module in MODULES:
        ours = answering(getattr(MODULES[module], last, None))
        if ours is not None:
            return text, ours
    if module in ("", "special", SCIPY):
        found = dict(of_scipy()).get(last)
        if found is not None:
            return text, found
    if path in OPS:
        return text, OPS[path]
    raise unknown(text)


def of_scipy() -> Iterator[tuple[str, Any]]:
    """SciPy's special functions by name; none where SciPy is not installed."""
    if importlib.util.find_spec("scipy") is None:
        return
    ours = importlib.import_module("dualdiff.special")  # an extra, imported when it is asked for
    for name, value in vars(ours).items():
        if not name.startswith("_") and callable(value):
            yield name, FUNCTIONS.get(value, value)


def names() -> list[str]:
    """Every name that `explain` knows."""
    found = [*OPS, *dict(of_scipy())]
    for module, members in MODULES.items():
        prefix = f"{module}." if module else ""
        for name in dir(members):
            if answering(getattr(members, name)) is not None:
                found.append(prefix + name)
    return found


def unknown(text: str) -> InputTypeError:
    path = text.strip().removeprefix("numpy.").removeprefix("np.").removeprefix(SCIPY + ".")
    like = list(dict.fromkeys(difflib.get_close_matches(path, names(), 4, 0.6)))
    return InputTypeError(
        f"explain knows no function {text!r}.",
        f"Did you mean {' or '.join(like)}?" if like else "dualdiff.coverage() lists what is covered.",
    )


# -------------------------------------------------- an op
def of_op(name: str, op: Op) -> Explanation:
    """The record of an op, field by field."""
    lines = [("kind", f"{op.kind}: {KINDS[op.kind]}")]
    lines += formulas(op)
    lines.append(("batch", batching(op)))
    lines.append(("domain", domain_of(op)))
    note = " ".join(op.doc.split()) if op.doc else ""
    lines.append(("note", note))
    lines.append(("source", op.source or ""))
    return Explanation(name, op.kind, op, [], [line for line in lines if line[1]])


def formulas(op: Op) -> list[tuple[str, str]]:
    """The call, its partials and what both modes compute, spelled by the rules at a point of the domain."""
    case = example(op)
    if case is None:
        return []
    spelled, inputs = spelled_at(case)
    said = words.write_call(op, spelled.names, [np.ndim(x) for x in case.args], case.params)
    result = ", ".join(w.text for w in spelled.results)
    lines = [("formula", str(Formula(f"{result} = {said.text}")))]
    if op.kind == "constant":
        return lines
    if op.kind == "elementwise":
        lines += partials(op, spelled, inputs)
    dots = {i: words.name(inputs[i], ".") for i in spelled.active}
    tangents = [
        f"{w.text}_dot = {spelled.tangent(k, dots)}"
        for k, w in enumerate(spelled.results)
        if w.text and has_tangent(case, k)
    ]
    lines.append(("forward", f"{'; '.join(map(str, tangents))}: {FORWARD[op.kind]}"))
    how = REVERSE[op.kind]
    if op.kind == "general" and op.pullback is not None:
        how = "a pullback written by hand, which the tests compare with the transposed differential"
    lines.append(("reverse", f"{cotangents(case, spelled, inputs)}: {how}{kept(op, inputs)}"))
    return lines


def example(op: Op) -> Case | None:
    """A point of the domain, of float64 if there is one, and where shapes allow without broadcasting."""
    found = cases(op, "float64") or cases(op, "complex128")
    same = [case for case in found if len({np.shape(x) for x in case.args}) == 1 and case.args[0].size]
    if op.kind == "elementwise" and same:  # several elements, so that no case of several is taken for all
        return max(same, key=lambda case: np.size(case.args[0]))
    return found[0] if found else None


def spelled_at(case: Case) -> tuple[Spelled, list[str]]:
    """The call with the names that the op itself gives its arguments."""
    op = case.op
    with np.errstate(all="ignore"):
        y = op(*case.args, **case.params)
    inputs = argument_names(op, len(case.args))
    parts = y if op.multiple else (y,)
    results = ["y"] if len(parts) == 1 else [f"y{k + 1}" for k in range(len(parts))]
    if not op.multiple and "y" in inputs:
        results = ["z"]
    spelled = Spelled(
        op,
        list(case.args),
        tuple(parts) if op.multiple else y,
        case.params,
        active=case.active,
        names=[Words(name) for name in inputs],
        results=[Words(name) for name in results],
    )
    return spelled, inputs


def argument_names(op: Op, count: int) -> list[str]:
    """x, or x and y, for a row; for others what `evaluate` calls its arrays."""
    if op.partials is not None or op.arity is None:
        return (["x"], ["x", "y"])[count - 1] if count < 3 else [f"x{i + 1}" for i in range(count)]
    try:
        parameters = list(inspect.signature(op.evaluate).parameters)[:count]
    except (TypeError, ValueError):
        parameters = []
    return parameters if len(parameters) == count else (["a", "b", "c"][:count])


def has_tangent(case: Case, k: int) -> bool:
    """Whether result k carries a derivative."""
    with np.errstate(all="ignore"):
        y = case.op(*case.args, **case.params)
    part = y[k] if case.op.multiple else y
    return np.asarray(part).dtype.kind in "fc"


def partials(op: Op, spelled: Spelled, inputs: list[str]) -> list[tuple[str, str]]:
    """dy/dx_i as the row states it."""
    said = []
    for i, name in enumerate(inputs):
        if op.partials[i] is not None:
            text = spelled.partial(i)
            quotient = f"d{spelled.results[0].text}/d{name}"
            said.append(f"{quotient} = {text}" if text else f"{quotient} by cases")
    return [("partial", ", ".join(said))]


def cotangents(case: Case, spelled: Spelled, inputs: list[str]) -> str:
    """What each argument receives."""
    y = spelled.y if case.op.multiple else (spelled.y,)
    arrived = {k: part for k, part in enumerate(y) if np.asarray(part).dtype.kind in "fc"}
    bars = {k: words.name(spelled.results[k].text, "~") for k in arrived}
    found = [
        f"{inputs[i]}_bar = {spelled.cotangent(i, bars, arrived, aval_of(case.args[i]))}"
        for i in spelled.active
        if case.op.partials is None or case.op.partials[i] is not None
    ]
    return "; ".join(found)


def kept(op: Op, inputs: list[str]) -> str:
    """What reverse mode keeps of a run, as far as the record says."""
    if op.kind == "linear":
        return "; keeps shapes only" if op.linear is None or len(op.linear) == op.arity else ""
    if op.kind != "elementwise":
        return ""
    read = sorted({position for group in op.reads for position in group})
    result = "z" if "y" in inputs else "y"
    return f"; keeps {', '.join([result, *inputs][k] for k in read) or 'nothing'}"


def batching(op: Op) -> str:
    one_run = op.batch is not None or op.core is not None or op.shifts is not None
    return "one run for a whole batch" if one_run else "example by example"


def domain_of(op: Op) -> str:
    if not isinstance(op.domain, tuple):
        return "the points that its tests draw"
    found = [domain.name for domain in op.domain if isinstance(domain, Domain)]
    return found[0] if len(set(found)) == 1 else "; ".join(found)


# -------------------------------------------------- a function made of ops
def of_composite(name: str, function: Callable) -> Explanation:
    """A function that inherits everything from the ops that it calls; of a single one, its record as well."""
    ops, at = ops_of(function)
    lines = [("kind", "composite: made of ops, from which it inherits both modes and batching")]
    if ops:
        lines.append(("ops", f"{', '.join(ops)} (at {at})"))
    note = (function.__doc__ or "").strip().split("\n\n")[0]
    lines.append(("note", " ".join(note.split())))
    if len(ops) == 1:
        lines += [(f"{ops[0]}: {field}", text) for field, text in of_op(ops[0], OPS[ops[0]]).lines]
    return Explanation(name, "composite", None, ops, [line for line in lines if line[1]])


def ops_of(function: Callable) -> tuple[list[str], str]:
    """The ops that a function runs at a small example that it takes: the one with the fewest."""
    vector, matrix = np.array([0.3, 0.5, 0.8]), np.array([[2.0, 0.3], [0.1, 1.5]])
    examples: dict[str, tuple[tuple, Any]] = {
        "a vector": ((vector,), 0),
        "a matrix": ((matrix,), 0),
        "two vectors": ((vector, vector + 0.1), (0, 1)),
        "a matrix and a vector": ((matrix, vector[:2]), (0, 1)),
        "two matrices": ((matrix, matrix.T), (0, 1)),
        "a list of vectors": (([vector, vector + 0.1],), 0),
        "a condition and two vectors": ((vector > 0.4, vector, vector + 0.1), (1, 2)),
        "a vector and an axis": ((vector, 0), 0),
        "a matrix and two axes": ((matrix, 0, 1), 0),
        "a matrix and a shape": ((matrix, (1, 4)), 0),
        "a vector and a shape": ((vector, (2, 3)), 0),
        "three vectors": ((vector, vector + 0.1, vector + 0.2), (0, 1, 2)),
    }
    found: list[tuple[list[str], str]] = []
    for at, (args, wrt) in examples.items():
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error")
                recording = Recording(function, args, wrt, "run", "explain")
        except (DualdiffError, ArithmeticError, AttributeError, IndexError, TypeError, ValueError, Warning):
            continue  # not an example of what this function takes
        ops = list(dict.fromkeys(call.op.name for call in recording.calls if not call.constant))
        if ops:
            found.append((ops, at))
    return min(found, key=lambda pair: len(pair[0]), default=([], ""))
