"""Patterns: every op carries every dependence, sums and slices exactly; what they hold for; Hessians."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.avals import Aval
from dualdiff.core import OPS
from dualdiff.errors import ControlFlowError, GradientMismatch, InputTypeError
from dualdiff.testing import check_op
from dualdiff.testing.samples import cases
from dualdiff.tree import flatten

pytest.importorskip("scipy")
sparse = dd.sparse

KINDS = ("global", "path", "local")
DTYPES = ("float64", "complex128")
# Ops whose local pattern may be larger than the Jacobian: Fourier transforms have zeros where a sine is 0,
# and the partial of imag is a complex number of which the real part is taken afterwards.
EXACT_KINDS = ("elementwise", "linear")
INEXACT = {"imag", "fourier", "inverse_fourier", "real_fourier", "inverse_real_fourier"}


def all_cases():
    for name, op in OPS.items():
        for dtype in DTYPES:
            for k, case in enumerate(cases(op, dtype)):
                if case.active:
                    yield pytest.param(case, id=f"{name}-{dtype}-{k}")


ALL_CASES = list(all_cases())


def nonzeros(case, mode):
    """Where the Jacobian is not 0 at this point, by a sweep for each direction; complex numbers have two."""
    y = case.function(*case.primals)
    rows, columns = sum(v.size for v in flatten(y)[0]), sum(x.size for x in case.primals)
    found = np.zeros((rows, columns), bool)
    if mode == "forward":
        for j, seed in units(case.primals):
            y_dot = dd.jvp(case.function, case.primals, seed)[1]
            found[:, j] |= np.concatenate([np.reshape(v, -1) != 0 for v in flatten(y_dot)[0]])
    else:
        leaves, tree = flatten(y)
        _, pull = dd.vjp(case.function, *case.primals)
        for i, seed in units([v for v in leaves if v.dtype.kind in "fc"] if len(leaves) == 1 else leaves):
            bars = pull(seed[0] if tree.kind is None else type(y)(seed))
            found[i] |= np.concatenate([np.reshape(v, -1) != 0 for v in bars])
    return found


def units(values):
    """(place, the values' seed with a 1 or an i there) for each element of each."""
    place = 0
    for k, x in enumerate(values):
        for e in range(x.size):
            for one in (1, 1j) if x.dtype.kind == "c" else (1,):
                seed = [np.zeros(v.shape, v.dtype if v.dtype.kind in "fc" else float) for v in values]
                seed[k].reshape(-1)[e] = one
                yield place, tuple(seed)
            place += 1


def detected(case, kind):
    every = tuple(range(len(case.primals)))
    return sparse.pattern(case.function, *case.primals, argnums=every, kind=kind).toarray()


# -------------------------------------------------- every op
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("case", ALL_CASES)
def test_pattern_covers_the_jacobian(case, mode):
    true = nonzeros(case, mode)
    for kind in KINDS:
        lacking = true & ~detected(case, kind)
        assert not lacking.any(), f"{kind}: {np.argwhere(lacking)[:5].tolist()}"


def exact(case):
    op = case.op
    reduction = op.name.startswith("reduce_")
    return op.name not in INEXACT and (op.kind in EXACT_KINDS or reduction or op.name in ("matmul", "einsum"))


@pytest.mark.parametrize("case", [p for p in ALL_CASES if exact(p.values[0])])
def test_local_pattern_is_that_of_the_jacobian(case):
    np.testing.assert_array_equal(detected(case, "local"), nonzeros(case, "forward"))


@pytest.mark.parametrize("case", ALL_CASES)
def test_wider_kinds_give_wider_patterns(case):
    local, path, everywhere = (detected(case, kind) for kind in ("local", "path", "global"))
    assert not (local & ~path).any()
    np.testing.assert_array_equal(path, everywhere)


# -------------------------------------------------- structures
def entries(f, *args, **how):
    return sparse.pattern(f, *args, **how).toarray().astype(int).tolist()


X = np.array([0.5, -1.5, 2.0, 3.0])
EYE = np.eye(4, dtype=int).tolist()
FULL = np.ones((4, 4), int).tolist()
LOWER = np.tri(4, dtype=int).tolist()
P = [2, 0, 3, 1]
UPPER = np.array([[True, True], [False, True]])
SWAPPED = np.eye(4, dtype=int)[[1, 0, 3, 2]].tolist()
ROWS_AND_COLUMNS = [[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (np.sin, EYE),
        (lambda x: x * x[::-1], [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]),
        (lambda x: x[P], np.eye(4, dtype=int)[P].tolist()),
        (lambda x: np.stack([x[0], x[3]]), [[1, 0, 0, 0], [0, 0, 0, 1]]),
        (np.cumsum, LOWER),
        (np.cumprod, LOWER),
        (lambda x: np.maximum.accumulate(x), LOWER),
        (lambda x: np.logaddexp.accumulate(x), LOWER),
        (np.sort, FULL),
        (lambda x: np.sum(x.reshape(2, 2), axis=0), [[1, 0, 1, 0], [0, 1, 0, 1]]),
        (lambda x: np.mean(x.reshape(2, 2), axis=1), [[1, 1, 0, 0], [0, 0, 1, 1]]),
        (lambda x: np.linalg.norm(x.reshape(2, 2), axis=1), [[1, 1, 0, 0], [0, 0, 1, 1]]),
        (lambda x: np.sum(x.reshape(2, 2), axis=0, where=UPPER), [[1, 0, 0, 0], [0, 1, 0, 1]]),
        (lambda x: np.diff(x), [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]),
        (lambda x: x.at[np.array([0, 0])].add(x[2:])[:2], [[1, 0, 1, 1], [0, 1, 0, 0]]),
        (lambda x: x.at[1].set(x[0]), [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        (lambda x: np.tril(np.outer(x[:2], x[2:]))[:, 1], [[0] * 4, [0, 1, 0, 1]]),
        (lambda x: np.array([[1.0, 0, 0, 2], [0, 0, 3, 0]]) @ x, [[1, 0, 0, 1], [0, 0, 1, 0]]),
        (lambda x: x.reshape(2, 2) @ np.array([[0.0, 1.0], [2.0, 0.0]]), SWAPPED),
        (lambda x: x.reshape(2, 2) @ x.reshape(2, 2), ROWS_AND_COLUMNS),
        (lambda x: np.linalg.solve(np.array([[2.0, 1], [1, 3]]), x.reshape(2, 2)).reshape(-1),
         [[1, 0, 1, 0], [0, 1, 0, 1]] * 2),
        (lambda x: np.linalg.inv(x.reshape(2, 2)).reshape(-1), FULL),
        (np.fft.ifft, FULL),
        (lambda x: dd.stop_gradient(x) + x[0], [[1, 0, 0, 0]] * 4),
        (lambda x: np.floor(x) * x[0], [[1, 0, 0, 0]] * 4),
        (lambda x: 0 * x, EYE),
        (lambda x: np.ones(2), [[0] * 4] * 2),
        (lambda x: np.zeros((0, 3)), []),
        (lambda x: np.sum(x), [[1] * 4]),
    ],
)  # fmt: skip
def test_pattern_of_functions(f, expected):
    assert entries(f, X, kind="global") == expected


def test_pattern_rows_and_columns_are_the_leaves_in_order():
    def f(p, c):
        return {"a": p["u"] * c, "b": [p["v"][0], p["u"][1]]}

    args = {"u": np.ones(2), "v": np.ones(2)}, 3.0
    assert entries(f, *args) == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert entries(f, *args, argnums=(1, 0))[0] == [1, 1, 0, 0, 0]
    assert entries(f, *args, argnums=1) == [[1], [1], [0], [0]]


def test_pattern_of_a_function_that_ignores_its_input():
    assert entries(lambda x, y: y * 2, np.ones(2), np.ones(3)) == [[0, 0]] * 3


def test_pattern_of_complex_intermediates():
    def f(x):
        z = x[:2] + 1j * x[2:]
        return np.concatenate([np.real(z[::-1] * 1j), np.abs(z)])

    found = entries(f, X, kind="global")
    assert found == [[0, 1, 0, 1], [1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1]]


# -------------------------------------------------- what it holds for
def test_kinds_of_where():
    def f(x):
        return np.where(x > 0, x[::-1], x**2)

    both = np.maximum(np.eye(4), np.eye(4)[::-1]).astype(int).tolist()
    assert entries(f, X, kind="global") == entries(f, X, kind="path") == both
    assert entries(f, X, kind="local") == [[0, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]


def test_where_with_a_constant_condition_picks_for_each_kind():
    mask = np.array([True, False, True, False])
    expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert [entries(lambda x: np.where(mask, x, x[::-1]), X, kind=kind) for kind in KINDS] == [expected] * 3


def test_local_pattern_leaves_out_zeros():
    def f(x):
        return np.stack([x[0] * x[1], np.maximum(x[2], x[3]), np.abs(x[0]), np.clip(x[1], 2, 3)])

    x = np.array([0.0, 1.0, 2.0, 3.0])
    assert entries(f, x, kind="local") == [[1, 0, 0, 0], [0, 0, 0, 1], [0] * 4, [0] * 4]
    assert entries(f, x, kind="global") == [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x[0] > 0 else x**2,
        lambda x: x[: int(np.sum(x))],
        lambda x: x[x > 0],
        lambda x: x[np.nonzero(x > 0)],
        lambda x: x * float(dd.stop_gradient(x)[0]),
        lambda x: x * np.asarray(dd.stop_gradient(x))[0],
        lambda x: x * dd.stop_gradient(x)[0].item(),
    ],
    ids=["if", "slice", "mask", "nonzero", "float", "asarray", "item"],
)
def test_value_that_steers_is_refused_by_global_and_followed_by_path(f):
    with pytest.raises(ControlFlowError, match="steers Python control flow"):
        sparse.pattern(f, X, kind="global")
    found = sparse.pattern(f, X, kind="path").toarray()
    assert not ((dd.jacobian(f)(X) != 0) & ~found).any()


def test_arguments_that_are_not_differentiated_vary_too():
    def f(x, c):
        return np.where(c > 0, x, x[::-1])

    c = np.ones(4)
    assert entries(f, X, c, kind="path") == np.maximum(np.eye(4), np.eye(4)[::-1]).astype(int).tolist()
    assert entries(f, X, c > 0, kind="path") == EYE


def test_integer_arguments_are_constants():
    assert entries(lambda x, i: x[i], X, np.array([3, 0])) == [[0, 0, 0, 1], [1, 0, 0, 0]]


def test_index_that_depends_on_values_reaches_everything():
    assert entries(lambda x: x[np.argsort(x)], X, kind="global") == FULL


def test_pattern_refuses_an_unknown_kind_and_complains_of_arguments():
    with pytest.raises(InputTypeError, match="kind='all'"):
        sparse.pattern(np.sin, X, kind="all")
    with pytest.raises(InputTypeError, match="int64"):
        sparse.pattern(np.sin, np.arange(3))
    with pytest.raises(InputTypeError, match="inside another transform"):
        dd.grad(lambda x: np.sum(sparse.pattern(np.sin, x).data * x))(X)


# -------------------------------------------------- ops that say little
@pytest.fixture
def registry():
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


def test_unknown_linear_op_is_dense_and_reported(registry):
    @dd.op
    class smoothed:
        def evaluate(x):
            return np.convolve(x, [0.25, 0.5, 0.25], "same")

        def out(x):
            return x

        def transpose(y_bar, x):
            return np.convolve(y_bar, [0.25, 0.5, 0.25], "same")

        def domain(rng, dtype):
            yield (np.ones(4),), {}

    assert entries(lambda x: smoothed(x), X) == FULL
    plan = sparse.prepare_jacobian(lambda x: smoothed(x), X)
    assert plan.report().dense_ops == {"smoothed": 1}
    assert "smoothed (1 times)" in str(plan.report())
    np.testing.assert_allclose(plan(X).toarray(), dd.jacobian(lambda x: smoothed(x))(X), rtol=1e-15)


def test_linear_op_that_moves_elements_needs_to_state_nothing(registry):
    @dd.op
    class odd_ones:
        def evaluate(x):
            return x[1::2]

        def out(x):
            return Aval((x.shape[0] // 2,), x.dtype)

        def transpose(y_bar, x):
            return np.stack([np.zeros_like(y_bar), y_bar], axis=1).reshape(-1)

        def domain(rng, dtype):
            yield (np.ones(4),), {}

    assert entries(lambda x: odd_ones(x), X) == [[0, 1, 0, 0], [0, 0, 0, 1]]


def test_op_that_takes_the_imaginary_part_depends_on_it(registry):
    """Real numbers alone would not show that the op reads anything."""

    @dd.op
    class height:
        def evaluate(z):
            return np.imag(z)

        def out(z):
            return Aval(z.shape, np.dtype(float))

        def transpose(y_bar, z):
            return 1j * y_bar

        def domain(rng, dtype):
            yield (np.ones(2) * 1j,), {}

    found = np.array(entries(lambda x: height(x * 1j), X, kind="global"))
    assert (np.diag(found) == 1).all()


def test_general_op_is_followed_through_its_differential(registry):
    @dd.op
    class pairs:
        """y_k = x_k x_(k+1)"""

        def evaluate(x):
            return x[1:] * x[:-1]

        def differential(y, x, dx):
            return x[1:] * dx[:-1] + x[:-1] * dx[1:]

        def domain(rng, dtype):
            yield (np.ones(4),), {}

    assert entries(lambda x: pairs(x), X) == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_derivative_of_ones_own_is_followed_where_the_function_is_flat(registry):
    """A rounding whose stated derivative is 1, as a straight-through estimator has it."""

    @dd.op
    class rounded_through:
        def evaluate(x):
            return np.rint(x)

        def differential(y, x, dx):
            return dx

        def domain(rng, dtype):
            yield (np.ones(4) / 3,), {}

    assert entries(lambda x: rounded_through(x) * x[0], X) == [[1, 0, 0, 0]] + [
        [1 if j in (0, i) else 0 for j in range(4)] for i in (1, 2, 3)
    ]


# -------------------------------------------------- Hessians
def second(f, x, **how):
    return sparse.hessian_pattern(f, x, **how).toarray().astype(int).tolist()


HESSIANS = {
    "quotients": (
        lambda x: x[0] / x[1] + x[2] + 1 / x[3], [[0, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0, 0, 0, 1]]
    ),
    "products": (lambda x: (x[0] * x[1]) * (x[2] * x[3]), (1 - np.eye(4, dtype=int)).tolist()),
    "differences": (
        lambda x: np.sum(np.diff(x) ** 3), [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    ),
    "linear": (lambda x: np.sum(3 * x) + x[0], np.zeros((4, 4), int).tolist()),
    "unused": (lambda x: (x[1] * x[2], x[0] ** 2)[1], np.diag([1, 0, 0, 0]).tolist()),
    "stopped": (lambda x: np.sum(dd.stop_gradient(x) * x), np.zeros((4, 4), int).tolist()),
    "kinks": (lambda x: np.sum(np.maximum(x, 0)) + np.sum(np.abs(x)), np.zeros((4, 4), int).tolist()),
    "logsumexp": (lambda x: np.log(np.sum(np.exp(x))), FULL),
    "bilinear": (lambda x: x[:2] @ x[2:], [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]),
}  # fmt: skip


@pytest.mark.parametrize("name", HESSIANS)
def test_hessian_pattern_of_functions(name):
    f, expected = HESSIANS[name]
    assert second(f, X, kind="global") == expected


@pytest.mark.parametrize("seed", range(30))
def test_hessian_pattern_covers_the_hessian_of_random_programs(seed):
    f = random_program(np.random.default_rng(seed))
    x = np.random.default_rng(seed).uniform(0.5, 1.5, 6)
    true = dd.hessian(f)(x) != 0
    for kind in KINDS:
        found = np.array(second(f, x, kind=kind), bool)
        assert not (true & ~found).any()
        np.testing.assert_array_equal(found, found.T)


def random_program(rng):
    """A scalar function of six numbers, made of ten random steps."""
    unary = [np.sin, np.exp, np.sqrt, np.abs, np.square, np.cumsum, np.negative, np.floor, np.sort]
    binary = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.hypot]
    steps = [(rng.integers(2), rng.integers(100), rng.integers(100), rng.integers(100)) for _ in range(6)]

    def f(x):
        values = [x, x[::-1], np.roll(x, 1)]
        for arity, op, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            a = a[: 1 + i % 6] if op % 3 == 0 else a
            b = b[: a.shape[0]]
            with np.errstate(all="ignore"):
                if arity == 0:
                    values.append(unary[op % len(unary)](np.abs(a) + 0.5))
                elif a.shape == b.shape:
                    values.append(binary[op % len(binary)](a, np.abs(b) + 0.5))
        return sum(np.sum(v[:1] * np.mean(v)) for v in values[3:]) + np.sum(x[0] * x[1])

    return f


def test_hessian_pattern_of_several_arguments():
    def f(a, b):
        return a[0] * b[1] + np.sum(b**2)

    found = sparse.hessian_pattern(f, np.ones(2), np.ones(2), argnums=(0, 1)).toarray().astype(int)
    assert found.tolist() == [[0, 0, 0, 1], [0] * 4, [0, 0, 1, 0], [1, 0, 0, 1]]


# -------------------------------------------------- size
def test_pattern_of_many_inputs_takes_no_loop_over_them():
    n = 200_000
    found = sparse.pattern(lambda x: np.diff(np.sin(x)) * x[:-1], np.linspace(0, 1, n))
    assert found.shape == (n - 1, n) and found.nnz == 2 * (n - 1)


def test_pattern_that_is_not_sparse_is_refused_before_it_fills_the_memory():
    with pytest.raises(InputTypeError, match="is not sparse"):
        sparse.pattern(np.cumsum, np.ones(100_000))


# -------------------------------------------------- structure that is stated
def test_places_may_be_stated_by_a_matrix(registry):
    matrix = np.array([[1.0, 0, 0, 2], [0, 3, 0, 0]])

    @dd.op
    class applied:
        def evaluate(x):
            return matrix @ x

        def out(x):
            return Aval((2,), x.dtype)

        def transpose(y_bar, x):
            return matrix.T @ y_bar

        def structure(x):
            return (matrix.nonzero(),)

        def domain(rng, dtype):
            yield (np.ones(4),), {}

    assert entries(lambda x: applied(x * x[0]), X) == [[1, 0, 0, 1], [1, 1, 0, 0]]
    plan = sparse.prepare_jacobian(lambda x: applied(x**2), X)
    assert plan.report().dense_ops == {}
    np.testing.assert_allclose(plan(X).toarray(), 2 * matrix * X)


@pytest.mark.parametrize("claim", ["places", "shifts"])
def test_claim_that_is_not_true_breaks_a_law(claim, registry):
    """The sum over an axis and all behind it; it is not an op along that axis alone."""

    @dd.op
    class onwards:
        if claim == "shifts":
            shifts = ("axis",)
        else:

            def structure(x, *, axis):
                return ((np.arange(x.size), np.arange(x.size)),)

            def batch(size, mapped, values, params):
                return onwards(values[0], axis=params["axis"] + 1)

        def evaluate(x, *, axis):
            return x + np.sum(x, axis=tuple(range(axis, x.ndim)), keepdims=True)

        def out(x, *, axis):
            return x

        def transpose(y_bar, x, *, axis):
            return y_bar + np.sum(y_bar, axis=tuple(range(axis, x.ndim)), keepdims=True)

        def domain(rng, dtype):
            yield (rng.uniform(1, 2, (2, 3, 4)).astype(dtype),), {"axis": 1}

    with pytest.raises(GradientMismatch, match="breaks the law 'pattern_covers_the_jacobian'"):
        check_op(onwards)


def test_convolution_reaches_as_far_as_its_kernel():
    found = entries(lambda x: np.convolve(x, np.array([1.0, 2.0, 3.0]), "same"), X)
    assert found == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
