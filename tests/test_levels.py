"""Levels: perturbation confusion, nesting in every order, closures that mix levels."""

import functools
import itertools
import math

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
from dualdiff.errors import ConversionError, EscapedTensor


def forward(f):
    """The derivative of a function of one number, in forward mode."""
    return lambda x: dd.jvp(f, (x,), (1.0,))[1]


def reverse(f):
    """The same in reverse mode."""
    return dd.grad(f, mode="reverse")


def forward_grad(f):
    return dd.grad(f, mode="forward")


def reverse_jvp(f):
    return lambda x: dd.jvp(f, (x,), (1.0,), mode="reverse")[1]


def forward_vjp(f):
    """Reverse mode's answer computed by pushing the basis."""

    def derivative(x):
        y, pullback = dd.vjp(f, x, mode="forward")
        return pullback(np.ones_like(y))[0]

    return derivative


def linearized(f):
    return lambda x: dd.linearize(f, x)[1](1.0)


TWO = {"F": forward, "R": reverse}
SIX = {**TWO, "f": forward_grad, "r": reverse_jvp, "v": forward_vjp, "l": linearized}


def choices(kinds, k):
    """All ways to choose k derivative operators, with readable ids."""
    words = itertools.product(kinds, repeat=k)
    return [pytest.param(tuple(kinds[letter] for letter in word), id="".join(word)) for word in words]


# -------------------------------------------------- perturbation confusion
def t1(d, e):
    """Siskind and Pearlmutter: the inner tangent must not meet the outer one."""
    return d(lambda x: x * e(lambda y: x + y)(1.0))(1.0)


def t2(d, e):
    return d(lambda x: x * e(lambda y: x * y)(2.0))(1.0)


def t4(d, e):
    return d(lambda y: e(lambda x: x * (x * y))(3 * y))(5.0)


class Nested:
    """A callable of which inner and outer instance have one type: levels must not be keyed on it."""

    def __init__(self, outer, x, inner_derivative):
        self.outer, self.x, self.inner_derivative = outer, x, inner_derivative

    def __call__(self, t):
        if self.outer:
            return t * self.inner_derivative(Nested(False, t, None))(1.0)
        return self.x + t


def t7(d, e):
    return d(Nested(True, 0.0, e))(1.0)


def t8(d, e):
    """One derived function used twice: each use is a level of its own."""
    shift = lambda derivative: lambda g: lambda a: derivative(lambda u: g(a + u))(0.0)  # noqa: E731
    return shift(d)(shift(e)(np.exp))(1.0)


CONFUSION = [(t1, 1.0), (t2, 2.0), (t4, 60.0), (t7, 1.0), (t8, math.e)]


@pytest.mark.parametrize("operators", choices(SIX, 2))
@pytest.mark.parametrize("program, answer", CONFUSION, ids=lambda p: getattr(p, "__name__", ""))
@convention("ER-5")
def test_confusion_programs(program, answer, operators):
    assert program(*operators) == pytest.approx(answer, rel=1e-15)


@pytest.mark.parametrize("operators", choices(TWO, 2))
@pytest.mark.parametrize(
    "program, answer",
    [
        (lambda d, e: lambda s: d(lambda x: x * e(lambda y: x + s * y)(1.0))(1.0), lambda s: s),
        (lambda d, e: lambda s: d(lambda x: x * e(lambda y: x * y * s)(2.0))(1.0), lambda s: 2 * s),
        (lambda d, e: lambda s: d(lambda y: e(lambda x: x * (x * y) * s)(3 * y))(5.0), lambda s: 60 * s),
        (lambda d, e: lambda s: d(lambda y: e(lambda x: x * (x * y))(3 * y))(s), lambda s: 12 * s),
        (lambda d, e: lambda s: t8(d, e) * s, lambda s: math.e * s),
    ],
    ids=["T1", "T2", "T4", "T4-at", "T8"],
)
@convention("ER-5")
def test_confusion_programs_under_vmap(program, answer, operators):
    s = np.array([1.0, 2.0, -3.0])
    np.testing.assert_allclose(dd.vmap(program(*operators))(s), answer(s), rtol=1e-14)


@pytest.mark.parametrize("operators", choices(TWO, 2))
@convention("UN-8")
def test_curried_function_output_is_refused(operators):
    d, e = operators
    shift = lambda u: lambda g: lambda a: g(a + u)  # noqa: E731
    with pytest.raises(TypeError, match="returned a value of type function"):
        d(shift)(0.0)(e(shift)(0.0)(np.exp))(1.0)


