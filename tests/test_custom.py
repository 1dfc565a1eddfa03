"""custom_jvp and custom_vjp: right in both modes, any order and any nesting, and never silently wrong."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
import dualdiff.avals
import dualdiff.tree
from dualdiff.errors import InputTypeError, NoDerivative, ShapeError, StructureError

X, Y = np.array([0.3, 0.7]), np.array([2.0, -1.5])
MODES = ("forward", "reverse")


def plain(x, y):
    return np.sin(x) * y + x * x


@dd.custom_jvp
def by_jvp(x, y):
    return plain(x, y)


@by_jvp.defjvp
def _(primals, tangents):
    (x, y), (x_dot, y_dot) = primals, tangents
    return by_jvp(x, y), (np.cos(x) * y + 2 * x) * x_dot + np.sin(x) * y_dot


@dd.custom_vjp
def by_vjp(x, y):
    return plain(x, y)


by_vjp.defvjp(
    lambda x, y: (by_vjp(x, y), (x, y)),
    lambda res, z_bar: ((np.cos(res[0]) * res[1] + 2 * res[0]) * z_bar, np.sin(res[0]) * z_bar),
)


@dd.custom_jvp
def inner(x):
    return np.sin(x)


inner.defjvp(lambda primals, tangents: (inner(*primals), np.cos(primals[0]) * tangents[0]))


@dd.custom_vjp
def nested(x, y):
    return plain(x, y)


def _nested_fwd(x, y):
    s = inner(x)
    return s * y + x * x, (x, y, s)


def _nested_bwd(res, z_bar):
    x, y, s = res
    _, pull = dd.vjp(lambda x: by_jvp(x, y), x)  # a transform, of a custom function, inside a rule
    return *pull(z_bar), s * z_bar


nested.defvjp(_nested_fwd, _nested_bwd)


FUNCTIONS = pytest.mark.parametrize("f", [by_jvp, by_vjp, nested], ids=["jvp", "vjp", "nested"])
ORDER = pytest.mark.parametrize("modes", [(a, b) for a in MODES for b in MODES], ids="-over-".join)


def same(found, expected, rtol=1e-12):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-14)


# -------------------------------------------------- the matrix of modes and nestings
@FUNCTIONS
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
def test_jacobian_is_that_of_the_plain_function(f, mode, argnums):
    same(
        dd.jacobian(f, argnums, mode=mode)(X, Y),
        dd.jacobian(plain, argnums)(X, Y),
    )


@FUNCTIONS
@pytest.mark.parametrize("mode", MODES)
def test_chunks_of_a_jacobian_agree(f, mode):
    same(dd.jacobian(f, mode=mode, chunk_size=1)(X, Y), dd.jacobian(plain)(X, Y))


@FUNCTIONS
@pytest.mark.parametrize("mode", MODES)
def test_gradient_is_that_of_finite_differences(f, mode):
    dd.testing.check_grads(lambda x, y: np.sum(f(x, y) * y), (X, Y), order=2, modes=(mode,))


@FUNCTIONS
@ORDER
def test_hessian_is_that_of_the_plain_function(f, modes):
    def loss(f):
        return lambda x, y: np.sum(f(x, y) ** 2)

    for found, expected in zip(
        dd.hessian(loss(f), (0, 1), mode=modes)(X, Y), dd.hessian(loss(plain), (0, 1))(X, Y), strict=True
    ):
        same(found, expected)


@FUNCTIONS
@pytest.mark.parametrize("mode", MODES)
@ORDER
def test_third_derivative_is_that_of_the_plain_function(f, mode, modes):
    def third(f):
        return dd.jacobian(dd.hessian(lambda x: np.sum(f(x, Y) ** 2), mode=modes), mode=mode)(X)

    same(third(f), third(plain))


@FUNCTIONS
@pytest.mark.parametrize("mode", [f"{a}-over-{b}" for a in MODES for b in MODES])
def test_hvp_is_that_of_the_plain_function(f, mode):
    found = dd.hvp(lambda x: np.sum(f(x, Y) ** 2), (X,), (Y,), mode=mode)
    same(found, dd.hvp(lambda x: np.sum(plain(x, Y) ** 2), (X,), (Y,)))


@FUNCTIONS
def test_linearize_goes_both_ways_as_often_as_asked(f):
    (y, lin), (_, expected) = dd.linearize(f, X, Y), dd.linearize(plain, X, Y)
    same(y, plain(X, Y))
    for _ in range(2):
        same(lin(Y, X), expected(Y, X))
        same(lin.T(X), expected.T(X))
    same(lin.to_dense(), expected.to_dense())


@FUNCTIONS
def test_vjp_in_forward_mode_and_jvp_in_reverse_mode(f):
    same(dd.vjp(f, X, Y, mode="forward")[1](X), dd.vjp(plain, X, Y)[1](X))
    same(dd.jvp(f, (X, Y), (Y, X), mode="reverse")[1], dd.jvp(plain, (X, Y), (Y, X))[1])


@FUNCTIONS
@pytest.mark.parametrize("in_axes", [(0, 0), (0, None), (None, 0), (1, 0)])
@pytest.mark.parametrize("argnum", [0, 1])
def test_vmap_inside_and_outside_of_derivatives(f, in_axes, argnum):
    x = X if in_axes[0] is None else np.stack([X, 2 * X])
    y = Y if in_axes[1] is None else np.stack([Y, 3 * Y])
    same(dd.vmap(f, in_axes)(x, y), dd.vmap(plain, in_axes)(x, y))

    def total(f):
        return lambda *xs: np.sum(dd.vmap(f, in_axes)(*xs) ** 2)

    same(dd.grad(total(f), argnum)(x, y), dd.grad(total(plain), argnum)(x, y))
    same(dd.jacfwd(total(f), argnum)(x, y), dd.grad(total(plain), argnum)(x, y))
    same(dd.hessian(total(f), argnum)(x, y), dd.hessian(total(plain), argnum)(x, y))

    def each(f):
        return dd.vmap(dd.grad(lambda x, y: np.sum(f(x, y) ** 2), argnum), in_axes)(x, y)

    same(each(f), each(plain))


@FUNCTIONS
def test_vmap_of_vmap(f):
    x = np.stack([X, 2 * X])[:, :, None] * np.array([1.0, 2.0, 3.0])

    def total(f):
        grid = dd.vmap(dd.vmap(f, (1, None)), (0, None))
        return lambda x, y: np.sum(grid(x, y) ** 2)

    for argnum in (0, 1):
        same(dd.grad(total(f), argnum)(x, Y), dd.grad(total(plain), argnum)(x, Y))


@FUNCTIONS
def test_a_value_is_the_same_with_and_without_derivatives(f):
    assert (dd.vjp(f, X, Y)[0] == f(X, Y)).all()
    assert (dd.jvp(f, (X, Y), (X, Y))[0] == f(X, Y)).all()


@FUNCTIONS
def test_sparse_jacobian_follows_the_rule(f):
    pytest.importorskip("scipy")
    found = dd.sparse.jacobian(lambda x: f(x, Y))(X)
    assert found.nnz == 2  # diagonal: the rule is elementwise
    same(found.toarray(), dd.jacobian(plain)(X, Y))


@FUNCTIONS
def test_debug_and_strong_zeros_see_a_custom_function(f):
    expected = dd.grad(lambda x: np.sum(plain(x, Y)))(X)
    with dd.debug():
        same(dd.grad(lambda x: np.sum(f(x, Y)))(X), expected)
        same(dd.jacfwd(lambda x: np.sum(f(x, Y)))(X), expected)
    with dd.strong_zero():
        same(dd.grad(lambda x: np.sum(f(x, Y)))(X), expected)
        same(dd.jacfwd(lambda x: np.sum(f(x, Y)))(X), expected)


@FUNCTIONS
def test_replay_of_a_gradient(f):
    replayed = dd.replay(dd.grad(lambda x: np.sum(f(x, Y))))
    for x in (X, 2 * X, -X):
        same(replayed(x), dd.grad(lambda x: np.sum(plain(x, Y)))(x))


@FUNCTIONS
@pytest.mark.parametrize("create_graph", [False, True])
def test_tensors_of_the_front_end_use_the_rule(f, create_graph):
    import dualdiff.torch as torch

    x = torch.tensor(X, requires_grad=True)
    y = f(x, torch.tensor(Y))
    assert isinstance(y, torch.Tensor)
    y.sum().backward(create_graph=create_graph)
    same(x.grad.detach().numpy(), dd.grad(lambda x: np.sum(plain(x, Y)))(X))
    if create_graph:
        first, x.grad = x.grad, None
        first.sum().backward()
        same(x.grad.numpy(), np.diag(dd.hessian(lambda x: np.sum(plain(x, Y)))(X)))


# -------------------------------------------------- the rule, not the function, decides
def test_both_modes_follow_a_rule_that_is_not_the_derivative():
    rounded = dd.custom_jvp(np.rint)
    rounded.defjvp(lambda primals, tangents: (rounded(*primals), 3 * tangents[0]))
    through = dd.custom_vjp(np.rint)
    through.defvjp(lambda x: (through(x), None), lambda _, y_bar: (3 * y_bar,))
    for f in (rounded, through):
        for mode in MODES:
            same(dd.jacobian(f, mode=mode)(X), 3 * np.eye(2))
        same(dd.sparse.pattern(f, X).toarray(), np.eye(2))


def test_code_that_is_not_numpy_may_be_wrapped():
    optimize = pytest.importorskip("scipy.optimize")

    @dd.custom_jvp
    def root(a):
        return optimize.brentq(lambda x: x**3 + x - float(a), -10, 10)

    @root.defjvp
    def _(primals, tangents):
        x = root(*primals)
        return x, tangents[0] / (3 * x**2 + 1)

    x = root(2.0)
    same(dd.grad(root)(2.0), 1 / (3 * x**2 + 1), rtol=1e-9)
    same(dd.jvp(root, (2.0,), (1.0,))[1], 1 / (3 * x**2 + 1), rtol=1e-9)
    second = -6 * x / (3 * x**2 + 1) ** 3
    for outer in MODES:
        for inner in MODES:
            same(dd.hessian(root, mode=(outer, inner))(2.0), second, rtol=1e-9)


def test_bwd_that_is_not_linear_is_fine_in_reverse_mode():
    clipped = dd.custom_vjp(lambda x: x * 1.0)
    clipped.defvjp(lambda x: (x * 1.0, ()), lambda _, y_bar: (np.clip(y_bar, -1.0, 1.0),))
    same(dd.grad(lambda x: np.sum(clipped(x) * 5))(X), np.ones(2))
    with pytest.raises(NoDerivative, match=r"bwd given to <lambda>.defvjp is not linear in its cotangent"):
        dd.jvp(clipped, (X,), (X,))


def test_value_and_derivative_come_from_one_run_of_the_rule():
    rng = np.random.default_rng(0)
    dropout = dd.custom_vjp(lambda x: x)

    def fwd(x):
        mask = rng.integers(0, 2, x.shape)
        return x * mask, mask

    dropout.defvjp(fwd, lambda mask, y_bar: (mask * y_bar,))
    for _ in range(5):
        y, pull = dd.vjp(dropout, np.ones(20))
        same(pull(np.ones(20))[0], y)
        y, y_dot = dd.jvp(dropout, (np.ones(20),), (np.ones(20),))
        same(y_dot, y)


@pytest.mark.parametrize("mode", MODES)
def test_rules_run_once(mode):
    calls = []
    f = dd.custom_jvp(lambda x: calls.append("f") or np.sin(x))
    f.defjvp(lambda p, t: (calls.append("rule") or np.sin(p[0]), np.cos(p[0]) * t[0]))
    dd.jacobian(f, mode=mode)(X)
    assert calls == ["rule"]


# -------------------------------------------------- arguments
class Pair(NamedTuple):
    a: object
    b: object


def test_containers_as_arguments_and_results():
    def f(p, q):
        return {"s": np.sin(p["u"]) * q[0], "t": Pair(p["u"] * p["v"], q[1])}

    c = dd.custom_jvp(f)
    c.defjvp(lambda primals, tangents: dd.jvp(f, primals, tangents))
    v = dd.custom_vjp(f)

    def fwd(p, q):
        return f(p, q), (p, q)

    def bwd(res, y_bar):
        p, q = res
        s, t = y_bar["s"], y_bar["t"]
        return (
            {"u": np.cos(p["u"]) * q[0] * s + p["v"] * t.a, "v": p["u"] * t.a},
            [np.sin(p["u"]) * s, t.b],
        )

    v.defvjp(fwd, bwd)
    args = {"u": 0.3, "v": 0.5}, [np.float64(2.0), np.float64(0.1)]
    expected = dd.jacobian(f, (0, 1))(*args)
    for g in (c, v):
        for mode in MODES:
            found = dd.jacobian(g, (0, 1), mode=mode)(*args)
            dd.tree.map_tree(same, found, expected)
            assert isinstance(found["t"], Pair)


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_keyword_arguments_and_defaults_become_positions(kind):
    def f(x, scale=2.0, *, power=3):
        return x

    with pytest.raises(InputTypeError, match="arguments that have no position: power"):
        getattr(dd, f"custom_{kind}")(f)(1.0, power=2)

    def g(x, scale=2.0, power=3):
        return scale * x**power

    seen = []
    if kind == "jvp":
        c = dd.custom_jvp(g, nondiff_argnums=(2,))
        c.defjvp(lambda power, p, t: seen.append((power, len(p))) or dd.jvp(lambda *p: g(*p, power), p, t))
    else:
        c = dd.custom_vjp(g, nondiff_argnums=(2,))
        c.defvjp(
            lambda x, scale, power: seen.append((power, 2)) or (g(x, scale, power), (x, scale)),
            lambda power, res, y_bar: dd.vjp(lambda *p: g(*p, power), *res)[1](y_bar),
        )
    for mode in MODES:
        same(dd.grad(c, mode=mode)(1.5), 2 * 3 * 1.5**2)
        same(dd.grad(lambda x: c(power=2, x=x), mode=mode)(1.5), 2 * 2 * 1.5)
        same(dd.grad(lambda s: c(1.5, scale=s), mode=mode)(1.5), 1.5**3)
    assert set(seen) == {(3, 2), (2, 2)}


@pytest.mark.parametrize("position", [0, -2])
def test_nondiff_arguments_come_first_and_need_no_hash(position):
    table = {"power": [2]}

    @functools.partial(dd.custom_jvp, nondiff_argnums=position)
    def f(table, x):
        return x ** table["power"][0]

    @f.defjvp
    def _(table, primals, tangents):
        (x,), (x_dot,) = primals, tangents
        return f(table, x), table["power"][0] * x * x_dot

    @functools.partial(dd.custom_vjp, nondiff_argnums=(position,))
    def g(table, x):
        return x ** table["power"][0]

    g.defvjp(lambda table, x: (g(table, x), x), lambda table, x, y_bar: (table["power"][0] * x * y_bar,))
    for h in (f, g):
        for mode in MODES:
            same(dd.jacobian(h, 1, mode=mode)(table, X), np.diag(2 * X))


def test_several_nondiff_arguments_come_in_their_stated_order():
    @functools.partial(dd.custom_jvp, nondiff_argnums=(2, 0))
    def f(a, x, b):
        return x * (10 * a + b)

    f.defjvp(lambda b, a, p, t: (f(a, p[0], b), (10 * a + b) * t[0]))
    same(dd.grad(lambda x: f(1, x, 2))(1.0), 12.0)


@pytest.mark.parametrize("value", [3, True, np.int64(3), np.arange(2), "word", None])
def test_integers_have_zero_tangents_and_other_leaves_none(value):
    seen = []
    f = dd.custom_jvp(lambda x, other: 2 * x)
    f.defjvp(lambda p, t: seen.append(t[1]) or (2 * p[0], 2 * t[0]))
    g = dd.custom_vjp(lambda x, other: 2 * x)
    g.defvjp(lambda x, other: (2 * x, None), lambda _, y_bar: (2 * y_bar, None))
    for mode in MODES:
        for h in (f, g):
            same(dd.jacobian(h, mode=mode)(X, value), 2 * np.eye(2))
    for tangent in seen:
        if value is None or isinstance(value, str):
            assert tangent is None
        else:
            assert tangent.dtype == float and np.shape(tangent) == np.shape(value) and not np.any(tangent)


@pytest.mark.parametrize("mode", MODES)
def test_integer_results_carry_nothing(mode):
    f = dd.custom_jvp(lambda x: (np.argmax(x), 2 * x))
    f.defjvp(lambda p, t: ((np.argmax(p[0]), 2 * p[0]), (None, 2 * t[0])))
    g = dd.custom_vjp(lambda x: (np.argmax(x), 2 * x))
    g.defvjp(lambda x: ((np.argmax(x), 2 * x), ()), lambda _, bars: (2 * bars[1] + 7 * bars[0],))
    for h in (f, g):
        same(dd.jacobian(h, mode=mode)(X)[1], 2 * np.eye(2))
        assert dd.vmap(h)(np.stack([X, X]))[0].dtype.kind == "i"


def test_complex_rules_keep_the_conjugate_convention():
    def f(z, x):
        return z * z * x

    c = dd.custom_jvp(f)
    c.defjvp(lambda p, t: (f(*p), 2 * p[0] * p[1] * t[0] + p[0] ** 2 * t[1]))
    v = dd.custom_vjp(f)
    v.defvjp(
        lambda z, x: (f(z, x), (z, x)),
        lambda r, b: (np.conj(2 * r[0] * r[1]) * b, np.real(np.conj(r[0] ** 2) * b)),
    )
    z, x, y_bar, dots = 1 + 2j, 0.5, 0.3 - 1j, (0.2 + 0.1j, 2.0)
    for g in (c, v):
        same(dd.vjp(g, z, x)[1](y_bar), dd.vjp(f, z, x)[1](y_bar))
        same(dd.jvp(g, (z, x), dots)[1], dd.jvp(f, (z, x), dots)[1])
        same(dd.vjp(g, z, x, mode="forward")[1](y_bar), dd.vjp(f, z, x)[1](y_bar))


@pytest.mark.parametrize("mode", MODES)
def test_float32_stays(mode):
    f = dd.custom_vjp(lambda x: x * 2)
    f.defvjp(lambda x: (x * 2, None), lambda _, y_bar: (np.float64(2) * y_bar,))
    found = dd.jacobian(f, mode=mode)(X.astype(np.float32))
    assert found.dtype == np.float32


def test_methods():
    class Model:
        def __init__(self, k):
            self.k = k

        @functools.partial(dd.custom_jvp, nondiff_argnums=(0,))
        def scaled(self, x):
            return self.k * x

        @scaled.defjvp
        def _(self, primals, tangents):
            return self.k * primals[0], self.k * tangents[0]

    same(dd.grad(lambda x: Model(3.0).scaled(x))(1.0), 3.0)


def test_rules_are_not_those_of_a_function_inside():
    f = dd.custom_jvp(np.sin)
    f.defjvp(lambda p, t: (f(p[0]), 5 * t[0]))
    for g in (f, dd.grad(f), dd.checkpoint(f)):
        with pytest.raises(NoDerivative, match="has no rule"):
            dd.grad(dd.custom_jvp(g))(1.0)


def test_a_rule_may_apply_another_to_a_tangent_whatever_its_name():
    @dd.custom_jvp
    def multiply(x):
        return 3 * x

    multiply.defjvp(lambda p, t: (3 * p[0], 3 * t[0]))
    f = dd.custom_jvp(lambda x: 3 * np.sin(x))
    f.defjvp(lambda p, t: (f(p[0]), multiply(np.cos(p[0]) * t[0])))
    for mode in MODES:
        same(dd.jacobian(f, mode=mode)(X), np.diag(3 * np.cos(X)))
        same(dd.jacobian(dd.jacobian(f, mode=mode), mode=mode)(X)[0, 0, 0], -3 * np.sin(X[0]))


# -------------------------------------------------- closures
@ORDER
@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_values_of_outer_levels_may_be_closed_over(kind, modes):
    def f(wrapped):
        def outer(w):
            def body(x):
                return np.sin(w * x)

            if not wrapped:
                c = body
            elif kind == "jvp":
                c = dd.custom_jvp(body)
                c.defjvp(lambda p, t: (body(*p), w * np.cos(w * p[0]) * t[0]))
            else:
                c = dd.custom_vjp(body)
                c.defvjp(lambda x: (body(x), x), lambda x, b: (w * np.cos(w * x) * b,))
            return dd.grad(c, mode=modes[1])(0.7) * w

        return dd.grad(outer, mode=modes[0])(1.3)

    same(f(True), f(False))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_a_derivative_by_a_closed_over_value_is_not_lost(kind, mode):
    def outer(w):
        c = getattr(dd, f"custom_{kind}")(lambda x: w * x)
        if kind == "jvp":
            c.defjvp(lambda p, t: (w * p[0], w * t[0]))
        else:
            c.defvjp(lambda x: (w * x, None), lambda _, b: (w * b,))
        return c(w)

    with pytest.raises(NoDerivative, match=r"closes over a tensor of (grad|jvp)"):
        dd.grad(outer, mode=mode)(1.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_a_value_that_the_rule_alone_closes_over_is_not_lost(kind, mode):
    def outer(w):
        c = getattr(dd, f"custom_{kind}")(lambda x: x * 1.0)
        if kind == "jvp":
            c.defjvp(lambda p, t: (p[0] * 1.0, w * t[0]))
        else:
            c.defvjp(lambda x: (x * 1.0, None), lambda _, b: (w * b,))
        return np.sum(c(w))

    with pytest.raises((NoDerivative, dd.errors.EscapedTensor)):
        dd.grad(outer, mode=mode)(X)


def test_a_closed_over_example_is_not_confused():
    def outer(w):
        c = dd.custom_jvp(lambda x: w * x)
        c.defjvp(lambda p, t: (w * p[0], w * t[0]))
        return c(w)

    with pytest.raises(NoDerivative, match="closes over a tensor of vmap"):
        dd.vmap(outer)(X)


def test_without_differentiated_arguments_a_closure_is_differentiated_as_it_is():
    def outer(w):
        return dd.custom_vjp(lambda x: w * w * x)(3.0)

    same(dd.grad(outer)(2.0), 12.0)


# -------------------------------------------------- errors
def jvp_rule(rule, f=lambda x: 2 * x):
    c = dd.custom_jvp(f)
    c.__name__ = c.name = "double"
    c.defjvp(rule)
    return c


def vjp_rule(bwd, f=lambda x: 2 * x, fwd=None):
    c = dd.custom_vjp(f)
    c.__name__ = c.name = "double"
    c.defvjp(fwd or (lambda *xs: (f(*xs), None)), bwd)
    return c


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind, method", [("jvp", "defjvp"), ("vjp", "defvjp")])
@convention("ER-3")
def test_a_missing_rule_is_named(kind, method, mode):
    @getattr(dd, f"custom_{kind}")
    def lonely(x):
        return x

    assert lonely(2.0) == 2.0
    with pytest.raises(
        NoDerivative, match=rf"lonely is a custom_{kind} function and has no rule.*\n.*{method}"
    ):
        dd.jacobian(lonely, mode=mode)(X)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "rule, error, words",
    [
        (lambda p, t: 2 * t[0], StructureError, "rule given to double.defjvp returned one"),
        (lambda p, t: (p[0], t[0], t[0]), StructureError, "returned 3 values"),
        (lambda p, t: (p[0], (t[0], t[0])), StructureError, "tangent of structure"),
        (lambda p, t: (p[0], np.sum(t[0])), ShapeError, r"shape \(\) for a value of shape \(2,\)"),
        (lambda p, t: (p[0], 1j * t[0]), InputTypeError, "dtype complex128 for a value of dtype float64"),
        (lambda p, t: (p[0], "none"), StructureError, "a tangent of type str"),
    ],
)
def test_a_wrong_jvp_rule_is_named(mode, rule, error, words):
    with pytest.raises(error, match=words):
        dd.jacobian(jvp_rule(rule), mode=mode)(X)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "bwd, error, words",
    [
        (lambda r, b: 2 * b, StructureError, "bwd given to double.defvjp returned one .* for 1 argument"),
        (lambda r, b: (b, b), StructureError, "returned 2 values for 1 argument"),
        (lambda r, b: ([b],), StructureError, "cotangents of structure"),
        (lambda r, b: (np.sum(b),), ShapeError, r"shape \(\) for argument\[0\] of shape \(2,\)"),
        (lambda r, b: ("none",), StructureError, "a cotangent of type str"),
    ],
)
def test_a_wrong_bwd_is_named(mode, bwd, error, words):
    with pytest.raises(error, match=words):
        dd.jacobian(vjp_rule(bwd), mode=mode)(X)


def test_a_wrong_fwd_is_named():
    with pytest.raises(StructureError, match=r"fwd given to double.defvjp returned one ndarray"):
        dd.grad(lambda x: np.sum(vjp_rule(lambda r, b: (b,), fwd=lambda x: 2 * x)(x)))(X)


@pytest.mark.parametrize(
    "tangent",
    [
        lambda x, t: t * t,
        lambda x, t: np.abs(t),
        lambda x, t: np.where(t > 0, t, 0.0),
        lambda x, t: np.sin(t) * x,
        lambda x, t: np.maximum(t, 0.0),
        lambda x, t: np.ones_like(x),
        lambda x, t: np.rint(t),
    ],
)
def test_a_rule_that_is_not_linear_cannot_be_transposed(tangent):
    f = jvp_rule(lambda p, t: (2 * p[0], tangent(p[0], t[0])))
    with pytest.raises(NoDerivative, match=r"rule given to double.defjvp is not linear in its tangents"):
        dd.grad(lambda x: np.sum(f(x)))(X)
    g = vjp_rule(lambda x, b: (tangent(x, b),), fwd=lambda x: (2 * x, x))
    with pytest.raises(NoDerivative, match=r"bwd given to double.defvjp is not linear in its cotangent"):
        dd.jvp(g, (X,), (X,))


def test_a_rule_that_branches_on_a_tangent_is_refused():
    f = jvp_rule(lambda p, t: (2 * p[0], t[0] if np.all(t[0] > 0) else -t[0]))
    with pytest.raises(NoDerivative):
        dd.grad(lambda x: np.sum(f(x)))(X)


@pytest.mark.parametrize("mode", MODES)
def test_none_stands_for_zero(mode):
    f = jvp_rule(lambda p, t: ((p[0], 2 * p[0]), (t[0], None)), lambda x: (x, 2 * x))
    same(dd.jacobian(lambda x: f(x)[1] + f(x)[0], mode=mode)(X), np.eye(2))
    g = vjp_rule(lambda r, b: (None, b), lambda x, y: x + y)
    same(dd.jacobian(g, (0, 1), mode=mode)(X, Y), [np.zeros((2, 2)), np.eye(2)])
    h = vjp_rule(lambda r, b: ({"a": None, "b": b},), lambda x: x["a"] + x["b"])
    found = dd.jacobian(h, mode=mode)({"a": X, "b": Y})
    same(found["a"], np.zeros((2, 2)))
    same(found["b"], np.eye(2))


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_bad_nondiff_argnums(kind):
    custom = getattr(dd, f"custom_{kind}")
    with pytest.raises(InputTypeError, match="nondiff_argnums='x'"):
        custom(lambda x: x, nondiff_argnums="x")
    with pytest.raises(InputTypeError, match="called with 1 arguments"):
        custom(lambda x: x, nondiff_argnums=(3,))(X)
    with pytest.raises(InputTypeError, match=r"argument 1 of .* holds a tensor"):
        dd.grad(custom(lambda x, y: x * y, nondiff_argnums=1), argnums=1)(1.0, 2.0)
    with pytest.raises(InputTypeError, match=f"custom_{kind} needs a function"):
        custom(3.0)


def test_residuals_that_change_before_the_sweep_do_no_harm():
    buffer = np.ones(2)
    f = vjp_rule(lambda r, b: (r * b,), fwd=lambda x: (2 * x, buffer))
    g = jvp_rule(lambda p, t: (2 * p[0], buffer * t[0]))
    for h in (f, g):
        buffer[:] = 1.0
        _, pull = dd.vjp(h, X)
        buffer[:] = 5.0
        same(pull(np.ones(2))[0], np.ones(2))


def test_arguments_written_by_a_rule_are_not_those_of_the_caller():
    def rule(primals, tangents):
        x = primals[0]
        if not isinstance(x, np.ndarray):
            x *= 2
        return 2 * primals[0], 2 * tangents[0]

    f = jvp_rule(rule)

    def g(w):
        x = w * 1.0
        dd.jvp(f, (x,), (x,))
        return np.sum(x)

    same(dd.grad(g)(X), np.ones(2))


# -------------------------------------------------- declared ops obey the same matrix
@pytest.mark.parametrize("modes", [(a, b) for a in MODES for b in MODES], ids="-over-".join)
def test_declared_ops_obey_the_same_matrix(modes, unregistered):
    cubic = dd.elementwise(lambda x: x**3, lambda y, x: 3 * x * x, name="cubic_of_test_custom")

    @dd.op
    class quadratic_of_test_custom:
        """x A x"""

        def domain(rng, dtype):
            yield (rng.normal(size=2), rng.normal(size=(2, 2))), {}

        def evaluate(x, a):
            return x @ a @ x

        def out(x, a):
            return dd.avals.Aval((), np.result_type(x.dtype, a.dtype))

        def differential(y, x, a, dx, da):
            return dx @ a @ x + x @ a @ dx + x @ da @ x

    a = np.array([[1.0, 2.0], [0.5, 3.0]])

    def mine(x):
        return quadratic_of_test_custom(cubic(x), a) ** 2

    def same_in_numpy(x):
        return (x**3 @ a @ x**3) ** 2

    same(dd.hessian(mine, mode=modes)(X), dd.hessian(same_in_numpy)(X))
    rows = np.stack([X, Y])
    same(dd.vmap(dd.grad(mine, mode=modes[0]))(rows), dd.vmap(dd.grad(same_in_numpy))(rows))
    _, lin = dd.linearize(mine, X)
    same(lin.to_dense()[0], dd.grad(same_in_numpy)(X))


# -------------------------------------------------- beside JAX
@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_signatures_are_those_of_jax(kind):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    seen = {}

    def declare(lib, np, log):
        if kind == "jvp":

            @functools.partial(lib.custom_jvp, nondiff_argnums=(0, 3))
            def f(g, x, y, n=2):
                return {"a": g(x) * n, "b": (x * y, y)}

            @f.defjvp
            def _(g, n, primals, tangents):
                (x, y), (dx, dy) = primals, tangents
                log.append((n, len(primals), len(tangents)))
                return f(g, x, y, n), {"a": np.cos(x) * n * dx, "b": (x * dy + y * dx, 5 * dy)}
        else:

            @functools.partial(lib.custom_vjp, nondiff_argnums=(0, 3))
            def f(g, x, y, n=2):
                return {"a": g(x) * n, "b": (x * y, y)}

            def fwd(g, x, y, n):
                log.append((n, 2, 2))
                return f(g, x, y, n), (x, y)

            def bwd(g, n, res, bar):
                x, y = res
                a, (b, c) = bar["a"], bar["b"]
                return np.cos(x) * n * a + y * b, x * b + 5 * c

            f.defvjp(fwd, bwd)
        return lambda x, y: f(np.sin, x, y, n=3)

    ours, theirs = (
        declare(dd, np, seen.setdefault("ours", [])),
        declare(jax, jax.numpy, seen.setdefault("jax", [])),
    )
    found = dd.jacrev(ours, (0, 1))(0.3, 0.7)
    expected = jax.jacrev(theirs, (0, 1))(0.3, 0.7)
    assert set(seen["ours"]) == set(seen["jax"]) == {(3, 2, 2)}
    same(found["a"], expected["a"])
    same(found["b"], np.asarray(expected["b"]))
    if kind == "jvp":
        assert str(dd.jvp(ours, (0.3, 0.7), (1.0, 2.0))[1].keys()) == "dict_keys(['a', 'b'])"
    total = lambda f: lambda x: f(x, 0.7)["a"] * f(x, 0.7)["b"][0]  # noqa: E731
    same(dd.grad(dd.grad(total(ours)))(0.3), jax.grad(jax.grad(total(theirs)))(0.3))
