"""Contractions: matmul and einsum, the two multilinear ops that all of NumPy's products are made of.

The transpose of a contraction is a contraction: the cotangent takes the place of one operand. Batched
operands become one large product where a stack of small ones would cost more (measured, see `small`).
"""

from __future__ import annotations

import functools
import math
import operator

import numpy as np

from dualdiff.avals import Aval
from dualdiff.declare import numpy_function, op, refuse
from dualdiff.domains import reals
from dualdiff.ops.structural import as_array, astype, broadcast_to, moveaxis, reshape_to

# Labels of axes; the module that has them as constants takes as long to import as a chapter of ops.
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = (
    CAPITALS + CAPITALS.lower()
)  # in the order of the numbers of NumPy's other spelling, as sorting needs


def conjugated(x):
    """conj(x), and x itself where it is real; an operand may be a list."""
    x = x if type(x) is np.ndarray else as_array(x)
    return np.conj(x) if x.dtype.kind == "c" else x


def adjoint(x):
    """The conjugate transpose of the last two axes."""
    return conjugated(x.T if x.ndim == 2 else x.mT)


# ------------------------------------------------------------------------------ matmul
def small(m: int, n: int, p: int) -> bool:
    """Whether a product in a stack is so small that its overhead of about 0.05 us outweighs copying operands.

    Measured: one tall product is up to 6 times faster below 1000 multiplications, and up to 5 times slower
    above where the rows have to be copied together first.
    """
    return m * n * p < 1000


