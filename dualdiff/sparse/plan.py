"""Plans: a sparse Jacobian or Hessian prepared once, for any number of points of the same shape.

Preparing finds the pattern, colours it, lays out the compressed seeds and where each entry is read from, and
checks all that on random directions. A call sweeps the seeds in batches and picks the entries out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import TapeLevel
from dualdiff.errors import InputTypeError, ShapeError
from dualdiff.modes import guard
from dualdiff.modes.batch import BatchLevel, BatchTensor
from dualdiff.modes.program import Program
from dualdiff.modes.replay import RecordLevel, program_of
from dualdiff.modes.tape import sweep
from dualdiff.sparse import probe, signature
from dualdiff.sparse.coloring import SYMMETRIC, Coloring, as_pattern, color
from dualdiff.sparse.compress import compressed
from dualdiff.sparse.detect import detect, detect_hessian
from dualdiff.sparse.recovery import recovery
from dualdiff.transforms.boundary import check_callable, check_mode, name_of, output_leaves, rebuild
from dualdiff.transforms.derivative import gradient_for
from dualdiff.transforms.lanes import chunked, spread_lanes
from dualdiff.transforms.linear import push_forward, run_on_tape
from dualdiff.transforms.selection import Selection
from dualdiff.tree import flatten, map_tree

SCOPES = {
    "global": "every input",
    "path": "inputs that take the same path through the function; each call checks it",
    "local": "inputs with the same zeros; each call checks it",
    "given": "what its giver says",
}


class Report(NamedTuple):
    """What a plan is made of; prints as a table."""

    transform: str
    shape: tuple[int, int]
    entries: int
    scope: str
    partition: str
    order: str
    forward_seeds: int
    reverse_seeds: int
    sweeps: int
    dense_ops: dict[str, int]
    steps: int | None  # calls of NumPy in the recorded program, if there is one

    def __str__(self) -> str:
        m, n = self.shape
        dense = ", ".join(f"{name} ({count} times)" for name, count in self.dense_ops.items()) or "none"
        return (
            f"{self.transform}: {m} x {n}, {self.entries} entries\n"
            f"the pattern holds for {SCOPES[self.scope]}\n"
            f"{self.partition} colouring in {self.order} order: {self.forward_seeds} forward and "
            f"{self.reverse_seeds} reverse seeds in {self.sweeps} sweeps\n"
            f"ops taken as dense: {dense}" + ("" if self.steps is None else f"\nreplayed: {self.steps} steps")
        )


class Plan:
    """A sparse Jacobian or Hessian of one function, for arguments of one shape.

    plan(*args) -> CSR, with no detection and no colouring; `pattern`, `coloring`, `shape` and `report()` say
    what is in it.
    """

    def __init__(self, f: Callable, transform: str, args: tuple, kwargs: dict, options: dict[str, Any]):
        self.f, self.transform, self.argnums = f, transform, options["argnums"]
        self.target = (
            gradient_for("hessian", f, self.argnums, False, "reverse") if transform == "hessian" else f
        )
        self.chunk_size = options["chunk_size"]
        chosen = self.selected(args, kwargs)
        self.signature = signature.Signature.of(args, kwargs, set(chosen.keys)).frozen()
        self.coloring, self.scope, self.dense_ops, ys = found(self, chosen, args, kwargs, options)
        self.dtype = matrix_dtype(ys)
        self.recover = recovery(self.coloring)
        watched = self.scope in ("path", "local")
        self.forward = compressed(self.coloring.columns, chosen.leaves, watched)
        self.reverse = compressed(self.coloring.rows, ys, watched and not self.forward.lanes)
        self.program: Program | None = None
        if options["replay"]:
            self.program = self.recorded(chosen)
        if options["check"] is not None:
            probe.check(self, chosen, dense=options["check"] == "dense")

    @property
    def pattern(self) -> Any:
        """The boolean CSR array of the places that the result has."""
        return self.coloring.pattern

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs), all leaves ravelled in order."""
        return self.pattern.shape

    def __repr__(self) -> str:
        return f"<plan of {self.transform}({name_of(self.f)}): {self.coloring!r}>"

    def report(self) -> Report:
        """Sizes, scope, colours, sweeps, and which ops were taken as dense."""
        c = self.coloring
        sweeps = sum(len(self.chunks(seeds.lanes)) for seeds in (self.forward, self.reverse) if seeds.lanes)
        seeds = len(c.column_groups), len(c.row_groups)
        steps = None if self.program is None else len(self.program.steps)
        facts = self.shape, c.pattern.nnz, self.scope, c.partition, c.order, *seeds, sweeps, self.dense_ops
        return Report(f"{self.transform} of {name_of(self.f)}", *facts, steps)

    # ---------------------------------------------------------------- calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        chosen = self.selected(args, kwargs)
        signature.check(self.signature, signature.Signature.of(args, kwargs, set(chosen.keys)), self)
        return self.matrix(chosen)

    def selected(self, args: tuple, kwargs: dict) -> Selection:
        chosen = Selection(self.target, self.argnums, args, kwargs, self.transform)
        chosen.__name__ = name_of(self.f)
        return chosen

    def matrix(self, chosen: Selection) -> Any:
        """The CSR matrix at a point whose shape was checked."""
        forward, reverse = self.forward, self.reverse
        pushed, pulled = self.sweeps(chosen) if self.program is None else self.replayed(chosen)
        parts = [np.zeros(0, self.dtype)] if pushed is None else [pushed[: forward.colors].reshape(-1)]
        parts += [] if pulled is None else [pulled[: reverse.colors].reshape(-1)]
        data = self.recover(parts[0] if len(parts) == 1 else np.concatenate(parts))
        matrix = copy.copy(self.pattern)  # a third of the time of making one
        matrix.indices, matrix.indptr = matrix.indices.copy(), matrix.indptr.copy()  # nobody shares them
        matrix.data = data.astype(self.dtype, copy=False)
        if forward.direction is not None:
            probe.compare(self, chosen, matrix, forward.direction, pushed[-1], "forward")
        if reverse.direction is not None:
            probe.compare(self, chosen, matrix, reverse.direction, pulled[-1], "reverse")
        return matrix

    def sweeps(self, chosen: Selection) -> tuple[Any, Any]:
        """What all forward seeds and all reverse seeds give; None for a side without any."""
        forward, reverse = self.forward, self.reverse
        return (
            self.pushed(chosen, forward.arrays, forward.lanes) if forward.lanes else None,
            self.pulled(chosen, reverse.arrays, reverse.lanes) if reverse.lanes else None,
        )

    def replayed(self, chosen: Selection) -> tuple[Any, Any]:
        """As `sweeps`, by the recorded program."""
        assert self.program is not None
        pushed, pulled = self.program.run([*chosen.leaves, *other_numbers(chosen)])
        return pushed, pulled

    def recorded(self, chosen: Selection) -> Program:
        """The sweeps as one list of calls of NumPy, found by doing them once on values that write it down."""
        level = RecordLevel(self.f)
        watched = copy.copy(chosen)
        watched.leaves = [level.watch(x) for x in chosen.leaves]
        others = iter([level.watch(x) for x in other_numbers(chosen)])

        def replaced(key: int | str, x: Any) -> Any:
            return x if key in chosen.keys else map_tree(lambda v: next(others) if is_number(v) else v, x)

        watched.args = tuple(replaced(k, x) for k, x in enumerate(chosen.args))
        watched.kwargs = {k: replaced(k, x) for k, x in chosen.kwargs.items()}
        try:
            return program_of(level, list(self.sweeps(watched)))
        finally:
            level.close()

    def pushed(self, chosen: Selection, arrays: list, lanes: int) -> Any:
        """(lanes, outputs): the derivatives along seeds with an array for each input leaf."""

        def push(dots: list) -> tuple:
            ys, y_dots, *_ = push_forward(chosen, chosen.leaves, chosen.trees, dots, transform=self.transform)
            return y_dots, ys

        return self.swept(push, arrays, lanes)

    def pulled(self, chosen: Selection, arrays: list, lanes: int) -> Any:
        """(lanes, inputs): the cotangents for seeds with an array for each output leaf, from one tape."""
        leaves = chosen.leaves
        level = TapeLevel(self.transform, chosen, guarded={})
        try:
            idents, _, roots, *_ = run_on_tape(level, chosen, leaves, chosen.trees)

            def pull(bars: list) -> tuple:
                pairs = [(root, bar) for root, bar in zip(roots, bars, strict=True) if root is not None]
                bars_of = sweep(pairs)
                return [bars_of.get(ident) for ident in idents], leaves

            return self.swept(pull, arrays, lanes)
        finally:
            guard.release(level)

    def swept(self, run: Callable, arrays: list, lanes: int) -> Any:
        """Run on the seeds, chunk by chunk: `run` gives batched derivatives and the values they belong to."""
        blocks = []
        for start, stop in self.chunks(lanes):
            level = BatchLevel(self.transform, self.f, stop - start)
            try:
                results, likes = run([BatchTensor(level, x[start:stop]) for x in arrays])
            finally:
                level.close()
            rows = [
                np.zeros((stop - start, y.size), self.dtype)
                if x is None
                else spread_lanes(x, level).reshape(stop - start, y.size)
                for x, y in zip(results, likes, strict=True)
            ]
            blocks.append(rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1))
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def chunks(self, lanes: int) -> list[tuple[int, int]]:
        return chunked(lanes, self.chunk_size, 16 * max(1, *self.shape))


