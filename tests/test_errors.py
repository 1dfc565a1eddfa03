"""Golden messages: each error in full, the built-in it derives from, and that nothing is broken after it."""

import dataclasses
import math
import pickle
import warnings

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import errors
from dualdiff.errors import (
    ControlFlowError,
    ConversionError,
    DualdiffError,
    EscapedTensor,
    InputTypeError,
    MutationError,
    NoDerivative,
    ScalarOutputError,
    ShapeError,
    StructureError,
)

X = np.array([1.0, 2.0, 3.0])


def identity(x):
    return x


def total(x):
    return np.sum(x)


def golden(run, error, base, *lines):
    """One case; the id is the name of the test's subject, the message is the lines joined."""
    return run, error, base, "\n  ".join(lines)


def reverse(f, x=X):
    return lambda: dd.grad(f, mode="reverse")(x)


def forward(f, x=X):
    return lambda: dd.grad(f, mode="forward")(x)


# -------------------------------------------------- what f returns
SCALAR = "  -> errors#scalar-output"
SUM_IT = "Sum it, or use jacobian (all rows), vjp (one weighted row) or vmap(grad(f)) (one per example)."
FORGOT = "Is a return statement missing?"
NUMBERS = "Return arrays, numbers or containers of them; use has_aux=True for anything else."


def returns(value):
    def f(x):
        return value(x)

    return f


FLOAT_CONSTANT = "Integers and booleans have no derivative; for a constant return a float, such as 0.0."

OUTPUTS = {
    "array": golden(
        reverse(identity), ScalarOutputError, TypeError,
        "grad needs a scalar output; identity returned shape (3,).",
        SUM_IT + "  -> errors#scalar-output",
    ),
    "array-forward": golden(
        forward(identity), ScalarOutputError, TypeError,
        "grad needs a scalar output; identity returned shape (3,).",
        SUM_IT + "  -> errors#scalar-output",
    ),
    "one-element": golden(
        lambda: dd.value_and_grad(identity)(X[:1]), ScalarOutputError, TypeError,
        "grad needs a scalar output; identity returned shape (1,).",
        SUM_IT + "  -> errors#scalar-output",
    ),
    "tuple": golden(
        reverse(returns(lambda x: (x[0], x[1]))), ScalarOutputError, TypeError,
        "grad needs a scalar output; f returned a tuple.",
        "Return one number, or use jacobian or vjp; has_aux=True carries extra results." + SCALAR,
    ),
    "boolean": golden(
        lambda: dd.grad(returns(lambda x: x > 0))(1.0), ScalarOutputError, TypeError,
        "grad needs a real output; f returned dtype bool.",
        FLOAT_CONSTANT + SCALAR,
    ),
    "integer": golden(
        lambda: dd.grad(returns(lambda x: x.astype(int)), mode="reverse")(1.0), ScalarOutputError, TypeError,
        "grad needs a real output; f returned dtype int64.",
        FLOAT_CONSTANT + SCALAR,
    ),
    "complex": golden(
        lambda: dd.grad(identity)(1j), ScalarOutputError, TypeError,
        "grad needs a real output; identity returned complex128.",
        "Return np.real(...) or np.abs(...), pass holomorphic=True, or use jvp or vjp." + SCALAR,
    ),
    "holomorphic-real": golden(
        lambda: dd.grad(returns(np.real), holomorphic=True)(1j), ScalarOutputError, TypeError,
        "grad with holomorphic=True needs a complex output; f returned float64.",
        "Leave holomorphic away for real-valued functions.  -> errors#scalar-output",
    ),
    "none": golden(
        reverse(returns(lambda x: None)), StructureError, TypeError,
        "grad needs f to return a number or an array; it returned None.",
        FORGOT + "  -> errors#structure",
    ),
    "none-forward": golden(
        forward(returns(lambda x: None)), StructureError, TypeError,
        "grad needs f to return a number or an array; it returned None.",
        FORGOT + "  -> errors#structure",
    ),
    "none-jvp": golden(
        lambda: dd.jvp(returns(lambda x: None), (X,), (X,)), StructureError, TypeError,
        "jvp needs f to return a number or an array; it returned None.",
        FORGOT + "  -> errors#structure",
    ),
    "none-vjp": golden(
        lambda: dd.vjp(returns(lambda x: None), X, mode="forward"), StructureError, TypeError,
        "vjp needs f to return a number or an array; it returned None.",
        FORGOT + "  -> errors#structure",
    ),
    "none-jacobian": golden(
        lambda: dd.jacobian(returns(lambda x: None), mode="forward")(X), StructureError, TypeError,
        "jacobian needs f to return a number or an array; it returned None.",
        FORGOT + "  -> errors#structure",
    ),
    "none-vmap": golden(
        lambda: dd.vmap(returns(lambda x: None))(X), StructureError, TypeError,
        "vmap needs f to return a number or an array; it returned None.",
        FORGOT + "  -> errors#structure",
    ),
    "empty": golden(
        lambda: dd.vjp(returns(lambda x: []), X), StructureError, TypeError,
        "vjp needs f to return a number or an array; it returned [].",
        FORGOT + "  -> errors#structure",
    ),
    "string": golden(
        reverse(returns(lambda x: "text")), StructureError, TypeError,
        "grad needs f to return numbers; it returned a value of type str.",
        NUMBERS + "  -> errors#structure",
    ),
    "function": golden(
        lambda: dd.linearize(returns(lambda x: lambda y: x), X), StructureError, TypeError,
        "linearize needs f to return numbers; it returned a value of type function.",
        NUMBERS + "  -> errors#structure",
    ),
    "object-array": golden(
        lambda: dd.vmap(returns(lambda x: np.array([None])))(X), StructureError, TypeError,
        "vmap needs f to return numbers; it returned a value of type ndarray and dtype object.",
        NUMBERS + "  -> errors#structure",
    ),
    "aux-missing": golden(
        lambda: dd.grad(identity, has_aux=True)(1.0), StructureError, TypeError,
        "has_aux=True needs identity to return a pair (output, aux); it returned one thing.",
        "Return a pair, or leave has_aux away.  -> errors#structure",
    ),
    "aux-triple": golden(
        lambda: dd.grad(returns(lambda x: (x, 1, 2)), has_aux=True)(1.0), StructureError, TypeError,
        "has_aux=True needs f to return a pair (output, aux); it returned 3 things.",
        "Return a pair, or leave has_aux away.  -> errors#structure",
    ),
}  # fmt: skip


