"""sparse.jacobian and sparse.hessian: functions that prepare a plan at the first call and keep it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dualdiff.sparse.coloring import Coloring
from dualdiff.sparse.plan import Plan, hessian_options, jacobian_options
from dualdiff.sparse.signature import Signature
from dualdiff.transforms.boundary import check_callable

KEPT = 8  # plans of one function, the latest ones


def jacobian(
    f: Callable,
    argnums: Any = 0,
    *,
    pattern: Any = None,
    coloring: Coloring | None = None,
    mode: str = "auto",
    kind: str = "path",
    chunk_size: int | str | None = "auto",
    check: str | None = "probe",
    replay: bool = False,
) -> Callable:
    """A function with f's signature that returns the Jacobian of f as a CSR array of SciPy.

    Shapes      (outputs, inputs), all leaves ravelled in order
    Derivative  J[i, j] = dy_i / dx_j at the places of the pattern, which is detected unless it is given
    Cost        the first call with arguments of one shape prepares a plan (see prepare_jacobian), which later
                calls use; mode "forward" colours columns, "reverse" rows, "auto" what is cheaper
    Raises      as prepare_jacobian
    """
    check_callable(f, "jacobian")
    options = jacobian_options(
        mode, argnums=argnums, pattern=pattern, coloring=coloring, kind=kind, chunk_size=chunk_size,
        check=check, replay=replay,
    )  # fmt: skip
    return planned(f, "jacobian", options)


def hessian(
    f: Callable,
    argnums: Any = 0,
    *,
    pattern: Any = None,
    coloring: Coloring | None = None,
    partition: str = "star",
    kind: str = "path",
    chunk_size: int | str | None = "auto",
    check: str | None = "probe",
    replay: bool = False,
) -> Callable:
    """A function with f's signature that returns the Hessian of a scalar function f as a CSR array of SciPy.

    Shapes      (inputs, inputs), all leaves ravelled in order; symmetric to the last bit
    Derivative  forward over reverse mode, with the seeds of a star colouring or an acyclic one
    Cost        as `jacobian`
    Raises      as `jacobian`, and ScalarOutputError
    """
    check_callable(f, "hessian")
    options = hessian_options(
        partition, argnums=argnums, pattern=pattern, coloring=coloring, kind=kind, chunk_size=chunk_size,
        check=check, replay=replay,
    )  # fmt: skip
    return planned(f, "hessian", options)


def planned(f: Callable, transform: str, options: dict[str, Any]) -> Callable:
    """A function that calls the plan for its arguments, and makes it first where there is none."""
    plans: list[Plan] = []

    @functools.wraps(f)
    def sparse(*args: Any, **kwargs: Any) -> Any:
        for plan in reversed(plans):
            chosen = plan.selected(args, kwargs)
            if plan.signature.mismatch(Signature.of(args, kwargs, set(chosen.keys))) is None:
                return plan.matrix(chosen)
        plan = Plan(f, transform, args, kwargs, options)
        plans.append(plan)
        del plans[:-KEPT]
        return plan.matrix(plan.selected(args, kwargs))

    return sparse