def is_number(x: Any) -> bool:
    """Whether a leaf may have another value in every call."""
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc")


def other_numbers(chosen: Selection) -> list:
    """The numbers in the arguments that are not differentiated."""
    values = [x for k, x in (*enumerate(chosen.args), *chosen.kwargs.items()) if k not in chosen.keys]
    return [np.float64(x) if type(x) is float else x for x in flatten(values)[0] if is_number(x)]


# -------------------------------------------------- preparing
def found(plan: Plan, chosen: Selection, args: tuple, kwargs: dict, options: dict) -> tuple:
    """The colouring, for which inputs it holds, the ops taken as dense, and the outputs (values or avals)."""
    hessian = plan.transform == "hessian"
    coloring, given = options["coloring"], options["pattern"]
    refuse_complex(plan, chosen.leaves, "arguments")
    if given is None and coloring is None:
        if hessian:
            given, *rest = detect_hessian(plan.f, plan.argnums, args, kwargs, options["kind"])
        else:
            given, *rest = detect(chosen, options["kind"])
        scope, dense, ys, _ = rest
    else:
        ys, _ = output_leaves(chosen(*rebuild(chosen.trees, chosen.leaves)), plan.f, plan.transform)
        scope, dense = "given", {}
    refuse_complex(plan, ys, "values")
    shape = (sum(y.size for y in ys), chosen.size)
    if coloring is None:
        given = as_pattern(given)
        check_shape(given, shape, plan)
        coloring = color(given, partition=options["partition"])
    if not isinstance(coloring, Coloring):
        raise InputTypeError(
            f"{plan.transform} was given a coloring of type {type(coloring).__name__}.",
            "Make it with dualdiff.sparse.color(pattern).",
        )
    check_shape(coloring.pattern, shape, plan)
    if coloring.partition in SYMMETRIC and not hessian:
        raise InputTypeError(
            f"{plan.transform} was given a {coloring.partition} colouring, which is for symmetric matrices.",
            "Use partition 'column', 'row' or 'bidirectional'.",
        )
    if hessian and coloring.partition not in SYMMETRIC:
        raise InputTypeError(
            f"hessian was given a {coloring.partition} colouring, which would not give a symmetric matrix.",
            "Use partition 'star' or 'acyclic'.",
        )
    return coloring, scope, dense, ys


