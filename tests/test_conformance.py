"""On tensors NumPy's functions do what they do on arrays: value, dtype and shape, or an exception.

The calls are generated from the signatures: every keyword that `VALUES` knows takes each of its values, right
and wrong, alone and beside each value of `axis`, on arrays of several shapes and dtypes. What NumPy takes is
answered alike or refused by an error of this library; what NumPy refuses is refused.
"""

import inspect
import warnings

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.core import FUNCTIONS
from dualdiff.errors import DualdiffError
from dualdiff.memory import is_read_only, members

ARRAYS = {
    "0-d": np.array(1.5),
    "vector": np.array([3.0, 1.0, 2.5]),
    "matrix": np.array([[3.0, 1.0, 2.5], [2.0, 5.0, -4.5]]),
    "square": np.array([[4.0, 1.0], [1.0, 3.0]]),
    "float32": np.array([[3.0, 1.1, 2.5], [2.0, 5.0, -4.5]], np.float32),
    "float16": np.array([3.0, 1.1, 2.5], np.float16),
    "empty": np.zeros((0, 3)),
    "stack": np.arange(12.0).reshape(2, 2, 3) - 4.5,
    "complex": np.array([[3.0, 1j, 2.5], [2.0, 5.0, -4.5 + 2j]]),
}
AXES = [None, 0, -1, 1, 2, -3, (0, 1), (0,), (), (0, 0), 0.0, "0"]
VALUES = {
    "axis": AXES,
    "keepdims": [True, False, 1],
    "dtype": [None, np.float32, np.float64, "f4", complex, int, "foo"],
    "ddof": [0, 1, 5, 0.5],
    "correction": [0, 1],
    "where": [True, False],
    "initial": [0.0, 2.0, 7],
    "k": [0, 1, -1, 5, 1.0, (0, 1)],
    "n": [0, 1, 2, -1],
    "kind": ["quicksort", "stable", "heapsort", "foo"],
    "stable": [True, False, None],
    "decimals": [0, 1, -1],
    "copy": [True, False, None, 0],
    "order": ["C", "F", "A", "K", "foo", 0],
    "offset": [0, 1, -2],
    "axis1": [0, 1, 2],
    "axis2": [0, 1, -1],
    "nan": [0.0, 1.0],
    "posinf": [None, 3.0],
    "deg": [True, False],
    "ord": [None, 1, 2, -2, np.inf, "fro", "nuc", 0, 3, "foo"],
    "p": [None, 1, 2, -2, np.inf, "fro"],
    "hermitian": [True, False],
    "compute_uv": [True, False],
    "full_matrices": [True, False],
    "mode": ["reduced", "complete", "r", "raw", "full", "foo"],
    "UPLO": ["L", "U", "l", "X"],
    "upper": [True, False],
    "rowvar": [True, False, 0],
    "bias": [True, False],
    "include_initial": [True, False],
    "shape": [None, (3,), 2, (2, 3), "a"],
    "subok": [True, False],
    "period": [1.0, 6.0],
    "discont": [None, 1.0],
    "increasing": [True, False],
    "N": [None, 2, 0],
    "norm": [None, "ortho", "forward", "foo"],
    "method": ["linear", "lower", "nearest", "foo"],
    "overwrite_input": [False],
    "rtol": [None, 1e-3],
    "rcond": [None, 1e-3],
    "dx": [1.0, 0.5],
    "sorted": [True, False],
    "axes": [None, (1, 0), (0, 1), (0, 0), 0, (0, 5)],
    "optimize": [True, False],
    "repeats": [0, 2, [1, 2, 0], -1],
    "reps": [2, (2, 1), 0],
    "shift": [1, -1, (1, 0), 0],
    "pad_width": [1, (1, 2), 0, -1],
    "indices_or_sections": [1, 2, [1], 7],
    "source": [0, -1, (0, 1), 3],
    "destination": [0, -1, (1, 0), 3],
    "v": [0.0, [1.0, 2.0]],
    "q": [0.3, [0.0, 1.0], 1.5],
    "kth": [0, 1, -1, 9, (0, 1)],
    "indices": [0, [0, 1, 0], 9, -1, 0.5],
    "fill_value": [1.0, [1.0]],
    "m": [(0, 1), (1, 0), (0, 0)],
    "minlength": [0, 5],
    "a_min": [None, 0.0], "a_max": [None, 2.0], "min": [None, 0.0], "max": [None, 2.0],
}  # fmt: skip