@pytest.mark.parametrize("operators", choices(SIX, 3))
def test_captured_cell_raises_escaped(operators):
    outermost, first, second = operators

    def outer(x0):
        cell = [x0]

        def f(y):
            cell[0] = cell[0] * y
            return cell[0]

        first(f)(1.0)
        return second(f)(1.0)

    with pytest.raises(EscapedTensor, match=r"f\) at test_levels.py:\d+, which has returned"):
        outermost(outer)(1.0)


@pytest.mark.parametrize("operators", choices(TWO, 3))
def test_three_levels_of_one_variable_each(operators):
    # d/dx d/dy d/dz x^2 y^3 z^4 with z = x y inside: every level differentiates only its own variable.
    d, e, f = operators
    found = d(lambda x: e(lambda y: f(lambda z: x**2 * y**3 * z**4)(x * y))(3.0))(2.0)
    # 4 (xy)^3 x^2 y^3 = 4 x^5 y^6 -> d/dy 24 x^5 y^5 -> d/dx 120 x^4 y^5
    assert found == pytest.approx(120 * 2.0**4 * 3.0**5, rel=1e-14)


@pytest.mark.parametrize("operators", choices(TWO, 3))
def test_third_derivative_in_every_mode_triple(operators):
    d, e, f = operators
    third = d(e(f(lambda x: np.sin(x) * x**3 + np.exp(x) / x)))
    x = 1.3
    s, c, ex = math.sin(x), math.cos(x), math.exp(x)
    product = -c * x**3 - 3 * s * 3 * x**2 + 3 * c * 6 * x + s * 6
    quotient = ex * (1 / x - 3 / x**2 + 6 / x**3 - 6 / x**4)
    assert third(x) == pytest.approx(product + quotient, rel=1e-12)


@pytest.mark.parametrize("operators", choices(TWO, 4))
def test_fourth_derivative_in_every_mode_word(operators):
    f = functools.reduce(lambda g, d: d(g), operators, lambda x: x**5 * np.exp(-x))
    x = 0.7
    exact = math.exp(-x) * (x**5 - 20 * x**4 + 120 * x**3 - 240 * x**2 + 120 * x)
    assert f(x) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_inner_derivative_does_not_see_the_outer_variable(operators):
    d, e = operators
    assert d(lambda x: e(lambda y: x)(1.0) + 0 * x)(2.0) == 0.0
    assert d(lambda x: e(lambda y: y * y)(x))(3.0) == 2.0
    assert d(lambda x: x * e(lambda y: 5.0)(x))(3.0) == 0.0


@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_stop_gradient_stops_every_level(operators):
    d, e = operators
    assert d(lambda x: e(lambda y: dd.stop_gradient(x) * x * y)(1.0))(3.0) == 3.0
    assert d(lambda x: e(lambda y: x * dd.stop_gradient(x * y))(2.0))(3.0) == 0.0


# -------------------------------------------------- words over {F, R, V}
N = 3
A = np.array([[0.5, -1.0, 0.25], [1.5, 0.75, -0.5], [-0.25, 1.0, 2.0]])
X = np.array([0.3, -0.7, 1.1])


def small_program(x):
    """Elementwise, broadcast, reduction, indexing: a scalar of a vector."""
    y = np.sin(x) * x[::-1] + 0.5 * x[0]
    outer = y[:, None] * (A * x)
    return np.sum(outer * outer[[2, 0, 1]]) + np.exp(y[1]) / (2 + np.cos(x[2]))


def apply_word(word, f):
    """Each letter raises f from arrays of shape (3,) to the same: its gradient, a push, or examples."""
    for letter in reversed(word):
        f = LETTERS[letter](f)
    return f


V1 = np.array([1.0, 0.5, -0.75])
WEIGHTS = np.array([0.5, 1.0, -2.0])


def letter_f(f):
    return lambda x: dd.jvp(f, (x,), (V1,))[1]


def letter_r(f):
    return dd.grad(lambda x: np.sum(WEIGHTS * f(x)), mode="reverse")


def letter_v(f):
    return lambda x: dd.vmap(lambda s: np.sum(f(x * s)))(np.array([0.5, 1.0, 2.0]))


LETTERS = {"F": letter_f, "R": letter_r, "V": letter_v}


