"""What `debug` finds: the first value that is not finite, in words, and constants, inputs and gauges."""

import asyncio
import inspect
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import (
    DualdiffError,
    MutationError,
    NonFiniteError,
    UndefinedDerivative,
    UndefinedDerivativeWarning,
    UnusedInputWarning,
)
from dualdiff.testing import programs
from dualdiff.tree import flatten, unflatten

HERE = Path(__file__).name
X = np.array([0.0, 1.0])
HERMITIAN = np.array([[2, 1j], [-1j, 3]])


def line_after(f, count):
    """file:line, `count` lines below the first of f."""
    return f"{HERE}:{inspect.getsourcelines(f)[1] + count}"


def found(run, *args, primal=True):
    """The message of the error that run raises under debug."""
    with dd.debug(primal=primal), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
        run(*args)
    return str(caught.value)


def with_log(x):
    y = 2.0 * x
    return np.sum(np.log(y) + y)


def masked(x):
    return np.sum(np.where(x > 0, np.log(x), 0.0))


def root(x):
    return np.sum(np.sqrt(x))


# -------------------------------------------------- the first value that is not finite
def test_error_is_a_floating_point_error():
    assert issubclass(NonFiniteError, DualdiffError) and issubclass(NonFiniteError, FloatingPointError)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@convention("NAN-7")
def test_value_names_op_line_operand_and_domain(mode):
    said = found(dd.grad(with_log, mode=mode), np.array([1.0, -0.15]))
    line = line_after(with_log, 2)
    assert f"log received -0.3 (element [1] of shape (2,)) at {line}; its domain is positive" in said
    assert "the value is nan" in said


def test_number_has_no_place():
    assert "sqrt received -2.0 at" in found(dd.grad(np.sqrt), -2.0)


def test_both_operands_are_said():
    said = found(dd.grad(lambda x: np.sum(1.0 / x)), X)
    assert "divide received 1.0 and 0.0 (element [0]" in said
    assert "the domain of its second argument is nonzero" in said


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(dd.grad(root, mode="reverse"), id="grad"),
        pytest.param(lambda x: dd.vjp(np.sqrt, x)[1](np.ones(2)), id="vjp"),
        pytest.param(lambda x: dd.linearize(np.sqrt, x)[1].T(np.ones(2)), id="linearize-T"),
        pytest.param(dd.jacrev(np.sqrt), id="jacrev"),
        pytest.param(dd.vmap(dd.grad(np.sqrt, mode="reverse")), id="vmap of grad"),
        pytest.param(dd.grad(lambda x: np.sum(dd.vmap(np.sqrt)(x)), mode="reverse"), id="grad of vmap"),
    ],
)
@convention("NAN-7")
def test_cotangent_names_the_line_of_the_forward_run(run):
    said = found(run, X)
    assert "sqrt received 0.0 (element [0] of shape (2,)) at" in said
    assert "cotangent made of 1.0 became inf" in said and "its domain is positive" in said


def test_cotangent_names_the_line_that_recorded_the_op():
    assert line_after(root, 1) in found(dd.grad(root, mode="reverse"), X)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda x: dd.jvp(np.sqrt, (x,), (np.ones(2),)), id="jvp"),
        pytest.param(lambda x: dd.linearize(np.sqrt, x)[1](np.ones(2)), id="linearize"),
        pytest.param(dd.jacfwd(np.sqrt), id="jacfwd"),
        pytest.param(dd.vmap(dd.grad(np.sqrt, mode="forward")), id="vmap of grad"),
        pytest.param(lambda x: dd.jvp(dd.vmap(np.sqrt), (x,), (np.ones(2),)), id="jvp of vmap"),
    ],
)
def test_tangent_is_found_in_every_forward_sweep(run):
    said = found(run, X)
    assert "sqrt received 0.0 (element [0] of shape (2,)) at" in said and "tangent became inf" in said


def second(x):
    return np.sum(x**1.5)


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
def test_second_derivative_names_the_op_that_was_applied(outer, inner):
    """The first derivative 1.5 x**0.5 is finite at 0, the second is not."""
    said = found(dd.hessian(second, mode=(outer, inner)), X)
    assert said.startswith(
        f"power received 0.0 and 1.5 (element [0] of shape (2,)) at {line_after(second, 1)}"
    )


