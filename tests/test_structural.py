"""Functions that move, repeat and join elements: NumPy's values, and the Jacobian of the map that they are.

All of them are affine in their arguments, so the exact Jacobian is what plain NumPy makes of unit vectors.
"""

import inspect
import warnings

import numpy as np
import pytest

import dualdiff as dd

A = np.random.default_rng(7).uniform(-2, 2, (3, 4))
CUBE = np.random.default_rng(8).uniform(-2, 2, (2, 3, 4))
V = np.random.default_rng(9).uniform(-2, 2, 5)
W = np.arange(0.0, 50, 10)

CASES = {
    "reshape": (lambda x: np.reshape(x, (2, -1)), A),
    "reshape-F": (lambda x: np.reshape(x, (2, 6), order="F"), A),
    "reshape-method-F": (lambda x: x.reshape(4, 3, order="F"), A),
    "ravel": (np.ravel, CUBE),
    "ravel-F": (lambda x: np.ravel(x, "F"), CUBE),
    "flatten": (lambda x: x.flatten(), CUBE),
    "transpose": (np.transpose, CUBE),
    "transpose-axes": (lambda x: np.transpose(x, (1, 2, 0)), CUBE),
    "transpose-method": (lambda x: x.transpose(2, 0, 1), CUBE),
    "T": (lambda x: x.T, CUBE),
    "mT": (lambda x: x.mT, CUBE),
    "permute_dims": (lambda x: np.permute_dims(x, (2, 1, 0)), CUBE),
    "matrix_transpose": (np.matrix_transpose, CUBE),
    "linalg.matrix_transpose": (np.linalg.matrix_transpose, CUBE),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), CUBE),
    "moveaxis": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), CUBE),
    "rollaxis": (lambda x: np.rollaxis(x, 2), CUBE),
    "rollaxis-start": (lambda x: np.rollaxis(x, 0, 3), CUBE),
    "rollaxis-negative": (lambda x: np.rollaxis(x, -1, -2), CUBE),
    "expand_dims": (lambda x: np.expand_dims(x, (0, -1)), A),
    "squeeze": (lambda x: np.squeeze(x[:, :1]), A),
    "squeeze-axis": (lambda x: np.squeeze(x[:, :1], axis=1), A),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3, 4)), A),
    "broadcast_arrays": (lambda x: np.broadcast_arrays(x, x[:, :1], x[0]), A),
    "atleast_1d": (lambda x: np.atleast_1d(x[0, 0]), A),
    "atleast_2d": (lambda x: np.atleast_2d(x[0], x), A),
    "atleast_3d": (lambda x: np.atleast_3d(x[0], x), A),
    "flip": (np.flip, CUBE),
    "flip-axis": (lambda x: np.flip(x, -1), CUBE),
    "flip-axes": (lambda x: np.flip(x, (0, 2)), CUBE),
    "flipud": (np.flipud, A),
    "fliplr": (np.fliplr, A),
    "rot90": (np.rot90, A),
    "rot90-2": (lambda x: np.rot90(x, 2), A),
    "rot90-3": (lambda x: np.rot90(x, k=3), A),
    "rot90--1-axes": (lambda x: np.rot90(x, -1, axes=(2, 1)), CUBE),
    "rot90-0": (lambda x: np.rot90(x, 4), A),
    "roll": (lambda x: np.roll(x, 5), A),
    "roll-axis": (lambda x: np.roll(x, -1, axis=1), A),
    "roll-axes": (lambda x: np.roll(x, (1, 2), axis=(0, 1)), A),
    "roll-axes-one-shift": (lambda x: np.roll(x, 1, axis=(1, 0)), A),
    "roll-axis-twice": (lambda x: np.roll(x, (1, 1), axis=(1, 1)), A),
    "roll-shifts-one-axis": (lambda x: np.roll(x, (1, 2), axis=0), A),
    "tile": (lambda x: np.tile(x, 2), A),
    "tile-new-axis": (lambda x: np.tile(x, (2, 1, 3)), A),
    "tile-fewer": (lambda x: np.tile(x, (2, 3)), CUBE),
    "tile-0": (lambda x: np.tile(x, (2, 0)), A),
    "repeat": (lambda x: np.repeat(x, 2), A),
    "repeat-axis": (lambda x: np.repeat(x, 3, axis=-1), A),
    "repeat-counts": (lambda x: np.repeat(x, [1, 0, 2], axis=0), A),
    "repeat-one-count": (lambda x: np.repeat(x, [2], axis=0), A),
    "repeat-method": (lambda x: x.repeat(2, 1), A),
    "repeat-0": (lambda x: np.repeat(x, 0, axis=1), A),
    "resize-larger": (lambda x: np.resize(x, (5, 3)), A),
    "resize-smaller": (lambda x: np.resize(x, 7), A),
    "tril": (np.tril, A),
    "tril-k": (lambda x: np.tril(x, k=-1), CUBE),
    "triu": (np.triu, A),
    "triu-k": (lambda x: np.triu(x, 2), CUBE),
    "tril-vector": (np.tril, V),
    "triu-vector": (np.triu, V),
    "diag-vector": (np.diag, V),
    "diag-vector-k": (lambda x: np.diag(x, 2), V),
    "diag-vector--k": (lambda x: np.diag(x, k=-1), V),
    "diag-matrix": (np.diag, A),
    "diag-matrix-k": (lambda x: np.diag(x, -1), A),
    "diag-matrix-far": (lambda x: np.diag(x, 4), A),
    "diagflat": (lambda x: np.diagflat(x, 1), A),
    "diagonal": (np.diagonal, A),
    "diagonal-offset": (lambda x: np.diagonal(x, offset=2, axis1=1, axis2=2), CUBE),
    "diagonal--offset": (lambda x: np.diagonal(x, -1, 2, 0), CUBE),
    "diagonal-beyond": (lambda x: np.diagonal(x, -5), A),
    "diagonal-method": (lambda x: x.diagonal(1), A),
    "linalg.diagonal": (lambda x: np.linalg.diagonal(x, offset=1), CUBE),
    "trace": (lambda x: np.trace(x, offset=1), A),
    "diff": (np.diff, A),
    "diff-n": (lambda x: np.diff(x, n=2, axis=0), A),
    "diff-0": (lambda x: np.diff(x, 0), A),
    "diff-too-often": (lambda x: np.diff(x, 4, axis=0), A),
    "diff-ends": (lambda x: np.diff(x, prepend=1.0, append=x[:, :2]), A),
    "ediff1d": (np.ediff1d, A),
    "ediff1d-ends": (lambda x: np.ediff1d(x, to_end=x[0], to_begin=3.0), A),
    "gradient": (np.gradient, A),
    "gradient-spacing": (lambda x: np.gradient(x, 2, 0.5, edge_order=2), A),
    "gradient-axis": (lambda x: np.gradient(x, np.array([0.0, 1.0, 4.0]), axis=1), CUBE),
    "gradient-coordinates": (lambda x: np.gradient(x, np.array([0.0, 1, 3, 4, 9]), edge_order=2), V),
    "gradient-even-coordinates": (lambda x: np.gradient(x, np.arange(5) * 0.5), V),
    "gradient-two-points": (lambda x: np.gradient(x[:2]), V),
    "meshgrid": (lambda x: np.meshgrid(x, x[:3], [1.0, 2.0]), V),
    "meshgrid-ij": (lambda x: np.meshgrid(x, x[:3], indexing="ij"), V),
    "meshgrid-sparse": (lambda x: np.meshgrid(x, x[:3], sparse=True), V),
    "meshgrid-one": (lambda x: np.meshgrid(x), V),
    "sliding_window_view": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 3), V),
    "sliding_window_view-axes": (lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)), A),
    "sliding_window_view-axis": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1), CUBE),
    "sliding_window_view-twice": (lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 1)), A),
    "pad": (lambda x: np.pad(x, 2), A),
    "pad-uneven": (lambda x: np.pad(x, ((1, 2), (0, 3))), A),
    "pad-pair": (lambda x: np.pad(x, (2, 1), constant_values=(4.0, 5.0)), A),
    "pad-values": (lambda x: np.pad(x, 1, constant_values=((1.0, 2.0), (3.0, 4.0))), A),
    "pad-tensor-value": (lambda x: np.pad(x, 1, constant_values=x[0, 0]), A),
    "pad-edge": (lambda x: np.pad(x, 2, mode="edge"), A),
    "pad-reflect": (lambda x: np.pad(x, 2, "reflect"), A),
    "pad-reflect-far": (lambda x: np.pad(x, ((5, 7), (0, 9)), "reflect"), A),
    "pad-reflect-odd": (lambda x: np.pad(x, 2, "reflect", reflect_type="odd"), A),
    "pad-symmetric": (lambda x: np.pad(x, (3, 8), "symmetric"), A),
    "pad-wrap": (lambda x: np.pad(x, ((1, 7), (2, 2)), "wrap"), A),
    "pad-linear_ramp": (lambda x: np.pad(x, ((2, 3), (0, 1)), "linear_ramp"), A),
    "pad-linear_ramp-ends": (lambda x: np.pad(x, 2, "linear_ramp", end_values=(5.0, -1.0)), A),
    "concatenate": (lambda x: np.concatenate([x, np.ones((1, 4)), x[:2]]), A),
    "concatenate-axis": (lambda x: np.concatenate((x, x[:, :2]), axis=-1), A),
    "concatenate-None": (lambda x: np.concatenate((x, x[0]), axis=None), A),
    "concat": (lambda x: np.concat([x, x], axis=1), A),
    "stack": (lambda x: np.stack([x, 2 * x, np.ones((3, 4))], axis=1), A),
    "vstack": (lambda x: np.vstack([x, x[0]]), A),
    "hstack": (lambda x: np.hstack([x, x[:, :1]]), A),
    "hstack-vectors": (lambda x: np.hstack([x, x[:2], 1.0]), V),
    "dstack": (lambda x: np.dstack([x, 2 * x]), A),
    "column_stack": (lambda x: np.column_stack([x[0], x[1:3].T]), A),
    "block": (lambda x: np.block([[x, np.ones((3, 2))], [np.zeros((1, 4)), x[:1, :2]]]), A),
    "block-deeper-array": (lambda x: np.block([x, x[:, :1]]), A),
    "block-vector": (lambda x: np.block([x, 1.0, x[:2]]), V),
    "append": (lambda x: np.append(x, x[0]), A),
    "append-axis": (lambda x: np.append(x, np.ones((1, 4)), axis=0), A),
    "insert": (lambda x: np.insert(x, 2, x[0, 0]), A),
    "insert-axis": (lambda x: np.insert(x, 1, x[:, 0], axis=1), A),
    "insert-several": (lambda x: np.insert(x, [0, 2, 2], x[:, :3], axis=1), A),
    "insert-list-of-one": (lambda x: np.insert(x, [1], x[:, :2], axis=1), A),
    "insert-nowhere": (lambda x: np.insert(x, [], x[:, :0], axis=1), A),
    "insert-slice": (lambda x: np.insert(x, slice(0, 3, 2), 9.0, axis=0), A),
    "insert-end": (lambda x: np.insert(x, -1, 7.0, axis=1), A),
    "delete": (lambda x: np.delete(x, 3), A),
    "delete-list": (lambda x: np.delete(x, [0, -1], axis=1), A),
    "delete-slice": (lambda x: np.delete(x, slice(None, None, 2), 1), A),
    "delete-mask": (lambda x: np.delete(x, np.array([True, False, True]), axis=0), A),
    "split": (lambda x: np.split(x, 2, axis=1), A),
    "split-places": (lambda x: np.split(x, [1, 3], axis=1), A),
    "array_split": (lambda x: np.array_split(x, 3), V),
    "array_split-more": (lambda x: np.array_split(x, 7), V),
    "hsplit": (lambda x: np.hsplit(x, 2), A),
    "hsplit-vector": (lambda x: np.hsplit(x, [2]), V),
    "vsplit": (lambda x: np.vsplit(x, 3), A),
    "dsplit": (lambda x: np.dsplit(x, [1]), CUBE),
    "concatenate-dtype": (lambda x: np.concatenate([x, x], dtype=np.longdouble, casting="safe"), A),
    "stack-dtype": (lambda x: np.stack([x, x], dtype=np.float32), A),
    "copy": (np.copy, A),
    "astype": (lambda x: np.astype(x, np.float32), A),
    "full_like": (lambda x: np.full_like(x, x[0, 0]), A),
    "full-like": (lambda x: np.full((2, 2), x[0], like=x), A[:, :2]),
    "array-like": (lambda x: np.array([[x[0], 1.0], (2.0, x[1])], like=x), V),
    "array-like-dtype": (lambda x: np.array([x[0], x[1]], np.float32, ndmin=2, like=x), V),
    "asarray-like": (lambda x: np.asarray([x, x], like=x), V),
    "ascontiguousarray-like": (lambda x: np.ascontiguousarray(x[0], like=x), V),
    "require-like": (lambda x: np.require(x, like=x), V),
    "linspace": (lambda x: np.linspace(x[0], x[1], 6), V),
    "linspace-open": (lambda x: np.linspace(x[0], 3.0, num=4, endpoint=False), V),
    "linspace-arrays": (lambda x: np.linspace(x[0], x[1:], 3, axis=1), A),
    "linspace-step": (lambda x: np.linspace(0, x[1], 5, retstep=True), V),
    "linspace-one": (lambda x: np.linspace(x[0], x[1], 1), V),
    "linspace-none": (lambda x: np.linspace(x[0], x[1], 0), V),
    "zeros_like": (lambda x: np.zeros_like(x) + x, A),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # where a mask is a list of zeros and ones
    MASK_INSERTS = np.insert(np.zeros(2), np.zeros(2, bool), 1.0).size == 2
