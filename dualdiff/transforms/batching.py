"""vmap: a function of one example made a function of many, by one run on batched tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.errors import ControlFlowError, InputTypeError, ShapeError, StructureError
from dualdiff.modes import guard
from dualdiff.modes.batch import BatchLevel, BatchTensor
from dualdiff.ops.structural import as_array
from dualdiff.transforms.boundary import check_callable, described, fresh_values, name_of, output_leaves
from dualdiff.transforms.lanes import chunked, spread_lanes
from dualdiff.tree import Tree, argument_path, flatten, unflatten


def vmap(
    f: Callable,
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    chunk_size: int | None = None,
    fallback: str = "error",
) -> Callable:
    """f applied to every example at once: a function of arrays with one more axis.

    Shapes      in_axes: for each argument the axis of the examples, None for an argument that all share, or a
                container prefix of these; out_axes likewise for the result (an int, or a prefix)
    Cost        one run of f with one NumPy call per op; chunk_size bounds how many examples run together
    Raises      ShapeError where the axes differ in length; ControlFlowError where a batched value steers
                Python control flow, unless fallback="loop", which then runs f example by example
    """
    check_callable(f, "vmap")
    if fallback not in ("error", "loop"):
        raise InputTypeError(f"vmap was given fallback={fallback!r}.", "Choose 'error' or 'loop'.")
    if chunk_size is not None:
        chunked(1, chunk_size, 1)
    check_axes(in_axes, "in_axes")
    check_axes(out_axes, "out_axes")

    @functools.wraps(f)
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten(args)
        axes = prefix_leaves(in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args), args)
        fronted, size = examples_in_front(leaves, axes, tree, f)
        ranges = chunked(size, chunk_size, 1)
        run = functools.partial(run_batch, f, tree, fronted, axes, kwargs, fallback)
        parts = [run(start, stop) for start, stop in ranges]
        y_tree = parts[0][1]
        columns = zip(*(part[0] for part in parts), strict=True)
        ys = [column[0] if len(parts) == 1 else np.concatenate(column) for column in columns]
        places = prefix_leaves(out_axes, unflatten(y_tree, ys))
        moved = [place_axis(y, place) for y, place in zip(ys, places, strict=True)]
        return unflatten(y_tree, moved)

    return batched


def check_axes(prefix: Any, option: str) -> None:
    """Axes are ints, containers of them, and None for an argument that is not mapped."""
    if isinstance(prefix, (tuple, list, dict)):
        for part in prefix.values() if isinstance(prefix, dict) else prefix:
            check_axes(part, option)
    elif prefix is None and option == "out_axes":
        raise InputTypeError("vmap was given out_axes=None.", "Every result has a batch axis: give an int.")
    elif prefix is not None and type(prefix) is not int:
        raise InputTypeError(
            f"vmap was given {prefix!r} in {option}.",
            "Give ints, None for what all examples share, or containers.",
        )


def prefix_leaves(prefix: Any, value: Any) -> list:
    """One axis for each leaf of value, from a container prefix: an axis stands for all leaves under it."""
    if prefix is None or isinstance(prefix, int):
        return [prefix] * len(flatten(value)[0])
    keys = list(prefix) if isinstance(prefix, dict) else range(len(prefix))
    same = isinstance(value, dict) == isinstance(prefix, dict) and hasattr(value, "__len__")
    if (
        not same
        or len(value) != len(prefix)
        or any(k not in value for k in prefix if isinstance(prefix, dict))
    ):
        raise StructureError(
            f"vmap axes {prefix!r} do not fit {prefixed(value)}.",
            "Give one axis, or a container that is a prefix of the arguments.",
        )
    ordered = flatten(value)[1].keys if isinstance(prefix, dict) else keys
    return [axis for k in ordered for axis in prefix_leaves(prefix[k], value[k])]


def prefixed(value: Any) -> str:
    """What axes have to fit, for a message."""
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(map(repr, value))}"
    size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"a {type(value).__name__}{size}"


def examples_in_front(leaves: list, axes: list, tree: Tree, f: Callable) -> tuple[list, int]:
    """The leaves with their mapped axis first, and the number of examples."""
    fronted: list[Any] = []
    sizes: dict[int, int] = {}
    for k, (x, axis) in enumerate(zip(leaves, axes, strict=True)):
        if axis is not None:
            x = x.again() if isinstance(x, Tracer) else as_array(x)
            if x.dtype.kind not in "biufc":
                kind = described(leaves[k])
                raise InputTypeError(
                    f"vmap({name_of(f)}) cannot map {argument_path(tree, k)}: it is of {kind}.",
                    "Give in_axes=None for arguments that all examples share.",
                )
            if not -x.ndim <= axis < x.ndim:
                raise ShapeError(
                    f"vmap({name_of(f)}) maps axis {axis} of {argument_path(tree, k)}, which has shape "
                    f"{x.shape}.",
                    "Give in_axes=None for arguments that all examples share.",
                )
            sizes[x.shape[axis]] = k
            x = np.moveaxis(x, axis, 0) if axis else x
        fronted.append(x)
    if len(sizes) != 1:
        found = ", ".join(f"{n} ({argument_path(tree, k)})" for n, k in sizes.items()) or "none"
        raise ShapeError(
            f"vmap({name_of(f)}) needs one length for all mapped axes; it found {found}.", "Check in_axes."
        )
    return fronted, next(iter(sizes))


def run_batch(f, tree, leaves, axes, kwargs, fallback, start, stop):
    """The value leaves of examples start to stop, batch axis first, and their tree."""
    level = BatchLevel("vmap", f, stop - start)
    try:
        inputs = [
            x if axis is None else BatchTensor(level, x[start:stop])
            for x, axis in zip(leaves, axes, strict=True)
        ]
        outputs, y_tree = output_leaves(f(*unflatten(tree, inputs), **kwargs), f, "vmap")
    except ControlFlowError:
        if fallback == "error" or start == stop:
            raise
        return run_examples(f, tree, leaves, axes, kwargs, start, stop)
    except (TypeError, ValueError) as error:
        guard.explain(level, error)
        raise
    finally:
        level.close()
    return [spread_lanes(y, level) for y in outputs], y_tree


def run_examples(f, tree, leaves, axes, kwargs, start, stop):
    """The same, example by example."""
    rows = []
    for i in range(start, stop):
        inputs = [x if axis is None else x[i] for x, axis in zip(leaves, axes, strict=True)]
        outputs, y_tree = output_leaves(f(*unflatten(tree, inputs), **kwargs), f, "vmap")
        rows.append(outputs)
    return [np.stack(column) for column in zip(*rows, strict=True)], y_tree


def place_axis(y: Any, axis: int) -> Any:
    if not -y.ndim <= axis < y.ndim:
        raise ShapeError(
            f"vmap was given out_axes={axis} for a result of shape {y.shape[1:]} for each example.",
            f"Give an int from {-y.ndim} to {y.ndim - 1}.",
        )
    return fresh_values([np.moveaxis(y, 0, axis) if axis else y], [])[0]