# Calls in which the library differs on purpose, by function and keyword, and why.
ON_PURPOSE = {
    ("argsort", "kind"): "every kind gives the stable permutation",
    ("clip", "a_min"): "one bound is enough, as for min= and max=",
    ("clip", "a_max"): "one bound is enough, as for min= and max=",
    ("reshape", "shape"): "shape=None, which NumPy takes for none at all, is refused",
    ("take", "indices"): "an index out of range is refused also where no element is taken",
    ("full_like", "fill_value"): "a vector of one element is no number",
    ("average", "axis"): "the average of nothing is nan, as the mean of nothing is",
    ("pad", "pad_width"): "of a number",
    ("unique", "sorted"): "values come sorted in any case",
    ("repeat", "repeats"): "a number has no axis to repeat along, and no count is negative",
    ("unstack", "axis"): "axis=None is left to the error that it runs into",
}
# Functions of which less is asked, and why.
APART = {
    "empty_like": "its elements are whatever was there",
    "empty": "its elements are whatever was there",
    "arange": "its numbers are plain",
    "take_along_axis": "indices may be a list",
    "trim_zeros": "of a number",
    "fftshift": "a number is shifted to itself",
    "ifftshift": "a number is shifted to itself",
    "correlate": "a number counts as a vector",
    "convolve": "a number counts as a vector",
    "polydiv": "a number counts as a polynomial",
    "polyder": "rows count as coefficients",
    "polyint": "a number counts as a polynomial",
    "poly": "half precision stays half precision",
    "tensorinv": "a number is its own tensor",
    "roll": "no axis is no shift",
    "diff": "of a number",
    "partition": "elements that are not the kth may stand in another order",
}
# Of empty arrays NumPy refuses these, or gives another shape, by accident.
APART_IF_EMPTY = {"nanquantile", "nanpercentile", "cov", "corrcoef", "pinv"}