def test_pullback_called_later_is_looked_at():
    with dd.debug():
        _, pullback = dd.vjp(root, X)
    with np.errstate(all="raise"):
        assert np.isinf(pullback(1.0)[0][0])  # outside, as ever
    assert line_after(root, 1) in found(pullback, 1.0)


def test_pullback_recorded_outside_is_looked_at_without_its_line():
    _, pullback = dd.vjp(np.sqrt, X)
    assert found(pullback, np.ones(2)).startswith("sqrt at a line that was not recorded; a cotangent")


def test_small_operands_are_written_out_and_large_ones_described():
    said = found(dd.grad(lambda a: np.linalg.det(a) ** -1.0), np.zeros((2, 2)))
    assert "power received 0.0 and -1.0 at" in said
    big = np.eye(5)
    big[3, 4] = np.inf
    said = found(dd.grad(lambda a: np.sum(a @ a)), big)
    assert "an array of shape (5, 5), 1 of 25 not finite, the first inf at [3, 4]" in said


def test_overflow_is_a_value_like_any_other():
    assert "exp received 1000.0 at" in found(dd.grad(np.exp), 1000.0)


# -------------------------------------------------- 0 * inf
@pytest.mark.parametrize("mode", ["reverse", "forward"])
@convention("NAN-7")
def test_zero_times_infinity_is_said(mode):
    x = np.array([0.0, 1.0])
    if mode == "reverse":
        said = found(dd.grad(masked, mode="reverse"), x, primal=False)
        assert "cotangent made of 0.0 became nan: 0 * inf" in said
    else:
        said = found(lambda: dd.jvp(masked, (x,), (np.zeros(2),)), primal=False)
        assert "tangent made of 0.0 became nan: 0 * inf" in said
    assert said.startswith(f"log received 0.0 (element [0] of shape (2,)) at {line_after(masked, 1)}")
    assert "where_safe" in said


def test_zero_times_nan_is_not_zero_times_infinity():
    said = found(dd.grad(lambda x: np.sum(np.where(x > 0, np.sin(x), 0.0))), np.array([np.nan, 1.0]))
    assert "0 * inf" not in said and "sin received nan" in said


def test_zero_in_a_product_that_meets_infinity_is_said():
    a = np.array([[np.inf, 1.0], [1.0, 1.0]])
    said = found(lambda: dd.vjp(lambda x: a @ x, np.ones(2))[1](np.array([0.0, 1.0])))
    assert said.startswith("matmul received [[inf, 1.], [ 1., 1.]]") and "0 * inf" in said


# -------------------------------------------------- what was not finite before
def test_input_that_is_not_finite_passes_where_it_does_not_matter():
    with dd.debug():
        np.testing.assert_array_equal(dd.grad(lambda x: np.sum(2 * x))(np.array([np.nan, 1.0])), [2, 2])


def test_input_that_is_not_finite_is_blamed():
    assert "was not finite when it came in" in found(
        dd.grad(lambda x: np.sum(np.sin(x))), np.array([np.inf, 1])
    )


def test_masks_of_infinity_are_no_error():
    keep = np.array([True, False, True])

    def softmax(x):
        z = np.where(keep, x, -np.inf)
        e = np.exp(z - np.max(z))
        return (e / np.sum(e))[0]

    x = np.array([1.0, 2.0, 3.0])
    expected = dd.grad(softmax)(x)
    with dd.debug():
        np.testing.assert_array_equal(dd.grad(softmax)(x), expected)


def test_values_are_passed_over_if_derivatives_alone_are_asked_for():
    with dd.debug(primal=False), np.errstate(all="ignore"):
        x = np.array([1.5e308, 1.0])
        np.testing.assert_array_equal(dd.grad(lambda x: np.sum(np.minimum(x + x, 5.0)))(x), [0, 2])
    assert "add received 1.5e+308 and 1.5e+308" in found(dd.grad(lambda x: np.sum(x + x)), x)


def test_seed_that_is_not_finite_is_the_users():
    with dd.debug():
        np.testing.assert_array_equal(dd.vjp(lambda x: 2 * x, X)[1](np.array([np.inf, 1]))[0], [np.inf, 2])
        assert dd.jvp(lambda x: 2 * x, (1.0,), (np.nan,))[1] is not None


