"""Declaring ops: what a bad declaration is told, and that a good one is all there is to adding an op.

The ops declared here have no other test: both modes, second order, vmap and check_op follow from the record.
"""

import traceback

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.avals import Aval
from dualdiff.core import FUNCTIONS, OPS
from dualdiff.domains import nonzero, positive, reals
from dualdiff.errors import DeclarationError, GradientMismatch, InputTypeError, NoDerivative, ShapeError
from dualdiff.testing import check_op

pytestmark = pytest.mark.usefixtures("unregistered")

X = np.array([0.5, 1.5, -0.75])


def draw(*shapes, params=None):
    """A domain of reals with these shapes."""

    def domain(rng, dtype):
        yield tuple(reals.sample(rng, shape, dtype) for shape in shapes), params or {}

    return domain


# -------------------------------------------------- rows that are refused
@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: dd.elementwise(np.hypot, 1, name="short"),
            "op 'short' takes 2 arguments but states 1 partials.\n"
            "  Give one partial per argument; None where there is no derivative.",
        ),
        (
            lambda: dd.elementwise(np.sin, 1, on=(reals, positive), name="domains"),
            "op 'domains' takes 1 arguments but states 2 domains.",
        ),
        (
            lambda: dd.elementwise(np.sin, "cos", name="text"),
            "partial 0 of op 'text' is 'cos'.\n  Give None, a number or a function.",
        ),
        (
            lambda: dd.elementwise(np.sin, lambda x: np.cos(x), name="no_output"),
            "partial 0 of op 'no_output' does not take (output, 1 inputs).\n"
            "  A partial is a function of the output and every input; start an unread name with _.",
        ),
        (
            lambda: dd.elementwise(np.hypot, 1, lambda z, x: x, name="one_input"),
            "partial 1 of op 'one_input' does not take (output, 2 inputs).\n"
            "  A partial is a function of the output and every input; start an unread name with _.",
        ),
    ],
    ids=["too few partials", "too many domains", "text for a partial", "no output", "an input missing"],
)
def test_row_is_refused(declare, message):
    before = dict(OPS)
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert str(caught.value) == f"{message}  -> errors#declaration"
    assert before == OPS


def test_name_of_an_op_of_the_library_is_refused():
    """The product of all tensors would have this derivative."""
    for declare in (
        lambda: dd.elementwise(lambda x, y: x * y, 1, 1, name="multiply"),
        lambda: dd.op(type("multiply", (), dict(vars(with_one_transpose_of_two)))),
    ):
        with pytest.raises(DeclarationError, match=r"op 'multiply' exists already: .* dualdiff\.ops"):
            declare()
    assert dd.grad(lambda x: x * x)(3.0) == 6.0


def test_op_of_ones_own_may_be_declared_again():
    """As a notebook does when a cell is run twice; the later one counts."""
    for factor in (1.0, 2.0):
        f = dd.elementwise(lambda x, c=factor: c * x, factor, name="again")
        assert dd.grad(f)(1.0) == factor
    assert OPS["again"] is f


# -------------------------------------------------- class bodies that are refused
class empty:
    pass


class without_a_kind:
    def evaluate(x):
        return x

    domain = draw((3,))


class without_a_domain:
    def evaluate(x):
        return x

    def transpose(y_bar, x):
        return y_bar


class with_a_typing_error(without_a_domain):
    """Facts are read from the class itself, not from its bases."""

    domain = draw((3,))

    def evaluate(x):
        return x

    def transposse(y_bar, x):
        return y_bar


class with_one_transpose_of_two:
    domain = draw((3,), (3,))

    def evaluate(x, y):
        return x * y

    transposes = (lambda z_bar, x, y: z_bar * y,)