def by_hand(word, f, x):
    """What the word means without any transform: V is a loop, F and R are extrapolated central differences.

    In longdouble, so that three nested differences keep ten digits.
    """
    if not word:
        return f(x)
    letter, rest = word[0], word[1:]
    if letter == "V":
        return np.stack([np.sum(by_hand(rest, f, x * s)) for s in (0.5, 1.0, 2.0)])
    if letter == "F":
        return richardson(lambda t: by_hand(rest, f, x + t * V1))
    columns = [richardson(lambda t, e=e: by_hand(rest, f, x + t * e)) for e in np.eye(N, dtype=x.dtype)]
    return np.stack([np.sum(WEIGHTS * column) for column in columns])


def richardson(g):
    """g'(0) by central differences with steps h, h/2, h/4, h/8 and Richardson extrapolation to order 8."""
    steps = [np.longdouble(0.064) / 2**k for k in range(5)]
    table = [(g(h) - g(-h)) / (2 * h) for h in steps]
    for j in range(1, len(steps)):
        table = [(4**j * b - a) / (4**j - 1) for a, b in itertools.pairwise(table)]
    return table[0]


WORDS = ["".join(word) for k in (1, 2, 3) for word in itertools.product("FRV", repeat=k)]


def vector_program(x):
    return small_program(x) * np.cos(x) + x * x[[1, 2, 0]]


@pytest.mark.parametrize("word", WORDS)
def test_word_of_transforms_equals_loops_and_differences(word):
    expected = by_hand(word, vector_program, X.astype(np.longdouble))
    np.testing.assert_allclose(
        apply_word(word, vector_program)(X), expected.astype(float), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("word", [w for w in WORDS if len(w) == 3])
def test_word_of_transforms_in_longdouble_and_float32(word):
    exact = apply_word(word, vector_program)(X)
    x = X.astype(np.float32)
    found = apply_word(word, vector_program)(X.astype(np.longdouble))
    assert found.dtype == np.longdouble
    np.testing.assert_allclose(found.astype(float), exact, rtol=1e-10, atol=1e-10)
    small = apply_word(word, vector_program)(x)
    np.testing.assert_allclose(small, exact, rtol=1e-2, atol=5e-2 * np.abs(exact).max())


HVP_MODES = ["forward-over-reverse", "reverse-over-forward", "reverse-over-reverse", "forward-over-forward"]


@pytest.mark.parametrize("mode", HVP_MODES)
def test_hvp_mode_pairs_equal_the_hessian(mode):
    pair = tuple(mode.split("-over-"))
    g, hv = dd.hvp(small_program, (X,), (V1,), mode=mode)
    hessian = dd.hessian(small_program, mode=pair)(X)
    np.testing.assert_allclose(hv, hessian @ V1, rtol=1e-12)
    np.testing.assert_allclose(g, dd.grad(small_program)(X), rtol=1e-13)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12, atol=1e-13)
    exact = richardson(lambda t: dd.grad(small_program)(X.astype(np.longdouble) + t * V1))
    np.testing.assert_allclose(hv, exact.astype(float), rtol=1e-10)


@pytest.mark.parametrize("outer", ["forward", "reverse"])
@pytest.mark.parametrize("middle", ["forward", "reverse"])
@pytest.mark.parametrize("inner", ["forward", "reverse"])
def test_third_derivative_tensor_in_every_mode_triple(outer, middle, inner):
    f = lambda x: np.sum(x) * np.sum(x * x) + np.sum(x**3)  # noqa: E731
    third = dd.jacobian(dd.hessian(f, mode=(middle, inner)), mode=outer)(X)
    eye = np.eye(3)
    ones = np.ones(3)
    # d3 of sum(x) sum(x^2): 2 (1_i d_jk + 1_j d_ik + 1_k d_ij); of sum(x^3): 6 d_ijk
    exact = 2 * (
        np.einsum("i,jk->ijk", ones, eye)
        + np.einsum("j,ik->ijk", ones, eye)
        + np.einsum("k,ij->ijk", ones, eye)
    ) + 6 * np.einsum("ij,jk->ijk", eye, eye)
    np.testing.assert_allclose(third, exact, rtol=1e-13, atol=1e-13)


# -------------------------------------------------- closures that mix levels
@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_cotangents_of_mixed_levels_add_up(operators):
    # Several contributions to one cotangent, plain ones first and one of an outer level last.
    d, e = operators
    inner = lambda w: dd.grad(lambda x: np.sum(w * x + 2 * x + 3 * x), mode="reverse")(np.ones(3))  # noqa: E731
    f = lambda t: np.sum(inner(t * X) ** 2) + e(lambda s: s * t)(1.0)  # noqa: E731
    assert d(f)(2.0) == pytest.approx(np.sum(2 * (2 * X + 5) * X) + 1, rel=1e-14)