# -------------------------------------------------- the rest of the world
def test_nothing_else_changes():
    with dd.debug():
        assert dd.grad(lambda x: x**3)(2.0) == 12.0
        with dd.debug(primal=False):
            assert dd.grad(lambda x: x**3)(2.0) == 12.0
        assert "sqrt" in found(dd.grad(np.sqrt), 0.0)
        np.testing.assert_array_equal(dd.hessian(np.prod)(np.array([1.0, 2])), [[0, 1], [1, 0]])
    assert np.isinf(dd.grad(np.sqrt)(0.0))


def test_exception_leaves_debug_off():
    with pytest.raises(ZeroDivisionError), dd.debug():
        dd.grad(lambda x: 1 / 0)(1.0)
    assert np.isinf(dd.grad(np.sqrt)(0.0))
    found(dd.grad(np.sqrt), 0.0)
    assert np.isinf(dd.grad(np.sqrt)(0.0))


def test_debug_is_of_its_thread_and_its_task():
    results = []
    with dd.debug():
        thread = threading.Thread(target=lambda: results.append(dd.grad(np.sqrt)(0.0)))
        thread.start()
        thread.join()
    assert results == [np.inf]

    async def watched():
        with dd.debug():
            await asyncio.sleep(0)
            with pytest.raises(NonFiniteError):
                dd.grad(np.sqrt)(0.0)
            await asyncio.sleep(0)

    async def bare():
        for _ in range(3):
            assert dd.grad(np.sqrt)(0.0) == np.inf
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(watched(), bare())

    asyncio.run(both())


def derivatives(p):
    """First and second derivatives of a program in both modes, as bits."""
    args, in_tree = flatten(p.arguments)
    y, pullback = dd.vjp(p, *p.arguments)
    bars = unflatten(flatten(y)[1], [np.ones_like(v) for v in flatten(y)[0]])
    dots = unflatten(in_tree, [np.ones_like(v) for v in args])
    _, lin = dd.linearize(p, *p.arguments)
    results = [pullback(bars), dd.jvp(p, p.arguments, dots), lin(*dots), lin.T(bars)]

    def total(*xs):
        return sum(np.sum(np.real(v)) for v in flatten(p(*xs))[0])

    if all(v.dtype.kind in "fc" for v in flatten(y)[0]):
        results += [dd.hvp(total, p.arguments, dots, mode=m) for m in ("auto", "reverse-over-reverse")]
    return [(v.dtype, v.shape, v.tobytes()) for v in map(np.asarray, flatten(results)[0])]


@pytest.mark.parametrize("ambience", [dd.debug, dd.strong_zero], ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", range(60))
@pytest.mark.filterwarnings("ignore")
@convention("NAN-6")
def test_finite_results_are_the_same_to_the_last_bit(seed, ambience):
    p = programs.generate(seed)
    if "buffer" in p.features and ambience is dd.debug:  # which says so if a constant changes
        p = programs.generate(seed, kind="float64", writes=False)
    expected = derivatives(p)
    with ambience():
        assert derivatives(p) == expected


def test_line_is_the_users_through_containers_methods_and_functions_of_numpy():
    def f(d):
        return np.var(d["a"]).sum() + np.linalg.norm(1 / d["b"])

    said = found(dd.grad(f), {"a": np.ones(2), "b": X})
    assert said.startswith("divide") and line_after(f, 1) in said


def test_front_end_of_torch_is_looked_at():
    torch = __import__("dualdiff.torch", fromlist=["torch"])
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    y = torch.sqrt(x).sum()
    assert found(y.backward).startswith("sqrt at a line that was not recorded")


# -------------------------------------------------- constants
@pytest.mark.parametrize("size", [3, 1000], ids=["small", "large"])
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda x, c: np.sum(x * c), id="product"),
        pytest.param(lambda x, c: np.sum(np.where(c > 0, x, 0.0) * c), id="mask"),
        pytest.param(lambda x, c: np.sum(x[c.astype(int)] * c), id="index"),
        pytest.param(lambda x, c: x @ c, id="matmul"),
    ],
)
@convention("AL-2", "AL-3")
def test_constant_that_changes_before_the_sweep_raises(use, size):
    c = np.ones(size)
    with dd.debug():
        _, pullback = dd.vjp(lambda x: use(x, c), np.ones(size))
        pullback(1.0)
        c[1] = 2.0
        with pytest.raises(MutationError, match=rf"{HERE}:\d+ has changed|was changed between"):
            pullback(1.0)