def parameters(function):
    """The parameters that have no default, without the array itself, and those that have one."""
    try:
        known = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None, ()
    if not known or known[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return None, ()
    needed = [p.name for p in known[1:] if p.default is p.empty and p.kind < 2]
    return needed, [p.name for p in known[1:] if p.default is not p.empty]


def calls(function):
    """Keyword arguments: one after another, and each beside each axis."""
    needed, optional = parameters(function)
    if needed is None or not all(name in VALUES for name in needed):
        return
    base = {name: VALUES[name][0] for name in needed}
    yield base
    for name in [*needed, *optional]:
        for value in VALUES.get(name, ()):
            yield {**base, name: value}
            if name != "axis" and "axis" in (*needed, *optional):
                for axis in (0, -1, (0, 1)):
                    yield {**base, name: value, "axis": axis}


def outcome(run):
    """("value", leaves) or ("error", exception), with warnings silenced."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return "value", run()
        except Exception as error:
            return "error", error


def same(ours, numpys):
    if isinstance(numpys, (tuple, list)):
        return len(ours) == len(numpys) and all(map(same, ours, numpys))
    if isinstance(numpys, (np.ndarray, np.generic)):
        ours = np.asarray(ours)
        alike = (ours.shape, ours.dtype) == (numpys.shape, numpys.dtype)
        eps = np.finfo(numpys.dtype).eps if numpys.dtype.kind in "fc" else 0
        return alike and np.allclose(ours, numpys, rtol=64 * eps, atol=64 * eps, equal_nan=True)
    if type(numpys) is int:  # some versions count in Python's integers, others in their own
        return np.ndim(ours) == 0 and np.result_type(ours).kind in "iu" and ours == numpys
    return type(ours) is type(numpys) and ours == numpys


REFUSALS = (TypeError, ValueError, IndexError, DualdiffError)


def on_tensor(function, x, keywords):
    """The value of the call inside a transform, without its derivative."""
    found = []

    def f(x):
        found.append(dd.stop_gradient(function(x, **keywords)))
        return 0.0

    dd.jvp(f, (x,), (np.ones_like(x),))
    return found[0]


def complaint(function, x, keywords):
    """What differs between the call on an array and on a tensor; None if nothing does."""
    kind, expected = outcome(lambda: function(x, **keywords))
    ours, found = outcome(lambda: on_tensor(function, x, keywords))
    if kind == "value" and ours == "value":
        return None if same(found, expected) else f"{found!r} is not {expected!r}"
    if kind == "value":
        refused = isinstance(found, DualdiffError)
        return None if refused else f"raises {found!r} where NumPy gives {expected!r}"
    if ours == "value" and np.lib.NumpyVersion(np.__version__) < "2.4.0":
        return None  # what a later NumPy takes is taken with every version
    if ours == "value":
        return f"gives {found!r} where NumPy raises {expected!r}"
    return None if isinstance(found, REFUSALS) else f"raises {found!r} where NumPy raises {expected!r}"


def name_of(function):
    return f"{function.__module__.removeprefix('numpy').lstrip('.')}.{function.__name__}".lstrip(".")


FUNCTIONS_WITH_CALLS = [
    f
    for f in FUNCTIONS
    if not isinstance(f, np.ufunc) and f.__name__ not in APART and any(True for _ in calls(f))
]


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("function", FUNCTIONS_WITH_CALLS, ids=name_of)
@convention("NP-5")
def test_call_on_a_tensor_is_the_call_on_an_array(function, array):
    if array == "empty" and function.__name__ in APART_IF_EMPTY:
        return
    found = []
    for keywords in calls(function):
        if array == "empty" and keywords.get("axis") == ():
            continue
        if any((function.__name__, keyword) in ON_PURPOSE for keyword in keywords):
            continue
        what = complaint(function, ARRAYS[array], keywords)
        if what is not None:
            found.append(f"{name_of(function)}(x, {keywords}) {what}")
    assert not found, "\n".join(found)


# -------------------------------------------------- memory
def leaves(y):
    return [leaf for part in y for leaf in leaves(part)] if isinstance(y, (tuple, list)) else [y]


def memory_of(y, x):
    """How an array shows the memory of x: "" not at all, or by a result that can be written or not."""
    if not isinstance(y, np.ndarray) or not y.size or not np.shares_memory(x, y):
        return ""
    return "writable" if y.flags.writeable else "read-only"


def memory_on_tensor(y, x):
    if not any(y is member for member in members(x)):
        return ""
    return "read-only" if is_read_only(y) else "writable"


@pytest.mark.parametrize("array", ["vector", "matrix", "square", "stack", "complex"])
@pytest.mark.parametrize("function", FUNCTIONS_WITH_CALLS, ids=name_of)
def test_result_shows_the_memory_that_numpys_result_shows(function, array):
    """So that a write through it, or under it, is refused; what NumPy copied is at least never x itself."""
    found = []

    def f(x):
        kind, y = outcome(lambda: function(x, **keywords))
        pairs = zip(leaves(y), leaves(expected), strict=False) if kind == "value" else ()
        for ours, numpys in pairs:
            if not isinstance(ours, dd.core.Tracer) or not ours.size:
                continue
            shown, needed = memory_on_tensor(ours, x), memory_of(numpys, plain)
            if shown != needed and (needed or ours is x or shown == "read-only"):
                found.append(f"{name_of(function)}(x, {keywords}): {shown!r} where NumPy has {needed!r}")
        return 0.0

    for keywords in calls(function):
        plain = ARRAYS[array].copy()
        kind, expected = outcome(lambda: function(plain, **keywords))  # noqa: B023
        if kind == "value":
            dd.jvp(f, (plain,), (np.ones_like(plain),))
    assert not found, "\n".join(found)