if MASK_INSERTS:
    CASES["insert-mask"] = (lambda x: np.insert(x, np.array([True, False, True, False, True]), x[:3]), V)
if "newshape" in inspect.signature(np.reshape).parameters and not hasattr(np, "unstack"):  # NumPy 2.0
    CASES["reshape-newshape"] = (lambda x: np.reshape(x, newshape=(2, -1), order="F"), A)
if hasattr(np, "unstack"):
    CASES["unstack"] = (lambda x: np.unstack(x, axis=1), A)

each_case = pytest.mark.parametrize("f, x", CASES.values(), ids=CASES.keys())


def leaves(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


def unit_jacobians(f, x):
    """The Jacobians of an affine f from its values at unit vectors, in plain NumPy."""
    base = leaves(f(np.zeros_like(x)))
    units = np.eye(x.size).reshape(x.size, *x.shape)
    columns = zip(*(leaves(f(unit)) for unit in units), strict=True)
    return [
        (np.stack(column, axis=-1) - np.expand_dims(y, -1)).reshape(y.shape + x.shape)
        for column, y in zip(columns, base, strict=True)
    ]


@each_case
def test_structural_value_is_numpys(f, x):
    found, _ = dd.vjp(lambda x: tuple(leaves(f(x))), x)
    for y, expected in zip(found, leaves(f(x)), strict=True):
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected, strict=False)
        assert y.shape == expected.shape


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@each_case
def test_structural_jacobian_is_the_map_itself(f, x, mode):
    found = dd.jacobian(lambda x: tuple(leaves(f(x))), mode=mode)(x)
    for J, expected in zip(found, unit_jacobians(f, x), strict=True):
        assert J.shape == expected.shape
        np.testing.assert_allclose(J, expected, rtol=0, atol=1e-6 if J.dtype == np.float32 else 1e-14)