def matrix_dtype(ys: list) -> np.dtype:
    """The dtype of the results: that of the outputs, as far as SciPy has it; half precision it has not."""
    floats = [y.dtype for y in ys if y.dtype.kind == "f"]
    return np.result_type(np.float32, *floats) if floats else np.dtype(float)


def refuse_complex(plan: Plan, values: list, what: str) -> None:
    if any(x.dtype.kind == "c" for x in values):
        raise InputTypeError(
            f"sparse {plan.transform} of {name_of(plan.f)} has complex {what}.",
            "Take real and imaginary parts as arguments and values, or dense jacobian(holomorphic=True).",
        )


def check_shape(pattern: Any, shape: tuple[int, int], plan: Plan) -> None:
    if pattern.shape != shape:
        raise ShapeError(
            f"{plan.transform}({name_of(plan.f)}) was given a pattern of shape {pattern.shape}; it has "
            f"{shape[0]} outputs and {shape[1]} inputs.",
            "One row per output and one column per input, all leaves ravelled in order.",
        )


PARTITIONS = {"auto": "auto", "forward": "column", "reverse": "row"}
CHECKS = ("probe", "dense", None)


def jacobian_options(mode: str, **options: Any) -> dict[str, Any]:
    """The options of a Jacobian's plan, checked before f runs."""
    check_mode(mode, "jacobian")
    return checked_options("jacobian", partition=PARTITIONS[mode], **options)