# -------------------------------------------------- arguments; all of these raise before f runs
calls = []


def counted(*args, **kwargs):
    """A function that must not run."""
    calls.append(args)
    return 1.0


@dataclasses.dataclass
class Point:
    x: object
    label: object


ASTYPE = "Integers have no derivative: write x.astype(float), or leave the argument out of argnums."
FLOATS = "Pass float arrays, or leave the argument out of argnums."
LEAVE_OUT = "leave the argument out of argnums"
HOLD_FIXED = "hold the argument fixed, as in lambda x: f(x, n)"
SUM_IT = (
    "Sum it, or use jacobian (all rows), vjp (one weighted row) or vmap(grad(f)) (one per example)."
    "  -> errors#scalar-output"
)
HAS_STRUCTURE = "has the structure of the value that it belongs to.  -> errors#structure"


def refused_leaf(value, where, what, remedy, transform="grad"):
    runs = {
        "grad": lambda: dd.grad(counted)(value),
        "jvp": lambda: dd.jvp(counted, (value,), (value,)),
        "vjp": lambda: dd.vjp(counted, value),
        "linearize": lambda: dd.linearize(counted, value),
        "jacobian": lambda: dd.jacobian(counted)(value),
        "hessian": lambda: dd.hessian(counted)(value),
        "hvp": lambda: dd.hvp(counted, (value,), (value,)),
    }
    if transform in ("jvp", "vjp", "linearize", "hvp"):
        remedy = remedy.replace(LEAVE_OUT, HOLD_FIXED)
    return golden(
        runs[transform], InputTypeError, TypeError,
        f"{transform} cannot differentiate with respect to argument 0{where}: {what}.",
        remedy + "  -> errors#input-type",
    )  # fmt: skip


def option(run, found, remedy):
    return golden(run, InputTypeError, ValueError, found, remedy + "  -> errors#input-type")


MODES = "Choose one of 'auto', 'forward', 'reverse'."
CHUNK = "Give a positive int, None for all at once, or 'auto' for what fits in memory."