def test_changed_constant_names_its_shape_and_line():
    c = np.ones(3)

    def f(x):
        y = x * c
        c[:] = 100.0
        return np.sum(y)

    with dd.debug(), pytest.raises(MutationError) as caught:
        dd.grad(f)(np.ones(3))
    assert f"a constant of shape (3,) that multiply read at {line_after(f, 1)} has changed" in str(
        caught.value
    )


def test_index_that_changes_raises():
    index = np.array([0, 1])
    with dd.debug():
        _, lin = dd.linearize(lambda x: x[index], np.ones(3))
        index[0] = 2
        with pytest.raises(MutationError, match="has changed since"):
            lin(np.ones(3))
        with pytest.raises(MutationError, match="has changed since"):
            lin.T(np.ones(2))


def test_input_that_changes_is_no_constant():
    x = np.ones(3)
    with dd.debug():
        _, pullback = dd.vjp(lambda x: np.sum(x * x), x)
        x[:] = 7.0
        np.testing.assert_array_equal(pullback(1.0)[0], [2, 2, 2])


# -------------------------------------------------- inputs that do nothing
@convention("UN-3", "WN-4")
def test_result_that_does_not_depend_on_the_input_warns():
    assert dd.grad(lambda x: 1.0)(2.0) == 0.0  # no warning without debug
    with dd.debug(), pytest.warns(UnusedInputWarning, match="does not depend on argument 0"):
        assert dd.grad(lambda x: 1.0)(2.0) == 0.0


@pytest.mark.parametrize(
    ("run", "path"),
    [
        (lambda: dd.grad(lambda x, y: x * x, argnums=(0, 1))(2.0, 3.0), "argument 1,"),
        (lambda: dd.grad(lambda d: 2 * d["a"])({"a": 1.0, "b": [1.0]}), r"argument 0\['b'\]\[0\]"),
        (lambda: dd.grad(lambda x, scale: x, argnums=("scale", "x"))(2.0, scale=3.0), "argument 'scale'"),
        (lambda: dd.vjp(lambda x, y: x, 1.0, 2.0), "argument 1,"),
        (lambda: dd.linearize(lambda x: np.floor(x), 1.5), "argument 0,"),
        (lambda: dd.jacobian(lambda x, y: np.ones(3), argnums=1)(1.0, X), "argument 1,"),
        (lambda: dd.jvp(lambda x: np.ones(2), (1.0,), (1.0,)), "argument 0,"),
    ],
)
def test_unused_input_is_named_by_argument_and_path(run, path):
    with dd.debug(), pytest.warns(UnusedInputWarning, match=path):
        run()


def test_used_inputs_do_not_warn():
    with dd.debug(), warnings.catch_warnings():
        warnings.simplefilter("error")
        dd.grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
        dd.hessian(lambda x: np.sum(x**3))(X)


# -------------------------------------------------- derivatives that are not there
@convention("LA-7")
def test_equal_eigenvalues_are_named():
    said = found(dd.grad(lambda a: np.linalg.eigh(a)[1][0, 1]), np.eye(2))
    assert said.startswith("eigh received [[1., 0.], [0., 1.]] at") and "became nan" in said
    assert "Eigenvalues 0 and 1 are equal (1.0)" in said


def test_equal_eigenvalues_of_one_matrix_of_a_stack_are_named():
    stack = np.stack([np.diag([1.0, 2, 3]), np.diag([1.0, 5, 5])])
    said = found(dd.grad(lambda a: np.linalg.eigh(a)[1][1, 1, 2]), stack)
    assert "Eigenvalues 1 and 2 of matrix [1] are equal (5.0)" in said


def test_equal_singular_values_are_named():
    said = found(dd.grad(lambda a: np.linalg.svd(a)[0][0, 1]), np.eye(2))
    assert "Singular values 0 and 1 are equal (1.0)" in said


@convention("LA-6")
def test_loss_that_asks_nothing_of_equal_eigenvalues_is_fine():
    with dd.debug():
        np.testing.assert_array_equal(
            dd.grad(lambda a: np.linalg.eigh(a)[1][0, 0])(np.eye(2)), np.zeros((2, 2))
        )