def checked_options(transform, argnums, pattern, coloring, partition, kind, chunk_size, check, replay):
    chunked(1, chunk_size, 1)
    if check not in CHECKS:
        raise InputTypeError(f"{transform} was given check={check!r}.", "Choose 'probe', 'dense' or None.")
    if pattern is not None and coloring is not None:
        raise InputTypeError(
            f"{transform} was given a pattern and a coloring.", "Give one: a coloring holds its pattern."
        )
    return {
        "argnums": argnums, "pattern": pattern, "coloring": coloring, "partition": partition, "kind": kind,
        "chunk_size": chunk_size, "check": check, "replay": replay,
    }  # fmt: skip


def prepare_jacobian(
    f: Callable,
    *args: Any,
    argnums: Any = 0,
    pattern: Any = None,
    coloring: Coloring | None = None,
    mode: str = "auto",
    kind: str = "path",
    chunk_size: int | str | None = "auto",
    check: str | None = "probe",
    replay: bool = False,
) -> Plan:
    """A plan: a function that returns the Jacobian of f as a CSR array, for arguments shaped like `args`.

    Shapes      (outputs, inputs), all leaves ravelled in order
    Cost        preparing: one run of f to detect the pattern, a colouring, two products to check them;
                a call: one batched sweep with a seed for each colour, no detection and no colouring
    Raises      GradientMismatch where an entry is missing in a pattern that was given; PlanMismatch when
                called with other shapes, dtypes or integers; ControlFlowError with kind="global"; ImportError
                without SciPy
    """
    check_callable(f, "prepare_jacobian")
    options = jacobian_options(
        mode, argnums=argnums, pattern=pattern, coloring=coloring, kind=kind, chunk_size=chunk_size,
        check=check, replay=replay,
    )  # fmt: skip
    return Plan(f, "jacobian", args, {}, options)


def prepare_hessian(
    f: Callable,
    *args: Any,
    argnums: Any = 0,
    pattern: Any = None,
    coloring: Coloring | None = None,
    partition: str = "star",
    kind: str = "path",
    chunk_size: int | str | None = "auto",
    check: str | None = "probe",
    replay: bool = False,
) -> Plan:
    """A plan for the Hessian of the scalar function f, symmetric to the last bit; as `prepare_jacobian`.

    `partition` "acyclic" takes fewer seeds than "star", and adds rounding along chains of entries.
    """
    check_callable(f, "prepare_hessian")
    options = hessian_options(
        partition, argnums=argnums, pattern=pattern, coloring=coloring, kind=kind, chunk_size=chunk_size,
        check=check, replay=replay,
    )  # fmt: skip
    return Plan(f, "hessian", args, {}, options)


def hessian_options(partition: str, **options: Any) -> dict[str, Any]:
    """The options of a Hessian's plan, checked before f runs."""
    if partition not in SYMMETRIC:
        raise InputTypeError(f"hessian was given partition={partition!r}.", "Choose 'star' or 'acyclic'.")
    return checked_options("hessian", partition=partition, **options)