def test_pullback_of_several_outputs_takes_plain_and_batched_cotangents():
    _y, pullback = dd.vjp(lambda x: (2 * x, 3 * x, 4 * x), np.ones(3))
    rows = np.arange(6.0).reshape(2, 3)
    found = dd.vmap(lambda b: pullback((b, np.ones(3), np.ones(3)))[0])(rows)
    np.testing.assert_array_equal(found, 2 * rows + 7)


@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_pullback_used_at_another_level(operators):
    d, e = operators
    _y, pullback = dd.vjp(lambda x: np.sin(x) * x, 2.0)
    slope = math.cos(2.0) * 2 + math.sin(2.0)
    assert d(lambda t: pullback(t * t)[0] * e(lambda s: s * t)(1.0))(3.0) == pytest.approx(3 * 9 * slope)


@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_linear_map_used_at_another_level(operators):
    d, e = operators

    def f(t):
        _y, lin = dd.linearize(lambda x: t * x * x, t)
        return lin(1.0) + lin.T(t)[0] + e(lambda s: lin(s * t))(2.0)

    # lin(v) = 2 t^2 v: f = 2 t^2 + 2 t^3 + 2 t^3
    assert d(f)(1.5) == pytest.approx(4 * 1.5 + 12 * 1.5**2, rel=1e-14)


@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_outer_tensors_as_seeds(operators):
    d, e = operators
    f = lambda t: dd.jvp(lambda x: x**3, (t,), (t * t,))[1] + e(lambda s: dd.vjp(np.square, s)[1](t)[0])(t)  # noqa: E731
    # 3 t^4 + 2 t
    assert d(f)(1.5) == pytest.approx(12 * 1.5**3 + 2, rel=1e-14)


@convention("UN-7")
def test_closures_over_three_levels_and_vmap():
    def f(a):
        return dd.vmap(lambda b: dd.grad(lambda c: forward(lambda e: a * b * c * c * e * e)(b))(a))(X)

    # e: 2 a b c^2 b; c: 4 a b^2 c -> 4 a^2 b^2
    np.testing.assert_allclose(dd.jacobian(f)(1.5), 8 * 1.5 * X**2, rtol=1e-14)
    np.testing.assert_allclose(f(1.5), 4 * 1.5**2 * X**2, rtol=1e-14)


@pytest.mark.parametrize("operators", choices(TWO, 2))
def test_inner_norm_derivative_equals_the_norm(operators):
    # CF-5: D(t -> t |v|) = |v|
    d, e = operators
    norm = lambda v: np.sqrt(np.sum(v * v))  # noqa: E731
    v = np.array([3.0, -4.0, 1.0])
    mixed = lambda s: np.sum(s * v) * e(lambda t: t * norm(s * v))(1.0)  # noqa: E731
    assert d(mixed)(2.0) == pytest.approx(d(lambda s: np.sum(s * v) * norm(s * v))(2.0), rel=1e-14)
    nested = dd.grad(lambda v: np.sum(v) * e(lambda t: t * norm(v))(1.0))(v)
    np.testing.assert_allclose(nested, norm(v) + np.sum(v) * v / norm(v), rtol=1e-14)


# -------------------------------------------------- mixed kinds per argument
def run_with_kinds(f, kinds, x, y, seeds):
    """f with each argument plain, dual, on a tape or batched, all at once and nested; what f makes of it.

    Returns the value and the derivative along the seeds of all dual and tape arguments, each of batch size 2
    where an argument is batched (the same example twice, scaled).
    """

    def value(x, y):
        return np.sum(f(x, y) * 1.0)

    def one(arguments):
        # dual arguments move along their seeds by forward mode, tape arguments by reverse mode
        def of_duals(t):
            def of_tapes(*tape_values):
                tape_values = list(tape_values)
                built = []
                for kind, z, seed in zip(kinds, arguments, seeds, strict=True):
                    built.append(
                        z + t * seed if kind == "dual" else tape_values.pop(0) if kind == "tape" else z
                    )
                return value(*built)

            taped = [
                (z, seed) for kind, z, seed in zip(kinds, arguments, seeds, strict=True) if kind == "tape"
            ]
            if not taped:
                return of_tapes(), 0.0
            out, bars = dd.value_and_grad(of_tapes, argnums=tuple(range(len(taped))), mode="reverse")(
                *(z for z, _ in taped)
            )
            return out, sum(np.sum(bar * seed) for bar, (_, seed) in zip(bars, taped, strict=True))

        (out, slope), (out_dot, slope_dot) = dd.jvp(of_duals, (0.0,), (1.0,))
        return out, slope, out_dot, slope_dot

    if "batched" not in kinds:
        return one((x, y))
    axes = [0 if kind == "batched" else None for kind in kinds]
    scales = np.array([1.0, 1.0])
    stacked = [
        np.multiply.outer(scales, z) if kind == "batched" else z
        for kind, z in zip(kinds, (x, y), strict=True)
    ]
    rows = dd.vmap(lambda a, b: one((a, b)), in_axes=tuple(axes))(*stacked)
    for row in rows:
        np.testing.assert_array_equal(row[0], row[1])
    return tuple(row[0] for row in rows)