@pytest.mark.parametrize(
    ("namespace", "message"),
    [
        (
            empty,
            "op 'empty' lacks evaluate, domain, transpose, transposes, differential or constant = True.\n"
            "  See how-to/add-an-op for what each kind states.",
        ),
        (
            without_a_kind,
            "op 'without_a_kind' lacks transpose, transposes, differential or constant = True.\n"
            "  See how-to/add-an-op for what each kind states.",
        ),
        (
            without_a_domain,
            "op 'without_a_domain' lacks domain.\n  See how-to/add-an-op for what each kind states.",
        ),
        (with_a_typing_error, "op 'with_a_typing_error' states transposse, which no op has."),
        (
            with_one_transpose_of_two,
            "op 'with_one_transpose_of_two' takes 2 arguments but states 1 transposes.",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_class_body_is_refused(namespace, message):
    before = dict(OPS)
    with pytest.raises(DeclarationError) as caught:
        dd.op(namespace)
    assert str(caught.value) == f"{message}  -> errors#declaration"
    assert before == OPS


# -------------------------------------------------- rules that are refused when they run
def test_rule_with_a_cotangent_of_the_wrong_shape_is_refused():
    @dd.op
    class wrong_shape:
        domain = draw((3,))

        def evaluate(x):
            return 2 * x

        def transpose(y_bar, x):
            return np.concatenate([y_bar, y_bar])

    with pytest.raises(ShapeError, match=r"cotangent of shape \(6,\) for an argument of shape \(3,\)"):
        dd.vjp(wrong_shape, X)[1](X)


def test_differential_that_is_not_linear_is_refused():
    @dd.op
    class not_linear:
        domain = draw((3,))

        def evaluate(x):
            return x * x

        def differential(y, x, dx):
            return 2 * x * dx * dx

    with pytest.raises(NoDerivative, match="differential of not_linear is not linear"):
        dd.vjp(not_linear, X)[1](X)


def test_differential_through_an_op_without_out_is_refused():
    @dd.op
    class silent:
        domain = draw((3,))

        def evaluate(x):
            return 2 * x

        def transpose(y_bar, x):
            return 2 * y_bar

    @dd.op
    class through_silent:
        domain = draw((3,))

        def evaluate(x):
            return 2 * x

        def differential(y, x, dx):
            return silent(dx)

    assert dd.jvp(through_silent, (X,), (X,))[1] == pytest.approx(2 * X)
    with pytest.raises(NoDerivative, match="silent was applied to a tangent, but it states no `out`"):
        dd.vjp(through_silent, X)[1](X)


def test_check_op_names_the_law_that_a_rule_of_wrong_shape_breaks():
    @dd.op
    class differences:
        domain = draw((3,))

        def evaluate(x):
            return np.diff(x)

        def transpose(y_bar, x):
            return y_bar

    with pytest.raises(GradientMismatch, match=r"differences breaks the law '\w+'.*shape \(2,\)"):
        check_op(differences)


def test_check_op_of_a_ufunc_that_lacks_extended_precision():
    erf = pytest.importorskip("scipy.special").erf
    row = dd.elementwise(erf, lambda _y, x: 2 / np.pi**0.5 * np.exp(-x * x), name="error_function")
    with pytest.raises(TypeError):
        row(np.longdouble(0.5))
    assert check_op(row) > 10


def test_check_op_of_what_is_no_op_is_refused():
    with pytest.raises(InputTypeError, match="check_op was given a ufunc"):
        check_op(np.sin)


def test_domain_that_yields_nothing_is_refused_by_check_op():
    @dd.op
    class nowhere:
        domain = lambda rng, dtype: iter(())  # noqa: E731

        def evaluate(x):
            return x

        def transpose(y_bar, x):
            return y_bar

    with pytest.raises(DeclarationError, match="domain of op 'nowhere' yields no point"):
        check_op(nowhere)


# -------------------------------------------------- adding an op touches one place
def softsign():
    """A row: the function, its derivative, where it is smooth."""
    return dd.elementwise(
        lambda x: x / (1 + np.abs(x)), lambda _y, x: 1 / np.square(1 + np.abs(x)), on=nonzero, name="softsign"
    )


def second_moment():
    """A class body of the general kind, with a parameter: along the last axis, the mean of squares."""

    @dd.op
    class second_moment:
        """dy = 2 mean(weight x dx)"""

        core = 1

        def evaluate(x, *, weight):
            return weight * np.sum(x * x, axis=-1) / x.shape[-1]

        def differential(y, x, dx, *, weight):
            return weight * np.sum(2 * x * dx, axis=-1) / x.shape[-1]

        domain = draw((2, 3), params={"weight": 3.0})

    return second_moment


def outer():
    """A multilinear class body."""

    @dd.op
    class outer_product:
        """x y^T"""

        core = 1

        def evaluate(x, y):
            return x[..., :, None] * y[..., None, :]

        transposes = (
            lambda z_bar, x, y: np.sum(z_bar * np.conj(y)[..., None, :], axis=-1),
            lambda z_bar, x, y: np.sum(z_bar * np.conj(x)[..., :, None], axis=-2),
        )

        domain = draw((2,), (3,))

    return outer_product


def polar():
    """An op with two results."""

    @dd.op
    class polar:
        """(r, angle): dr = (x dx + y dy) / r, dangle = (x dy - y dx) / r^2"""

        core = 0
        multiple = True

        def evaluate(x, y):
            return np.hypot(x, y), np.arctan2(y, x)

        def differential(z, x, y, dx, dy):
            r = z[0]
            return (x * dx + y * dy) / r, (x * dy - y * dx) / (r * r)

        def domain(rng, dtype):
            if np.dtype(dtype).kind == "f":
                yield (positive.sample(rng, (3,), dtype), positive.sample(rng, (3,), dtype)), {}

    return polar


@pytest.mark.parametrize("declare", [softsign, second_moment, outer, polar])
def test_declared_op_obeys_every_law(declare):
    assert check_op(declare()) > 10


def test_row_works_in_every_mode_with_nothing_else_written():
    f = softsign()
    slope = 1 / (1 + np.abs(X)) ** 2
    curvature = -2 * np.sign(X) / (1 + np.abs(X)) ** 3
    np.testing.assert_allclose(dd.jvp(f, (X,), (np.ones(3),))[1], slope, rtol=1e-15)
    np.testing.assert_allclose(dd.vjp(f, X)[1](np.ones(3))[0], slope, rtol=1e-15)
    np.testing.assert_allclose(dd.vmap(dd.grad(f))(X), slope, rtol=1e-15)
    for mode in (dd.jacfwd, dd.jacrev):
        for other in (dd.jacfwd, dd.jacrev):
            np.testing.assert_allclose(np.array([mode(other(f))(x) for x in X]), curvature, rtol=1e-14)


def test_general_op_has_reverse_mode_from_its_differential():
    f = second_moment()
    total = lambda x: f(x, weight=3.0)  # noqa: E731
    np.testing.assert_allclose(dd.grad(total, mode="reverse")(X), 2 * X, rtol=1e-15)
    np.testing.assert_allclose(dd.hessian(total)(X), 2 * np.eye(3), rtol=1e-15)
    rows = np.stack([X, 2 * X])
    np.testing.assert_allclose(dd.vmap(dd.grad(total))(rows), 2 * rows, rtol=1e-15)


def test_multilinear_op_has_both_modes_from_its_transposes():
    f = outer()
    y = np.array([2.0, 3.0])
    np.testing.assert_array_equal(dd.jvp(f, (X, y), (X, y))[1], 2 * np.outer(X, y))
    x_bar, y_bar = dd.vjp(f, X, y)[1](np.ones((3, 2)))
    np.testing.assert_array_equal(x_bar, [5.0, 5.0, 5.0])
    np.testing.assert_array_equal(y_bar, [X.sum()] * 2)


def test_op_with_two_results_takes_a_cotangent_of_either():
    f = polar()
    x, y = np.array(3.0), np.array(4.0)
    gradient = dd.grad(lambda x, y: f(x, y)[0], argnums=(0, 1))(x, y)
    np.testing.assert_allclose(gradient, [0.6, 0.8], rtol=1e-15)
    gradient = dd.grad(lambda x, y: f(x, y)[1], argnums=(0, 1))(x, y)
    np.testing.assert_allclose(gradient, [-4 / 25, 3 / 25], rtol=1e-15)


def test_constant_op_carries_no_derivative_and_batches():
    @dd.op
    class halves:
        """The whole part of x / 2."""

        constant = True
        core = 0

        def evaluate(x):
            return np.floor_divide(x, 2)

        domain = draw((3,))

    assert dd.grad(lambda x: np.sum(halves(x) * x))(X) == pytest.approx(np.floor_divide(X, 2))
    np.testing.assert_array_equal(dd.vmap(halves)(X), np.floor_divide(X, 2))


def test_numpy_function_dispatches_to_a_row_declared_for_it():
    ours = dd.elementwise(np.sin, lambda y, x: 2 * np.cos(x), name="sine_of_mine")
    assert FUNCTIONS[np.sin] is ours
    assert dd.grad(np.sin)(0.0) == 2.0


def test_wrong_op_is_named_with_the_law_it_breaks():
    wrong = dd.elementwise(lambda x: x**3, lambda _y, x: 2 * x * x, name="wrong_cube")
    with pytest.raises(
        GradientMismatch, match="wrong_cube breaks the law 'pushforward_is_directional_derivative'"
    ):
        check_op(wrong)


def test_partial_appears_in_tracebacks_under_the_name_of_its_op():
    failing = dd.elementwise(lambda x, y: x + y, 1, lambda z, x, y: 1 / 0, name="failing")
    with pytest.raises(ZeroDivisionError) as caught:
        dd.jvp(failing, (X, X), (X, X))
    assert "failing.d_1" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_partial_reads_what_its_parameters_name():
    f = dd.elementwise(lambda x, y: x * y, lambda _z, _x, y: y, lambda _z, x, _y: x, name="times")
    assert f.reads == ((2,), (1,))
    g = dd.elementwise(lambda x: np.exp(x), lambda y, _x: y, name="exponential")
    assert g.reads == ((0,),)


# -------------------------------------------------- rows whose function says how many arguments it has
@pytest.mark.parametrize(
    "evaluate, partials",
    [(lambda x: x**3, ()), (lambda x, y: x * y, (None,)), (lambda x: x**3, (None, None))],
    ids=["none", "too-few", "too-many"],
)
def test_row_states_one_partial_per_argument(evaluate, partials):
    # stated otherwise, the row would pass for a constant and its derivative for zero
    with pytest.raises(DeclarationError, match="partials"):
        dd.elementwise(evaluate, *partials, name="miscounted")


def test_row_on_no_domain_is_refused():
    with pytest.raises(DeclarationError, match=r"declared on=.*reals"):
        dd.elementwise(lambda x: x**3, lambda _y, x: 3 * x * x, on="reals", name="worded")


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_array_by_keyword_is_refused(mode):
    # evaluate itself would be differentiated, and the declared derivative passed over in silence
    rounded = dd.elementwise(lambda x: np.round(x), lambda _y, _x: 1.0, name="straight_through")
    assert dd.grad(rounded, mode=mode)(1.25) == 1.0
    with pytest.raises(InputTypeError, match="takes its arrays by position, 1 of them; it was given 0"):
        dd.grad(lambda x: rounded(x=x), mode=mode)(1.25)


def test_rule_that_returns_another_shape_is_named(unregistered):
    @dd.op
    class stretched:
        def evaluate(x):
            return x

        def transpose(y_bar, x):
            return np.ones(5)

        def domain(rng, dtype):
            yield (np.ones(3, dtype),), {}

    with pytest.raises(ShapeError, match=r"the rule of stretched returned a cotangent of shape \(5,\)"):
        dd.grad(lambda x: np.sum(stretched(x)))(X)


def test_rule_that_branches_on_a_shape_alone_is_stopped():
    with pytest.raises(NoDerivative, match="branched"):
        bool(Aval((2,), np.dtype(float)))
