"""explain_mode: which mode "auto" takes for a function, and why, in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dualdiff.transforms.boundary import check_callable, name_of, output_leaves, rebuild
from dualdiff.transforms.derivative import choose_mode
from dualdiff.transforms.lanes import chunked
from dualdiff.transforms.selection import Selection


class ModeChoice(NamedTuple):
    """What `explain_mode` found; prints as a few lines.

    lanes    the seeds that travel together in that mode: one per input, or one per output
    sweeps   how many batches of them fit the memory budget
    """

    function: str
    mode: str
    inputs: int
    outputs: int
    lanes: int
    sweeps: int

    @property
    def reason(self) -> str:
        if self.mode == "forward":
            return "there are no more inputs than outputs, and forward mode keeps no tape"
        return "there are fewer outputs than inputs"

    def __str__(self) -> str:
        other = "reverse" if self.mode == "forward" else "forward"
        more = self.outputs if self.mode == "forward" else self.inputs
        return (
            f"{self.function}: {self.inputs} inputs, {self.outputs} outputs\n"
            f"auto takes {self.mode} mode: {self.reason}\n"
            f"lanes: {self.lanes} in {self.sweeps} sweeps; {other} mode would have {more}, and a lane costs "
            "about the same in both"
        )


def explain_mode(f: Callable, *args: Any, argnums: Any = 0) -> ModeChoice:
    """Which mode="auto" takes for the gradient or Jacobian of f at arguments like these, and why.

    The rule: forward mode where the inputs are not more numerous than the outputs, else reverse mode; sparse
    Jacobians compare colours instead (dualdiff.sparse).

    Cost        one run of f
    Raises      InputTypeError, StructureError
    """
    check_callable(f, "explain_mode")
    chosen = Selection(f, argnums, args, {}, "explain_mode")
    copies = [x.copy() for x in chosen.leaves]  # f may write to them
    ys, _ = output_leaves(chosen(*rebuild(chosen.trees, copies)), f, "explain_mode")
    inputs, outputs = chosen.size, sum(y.size for y in ys)
    mode = choose_mode(inputs, outputs)
    lanes = inputs if mode == "forward" else outputs
    sizes = [inputs] if mode == "forward" else [y.size for y in ys]  # a tape is swept for each output leaf
    sweeps = sum(len(chunked(size, "auto", 16 * max(1, size))) for size in sizes)
    return ModeChoice(name_of(f), mode, inputs, outputs, lanes, sweeps)