BASE = np.array([[0.8, 1.7, 2.4], [1.1, 0.6, 3.0]])
OTHER = np.array([[1.5, 0.9, 2.0], [0.7, 1.3, 0.5]])
TWO_ARGUMENTS = {
    "add": np.add,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "maximum": np.maximum,
    "arctan2": np.arctan2,
    "where": lambda x, y: np.where(BASE > 1, x * x, y * y * y),
    "where-condition": lambda x, y: np.where(x > y, x * y, y),
    "concatenate": lambda x, y: np.concatenate([x * y, y * y, x], axis=1),
    "stack": lambda x, y: np.stack([x * x, y]),
    "getitem": lambda x, y: x[1, ::2] * y[[0, 1], [2, 1]],
    "broadcast": lambda x, y: x[:, :1] * y + x[0],
    "operators": lambda x, y: (x - y) / (1 + x * x) + 2.0**y - (-x) ** 2,
    "matmul": lambda x, y: (x @ y.T) ** 2,
    "solve": lambda x, y: np.linalg.solve(x[:, :2] + 3 * np.eye(2), y),
    "einsum": lambda x, y: np.einsum("ij,kj->ik", x, y) ** 2,
}
KINDS = ("plain", "dual", "tape", "batched")


@pytest.mark.parametrize("kinds", list(itertools.product(KINDS, repeat=2)), ids="-".join)
@pytest.mark.parametrize("name", TWO_ARGUMENTS)
def test_mixed_kinds_of_arguments(name, kinds):
    f = TWO_ARGUMENTS[name]
    seeds = np.array([[1.0, -0.5, 0.25], [0.75, 2.0, -1.0]]), np.array([[0.5, 1.0, -1.5], [1.0, -0.25, 0.5]])
    found = run_with_kinds(f, kinds, BASE, OTHER, seeds)
    value = lambda x, y: np.sum(f(x, y) * 1.0)  # noqa: E731

    def along(kind):
        moved = [seed if k == kind else 0 * seed for k, seed in zip(kinds, seeds, strict=True)]
        return lambda s: [z + s * m for z, m in zip((BASE, OTHER), moved, strict=True)]

    dual, tape = along("dual"), along("tape")
    h = 1e-3
    stencil = [(1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)]
    slope = sum(c * value(*tape(k * h)) for k, c in stencil) / (12 * h)
    out_dot = sum(c * value(*dual(k * h)) for k, c in stencil) / (12 * h)

    def both(s, t):
        moved = [
            seed * (s if k == "dual" else t if k == "tape" else 0)
            for k, seed in zip(kinds, seeds, strict=True)
        ]
        return value(BASE + moved[0], OTHER + moved[1])

    cross = sum(c * d * both(j * h, k * h) for j, c in stencil for k, d in stencil) / (12 * h) ** 2
    assert found[0] == pytest.approx(value(BASE, OTHER), rel=1e-14)
    assert found[1] == pytest.approx(slope, rel=1e-7, abs=1e-7)
    assert found[2] == pytest.approx(out_dot, rel=1e-7, abs=1e-7)
    assert found[3] == pytest.approx(cross, rel=1e-5, abs=1e-5)


@convention("CV-6")
def test_math_functions_refuse_tensors_at_every_level():
    for d, e in itertools.product(TWO.values(), repeat=2):
        with pytest.raises(ConversionError):
            d(lambda x, e=e: e(lambda y: math.sin(x))(1.0))(1.0)