@pytest.mark.filterwarnings("ignore:in the future insert:FutureWarning")
def test_insert_reads_a_mask_as_the_installed_numpy_does():
    f = lambda x: np.insert(x, np.array([True, False, True, False, True]), 9.0)  # noqa: E731
    y, pullback = dd.vjp(f, V)
    np.testing.assert_array_equal(y, f(V))
    np.testing.assert_array_equal(pullback(np.ones(y.shape))[0], np.ones(5))


@each_case
def test_structural_batch_is_a_loop(f, x):
    X = np.stack([x, 2 * x, x - 1])
    found = dd.vmap(lambda x: tuple(leaves(f(x))))(X)
    for k, Y in enumerate(found):
        np.testing.assert_array_equal(Y, np.stack([leaves(f(x))[k] for x in X]))


@each_case
def test_structural_gradient_keeps_float32(f, x):
    x = x.astype(np.float32)
    y, pullback = dd.vjp(lambda x: tuple(leaves(f(x))), x)
    (x_bar,) = pullback(tuple(np.ones_like(part) for part in y))
    assert x_bar.dtype == np.float32
    assert [part.dtype for part in y] == [part.dtype for part in leaves(f(x))]


# -------------------------------------------------- not affine, or not to the last bit
CURVED = {
    # NumPy reflects again and again where one formula is used here: equal but for rounding
    "pad-reflect-odd-far": (lambda x: np.pad(x, ((5, 7), (9, 8)), "reflect", reflect_type="odd"), A),
    "pad-symmetric-odd": (lambda x: np.pad(x, (3, 8), "symmetric", reflect_type="odd"), A),
    "pad-mean": (lambda x: np.pad(x, 2, "mean"), A),
    "pad-mean-length": (lambda x: np.pad(x, ((1, 1), (2, 0)), "mean", stat_length=2), A),
    "pad-maximum": (lambda x: np.pad(x, 1, "maximum"), A),
    "pad-minimum-length": (lambda x: np.pad(x, 1, "minimum", stat_length=((1, 2), (2, 3))), A),
    "gradient-tensor-spacing": (lambda x: np.gradient(np.sin(x), x[0] + 3, edge_order=2), V),
    "gradient-tensor-coordinates": (lambda x: np.gradient(np.arange(5.0) ** 2, np.exp(x) + W), V),
    "gradient-tensor-coordinates-2": (lambda x: np.gradient(x * x, np.exp(x) + W, edge_order=2), V),
    "gradient-even-tensor": (lambda x: np.gradient(np.cos(V), 2.0 * W + 0 * x), V),
    "logspace": (lambda x: np.logspace(x[0], x[1], 4), V),
    "logspace-base": (lambda x: np.logspace(x[0], 2.0, 4, base=np.exp(x[1]), endpoint=False), V),
    "logspace-bases": (lambda x: np.logspace(x[0], 2.0, 3, base=np.exp(x), axis=-1), V),
    "geomspace": (lambda x: np.geomspace(np.exp(x[0]), np.exp(x[1]), 5), V),
    "geomspace-negative": (lambda x: np.geomspace(-np.exp(x[:2]), -np.exp(x[2:4]), 3, False, axis=1), V),
    "vander": (np.vander, V),
    "vander-N": (lambda x: np.vander(x, 3, increasing=True), V),
    "vander-0": (lambda x: np.vander(x, 0), V),
    "trim_zeros": (lambda x: np.trim_zeros(np.maximum(x, 0.1) * np.array([0, 1, 0, 1, 0])), V),
}


