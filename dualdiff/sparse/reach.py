"""How far an op carries a dependence: the pattern of each kind of op, applied to tangents.

Tangents are what a pattern follows (detect.py), so every op here is linear in the arguments in question. What
an op is like is read from its record: nothing has to be written here for a new op.

linear       gathers and sums are recognised by what they do to marked elements, with Freivalds' check
structure    a fact of the record: the labels of a contraction, places that meet, or "prefix" for scans
elementwise  core 0: each element depends on the elements at its place
shifts       along the axes that the parameters name, all elements on all
core         within the last axes, all elements on all
otherwise    every element on every element, which the report mentions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import Op
from dualdiff.sparse import relation

SPREAD = 2**24  # pairs of elements up to which the zeros of a constant operand are looked at


class Call(NamedTuple):
    """An op applied to tangents: `active` relates the arguments that are tangents to the inputs."""

    op: Op
    args: tuple  # values; avals where `active` has the position, or where the value is not to be relied on
    params: dict
    active: dict[int, Any]
    fixed: bool  # whether all other arguments are constants of the function
    local: bool  # whether zeros of this point count as zeros
    out: Any  # the aval of the result

    def shape(self, i: int) -> tuple[int, ...]:
        return np.shape(self.args[i])


def reach(call: Call) -> tuple[Any, bool]:
    """What each element of the result depends on, and whether nothing better than everything was known."""
    for rule in (moved, summed, stated, scanned, elementwise, along_axes, within_core):
        found = rule(call)
        if found is not None:
            return found, False
    return everything(call), True


# -------------------------------------------------- linear ops: what they do to marked elements
def probe(call: Call, values: np.ndarray, unit: complex = 1 + 0j) -> np.ndarray | None:
    """The op on plain numbers in place of its tangents, times `unit` where they are complex.

    None where it does not take them.
    """
    args = [np.zeros(np.shape(x)) if i in linear_positions(call) else x for i, x in enumerate(call.args)]
    start = 0
    for i in call.active:
        size = math.prod(call.shape(i))
        value = values[start : start + size].reshape(call.shape(i))
        args[i] = value * unit if call.args[i].dtype.kind == "c" else value
        start += size
    try:
        with np.errstate(all="ignore"):
            y = call.op.evaluate(*args, **call.params)
    except (TypeError, ValueError):
        return None
    return np.asarray(y) if np.shape(y) == call.out.shape else None


def linear_positions(call: Call) -> Sequence[int]:
    return range(len(call.args)) if call.op.linear is None else call.op.linear


def is_linear(call: Call) -> bool:
    """Whether the op is a fixed linear map of its tangents."""
    return call.op.kind == "linear" and call.fixed and not call.op.multiple


def random_numbers(size: int) -> np.ndarray:
    return np.random.default_rng(size).uniform(1, 2, size)


def units(call: Call) -> tuple:
    """The directions to try: complex numbers have two, and an op such as imag sees only one of them."""
    complex_ = call.out.dtype.kind == "c" or any(call.args[i].dtype.kind == "c" for i in call.active)
    return (1 + 0j, 1j) if complex_ else (1 + 0j,)


def moved(call: Call) -> Any:
    """Ops whose elements are each one element of an argument, or zero: slices, gathers, joins, broadcasts.

    Marks 1, 2, ... say which; random numbers confirm that nothing else enters.
    Source: R. Freivalds 1977, Probabilistic machines can use less running time (the random check).
    """
    if not is_linear(call):
        return None
    size = sum(math.prod(call.shape(i)) for i in call.active)
    marks = probe(call, np.arange(1.0, size + 1))
    if marks is None or marks.dtype.kind not in "fc":
        return None
    marks = np.real(marks)
    if not np.all((marks >= 0) & (marks <= size) & (marks == np.rint(marks))):
        return None
    index = marks.reshape(-1).astype(np.intp) - 1
    numbers = random_numbers(size)
    expected = np.append(numbers, 0.0)[index]
    found = [probe(call, numbers, unit) for unit in units(call)]
    if not all(y is not None and np.array_equal(np.abs(y).reshape(-1), expected) for y in found):
        return None
    return relation.gathered(relation.stacked(list(call.active.values())), index)


def summed(call: Call) -> Any:
    """Ops that send each element to one place, where they add up: sums, means, scatters.

    The adjoint of such an op moves elements, up to a factor for each.
    """
    if not is_linear(call):
        return None
    size = math.prod(call.out.shape)
    marks, numbers = np.arange(1.0, size + 1), random_numbers(size)
    tried = [pulled(call, np.ones(size)), pulled(call, marks)]
    tried += [pulled(call, numbers, unit) for unit in units(call)]
    total = None
    for i, s in call.active.items():
        parts = [bars[i] for bars in tried]
        shape = np.broadcast_shapes(call.shape(i), np.shape(parts[0]))  # cotangents come before broadcasting
        parts = [np.broadcast_to(part, shape) for part in parts]
        factor, mark = (np.reshape(np.real(part), -1) for part in parts[:2])
        flat = factor == 0
        place = np.where(flat, 0, mark / np.where(flat, 1, factor))
        near = np.rint(place)
        if not np.all((np.abs(place - near) <= 1e-9 * size) & (near >= 0) & (near <= size)):
            return None
        place = near.astype(np.intp) - 1
        expected = np.abs(factor) * np.append(numbers, 0.0)[place]
        if not all(
            np.allclose(np.abs(check).reshape(-1), expected, rtol=1e-12, atol=0) for check in parts[2:]
        ):
            return None
        copies = relation.gathered(s, positions(call.shape(i), shape))
        total = relation.united(total, relation.collected(copies, place, size))
    return total


def pulled(call: Call, values: np.ndarray, unit: complex = 1 + 0j) -> dict[int, Any]:
    """The adjoint of the op on plain numbers: a cotangent for each argument that it is linear in."""
    y_bar = values.reshape(call.out.shape) * (unit if call.out.dtype.kind == "c" else 1)
    bars = call.op.transpose(y_bar, *call.args, **call.params)
    bars = bars if isinstance(bars, (tuple, list)) else (bars,)
    return dict(zip(linear_positions(call), bars, strict=True))


# -------------------------------------------------- what the record states
def stated(call: Call) -> Any:
    """Ops whose record gives labels or places."""
    if not callable(call.op.structure):
        return None
    found = call.op.structure(*(x if hasattr(x, "ndim") else np.asarray(x) for x in call.args), **call.params)
    if isinstance(found[-1], str):
        return contracted(call, *found)
    total = None
    for i, s in call.active.items():
        to, at = (np.reshape(places, -1) for places in found[i])
        pairs = relation.from_pairs(to, at, (math.prod(call.out.shape), s.shape[0]))
        total = relation.united(total, relation.product(pairs, s))
    return total


def contracted(call: Call, inputs: tuple[str, ...], output: str) -> Any:
    """Labels as einsum has them: one that the result lacks is gone through."""
    sizes = dict(zip(output, call.out.shape, strict=True))
    for i, labels in enumerate(inputs):
        for label, n in zip(labels, call.shape(i), strict=True):
            sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
    total = None
    for i, s in call.active.items():
        pairs = nonzero_terms(call, i, inputs, output, sizes)
        if pairs is not None:
            target, source = pairs
            terms = relation.from_pairs(target, source, (math.prod(call.out.shape), s.shape[0]))
            found = relation.product(terms, s)
        else:
            found = through_labels(call, i, s, inputs[i], output, sizes)
        total = relation.united(total, found)
    return total


def places(labels: str, shape: tuple[int, ...], axes: dict[str, np.ndarray]) -> np.ndarray:
    """The flat position in an array of that shape for the indices that the labels stand for."""
    flat: Any = 0
    for label, n in zip(labels, shape, strict=True):
        flat = flat * n + (axes[label] if n > 1 else 0)
    return np.asarray(flat)


def grid(labels: str, sizes: dict[str, int], lead: int = 0) -> dict[str, np.ndarray]:
    """For each label its indices along an axis of its own, behind `lead` axes."""
    ndim = lead + len(labels)
    shapes = {k: tuple(-1 if a == lead + n else 1 for a in range(ndim)) for n, k in enumerate(labels)}
    return {label: np.arange(sizes[label]).reshape(shapes[label]) for label in labels}


def through_labels(call: Call, i: int, s: Any, labels: str, output: str, sizes: dict[str, int]) -> Any:
    """Union over the labels that the result lacks, copies along those that only the result has."""
    shape = call.shape(i)
    own = dict(zip(labels, shape, strict=True))
    kept = "".join(dict.fromkeys(label for label in labels if label in output))
    shared = tuple(own[label] for label in kept)
    coordinates = np.unravel_index(np.arange(math.prod(shape)), shape) if shape else ()
    where: dict[str, np.ndarray] = {}
    valid = np.ones(math.prod(shape), bool)
    for label, index in zip(labels, coordinates, strict=True):
        valid &= index == where.setdefault(label, index)  # beside the diagonal of a repeated label: nothing
    group = np.where(valid, places(kept, shared, where), -1)
    union = relation.collected(s, group, math.prod(shared))
    index = np.broadcast_to(places(kept, shared, grid(output, sizes)), call.out.shape)
    return relation.gathered(union, index)


def nonzero_terms(call: Call, i: int, inputs: tuple, output: str, sizes: dict[str, int]) -> Any:
    """(result element, argument element) for each non-zero of the one constant operand beside argument i.

    None where there is no such operand, it has no zeros, or the list would be long.
    """
    if call.op.kind != "multilinear" or len(inputs) != 2 or not call.fixed or len(call.active) != 1:
        return None
    labels = inputs[1 - i]
    c = np.asarray(call.args[1 - i])
    alone = "".join(k for k in dict.fromkeys(inputs[i] + output) if k not in labels)
    count = np.count_nonzero(c) * math.prod(sizes[k] for k in alone)
    if count > SPREAD or np.count_nonzero(c) == c.size or len(set(labels)) < len(labels):
        return None
    c = np.broadcast_to(c, tuple(sizes[k] for k in labels))
    axes = grid(alone, sizes, lead=1)
    for label, index in zip(labels, np.nonzero(c) if c.ndim else (), strict=True):
        axes[label] = index.reshape((-1,) + (1,) * len(alone))
    spread = (int(np.count_nonzero(c)), *(sizes[k] for k in alone))
    target = np.broadcast_to(places(output, call.out.shape, axes), spread)
    source = np.broadcast_to(places(inputs[i], call.shape(i), axes), spread)
    return target.reshape(-1), source.reshape(-1)


# -------------------------------------------------- elements, axes, cores
def positions(shape: tuple[int, ...], target: tuple[int, ...]) -> np.ndarray:
    """For each element of the target shape, which element of an array of `shape` broadcasts to it."""
    return np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), target)


def elementwise(call: Call) -> Any:
    """Each element on the elements at its place."""
    if call.op.core != 0:
        return None
    total = None
    for i, s in call.active.items():
        found = relation.gathered(s, positions(call.shape(i), call.out.shape))
        if call.local:
            zero = zero_partial(call, i)
            found = found if zero is None else relation.without_rows(found, zero)
        total = relation.united(total, found)
    return total


def zero_partial(call: Call, i: int) -> np.ndarray | None:
    """Where the partial by argument i is zero here, if it reads nothing but plain values."""
    d = call.op.partials[i] if call.op.partials else None
    if not callable(d) or any(k == 0 or k - 1 in call.active for k in call.op.reads[i]):
        return None
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.equal(d(None, *call.args), 0), call.out.shape)


def groups(shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """For each element the number of its slice along the axes."""
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    return np.broadcast_to(np.arange(math.prod(kept)).reshape(kept), shape)


def named_axes(call: Call) -> tuple[int, ...]:
    """The axes that the parameters name."""
    found: list[int] = []
    for name in call.op.shifts:
        axis = call.params[name]
        found += axis if isinstance(axis, tuple) else (axis,)
    return tuple(found)


def along_axes(call: Call) -> Any:
    """Every element on all elements of its slice; the result has the slices, or one element for each."""
    if call.op.shifts is None or len(call.args) != 1:
        return None
    shape, out, axes = call.shape(0), call.out.shape, named_axes(call)
    if not axes:
        return call.active[0] if shape == out else None
    one = tuple(n for k, n in enumerate(shape) if k not in axes)
    slices = math.prod(one)
    union = relation.collected(call.active[0], groups(shape, axes), slices)
    if out == one:
        return union
    if len(out) == len(shape) and all(out[k] == n for k, n in enumerate(shape) if k not in axes):
        return relation.gathered(union, groups(out, axes))
    return None


def within_core(call: Call) -> Any:
    """Every element on all elements of its core, the last axes; leading axes broadcast."""
    k = call.op.core
    if not k or call.op.multiple or any(len(call.shape(i)) < k for i in range(len(call.args))):
        return None
    stacks = [call.shape(i)[: len(call.shape(i)) - k] for i in range(len(call.args))]
    stack = np.broadcast_shapes(*stacks)
    if call.out.shape[: len(stack)] != stack:
        return None
    total = None
    for i, s in call.active.items():
        shape = call.shape(i)
        lead = tuple(range(len(shape) - k, len(shape)))
        union = relation.collected(s, groups(shape, lead), math.prod(stacks[i]))
        rows = positions(stacks[i], stack).reshape(stack + (1,) * (len(call.out.shape) - len(stack)))
        total = relation.united(total, relation.gathered(union, np.broadcast_to(rows, call.out.shape)))
    return total


def scanned(call: Call) -> Any:
    """Along the axis, or the last one, every element on those up to its place."""
    if call.op.structure != "prefix":
        return None
    out = call.out.shape
    axis = named_axes(call)[0] if call.op.shifts else len(out) - 1
    total = None
    for i, s in call.active.items():
        shape = call.shape(i)
        if not shape or shape[-1] != out[-1] or np.broadcast_shapes(shape, out) != out:
            return None
        place = np.arange(math.prod(out)).reshape(out)
        before = np.full(out, -1)
        ahead = (slice(None),) * axis
        before[(*ahead, slice(1, None))] = place[(*ahead, slice(None, -1))]
        full = relation.gathered(s, positions(shape, out))
        total = relation.united(total, relation.accumulated(full, before.reshape(-1), out[axis]))
    return total


def everything(call: Call) -> Any:
    """Every element on every element of every argument."""
    total = None
    for s in call.active.values():
        union = relation.collected(s, np.zeros(s.shape[0], int), 1)
        total = relation.united(total, relation.gathered(union, np.zeros(math.prod(call.out.shape), int)))
    return total
