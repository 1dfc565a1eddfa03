"""checkpoint and checkpointed_loop: functions that are run again in the reverse sweep instead of recorded.

How a step is run again, and what a tape holds in its place, is in recomputing.py; in which order the steps of
a loop are, in binomial.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dualdiff.errors import InputTypeError, StructureError
from dualdiff.transforms.binomial import slots_for
from dualdiff.transforms.boundary import check_callable, name_of
from dualdiff.transforms.recomputing import run_steps
from dualdiff.tree import flatten, unflatten


def checkpoint(f: Callable) -> Callable:
    """f, of which reverse mode keeps the arguments alone, and which it runs again when it sweeps back.

    f must do the same when it is run again: it takes random numbers as arguments, and what it reads besides
    stays as it is. If a repeated run gives another result the sweep raises.

    Derivative  that of f, in every mode and nesting, also by tensors that f closes over
    Cost        one more run of f for each sweep; memory for the arguments, and while f is run for its tape
    Raises      MutationError in the sweep, if f gave another result
    """
    check_callable(f, "checkpoint")

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten((args, kwargs))
        result: Any = None

        def step(k: int, xs: list) -> list:
            nonlocal result
            args, kwargs = unflatten(tree, xs)
            ys, result = flatten(f(*args, **kwargs))
            return ys

        ys = run_steps(f, step, leaves, 1, 1, name_of(f))
        return unflatten(result, ys)

    return checkpointed


def checkpointed_loop(
    step: Callable[[int, Any], Any], state: Any, n: int, *, slots: int | None = None
) -> Any:
    """The state after n steps state = step(k, state), k = 0 ... n - 1; reverse mode keeps few of the states.

    Shapes      state: a container, whose structure each step keeps
    Derivative  that of the loop, in every mode and nesting, also by tensors that step closes over; step must
                do the same when it is run again, as for `checkpoint`
    Cost        `slots` states are kept. With l steps and s slots each step is run again at most r times,
                where l <= (s + r)! / (s! r!), and once more to be recorded; slots=None takes about sqrt(2 l),
                so that r is 2. The schedule is optimal. Reverse mode over reverse mode keeps all steps.
    Raises      InputTypeError, StructureError, and MutationError in the sweep
    Source      A. Griewank and A. Walther, Algorithm 799: revolve, ACM TOMS 26 (2000)
    """
    check_callable(step, "checkpointed_loop")
    if type(n) is not int or n < 0:
        raise InputTypeError(f"checkpointed_loop was given n={n!r}.", "Give the number of steps.")
    if slots is not None and (type(slots) is not int or slots < 1):
        raise InputTypeError(f"checkpointed_loop was given slots={slots!r}.", "Give a positive int, or None.")
    leaves, tree = flatten(state)

    def of_leaves(k: int, xs: list) -> list:
        ys, found = flatten(step(k, unflatten(tree, xs)))
        if found != tree:
            raise StructureError(
                f"{name_of(step)} returned a state of structure {found!r} for one of structure {tree!r}.",
                "A step keeps the structure of the state.",
            )
        return ys

    slots = min(slots_for(n) if slots is None else slots, max(n, 1))
    return unflatten(tree, run_steps(step, of_leaves, leaves, n, slots, name_of(step)))