@pytest.mark.parametrize("f, x", CURVED.values(), ids=CURVED.keys())
def test_curved_derivative_is_the_difference_quotient(f, x):
    y, _ = dd.vjp(f, x)
    np.testing.assert_allclose(y, f(x), rtol=1e-14)
    step = 1e-6
    units = np.eye(x.size).reshape(x.size, *x.shape)
    columns = [(f(x + step * u) - f(x - step * u)) / (2 * step) for u in units]
    expected = np.stack(columns, axis=-1).reshape(y.shape + x.shape)
    forward, reverse = (dd.jacobian(f, mode=mode)(x) for mode in ("forward", "reverse"))
    np.testing.assert_allclose(forward, expected, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(reverse, forward, rtol=1e-12, atol=1e-14)


# -------------------------------------------------- refusals
@pytest.mark.parametrize(
    "f, error",
    [
        (lambda x: np.reshape(x, (5, 2)), ValueError),
        (lambda x: np.transpose(x, (0, 0)), ValueError),
        (lambda x: np.swapaxes(x, 0, 2), np.exceptions.AxisError),
        (lambda x: np.moveaxis(x, (0, 1), 0), ValueError),
        (lambda x: np.rollaxis(x, 0, 4), np.exceptions.AxisError),
        (lambda x: np.rollaxis(x, 0, -3), np.exceptions.AxisError),
        (lambda x: np.squeeze(x, 0), ValueError),
        (lambda x: np.broadcast_to(x, (4, 3)), ValueError),
        (lambda x: np.flip(x, 2), np.exceptions.AxisError),
        (lambda x: np.fliplr(x[0]), ValueError),
        (lambda x: np.rot90(x, 1, (0, 0)), ValueError),
        (lambda x: np.repeat(x, -1), ValueError),
        (lambda x: np.repeat(x, [1, 2], axis=0), ValueError),
        (lambda x: np.diagonal(x[0]), ValueError),
        (lambda x: np.diag(x[None]), ValueError),
        (lambda x: np.diff(x, -1), ValueError),
        (lambda x: np.ediff1d(x, to_end=1j), TypeError),
        (lambda x: np.gradient(x, 1, 2, 3), TypeError),
        (lambda x: np.gradient(x, [1.0, 2.0], axis=0), ValueError),
        (lambda x: np.gradient(x[:2], axis=0, edge_order=2), ValueError),
        (lambda x: np.gradient(x, edge_order=3), ValueError),
        (lambda x: np.pad(x, -1), ValueError),
        (lambda x: np.pad(x, 1.5), TypeError),
        (lambda x: np.pad(x, 1, "edge", constant_values=1), ValueError),
        (lambda x: np.meshgrid(x[0], indexing="yx"), ValueError),
        (lambda x: np.lib.stride_tricks.sliding_window_view(x, 9, axis=0), ValueError),
        (lambda x: np.split(x, 2), ValueError),
        (lambda x: np.array_split(x, 0), ValueError),
        (lambda x: np.vsplit(x[0], 2), ValueError),
        (lambda x: np.dsplit(x, 2), ValueError),
        (lambda x: np.insert(x, 9, 1.0, axis=0), IndexError),
        (lambda x: np.delete(x, 9, axis=0), IndexError),
        (lambda x: np.block([[x], x]), ValueError),
        (lambda x: np.block((x, x)), TypeError),
        (lambda x: np.stack([x, x[0]]), ValueError),
        (lambda x: np.linspace(x[0, 0], 1.0, -1), ValueError),
        (lambda x: np.concatenate([x, x], dtype=np.float32, casting="safe"), TypeError),
        (lambda x: np.stack([x, x], dtype=int), TypeError),
        (lambda x: np.hstack([x, x.astype(np.float32)], casting="no"), TypeError),
        (lambda x: x.astype(np.float32, casting="safe"), TypeError),
        (lambda x: np.vander(x), ValueError),
    ],
)
def test_structural_error_is_numpys(f, error):
    with pytest.raises(error):
        f(A)
    with pytest.raises(error):
        dd.vjp(f, A)


def test_pad_refuses_modes_without_a_rule():
    with pytest.raises(dd.errors.NoDerivative, match="mode='median'"):
        dd.grad(lambda x: np.sum(np.pad(x, 1, "median")))(A)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.repeat(x, x),
        lambda x: np.delete(V, x),
        lambda x: np.insert(V, x, 0.0),
        lambda x: np.trim_zeros(x * 1.0),
        lambda x: np.roll(x, x[0]),
    ],
)
def test_batched_numbers_cannot_decide_a_shape(f):
    with pytest.raises(dd.errors.ControlFlowError):
        dd.vmap(f)(np.array([[1, 0, 1, 1, 2], [0, 1, 1, 1, 2]]))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_unwrap_adds_constant_periods(mode):
    x = np.array([[0.0, 4.0, 8.0, 1.0], [3.0, -3.5, 0.2, 9.0]])
    weights = np.arange(8.0).reshape(2, 4)
    for options in ({}, {"axis": 0}, {"discont": 4.0}, {"period": 2.5}):
        value, gradient = dd.value_and_grad(
            lambda x, o=options: np.sum(weights * np.unwrap(x, **o)), mode=mode
        )(x)
        np.testing.assert_allclose(value, np.sum(weights * np.unwrap(x, **options)), rtol=1e-15)
        np.testing.assert_array_equal(gradient, weights)
    np.testing.assert_allclose(dd.vmap(np.unwrap)(x), np.unwrap(x), rtol=1e-15)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_float_power_computes_in_float64(mode):
    x = np.array([1.5, 2.0], np.float32)
    gradient = dd.grad(lambda x: np.sum(np.float_power(x, 3)), mode=mode)(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 3 * x**2, rtol=1e-6)
    assert dd.vjp(lambda x: np.float_power(x, 3), x)[0].dtype == np.float64