def tall(x):
    """A stack of matrices as one matrix with all their rows."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def times_matrix(a, b):
    """A stack of matrices times one matrix or vector, as one product where that is faster."""
    if a.ndim > 2:
        columns = b.shape[1] if b.ndim == 2 else 1
        adjacent = columns == 1 and (not isinstance(a, np.ndarray) or a.flags.c_contiguous)
        if adjacent or small(*a.shape[-2:], columns):
            return (tall(a) @ b).reshape(a.shape[:-1] + b.shape[1:])
    return a @ b


def aligned(x, stack: int):
    """A batched stack of matrices with axes of 1 behind the batch axis, `stack` axes before each matrix."""
    missing = stack - (x.ndim - 3)
    return x.reshape((x.shape[0],) + (1,) * missing + x.shape[1:]) if missing > 0 else x


def left_bar(y_bar, a, b):
    """y_bar b^H; a vector on either side makes it a matrix-vector product or an outer product."""
    b = conjugated(b)
    if b.ndim == 1:
        return y_bar * b if a.ndim == 1 else y_bar[..., None] * b
    if a.ndim == 1:
        return b @ y_bar if b.ndim == 2 else (b @ y_bar[..., None])[..., 0]
    if b.ndim == 2:
        return times_matrix(y_bar, b.T)
    if a.ndim == 2 and b.ndim == 3:  # one product that also sums over the stack
        m, (stack, n, p) = a.shape[0], b.shape
        y_bar = y_bar.transpose(1, 0, 2).reshape(m, stack * p)
        return y_bar @ b.transpose(0, 2, 1).reshape(stack * p, n)
    return y_bar @ b.mT


def right_bar(y_bar, a, b):
    """a^H y_bar"""
    a = conjugated(a)
    if a.ndim == 1:
        return y_bar * a if b.ndim == 1 else a[:, None] * y_bar[..., None, :]
    if b.ndim == 1:
        return (y_bar if y_bar.ndim == 1 else y_bar.reshape(-1)) @ tall(a)
    if b.ndim == 2:  # one product that also sums over the stack
        if a.ndim == y_bar.ndim == 2 and a.shape[0] == 1:
            return a.T * y_bar  # of a single row: NumPy does not hand this product to BLAS
        return tall(a).T @ tall(y_bar)
    return a.mT @ y_bar


def product_labels(a: int, b: int) -> tuple[tuple[str, str], str]:
    """The labels of a matrix product of operands with so many axes; a vector lacks the axis of its side."""
    stack = CAPITALS[: max(a, b, 2) - 2]
    left = stack[max(len(stack) - a + 2, 0) :] + "ik"[-a:]
    right = stack[max(len(stack) - b + 2, 0) :] + "kj"[:b]
    return (left, right), stack + "i" * (a > 1) + "j" * (b > 1)


@op
class matrix_product:
    """Y = A B: dY = dA B + A dB, with the adjoints A_bar = Y_bar B^H and B_bar = A^H Y_bar.

    Source      M. Giles 2008, Collected matrix derivative results for AD
    """

    name = "matmul"

    evaluate = np.matmul  # the ufunc itself, which gives the op fast entries

    def out(a, b):
        if not a.shape or not b.shape:
            raise ValueError("matmul: an operand has no axes; multiply by a scalar with *")
        inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
        if a.shape[-1] != inner:
            raise ValueError(f"matmul: the inner axes of {a.shape} and {b.shape} do not match")
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return Aval(stack + a.shape[-2:-1] + b.shape[-1:] * (b.ndim > 1), np.result_type(a.dtype, b.dtype))

    transposes = left_bar, right_bar

    def structure(a, b):
        return product_labels(a.ndim, b.ndim)

    def batch(size, mapped, values, params):
        a, b = map(as_array, values)
        if a.ndim == mapped[0] or b.ndim == mapped[1]:
            raise ValueError("matmul: an operand has no axes; multiply by a scalar with *")
        if not mapped[1]:
            return left_batched(a, b)
        if not mapped[0]:
            return right_batched(a, b)
        left, right = a.ndim - 1, b.ndim - 1  # axes of one example
        a = a[:, None, :] if left == 1 else a
        b = b[:, :, None] if right == 1 else b
        stack = max(a.ndim, b.ndim) - 3
        y = aligned(a, stack) @ aligned(b, stack)
        y = y[..., 0] if right == 1 else y
        return y if left > 1 else y[..., 0] if right == 1 else y[..., 0, :]

    def domain(rng, dtype):
        shapes = [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 2)),
            ((2, 3), (3, 4)),
            ((2, 2, 3), (3,)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3, 2)),
            ((2, 3), (2, 3, 2)),
            ((2, 1, 2, 3), (3, 3, 1)),
        ]
        for a, b in shapes:
            yield (reals.sample(rng, a, dtype), reals.sample(rng, b, dtype)), {}


def left_batched(a, b):
    """A batch of left operands times one right operand."""
    if b.ndim <= 2:
        return a @ b if a.ndim == 2 else times_matrix(a, b)
    if a.ndim == 2:  # vectors (S, n) against a stack (..., n, p): the batch makes them the rows of a matrix
        return np.moveaxis(a @ b, -2, 0)
    return aligned(a, b.ndim - 2) @ b


def right_batched(a, b):
    """One left operand times a batch of right operands."""
    if b.ndim == 2:  # vectors (S, n): one product, also against a stack of matrices
        if a.ndim <= 2:
            return b @ a.T
        return (b @ tall(a).T).reshape((b.shape[0],) + a.shape[:-1])
    if a.ndim == 1:
        return a @ b
    if a.ndim == 2 and b.ndim == 3 and (b.shape[2] == 1 or small(*a.shape, b.shape[2])):
        size, _, columns = b.shape
        return (tall(b.mT) @ a.T).reshape(size, columns, a.shape[0]).mT
    return a @ aligned(b, a.ndim - 2)


@numpy_function(np.matmul, np.linalg.matmul)
def matmul(x1, x2, /, *, axes=None, axis=None):
    """The matrix product of the last two axes, stacks broadcast, vectors without their axis; also x1 @ x2."""
    if axis is not None:
        refuse("np.matmul", axis=axis)
    return with_axes(matrix_product, x1, x2, axes)


def with_axes(f, x1, x2, axes):
    """f, which acts on last axes, on other ones: `axes` lists those of each operand and of the result."""
    x1, x2 = as_array(x1), as_array(x2)
    if axes is None:
        return f(x1, x2)
    if len(axes) not in (2, 3):
        raise ValueError("axes should be a list with an entry for all 3 inputs and outputs")
    places = [tuple(k) if isinstance(k, (tuple, list)) else (k,) for k in axes]
    last = [tuple(range(-len(k), 0)) for k in places]
    y = f(moveaxis(x1, places[0], last[0]), moveaxis(x2, places[1], last[1]))
    return moveaxis(y, last[2], places[2]) if len(places) > 2 and places[2] else y


# ------------------------------------------------------------------------------ einsum
@functools.lru_cache(512)
def terms(subscripts: str) -> tuple[tuple[str, ...], str]:
    """The labels of each operand and of the result."""
    inputs, _, output = subscripts.partition("->")
    return tuple(inputs.split(",")), output


def spell(inputs, output: str) -> str:
    return ",".join(inputs) + "->" + output


def label_sizes(inputs, xs) -> dict[str, int]:
    """The length of every label; an axis of 1 broadcasts."""
    sizes: dict[str, int] = {}
    for labels, x in zip(inputs, xs, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                raise ValueError(f"einsum: label {label!r} has length {sizes[label]} and {n}")
    return sizes


def planned(optimize, inputs, xs):
    """The `optimize` of a derived contraction: pairwise products by BLAS where the plain loop is slower.

    Measured: planning costs about 10 us, which the loop needs for some 40 000 multiplications.
    """
    if optimize is False and (len(xs) < 2 or math.prod(label_sizes(inputs, xs).values()) < 40_000):
        return False
    return True if isinstance(optimize, (bool, list, tuple)) else optimize


def operand_bar(i: int, y_bar, *xs, subscripts, optimize):
    """The cotangent of operand i: y_bar takes its place, and every operand is conjugated.

    A label that only operand i has was summed alone, so its cotangent is the same along it; a label that it
    repeats reads a diagonal, so its cotangent is zero beside the diagonal.
    """
    inputs, output = terms(subscripts)
    labels = inputs[i]
    others = inputs[:i] + inputs[i + 1 :]
    known = set(output).union(*others)
    kept = "".join(label for label in dict.fromkeys(labels) if label in known)
    x_bar = y_bar
    if others or output != kept:
        operands = (y_bar, *(conjugated(x) for k, x in enumerate(xs) if k != i))
        spelled = (output, *others)
        plan = planned(optimize, spelled, operands)
        x_bar = contraction(*operands, subscripts=spell(spelled, kept), optimize=plan)
    if kept != labels:
        return on_diagonal(x_bar, kept, labels, xs[i].shape)
    full = np.broadcast_shapes(x_bar.shape, xs[i].shape)  # larger where all other operands have an axis of 1
    return x_bar if x_bar.shape == full else broadcast_to(x_bar, full)


def on_diagonal(x, kept: str, labels: str, shape):
    """x, which has the labels `kept`, copied along those it lacks and put where repeated labels agree."""
    first = [labels.index(label) == k for k, label in enumerate(labels)]
    length = dict(zip(kept, x.shape, strict=True))
    places = tuple(length.get(k, 1) if f else 1 for k, f in zip(labels, first, strict=True))
    x, full = reshape_to(x, shape=places), np.broadcast_shapes(places, shape)
    if all(first):
        return broadcast_to(x, full)
    agree = np.ones((1,) * len(labels), bool)
    for k, label in enumerate(labels):
        if not first[k]:
            agree = agree & (along(k, labels, full) == along(labels.index(label), labels, full))
    return broadcast_to(np.where(agree, x, 0), full)


def along(k: int, labels: str, shape):
    """0, 1, 2, ... along axis k, with an axis of 1 for every other label."""
    return np.arange(shape[k]).reshape((1,) * k + (shape[k],) + (1,) * (len(labels) - k - 1))


class EachOperand:
    """One transpose per operand, however many there are."""

    def __getitem__(self, i: int):
        return functools.partial(operand_bar, i)


@op
class contraction:
    """Y = the sum of products that the subscripts spell; explicit, one letter per axis, without ellipsis.

    dY replaces one operand after the other by its tangent, and the cotangent of an operand is the contraction
    in which y_bar has its place.
    """

    name = "einsum"

    def evaluate(*xs, subscripts, optimize):
        return np.einsum(subscripts, *xs, optimize=optimize)

    def out(*xs, subscripts, optimize):
        inputs, output = terms(subscripts)
        sizes = label_sizes(inputs, xs)
        return Aval(tuple(sizes[label] for label in output), np.result_type(*(x.dtype for x in xs)))

    transposes = EachOperand()

    def structure(*xs, subscripts, optimize):
        return terms(subscripts)

    def batch(size, mapped, values, params):
        inputs, output = terms(params["subscripts"])
        label = fresh(inputs, 1)
        inputs = [label + term if m else term for term, m in zip(inputs, mapped, strict=True)]
        plan = planned(params["optimize"], inputs, values)
        return contraction(*values, subscripts=spell(inputs, label + output), optimize=plan)

    def domain(rng, dtype):
        cases = {
            "ij,jk->ik": [(2, 3), (3, 4)],
            "ii->": [(3, 3)],
            "iij->ij": [(2, 2, 3)],
            "ij->j": [(2, 3)],
            "ij,k,jl->li": [(2, 3), (2,), (3, 2)],
            "i,iij,j->": [(2,), (2, 2, 3), (3,)],
            "ij,ij->ij": [(1, 3), (2, 1)],
        }
        for subscripts, shapes in cases.items():
            xs = tuple(reals.sample(rng, shape, dtype) for shape in shapes)
            yield xs, {"subscripts": subscripts, "optimize": False}


def fresh(inputs, count: int) -> str:
    """Labels that no operand has."""
    free = [letter for letter in LETTERS if not any(letter in term for term in inputs)]
    if len(free) < count:
        raise ValueError("einsum: more than 52 labels are needed")
    return "".join(free[:count])


@functools.lru_cache(512)
def explicit(subscripts: str, ndims: tuple[int, ...]) -> str:
    """The subscripts with the output spelled out and letters for the ellipsis."""
    subscripts = subscripts.replace(" ", "")
    inputs, output = terms(subscripts)
    if len(inputs) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} is for {len(inputs)} operands, {len(ndims)} were given")
    hidden = [n - len(term) + 3 if "..." in term else 0 for term, n in zip(inputs, ndims, strict=True)]
    most = max(hidden)
    named = [len(term.replace("...", "")) for term in inputs]
    if min(hidden) < 0 or any(k + h != n for k, h, n in zip(named, hidden, ndims, strict=True)):
        raise ValueError(f"einsum: {subscripts!r} does not fit operands with {ndims} axes")
    if "->" not in subscripts:
        every = "".join(inputs).replace(".", "")
        output = "..." + "".join(sorted(label for label in set(every) if every.count(label) == 1))
    elif most and "..." not in output:
        raise ValueError("einsum: the output has no ... for the broadcast axes of the operands")
    ellipsis = fresh(inputs, most)
    inputs = tuple(term.replace("...", ellipsis[most - h :]) for term, h in zip(inputs, hidden, strict=True))
    return spell(inputs, output.replace("...", ellipsis))


def from_sublists(operands: tuple) -> tuple[str, list]:
    """Subscripts and operands from the form (x, [0, 1], y, [1, 2], ..., [0, 2])."""

    def word(sublist):
        if any(k is not Ellipsis and not 0 <= operator.index(k) < len(LETTERS) for k in sublist):
            raise ValueError(f"subscript is not within the valid range [0, {len(LETTERS)})")
        return "".join("..." if k is Ellipsis else LETTERS[operator.index(k)] for k in sublist)

    pairs = len(operands) // 2
    subscripts = ",".join(word(sublist) for sublist in operands[1 : 2 * pairs : 2])
    if len(operands) % 2:
        subscripts += "->" + word(operands[-1])
    return subscripts, list(operands[: 2 * pairs : 2])


@numpy_function(np.einsum)
def einsum(*operands, out=None, optimize=False, dtype=None, order="K", casting="safe"):
    """Einstein summation over any number of operands, in NumPy's two spellings."""
    refuse("np.einsum", out=out)
    if isinstance(operands[0], str):
        subscripts, xs = operands[0], list(operands[1:])
    else:
        subscripts, xs = from_sublists(operands)
    xs = [as_array(x) for x in xs]
    if dtype is not None:
        if not all(np.can_cast(x.dtype, dtype, casting) for x in xs):
            raise TypeError(f"einsum: cannot cast every operand to {dtype} under casting={casting!r}")
        xs = [astype(x, dtype) for x in xs]
    return contraction(*xs, subscripts=explicit(subscripts, tuple(x.ndim for x in xs)), optimize=optimize)