ARGUMENTS = {
    "integers": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE),
    "booleans": refused_leaf(np.array([True]), "", "its dtype is bool", ASTYPE),
    "numpy-int": refused_leaf(np.int64(3), "", "its dtype is int64", ASTYPE),
    "numpy-bool": refused_leaf(np.bool_(True), "", "its dtype is bool", ASTYPE),
    "bool": refused_leaf(True, "", "it is of type bool", FLOATS),
    "integers-jvp": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE, "jvp"),
    "integers-vjp": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE, "vjp"),
    "integers-linearize": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE, "linearize"),
    "integers-jacobian": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE, "jacobian"),
    "integers-hessian": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE, "hessian"),
    "integers-hvp": refused_leaf(np.arange(3), "", "its dtype is int64", ASTYPE, "hvp"),
    "int-in-dict": refused_leaf({"a": 1.0, "n": 2}, "['n']", "its dtype is int64", ASTYPE),
    "array-in-list": refused_leaf([1.0, np.arange(3)], "[1]", "its dtype is int64", ASTYPE),
    "nested": refused_leaf({"a": [1.0, (2.0, np.int8(1))]}, "['a'][1][1]", "its dtype is int8", ASTYPE),
    "dataclass": refused_leaf(Point(1.0, "here"), ".label", "it is of type str", FLOATS),
    "string": refused_leaf("text", "", "it is of type str", FLOATS),
    "string-in-dict": refused_leaf({"a": 1.0, "s": "text"}, "['s']", "it is of type str", FLOATS),
    "object-array": refused_leaf(np.array([None]), "", "it is of type ndarray and dtype object", FLOATS),
    "set": refused_leaf({1.0, 2.0}, "", "it is of type set", FLOATS),
    "masked": refused_leaf(np.ma.array([1.0]), "", "it is of type MaskedArray and dtype float64", FLOATS),
    "structured": refused_leaf(
        np.zeros(2, [("a", float)]), "", "it is of type ndarray and dtype [('a', '<f8')]", FLOATS
    ),
    "datetime": refused_leaf(
        np.datetime64("2020"), "", "it is of type datetime64 and dtype datetime64[Y]", FLOATS
    ),
    "mode": option(lambda: dd.grad(counted, mode="fwd"), "grad was given mode='fwd'.", MODES),
    "mode-none": option(lambda: dd.value_and_grad(counted, mode=None), "grad was given mode=None.", MODES),
    "mode-jvp": option(
        lambda: dd.jvp(counted, (1.0,), (1.0,), mode="fwd"), "jvp was given mode='fwd'.", MODES
    ),
    "mode-vjp": option(lambda: dd.vjp(counted, 1.0, mode="rev"), "vjp was given mode='rev'.", MODES),
    "mode-jacobian": option(
        lambda: dd.jacobian(counted, mode="fwd"), "jacobian was given mode='fwd'.", MODES
    ),
    "mode-hessian": option(
        lambda: dd.hessian(counted, mode=("forward",)),
        "hessian was given mode=('forward',).",
        "Choose 'auto', 'forward', 'reverse', or a pair of these, outer first.",
    ),
    "mode-hvp": option(
        lambda: dd.hvp(counted, (X,), (X,), mode="forward"),
        "hvp was given mode='forward'.",
        "Choose one of 'auto', 'forward-over-forward', 'forward-over-reverse', 'reverse-over-forward', "
        "'reverse-over-reverse'.",
    ),
    "function": option(
        lambda: dd.grad(3.0),
        "grad needs a function; it was given a value of type float.",
        "Pass the function itself, not the result of calling it.",
    ),
    "function-jvp": option(
        lambda: dd.jvp(X, (X,), (X,)),
        "jvp needs a function; it was given a value of type ndarray.",
        "Pass the function itself, not the result of calling it.",
    ),
    "argnums-range": option(
        lambda: dd.grad(counted, argnums=2)(1.0, 2.0),
        "grad was asked for argument 2; counted was called with 2 positional arguments.",
        "Count from 0, or name a keyword argument.",
    ),
    "argnums-negative": option(
        lambda: dd.jacobian(counted, argnums=-3)(1.0, 2.0),
        "jacobian was asked for argument -3; counted was called with 2 positional arguments.",
        "Count from 0, or name a keyword argument.",
    ),
    "argnums-twice": option(
        lambda: dd.grad(counted, argnums=(1, -1))(1.0, 2.0),
        "grad was given an argument twice: argnums=(1, -1).",
        "Name each once.",
    ),
    "argnums-name": option(
        lambda: dd.grad(counted, argnums="z")(1.0, z_=2.0),
        "grad was asked for argument 'z'; counted has no such argument in this call.",
        "Name an argument of the call.",
    ),
    "argnums-float": option(
        lambda: dd.grad(counted, argnums=1.0)(1.0, 2.0),
        "grad was given argnums=1.0.",
        "Give ints, names or a tuple.",
    ),
    "argnums-empty": option(
        lambda: dd.grad(counted, argnums=())(1.0),
        "grad was given no argnums.",
        "Give an int, a name or a tuple of them.",
    ),
    "no-arguments": option(
        lambda: dd.grad(counted)(),
        "grad was asked for argument 0; counted was called with 0 positional arguments.",
        "Count from 0, or name a keyword argument.",
    ),
    "holomorphic-real": option(
        lambda: dd.grad(counted, holomorphic=True)(1.0),
        "grad with holomorphic=True needs complex arguments; it was given float64.",
        "Pass complex arrays, or leave holomorphic away.",
    ),
    "jacobian-complex": option(
        lambda: dd.jacobian(counted)(1j),
        "jacobian of complex arguments needs holomorphic=True.",
        "For functions that are not, use jvp or vjp.",
    ),
    "hessian-complex": option(
        lambda: dd.hessian(counted)(1j),
        "hessian needs real arguments; it was given complex ones.",
        "For a holomorphic f: jacobian(grad(f, holomorphic=True), holomorphic=True).",
    ),
    "chunk-size-zero": option(
        lambda: dd.jacobian(counted, chunk_size=0), "chunk_size=0 is not a positive int.", CHUNK
    ),
    "chunk-size-float": option(
        lambda: dd.hessian(counted, chunk_size=1.5), "chunk_size=1.5 is not a positive int.", CHUNK
    ),
    "chunk-size-vmap": option(
        lambda: dd.vmap(counted, chunk_size=-1), "chunk_size=-1 is not a positive int.", CHUNK
    ),
    "fallback": option(
        lambda: dd.vmap(counted, fallback="slow"),
        "vmap was given fallback='slow'.",
        "Choose 'error' or 'loop'.",
    ),
    "tangent-shape": golden(
        lambda: dd.jvp(counted, (X,), (X[:2],)), ShapeError, ValueError,
        "jvp was given the tangent[0] of shape (2,) for a value of shape (3,).",
        "Give it the shape of its value.  -> errors#shape",
    ),
    "tangent-structure": golden(
        lambda: dd.jvp(counted, (X,), ({"a": X},)), StructureError, TypeError,
        "jvp was given a tangent of structure tuple(0: dict(a: *)) for a value of structure tuple(0: *).",
        "A tangent " + HAS_STRUCTURE,
    ),
    "tangent-count": golden(
        lambda: dd.hvp(counted, (X,), (X, X)), StructureError, ValueError,
        "hvp was given a tangent of structure tuple(0: *, 1: *) for a value of structure tuple(0: *).",
        "A tangent " + HAS_STRUCTURE,
    ),
    "tangent-complex": option(
        lambda: dd.jvp(counted, ({"a": X},), ({"a": 1j * X},)),
        "jvp was given the tangent[0]['a'] of dtype complex128 for a value of dtype float64.",
        "Give it the dtype of its value.",
    ),
    "tangent-text": option(
        lambda: dd.jvp(counted, (1.0,), ("one",)),
        "jvp was given the tangent[0] of dtype <U3 for a value of dtype float64.",
        "Give it the dtype of its value.",
    ),
    "primals-bare": golden(
        lambda: dd.jvp(counted, X, X), StructureError, TypeError,
        "jvp takes its primals and tangents as tuples; it was given ndarray and ndarray.",
        "Write jvp(f, (x,), (x_dot,)).  -> errors#structure",
    ),
    "hvp-bare": golden(
        lambda: dd.hvp(counted, X, X), StructureError, TypeError,
        "hvp takes its primals and tangents as tuples.",
        "Write hvp(f, (x,), (v,)).  -> errors#structure",
    ),
    "in-axes-sizes": golden(
        lambda: dd.vmap(counted)(np.ones((2, 3)), np.ones((3, 2))), ShapeError, ValueError,
        "vmap(counted) needs one length for all mapped axes; it found 2 (argument 0), 3 (argument 1).",
        "Check in_axes.  -> errors#shape",
    ),
    "in-axes-none": golden(
        lambda: dd.vmap(counted, in_axes=None)(X), ShapeError, ValueError,
        "vmap(counted) needs one length for all mapped axes; it found none.",
        "Check in_axes.  -> errors#shape",
    ),
    "in-axes-range": golden(
        lambda: dd.vmap(counted, in_axes=1)(X), ShapeError, ValueError,
        "vmap(counted) maps axis 1 of argument 0, which has shape (3,).",
        "Give in_axes=None for arguments that all examples share.  -> errors#shape",
    ),
    "in-axes-scalar": golden(
        lambda: dd.vmap(counted)(1.0), ShapeError, ValueError,
        "vmap(counted) maps axis 0 of argument 0, which has shape ().",
        "Give in_axes=None for arguments that all examples share.  -> errors#shape",
    ),
    "in-axes-length": golden(
        lambda: dd.vmap(counted, in_axes=(0, 0))(X), StructureError, ValueError,
        "vmap axes (0, 0) do not fit a tuple of 1.",
        "Give one axis, or a container that is a prefix of the arguments.  -> errors#structure",
    ),
    "in-axes-key": golden(
        lambda: dd.vmap(counted, in_axes=({"b": 0},))({"a": X}), StructureError, ValueError,
        "vmap axes {'b': 0} do not fit a dict with the keys 'a'.",
        "Give one axis, or a container that is a prefix of the arguments.  -> errors#structure",
    ),
    "in-axes-type": option(
        lambda: dd.vmap(counted, in_axes=0.5),
        "vmap was given 0.5 in in_axes.",
        "Give ints, None for what all examples share, or containers.",
    ),
    "in-axes-text": option(
        lambda: dd.vmap(counted, in_axes=(0, "0")),
        "vmap was given '0' in in_axes.",
        "Give ints, None for what all examples share, or containers.",
    ),
    "out-axes-none": option(
        lambda: dd.vmap(counted, out_axes=None),
        "vmap was given out_axes=None.",
        "Every result has a batch axis: give an int.",
    ),
    "mapped-text": option(
        lambda: dd.vmap(counted)("abc"),
        "vmap(counted) cannot map argument 0: it is of type str.",
        "Give in_axes=None for arguments that all examples share.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("transform", ["grad", "jvp", "vjp", "linearize", "jacobian", "hessian", "hvp"])
def test_matrix_is_refused_before_f_runs(transform):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix([[1.0, 2.0]])
    run, error, _base, message = refused_leaf(
        matrix, "", "it is of type matrix and dtype float64", FLOATS, transform
    )
    calls.clear()
    with pytest.raises(error) as caught:
        run()
    assert str(caught.value) == message
    assert calls == []


# -------------------------------------------------- inside f
PLAIN_ARRAY = (
    "Build arrays of tensors with np.stack or dualdiff.numpy.array; to write tensors into an array, start "
    "from dualdiff.numpy.zeros, np.zeros_like(x) or x.copy(); or pass stop_gradient(x).  -> errors#conversion"
)
TAKE = (
    "Use np.* functions on the tensor, dualdiff.numpy.take(a, i) for a[i], np.stack to build arrays."
    "  -> errors#conversion"
)
CONVERTS = "math.* and writing into a plain array convert as well."
VIEW = (
    "Write to a copy (v = x[0:2].copy()), write x[0:2] = v instead of writing into a view, or let go of the "
    "views of x before writing to it.  -> errors#mutation"
)
INTO_ARRAY = (
    "Start from dualdiff.numpy.zeros(shape), np.zeros_like(x) or x.copy(), which hold tensors.  "
    "-> errors#conversion"
)
USE_NUMPY = (
    "Use the np.* function on the tensor itself, np.stack to build arrays, dualdiff.numpy.zeros or x.copy() "
    "for an array to write tensors into, or stop_gradient(x).  -> errors#conversion"
)
NO_RULE = "Declare it in one row (how-to/add-an-op), or pass stop_gradient(x).  -> errors#no-derivative"
USE_WHERE = "Use np.where, or vmap(..., fallback='loop').  -> errors#control-flow"


def write_into_plain(x):
    a = np.zeros(3)
    a[:] = x
    return np.sum(a)


def add_into_plain(x):
    a = np.zeros(3)
    a += x
    return np.sum(a)


def write_element(x):
    a = np.zeros(3)
    a[0] = x[0]


def write_into_view(x):
    v = x[:2]
    v[0] = 1.0


def write_under_view(x):
    v = x[:2]
    x *= 2.0
    return v


def in_place_on_view(x):
    v = x[:2]
    v += 1.0
    return np.sum(x)


def write_batched(x):
    def one(v):
        x[0] = v

    dd.vmap(one)(X)


def write_integers(x):
    np.zeros_like(x, dtype=np.int64)[:] = x


def in_place_cast(x):
    x += 1j


def changed_later():
    c = np.ones(1000)
    _, pullback = dd.vjp(lambda x: x * c, 2.0)
    c[7] = 5.0
    pullback(np.ones(1000))


def becoming_array(kind, shape="(3,)"):
    return f"a {kind} of shape {shape} was about to become a plain array, which would drop its derivative."


INSIDE = {
    "float": golden(
        reverse(float, 1.0), ConversionError, TypeError,
        "float() of a TapeTensor would drop its derivative; " + CONVERTS, USE_NUMPY,
    ),
    "complex": golden(
        forward(complex, 1.0), ConversionError, TypeError,
        "complex() of a DualTensor would drop its derivative; " + CONVERTS, USE_NUMPY,
    ),
    "item": golden(
        reverse(lambda x: x.item(), 1.0), ConversionError, TypeError,
        "item() of a TapeTensor would drop its derivative; " + CONVERTS, USE_NUMPY,
    ),
    "tolist": golden(
        reverse(lambda x: sum(x.tolist())), ConversionError, TypeError,
        "tolist() of a TapeTensor would drop its derivative; " + CONVERTS, USE_NUMPY,
    ),
    "math": golden(
        forward(math.sin, 1.0), ConversionError, TypeError,
        "float() of a DualTensor would drop its derivative; " + CONVERTS, USE_NUMPY,
    ),
    "math-batched": golden(
        lambda: dd.vmap(math.sin)(X), ConversionError, TypeError,
        "float() of a batched value of 3 examples has no single result.",
        "Use np.* functions on the tensor, or vmap(..., fallback='loop').  -> errors#conversion",
    ),
    "asarray": golden(
        reverse(lambda x: np.sum(np.asarray(x))), ConversionError, TypeError,
        becoming_array("TapeTensor"), PLAIN_ARRAY,
    ),
    "asarray-forward": golden(
        forward(lambda x: np.sum(np.asarray(x, dtype=float))), ConversionError, TypeError,
        becoming_array("DualTensor"), PLAIN_ARRAY,
    ),
    "asarray-batched": golden(
        lambda: dd.vmap(np.asarray)(np.ones((2, 3))), ConversionError, TypeError,
        "a batched value of 2 examples was about to become a plain array for one.", TAKE,
    ),
    "index-batched": golden(
        lambda: dd.vmap(lambda i: X[i])(np.arange(2)), ConversionError, TypeError,
        "a batched value of 2 examples was about to become a plain array for one.", TAKE,
    ),
    "array-of-list": golden(
        reverse(lambda x: np.sum(np.array([x[0], x[1]]))), ConversionError, TypeError,
        becoming_array("TapeTensor", "()"), PLAIN_ARRAY,
    ),
    "array-of-mixed": golden(
        forward(lambda x: np.sum(np.asarray([1.0, x[1]]))), ConversionError, TypeError,
        becoming_array("DualTensor", "()"), PLAIN_ARRAY,
    ),
    "float64": golden(
        reverse(lambda x: np.float64(x[0])), ConversionError, TypeError,
        becoming_array("TapeTensor", "()"), PLAIN_ARRAY,
    ),
    "ufunc-of-list": golden(
        reverse(lambda x: np.sin([x[0], x[1]])[0]), ConversionError, TypeError,
        becoming_array("TapeTensor", "()"), PLAIN_ARRAY,
    ),
    "write": golden(
        reverse(write_into_plain), ConversionError, TypeError, becoming_array("TapeTensor"), PLAIN_ARRAY,
    ),
    "add-into": golden(
        reverse(add_into_plain), ConversionError, TypeError,
        "np.add(..., out=) would write a tensor into a plain array and drop its derivative.",
        INTO_ARRAY,
    ),
    "out": golden(
        reverse(lambda x: np.sum(x, out=np.zeros(()))), ConversionError, TypeError,
        "np.sum(..., out=) would write a tensor into a plain array and drop its derivative.",
        INTO_ARRAY,
    ),
    "pickle": golden(
        reverse(lambda x: len(pickle.dumps(x))), ConversionError, TypeError,
        "a live TapeTensor cannot be pickled.",
        "Pickle the results of the transform instead.  -> errors#conversion",
    ),
    "write-element": golden(
        reverse(write_element), ConversionError, TypeError,
        "float() of a TapeTensor would drop its derivative; " + CONVERTS, USE_NUMPY,
    ),
    "write-into-a-view": golden(
        reverse(write_into_view), MutationError, RuntimeError,
        "x[key] = v on a tensor of shape (2,) would show in 1 more that NumPy lets show the same memory, "
        "such as one of shape (3,).", VIEW,
    ),
    "write-under-a-view": golden(
        forward(write_under_view), MutationError, RuntimeError,
        "in-place multiply on a tensor of shape (3,) would show in 1 more that NumPy lets show the same "
        "memory, such as one of shape (2,).", VIEW,
    ),
    "in-place-on-a-view": golden(
        forward(in_place_on_view), MutationError, RuntimeError,
        "a tensor was used after a write that NumPy would let show in it, such as `v += ...` on a view.",
        "Write x[0:2] += ... in one statement, v = v + ..., or take a copy: v = x[0:2].copy().  "
        "-> errors#mutation",
    ),
    "write-batched": golden(
        reverse(write_batched), MutationError, RuntimeError,
        "a write of batched values to a tensor of shape (3,) that all examples share.",
        "Inside vmap, write to an array made there with np.zeros_like, or use x.at[i].set(v).  "
        "-> errors#mutation",
    ),
    "write-integers": golden(
        reverse(write_integers), ConversionError, TypeError,
        "writing a tensor of float64 into one of int64 would drop its derivative.",
        "Give the target a floating dtype.  -> errors#conversion",
    ),
    "in-place-cast": golden(
        forward(in_place_cast), ConversionError, TypeError,
        "add in place of complex128 values into a tensor of float64: NumPy cannot cast them with casting "
        "rule 'same_kind'.",
        "Write x = x + v, or give x the wider dtype first.  -> errors#conversion",
    ),
    "changed-later": golden(
        changed_later, MutationError, RuntimeError,
        "an array of shape (1000,) and dtype float64 that <lambda> had combined with a tensor was changed "
        "between its return and the sweep.",
        "Leave what a function reads as it is while its pullback is in use, or give it a copy.  "
        "-> errors#mutation",
    ),
    "uncovered": golden(
        reverse(lambda x: np.sum(np.packbits(x) * x)), NoDerivative, NotImplementedError,
        "np.packbits has no derivative in dualdiff and is not declared constant.", NO_RULE,
    ),
    "uncovered-base": golden(
        forward(lambda x: np.busday_count(x, x)), NoDerivative, TypeError,
        "np.busday_count has no derivative in dualdiff and is not declared constant.", NO_RULE,
    ),
    "method": golden(
        reverse(lambda x: x.tobytes()), NoDerivative, NotImplementedError,
        "ndarray.tobytes is not available on a TapeTensor.",
        "Apply it to stop_gradient(x).  -> errors#no-derivative",
    ),
    "keyword": golden(
        reverse(lambda x: np.sum(np.add(x, x, where=x > 1))), NoDerivative, NotImplementedError,
        "np.add on a tensor does not support where= (got ndarray).",
        "Leave out where=, or apply the function to stop_gradient(x).  -> errors#no-derivative",
    ),
    "if-batched": golden(
        lambda: dd.vmap(lambda x: x if x > 0 else -x)(X), ControlFlowError, TypeError,
        "a batched value of 3 examples cannot steer Python control flow.", USE_WHERE,
    ),
    "while-batched": golden(
        lambda: dd.vmap(lambda x: [x := x / 2 for _ in iter(lambda: bool(x > 1), False)])(X),
        ControlFlowError, TypeError,
        "a batched value of 3 examples cannot steer Python control flow.", USE_WHERE,
    ),
    "output-vector-hessian": golden(
        lambda: dd.hessian(np.sin)(X), ScalarOutputError, TypeError,
        "hessian needs a scalar output; sin returned shape (3,).", SUM_IT,
    ),
    **{
        f"output-vector-hvp-{mode}": golden(
            lambda mode=mode: dd.hvp(np.sin, (X,), (X,), mode=mode), ScalarOutputError, TypeError,
            "hvp needs a scalar output; sin returned shape (3,).", SUM_IT,
        )
        for mode in ("auto", "reverse-over-forward", "reverse-over-reverse", "forward-over-forward")
    },
    "int-batched": golden(
        lambda: dd.vmap(lambda x: x * int(x))(X), ControlFlowError, TypeError,
        "a batched value of 3 examples cannot steer Python control flow.", USE_WHERE,
    ),
    "nonzero-batched": golden(
        lambda: dd.vmap(lambda x: np.nonzero(x)[0])(np.ones((2, 3))), ControlFlowError, TypeError,
        "np.nonzero of a batched value of 2 examples cannot steer Python control flow.", USE_WHERE,
    ),
    "mask-batched": golden(
        lambda: dd.vmap(lambda x: x[x > 1])(np.ones((2, 3))), ControlFlowError, TypeError,
        "indexing with a batched boolean mask: the shape of the result would depend on the example.",
        "Use np.where(mask, x, 0).  -> errors#control-flow",
    ),
}  # fmt: skip

AFTER = {
    "cotangent-shape": golden(
        lambda: dd.vjp(np.sin, X)[1](X[:2]), ShapeError, ValueError,
        "the pullback was given the cotangent of shape (2,) for a value of shape (3,).",
        "Give it the shape of its value.  -> errors#shape",
    ),
    "cotangent-structure": golden(
        lambda: dd.vjp(np.sin, X)[1]((X,)), StructureError, TypeError,
        "the pullback was given a cotangent of structure tuple(0: *) for a value of structure *.",
        "A cotangent " + HAS_STRUCTURE,
    ),
    "cotangent-complex": option(
        lambda: dd.vjp(np.sin, X)[1](1j * X),
        "the pullback was given the cotangent of dtype complex128 for a value of dtype float64.",
        "Give it the dtype of its value.",
    ),
    "pushforward-shape": golden(
        lambda: dd.linearize(np.sin, X)[1](X[:2]), ShapeError, ValueError,
        "the pushforward was given the tangent[0] of shape (2,) for a value of shape (3,).",
        "Give it the shape of its value.  -> errors#shape",
    ),
    "transpose-shape": golden(
        lambda: dd.linearize(lambda x: {"s": x}, X)[1].T({"s": X[:2]}), ShapeError, ValueError,
        "the pullback was given the cotangent['s'] of shape (2,) for a value of shape (3,).",
        "Give it the shape of its value.  -> errors#shape",
    ),
    "out-axes-range": golden(
        lambda: dd.vmap(identity, out_axes=3)(X), ShapeError, ValueError,
        "vmap was given out_axes=3 for a result of shape () for each example.",
        "Give an int from -1 to 0.  -> errors#shape",
    ),
    "out-axes-length": golden(
        lambda: dd.vmap(lambda x: (x, x), out_axes=(0,))(X), StructureError, ValueError,
        "vmap axes (0,) do not fit a tuple of 2.",
        "Give one axis, or a container that is a prefix of the arguments.  -> errors#structure",
    ),
    "jacobian-complex-output": option(
        lambda: dd.jacobian(lambda x: 1j * x)(X),
        "jacobian with holomorphic=False was given <lambda>, which returns complex128.",
        "Complex outputs need holomorphic=True, real ones need it left away.",
    ),
    "jacobian-holomorphic-real": option(
        lambda: dd.jacobian(np.real, holomorphic=True)(1j * X),
        "jacobian with holomorphic=True was given real, which returns float64.",
        "Complex outputs need holomorphic=True, real ones need it left away.",
    ),
}  # fmt: skip

CASES = [
    pytest.param(*case, id=f"{group}-{name}")
    for group, table in {"output": OUTPUTS, "argument": ARGUMENTS, "inside": INSIDE, "after": AFTER}.items()
    for name, case in table.items()
]


@pytest.mark.parametrize("run, error, base, message", CASES)
def test_message_is_golden(run, error, base, message):
    calls.clear()
    with pytest.raises(error) as caught:
        run()
    assert str(caught.value) == message
    assert isinstance(caught.value, base)
    assert isinstance(caught.value, DualdiffError)
    assert calls == []  # `counted` stands where the arguments are wrong: it never runs
    assert dd.grad(lambda x: x * x)(3.0) == 6.0


def test_escaped_tensor_names_function_file_and_line():
    kept = []

    def keeps(x):
        kept.append(x)
        return x * x

    line = keeps.__code__.co_firstlineno
    for mode in ("forward", "reverse"):
        dd.grad(keeps, mode=mode)(2.0)
        with pytest.raises(EscapedTensor) as caught:
            kept[-1] + 1
        assert str(caught.value) == (
            f"this tensor was made inside grad(keeps) at test_errors.py:{line}, which has returned.\n"
            "  Return it from the function (has_aux=True carries extra results out), or store "
            "stop_gradient(x).  -> errors#escaped"
        )
        assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize("index", [0, (0,), slice(0, 1)], ids=str)
def test_writing_a_number_tensor_into_a_plain_array_raises_the_hint(index):
    # NumPy itself turns the TypeError of float() into a ValueError for an object with a __getitem__, and
    # chains ours as its cause: the hint is shown.
    def f(x):
        a = np.zeros(3)
        a[index] = x[0]
        return np.sum(a)

    for mode in ("forward", "reverse"):
        with pytest.raises((ConversionError, ValueError)) as caught:
            dd.grad(f, mode=mode)(X)
        causes = [caught.value, caught.value.__cause__]
        assert any(isinstance(error, ConversionError) for error in causes)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_errors_of_numpy_keep_their_type(mode):
    for f, error in [
        (lambda x: x[7], IndexError),
        (lambda x: x[0.5], IndexError),
        (lambda x: x[x[0]], IndexError),
        (lambda x: x["a"], IndexError),
        (lambda x: x[0, 0], IndexError),
        (lambda x: np.sum(x, axis=3), np.exceptions.AxisError),
        (lambda x: x + np.ones(2), ValueError),
        (lambda x: x.reshape(2, 2), ValueError),
        (lambda x: np.concatenate([x, np.ones((1, 1))]), ValueError),
        (lambda x: len(x[0]), TypeError),
        (lambda x: list(x[0]), TypeError),
        (lambda x: [1, 2, 3][x[0]], TypeError),
        (lambda x: x.no_such_thing, AttributeError),
        (lambda x: x + "text", TypeError),
        (lambda x: x + None, TypeError),
        (lambda x: x @ x[0], (TypeError, ValueError)),
    ]:
        with pytest.raises(error):
            dd.grad(f, mode=mode)(X)
        with pytest.raises(error):
            f(X)
        assert dd.grad(lambda x: x * x)(3.0) == 6.0


def error_classes():
    """Every exception of the module that is not a warning."""
    classes = [x for x in vars(errors).values() if isinstance(x, type)]
    return [x for x in classes if not issubclass(x, Warning)]


def test_every_error_derives_from_the_base_and_a_builtin():
    for error in error_classes():
        assert issubclass(error, DualdiffError)
        builtin = (TypeError, ValueError, RuntimeError, ArithmeticError, AssertionError)
        assert error is DualdiffError or issubclass(error, builtin)
        assert error.__doc__


def test_every_anchor_is_named_once():
    anchors = [error.anchor for error in error_classes()]
    assert len(set(anchors)) == len(anchors)


# -------------------------------------------------- what NumPy refuses of axes, keywords and dtypes
SQUARE = np.arange(1.0, 5.0).reshape(2, 2)
REFUSED_BY_NUMPY = {
    "keepdims of text": lambda x: np.sum(x, keepdims="yes"),
    "keepdims of a float": lambda x: np.max(x, keepdims=1.5),
    "keepdims of None": lambda x: np.mean(x, keepdims=None),
    "keepdims of a list": lambda x: np.prod(x, keepdims=[]),
    "axes in a list, sum": lambda x: np.sum(x, axis=[0]),
    "no axes in a list, mean": lambda x: np.mean(x, axis=[]),
    "axes in a list, var": lambda x: np.var(x, axis=[0]),
    "axes in a list, norm": lambda x: np.linalg.norm(x, axis=[0]),
    "axes in a list, squeeze": lambda x: np.squeeze(x[:1], axis=[0]),
    "axis False, max": lambda x: np.max(x, axis=False),
    "axis True, squeeze": lambda x: np.squeeze(x[:, :1], axis=True),
    "axis False, cumsum": lambda x: np.cumsum(x, axis=False),
    "axis False, argmax": lambda x: np.argmax(x, axis=False) * x,
    "axis False, concatenate": lambda x: np.concatenate([x, x], axis=False),
    "a dtype that is an array, sum": lambda x: np.sum(x, dtype=x),
    "a dtype that is an array, astype": lambda x: x.astype(x),
    "too few axes, matmul": lambda x: np.matmul(x, x, axes=[]),
    "a sublist out of range, einsum": lambda x: np.einsum(x, [0, 60]),
}


@pytest.mark.parametrize("mode", ["reverse", "forward", "vmap"])
@pytest.mark.parametrize("f", REFUSED_BY_NUMPY.values(), ids=REFUSED_BY_NUMPY)
def test_what_numpy_refuses_is_refused_alike(f, mode):
    with pytest.raises((TypeError, ValueError)) as plain:
        f(SQUARE)
    runs = {
        "reverse": lambda: dd.vjp(f, SQUARE),
        "forward": lambda: dd.jvp(f, (SQUARE,), (SQUARE,)),
        "vmap": lambda: dd.vmap(f)(SQUARE[None]),
    }
    with pytest.raises(plain.type):
        runs[mode]()