@pytest.mark.parametrize(
    ("of_phase", "free"),
    [
        (lambda a: np.real(np.linalg.eigh(a)[1][1, 1]), lambda a: np.abs(np.linalg.eigh(a)[1][1, 1]) ** 2),
        (
            lambda a: np.real((1 + 2j) * np.linalg.svd(a)[0][1, 1]),
            lambda a: np.abs(np.linalg.svd(a)[0][1, 1]),
        ),
        (
            lambda a: np.real((1 + 2j) * np.linalg.svd(a)[2][0, 1]),
            lambda a: np.real((lambda u, s, v: (u * np.sqrt(s)) @ v)(*np.linalg.svd(a))[0, 1]),
        ),
        (
            lambda a: np.real((1 + 2j) * np.linalg.eig(a)[1][1, 1]),
            lambda a: np.abs(np.linalg.eig(a)[1][1, 1]),
        ),
    ],
    ids=["eigh", "svd-u", "svd-v", "eig"],
)
@convention("LA-9")
def test_loss_of_the_phase_of_complex_vectors_raises(of_phase, free):
    expected = dd.grad(free)(HERMITIAN)
    with dd.debug():
        with pytest.raises(UndefinedDerivative, match="phases of complex") as caught:
            dd.grad(of_phase)(HERMITIAN)
        assert HERE in str(caught.value)
        np.testing.assert_array_equal(dd.grad(free)(HERMITIAN), expected)
    dd.grad(of_phase)(HERMITIAN)  # undefined, and documented as such, without debug


@convention("NR-14")
def test_square_of_a_norm_at_zero_warns_in_the_second_order():
    def f(x):
        return np.linalg.norm(x) ** 2

    with dd.debug():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(dd.grad(f)(np.zeros(2)), [0, 0])
            np.testing.assert_allclose(dd.hessian(f)(np.ones(2)), 2 * np.eye(2), atol=1e-15)
        with pytest.warns(UndefinedDerivativeWarning, match="the norm of zeros has a kink"):
            np.testing.assert_array_equal(dd.hessian(f)(np.zeros(2)), np.zeros((2, 2)))


# -------------------------------------------------- a declared op says where it is undefined
def test_op_of_ones_own_says_where_it_has_no_derivative(unregistered):
    @dd.op
    class sign_root:
        """sign(x) sqrt(|x|), with an infinite slope at 0."""

        core = 0

        def evaluate(x):
            return np.sign(x) * np.sqrt(np.abs(x))

        def differential(y, x, dx):
            return dx * (0.5 / np.abs(y))

        def undefined(y, x):
            return "the slope at 0 is infinite" if np.any(np.equal(x, 0)) else None

        def domain(rng, dtype):
            yield (np.array([1.0, -2.0]).astype(dtype),), {}

    said = found(dd.grad(lambda x: np.sum(sign_root(x))), X)
    assert said.startswith("sign_root received [0., 1.] at") and ". The slope at 0 is infinite." in said


# -------------------------------------------------- rules of one's own, checkpoints
@dd.custom_vjp
def doubled_root(x):
    return 2 * np.sqrt(x)


doubled_root.defvjp(lambda x: (2 * np.sqrt(x), x), lambda x, y_bar: (y_bar / np.sqrt(x),))


def with_a_rule(x):
    return np.sum(doubled_root(x))


def test_function_with_a_rule_is_one_op():
    expected = dd.grad(with_a_rule)(X + 1)
    with dd.debug():
        np.testing.assert_array_equal(dd.grad(with_a_rule)(X + 1), expected)
    said = found(dd.grad(with_a_rule), X)
    line = line_after(with_a_rule, 1)
    assert said.startswith(f"custom_vjp(doubled_root) received [0., 1.] at {line}; a cotangent became inf")


def step(x):
    return x * np.sqrt(x)


def test_line_inside_a_checkpoint_is_that_of_the_repeated_run():
    f = dd.checkpoint(step)
    expected = dd.grad(lambda x: np.sum(f(x)))(X + 1)
    with dd.debug():
        np.testing.assert_array_equal(dd.grad(lambda x: np.sum(f(x)))(X + 1), expected)
    said = found(dd.grad(lambda x: np.sum(f(x))), X)
    assert said.startswith(f"sqrt received 0.0 (element [0] of shape (2,)) at {line_after(step, 1)}")


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    "f", [doubled_root, dd.checkpoint(lambda x: 2 * np.sqrt(x))], ids=["rule", "checkpoint"]
)
def test_zeros_are_strong_in_rules_and_checkpoints(f, mode):
    g = lambda x: np.where(x > 0, f(x), 0.0)  # noqa: E731
    with dd.strong_zero(), np.errstate(all="ignore"):
        np.testing.assert_array_equal(dd.jacobian(g, mode=mode)(X), np.diag([0.0, 1.0]))
