"""Scenarios x transforms x modes: known answers, containers, options, types that come back, fresh results."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest
from conventions import convention
from hypothesis import given
from hypothesis import strategies as st

import dualdiff as dd
from dualdiff.errors import InputTypeError
from dualdiff.testing.strategies import programs
from dualdiff.transforms.derivative import choose_mode

MODES = ["forward", "reverse", "auto"]
X = np.array([0.5, -1.25, 2.0])
V = np.array([1.0, 0.5, -0.75])
G = np.array([-0.5, 1.5, 2.0])
by_mode = pytest.mark.parametrize("mode", MODES)


# -------------------------------------------------- known answers
class Scenario:
    """A vector function with its Jacobian by hand, and the Hessian of its sum weighted by G."""

    def __init__(self, f, jacobian, hessian=None, x=X):
        self.f, self.jacobian, self.hessian, self.x = f, jacobian, hessian, x


def banded(n, width):
    rng = np.random.default_rng(n + width)
    i, j = np.indices((n, n))
    return np.where(np.abs(i - j) <= width, rng.normal(size=(n, n)), 0)


A3 = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, 3.0], [-1.0, 0.0, 2.0]])
DIFF = np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]])

SCENARIOS = {
    "sin": Scenario(np.sin, lambda x: np.diag(np.cos(x)), lambda x, g: np.diag(-g * np.sin(x))),
    "cube": Scenario(lambda x: x**3, lambda x: np.diag(3 * x**2), lambda x, g: np.diag(6 * g * x)),
    "product-with-reverse": Scenario(
        lambda x: x * x[::-1],
        lambda x: np.diag(x[::-1]) + np.diag(x)[:, ::-1],
        lambda x, g: (np.diag(g) + np.diag(g[::-1]))[:, ::-1],
    ),
    "linear": Scenario(lambda x: np.sum(A3 * x, axis=1), lambda x: A3, lambda x, g: np.zeros((3, 3))),
    "matmul": Scenario(lambda x: A3 @ (x * x), lambda x: 2 * A3 * x, lambda x, g: np.diag(2 * A3.T @ g)),
    "divide-by-sum": Scenario(
        lambda x: x / np.sum(x * x),
        lambda x: np.eye(3) / (x @ x) - 2 * np.outer(x, x) / (x @ x) ** 2,
    ),
    "duplicates": Scenario(
        lambda x: x[[0, 0, 2]] ** 2,
        lambda x: 2 * np.array([[x[0], 0, 0], [x[0], 0, 0], [0, 0, x[2]]]),
        lambda x, g: np.diag([2 * (g[0] + g[1]), 0, 2 * g[2]]),
    ),
    "concatenate": Scenario(
        lambda x: np.concatenate([x[2:], x[:2] * x[0]]),
        lambda x: np.array([[0, 0, 1], [2 * x[0], 0, 0], [x[1], x[0], 0]]),
        lambda x, g: np.array([[2 * g[1], g[2], 0], [g[2], 0, 0], [0, 0, 0]]),
    ),
    "where": Scenario(
        lambda x: np.where(x > 0, x * x, -x),
        lambda x: np.diag(np.where(x > 0, 2 * x, -1)),
        lambda x, g: np.diag(g * np.where(x > 0, 2.0, 0)),
    ),
    "constant": Scenario(lambda x: G * 1.0, lambda x: np.zeros((3, 3)), lambda x, g: np.zeros((3, 3))),
    "identity": Scenario(lambda x: x, lambda x: np.eye(3), lambda x, g: np.zeros((3, 3))),
}


@pytest.fixture(params=SCENARIOS)
def scenario(request):
    return SCENARIOS[request.param]


def close(found, exact):
    assert found.shape == np.shape(exact)
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-14)


@by_mode
def test_jvp_is_the_jacobian_times_the_tangent(scenario, mode):
    y, y_dot = dd.jvp(scenario.f, (scenario.x,), (V,), mode=mode)
    np.testing.assert_array_equal(y, scenario.f(scenario.x))
    close(y_dot, scenario.jacobian(scenario.x) @ V)


@by_mode
def test_vjp_is_the_cotangent_times_the_jacobian(scenario, mode):
    y, pullback = dd.vjp(scenario.f, scenario.x, mode=mode)
    np.testing.assert_array_equal(y, scenario.f(scenario.x))
    (x_bar,) = pullback(G)
    close(x_bar, G @ scenario.jacobian(scenario.x))
    (again,) = pullback(G)
    np.testing.assert_array_equal(again, x_bar)
    close(pullback(V)[0], V @ scenario.jacobian(scenario.x))


def test_linearize_is_the_jacobian_both_ways(scenario):
    y, lin = dd.linearize(scenario.f, scenario.x)
    jacobian = scenario.jacobian(scenario.x)
    np.testing.assert_array_equal(y, scenario.f(scenario.x))
    assert lin.shape == (3, 3)
    for _ in range(2):
        close(lin(V), jacobian @ V)
        close(lin.T(G)[0], G @ jacobian)
        close(lin.to_dense(), jacobian)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, None, "auto"])
@by_mode
def test_jacobian_is_known(scenario, mode, chunk_size):
    found = dd.jacobian(scenario.f, mode=mode, chunk_size=chunk_size)(scenario.x)
    close(found, scenario.jacobian(scenario.x))


def test_jacfwd_and_jacrev_are_the_jacobian(scenario):
    close(dd.jacfwd(scenario.f)(scenario.x), scenario.jacobian(scenario.x))
    close(dd.jacrev(scenario.f, chunk_size=2)(scenario.x), scenario.jacobian(scenario.x))
    y, jacobian = dd.value_and_jacobian(scenario.f)(scenario.x)
    np.testing.assert_array_equal(y, scenario.f(scenario.x))
    close(jacobian, scenario.jacobian(scenario.x))


@by_mode
def test_grad_of_the_weighted_sum_is_known(scenario, mode):
    f = lambda x: np.sum(G * scenario.f(x))  # noqa: E731
    close(dd.grad(f, mode=mode)(scenario.x), G @ scenario.jacobian(scenario.x))
    value, gradient = dd.value_and_grad(f, mode=mode)(scenario.x)
    assert value == f(scenario.x)
    close(gradient, G @ scenario.jacobian(scenario.x))


PAIRS = list(itertools.product(["forward", "reverse"], repeat=2))


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", *PAIRS], ids=str)
@pytest.mark.parametrize("chunk_size", [2, "auto"])
def test_hessian_is_known(scenario, mode, chunk_size):
    if scenario.hessian is None:
        exact = dd.jacobian(lambda x: G @ scenario.jacobian(x), mode="forward")(scenario.x)
    else:
        exact = scenario.hessian(scenario.x, G)
    f = lambda x: np.sum(G * scenario.f(x))  # noqa: E731
    close(dd.hessian(f, mode=mode, chunk_size=chunk_size)(scenario.x), exact)


@pytest.mark.parametrize("mode", ["auto", *("-over-".join(pair) for pair in PAIRS)])
def test_hvp_is_the_hessian_times_the_vector(scenario, mode):
    f = lambda x: np.sum(G * scenario.f(x))  # noqa: E731
    gradient, product = dd.hvp(f, (scenario.x,), (V,), mode=mode)
    close(gradient, G @ scenario.jacobian(scenario.x))
    close(product, dd.hessian(f)(scenario.x) @ V)


# -------------------------------------------------- closed forms
@by_mode
def test_x_to_the_x(mode):
    assert dd.grad(lambda x: x**x, mode=mode)(2.0) == pytest.approx(6.772588722239782, rel=1e-15)


@by_mode
def test_rosenbrock(mode):
    f = lambda p: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2  # noqa: E731
    p = np.array([-1.2, 1.0])
    close(dd.grad(f, mode=mode)(p), [-215.6, -88.0])
    close(dd.hessian(f, mode=mode)(p), [[1330.0, 480.0], [480.0, 200.0]])


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_product_of_the_inputs(pair):
    def f(x):
        p = 1.0
        for i in range(len(x)):
            p = p * x[i]
        return p

    x = np.array([1.5, -2.0, 0.5, 3.0])
    close(dd.grad(f, mode=pair[1])(x), np.prod(x) / x)
    close(dd.hessian(f, mode=pair)(x), np.prod(x) / np.outer(x, x) * (1 - np.eye(4)))


@by_mode
def test_newton_iteration_for_the_root_is_differentiated_through_the_loop(mode):
    def root(a):
        x, last = a, 0.0
        while abs(x - last) > 1e-15 * x:  # converged on the value; two more steps for the derivative
            x, last = (x + a / x) / 2, x
        for _ in range(2):
            x = (x + a / x) / 2
        return x

    for a, slope in [(4.0, 1 / 4), (9.0, 1 / 6), (16.0, 1 / 8)]:
        value, derivative = dd.value_and_grad(root, mode=mode)(a)
        assert value == pytest.approx(np.sqrt(a), rel=1e-15)
        assert derivative == pytest.approx(slope, rel=1e-14)


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_product_of_power_sums(shape, pair):
    f = lambda x: np.sum(x**4) * np.sum(x**6)  # noqa: E731
    x = np.arange(1.0, 7.0)
    s4, s6 = np.sum(x**4), np.sum(x**6)
    gradient = 4 * x**3 * s6 + 6 * x**5 * s4
    hessian = np.diag(12 * x**2 * s6 + 30 * x**4 * s4)
    hessian = hessian + 24 * (np.outer(x**3, x**5) + np.outer(x**5, x**3))
    found = dd.grad(f, mode=pair[1])(x.reshape(shape))
    np.testing.assert_allclose(found, gradient.reshape(shape), rtol=1e-14)
    found = dd.hessian(f, mode=pair)(x.reshape(shape))
    np.testing.assert_allclose(found, hessian.reshape(shape + shape), rtol=1e-14)


def test_differences_have_banded_derivatives():
    difference = lambda x: x[1:] - x[:-1]  # noqa: E731
    x = np.array([1.0, 3.0, 2.0])
    for transform in (dd.jacfwd, dd.jacrev):
        close(transform(lambda x: difference(x) ** 2)(x), 2 * (DIFF @ x)[:, None] * DIFF)
        stacked = transform(lambda x: np.stack([difference(x) ** 2, difference(x) ** 3]))(x)
        d = (DIFF @ x)[:, None] * DIFF
        close(stacked, np.stack([2 * d, 3 * (DIFF @ x)[:, None] * d]))
    close(dd.hessian(lambda x: np.sum(difference(x) ** 3))(x), DIFF.T @ np.diag(6 * DIFF @ x) @ DIFF)


@pytest.mark.parametrize("width", [5, 10, 20])
def test_banded_quadratic_form(width):
    a, x = banded(50, width), np.linspace(-1, 1, 50)
    f = lambda x: np.sum(x * (a @ x))  # noqa: E731
    np.testing.assert_allclose(dd.grad(f)(x), (a + a.T) @ x, rtol=1e-12, atol=1e-13)
    for pair in PAIRS:
        np.testing.assert_allclose(dd.hessian(f, mode=pair)(x), a + a.T, rtol=1e-12, atol=1e-13)
    for mode in MODES:
        np.testing.assert_allclose(dd.jacobian(lambda x: a @ x**2, mode=mode)(x), 2 * a * x, rtol=1e-13)


# -------------------------------------------------- containers and argnums
Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Model:
    weight: object
    bias: object


def nested():
    return {
        "w": [np.array([1.0, 2.0]), (3.0, None)],
        "p": Pair(np.array(4.0), {"m": Model(5.0, X)}),
        "n": None,
    }


def nested_function(t):
    (w, (s, _)), (left, right), m = t["w"], t["p"], t["p"].right["m"]
    assert right["m"] is m
    return np.sum(w * w) * s + left**2 * m.weight + np.sum(m.bias) * s


@by_mode
def test_gradient_has_the_containers_of_the_argument(mode):
    found = dd.grad(nested_function, mode=mode)(nested())
    assert type(found) is dict
    assert sorted(found) == ["n", "p", "w"]
    assert found["n"] is None
    assert type(found["w"]) is list
    assert type(found["w"][1]) is tuple
    assert type(found["p"]) is Pair
    assert type(found["p"].right["m"]) is Model
    assert found["w"][1][1] is None
    close(found["w"][0], [6.0, 12.0])
    assert found["w"][1][0] == 5.0 + np.sum(X)
    close(found["p"].left, 40.0)
    assert found["p"].right["m"].weight == 16.0
    close(found["p"].right["m"].bias, np.full(3, 3.0))


@by_mode
def test_every_transform_takes_and_gives_containers(mode):
    f = lambda d: Pair(d["a"] * d["b"], [d["a"] ** 2])  # noqa: E731
    x, x_dot = {"a": X, "b": 2.0}, {"a": V, "b": -1.0}
    y, y_dot = dd.jvp(f, (x,), (x_dot,), mode=mode)
    assert type(y) is type(y_dot) is Pair
    close(y_dot.left, 2 * V - X)
    close(y_dot.right[0], 2 * X * V)
    y, pullback = dd.vjp(f, x, mode=mode)
    (x_bar,) = pullback(Pair(G, [V]))
    assert sorted(x_bar) == ["a", "b"]
    close(x_bar["a"], 2 * G + 2 * X * V)
    close(x_bar["b"], np.sum(G * X))
    jacobian = dd.jacobian(f, mode=mode)(x)
    close(jacobian.left["a"], 2 * np.eye(3))
    close(jacobian.left["b"], X)
    close(jacobian.right[0]["a"], np.diag(2 * X))
    close(jacobian.right[0]["b"], np.zeros(3))
    g = lambda d: np.sum(d["a"] ** 2) * d["b"] ** 3  # noqa: E731
    hessian = dd.hessian(g, mode=mode)(x)
    close(hessian["a"]["a"], 16 * np.eye(3))
    close(hessian["a"]["b"], 24 * X)
    close(hessian["b"]["a"], 24 * X)
    close(hessian["b"]["b"], np.sum(X**2) * 12)
    gradient, product = dd.hvp(g, (x,), (x_dot,))
    close(gradient["a"], 16 * X)
    close(product["a"], 16 * V - 24 * X)
    close(product["b"], 24 * X @ V - 12 * np.sum(X**2))


def three(x, y, z=1.0, *, k=2.0):
    return np.sum(x * y) * z**k


VALUES = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, -1.0]), "z": 2.0, "k": 3.0}
BY_HAND = {"x": 8 * VALUES["y"], "y": 8 * VALUES["x"], "z": 12.0, "k": 8 * np.log(2.0)}


@by_mode
@pytest.mark.parametrize(
    "chosen", [c for n in (1, 2, 3, 4) for c in itertools.combinations("xyzk", n)], ids="".join
)
def test_every_subset_of_arguments(chosen, mode):
    arguments = VALUES["x"], VALUES["y"], VALUES["z"]
    found = dd.grad(three, argnums=chosen, mode=mode)(*arguments, k=3.0)
    assert type(found) is tuple
    for name, gradient in zip(chosen, found, strict=True):
        close(gradient, BY_HAND[name])
    mixed = tuple({"x": 0, "y": -2, "z": np.int64(2)}.get(name, name) for name in chosen)
    for gradient, again in zip(
        found, dd.grad(three, argnums=mixed, mode=mode)(*arguments, k=3.0), strict=True
    ):
        np.testing.assert_array_equal(gradient, again)
    blocks = dd.jacobian(three, argnums=chosen, mode=mode)(*arguments, k=3.0)
    for gradient, block in zip(found, blocks, strict=True):
        np.testing.assert_allclose(block, gradient, rtol=1e-14)


@by_mode
def test_one_name_gives_one_gradient(mode):
    assert dd.grad(three, argnums="k", mode=mode)(VALUES["x"], VALUES["y"], 2.0, k=3.0) == BY_HAND["k"]
    close(dd.grad(three, argnums="y", mode=mode)(x=VALUES["x"], y=VALUES["y"], z=2.0, k=3.0), BY_HAND["y"])
    close(dd.grad(three, argnums=-1, mode=mode)(VALUES["x"], VALUES["y"], 2.0, k=3.0), BY_HAND["z"])


@by_mode
def test_arguments_that_are_not_chosen_pass_untouched(mode):
    seen = []

    def f(x, n, text, items, *, flag):
        seen.append((n, text, items, flag))
        return np.sum(x[n]) * len(text)

    n, items = np.array([0, 2]), [1, "two", None]
    found = dd.grad(f, mode=mode)(X, n, "abc", items, flag=True)
    close(found, [3.0, 0.0, 3.0])
    assert all(s[0] is n and s[1] == "abc" and s[2] is items and s[3] is True for s in seen)


def test_hessian_of_several_arguments():
    f = lambda x, y: np.sum(x * x) * y  # noqa: E731
    for pair in PAIRS:
        (xx, xy), (yx, yy) = dd.hessian(f, argnums=(0, 1), mode=pair)(X, 3.0)
        close(xx, 6 * np.eye(3))
        close(xy, 2 * X)
        close(yx, 2 * X)
        close(yy, 0.0)
    for mode in ["auto", *("-over-".join(pair) for pair in PAIRS)]:
        gradient, product = dd.hvp(f, (X, 3.0), (V, 2.0), mode=mode)
        close(gradient[0], 6 * X)
        close(product[0], 6 * V + 4 * X)
        close(product[1], 2 * X @ V)


# -------------------------------------------------- options
@by_mode
def test_aux_goes_around_the_derivative(mode):
    f = lambda x: (np.sum(x * x), {"x": x, "text": "aux", "n": 3})  # noqa: E731
    results = [
        dd.grad(f, has_aux=True, mode=mode)(X),
        (lambda v, g: (g, v[1]))(*dd.value_and_grad(f, has_aux=True, mode=mode)(X)),
        dd.jacobian(f, has_aux=True, mode=mode)(X),
        (lambda v, j: (j, v[1]))(*dd.value_and_jacobian(f, has_aux=True, mode=mode)(X)),
        (lambda y, p, a: (p(1.0)[0], a))(*dd.vjp(f, X, has_aux=True, mode=mode)),
        (lambda y, d, a: (2 * X, a))(*dd.jvp(f, (X,), (V,), has_aux=True, mode=mode)),
        (lambda y, lin, a: (lin.T(1.0)[0], a))(*dd.linearize(f, X, has_aux=True)),
        (lambda h, a: (np.diag(h) * X, a))(*dd.hessian(f, has_aux=True, mode=mode)(X)),
    ]
    for derivative, aux in results:
        close(derivative, 2 * X)
        assert aux["text"] == "aux"
        assert aux["n"] == 3
        np.testing.assert_array_equal(aux["x"], X)
        assert isinstance(aux["x"], np.ndarray)


@pytest.mark.parametrize("mode", ["-over-".join(pair) for pair in PAIRS])
def test_hvp_aux(mode):
    f = lambda x: (np.sum(x**3), {"x": x, "text": "aux"})  # noqa: E731
    gradient, product, aux = dd.hvp(f, (X,), (V,), mode=mode, has_aux=True)
    close(gradient, 3 * X**2)
    close(product, 6 * X * V)
    assert aux["text"] == "aux"
    assert isinstance(aux["x"], np.ndarray)


@by_mode
def test_holomorphic_derivative_is_not_conjugated(mode):
    z = np.array([1 + 2j, -0.5j, 2.0])
    assert dd.grad(lambda z: z**3, holomorphic=True, mode=mode)(1 + 2j) == pytest.approx(-9 + 12j)
    close(dd.jacobian(lambda z: z**3, holomorphic=True, mode=mode)(z), np.diag(3 * z**2))
    close(dd.grad(lambda z: np.sum(np.exp(z)), holomorphic=True, mode=mode)(z), np.exp(z))


def test_second_holomorphic_derivative():
    z = np.array([1 + 2j, -0.5j])
    inner = dd.grad(lambda z: np.sum(z**3), holomorphic=True)
    close(dd.jacobian(inner, holomorphic=True)(z), np.diag(6 * z))


# -------------------------------------------------- unusual outputs and inputs
@by_mode
@convention("UN-1", "UN-3")
def test_output_without_dependence_gives_zeros_of_the_input(mode):
    assert dd.grad(lambda x: 1.0, mode=mode)(2.0) == 0.0
    close(dd.grad(lambda x: np.float64(1.0), mode=mode)(X), np.zeros(3))
    assert dd.grad(lambda x, y: x * x, argnums=(0, 1), mode=mode)(2.0, 3.0) == (4.0, 0.0)
    close(dd.jacobian(lambda x: G, mode=mode)(X), np.zeros((3, 3)))
    close(dd.hessian(lambda x: np.sum(x), mode=mode)(X), np.zeros((3, 3)))
    y, y_dot = dd.jvp(lambda x: 1.0, (X,), (V,), mode=mode)
    assert (y, y_dot) == (1.0, 0.0)
    close(dd.vjp(lambda x: [1.0, G], X, mode=mode)[1]([1.0, G])[0], np.zeros(3))


@by_mode
def test_output_is_the_input(mode):
    assert dd.grad(lambda x: x, mode=mode)(2.0) == 1.0
    close(dd.jacobian(lambda x: (x, x), mode=mode)(X)[1], np.eye(3))
    close(dd.vjp(lambda x: (x, x), X, mode=mode)[1]((G, V))[0], G + V)
    _y, y_dot = dd.jvp(lambda x: (x, {"again": x}), (X,), (V,), mode=mode)
    close(y_dot[1]["again"], V)


@by_mode
@pytest.mark.parametrize(
    "f", [lambda x: 3, lambda x: x > 1, lambda x: x.astype(int), lambda x: np.argmax([x > 1])]
)
def test_grad_of_an_integer_output_is_refused(f, mode):
    with pytest.raises(TypeError, match=r"returned dtype (int64|bool)"):
        dd.grad(f, mode=mode)(2.0)


@by_mode
@convention("INT-10", "INT-11")
def test_integer_outputs_have_zero_tangents_and_ignored_cotangents(mode):
    f = lambda x: (np.sum(x * x), x > 0, x.astype(int), 7)  # noqa: E731
    y, y_dot = dd.jvp(f, (X,), (V,), mode=mode)
    assert y[1].dtype == bool
    for k, shape in [(1, (3,)), (2, (3,)), (3, ())]:
        assert y_dot[k].dtype == np.float64
        assert y_dot[k].shape == shape
        assert not np.any(y_dot[k])
    y, pullback = dd.vjp(f, X, mode=mode)
    for cotangent in [(1.0, y[1], y[2], y[3]), (1.0, G, G, 0.5)]:
        close(pullback(cotangent)[0], 2 * X)
    jacobian = dd.jacobian(f, mode=mode)(X)
    close(jacobian[0], 2 * X)
    close(jacobian[1], np.zeros((3, 3)))
    close(jacobian[3], np.zeros(3))


@by_mode
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_empty_arrays(shape, mode):
    x = np.zeros(shape)
    assert dd.grad(lambda x: np.sum(x * x), mode=mode)(x).shape == shape
    assert dd.jacobian(lambda x: 2 * x, mode=mode)(x).shape == shape + shape
    assert dd.jacobian(lambda x: np.sum(x), mode=mode)(x).shape == shape
    assert dd.hessian(lambda x: np.sum(x * x), mode=mode)(x).shape == shape + shape
    assert dd.jvp(np.sin, (x,), (x,), mode=mode)[1].shape == shape
    assert dd.vjp(np.sin, x, mode=mode)[1](x)[0].shape == shape
    # an empty argument beside one that is not
    both = dd.grad(lambda x, y: np.sum(x) + np.sum(y * y), argnums=(0, 1), mode=mode)(x, X)
    close(both[1], 2 * X)
    assert dd.jacobian(lambda y: np.zeros((0, 2)) * np.sum(y), mode=mode)(X).shape == (0, 2, 3)


@by_mode
def test_broadcast_against_an_empty_axis_gives_zeros(mode):
    found = dd.grad(lambda y: np.sum(np.zeros((0, 3)) * y), mode=mode)(X)
    close(found, np.zeros(3))
    assert dd.grad(lambda x, y: np.sum(x + y), argnums=(0, 1), mode=mode)(np.zeros((0, 3)), X)[1].shape == (
        3,
    )


SCALARS = [
    (1.0, np.float64),
    (2, np.float64),
    (np.float64(1), np.float64),
    (np.float32(1), np.float32),
    (np.float16(1), np.float16),
    (np.longdouble(1), np.longdouble),
    (np.array(1.0), np.ndarray),
    (np.array(1.0, np.float32), np.ndarray),
    (np.array([1.0]), np.ndarray),
]


@by_mode
@pytest.mark.parametrize("x, kind", SCALARS, ids=lambda x: x.__name__ if isinstance(x, type) else repr(x))
@convention("DT-9", "DT-10", "DT-11")
def test_types_that_come_back(x, kind, mode):
    dtype = np.result_type(x) if not isinstance(x, int) else np.dtype(float)
    f = lambda x: np.sum(np.sin(x) * x)  # noqa: E731
    for found in (
        dd.grad(f, mode=mode)(x),
        dd.value_and_grad(f, mode=mode)(x)[1],
        dd.vjp(f, x, mode=mode)[1](1.0)[0],
        dd.linearize(f, x)[1].T(1.0)[0],
        dd.hvp(f, (x,), (x,))[0],
        dd.hvp(f, (x,), (x,))[1],
    ):
        assert type(found) is kind
        assert found.dtype == dtype
        assert found.shape == np.shape(x)
    if isinstance(x, int):  # promoted where it stands alone, refused in a container, where it may be a count
        return
    for wrap, pick in [(lambda v: {"a": [v]}, lambda t: t["a"][0]), (lambda v: (v, 1.0), lambda t: t[0])]:
        found = pick(dd.grad(lambda t, pick=pick: f(pick(t)), mode=mode)(wrap(x)))
        assert type(found) is kind
        assert found.dtype == dtype


@by_mode
def test_longdouble_keeps_its_digits(mode):
    assert abs(dd.grad(np.sin, mode=mode)(np.longdouble(1)) - np.longdouble("0.54030230586813971740")) < 1e-19


@by_mode
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_dtype_is_kept_with_weak_python_scalars(dtype, mode):
    x = np.array([0.5, 1.0, 2.0], dtype)
    f = lambda x: np.sum(2.0 * np.sin(x) * x / 3 + x**2 - 1j.imag * x)  # noqa: E731
    assert dd.grad(f, mode=mode)(x).dtype == dtype
    assert dd.hessian(f, mode=mode)(x).dtype == dtype
    assert dd.jacobian(lambda x: 2.0 * x + 1, mode=mode)(x).dtype == dtype
    y, y_dot = dd.jvp(lambda x: 2.0 * x, (x,), (x,), mode=mode)
    assert y.dtype == y_dot.dtype == dtype


@by_mode
def test_mixed_precision_gives_each_argument_its_own_dtype(mode):
    x, y = np.ones(3, np.float32), np.arange(3.0)
    value, (x_bar, y_bar) = dd.value_and_grad(lambda x, y: np.sum(x * y), argnums=(0, 1), mode=mode)(x, y)
    assert value.dtype == np.float64
    assert (x_bar.dtype, y_bar.dtype) == (np.float32, np.float64)
    close(x_bar, np.arange(3.0))


@by_mode
@convention("GEN-4")
def test_value_is_bitwise_the_plain_value(mode):
    f = lambda x: np.sum(np.exp(x) / (1 + x * x))  # noqa: E731
    assert dd.value_and_grad(f, mode=mode)(X)[0] == f(X)
    assert dd.jvp(f, (X,), (V,), mode=mode)[0] == f(X)
    assert dd.vjp(f, X, mode=mode)[0] == f(X)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "negative": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "transposed": lambda x: x.T.copy().T,
    "read-only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
}


@by_mode
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter_and_results_are_writable(layout, mode):
    plain = np.arange(6.0).reshape(2, 3)
    x = LAYOUTS[layout](plain)
    f = lambda x: np.sum(x * x[::-1] + x[:, :1])  # noqa: E731
    found = dd.grad(f, mode=mode)(x)
    np.testing.assert_array_equal(found, dd.grad(f, mode=mode)(plain))
    found += 1
    assert dd.jacobian(np.sin, mode=mode)(x).flags.writeable


# -------------------------------------------------- fresh results
FRESH = {
    "identity": lambda x: x,
    "view": lambda x: x[::-1],
    "reshape": lambda x: x.reshape(3, 1),
    "twice": lambda x: (x, x),
    "exp": np.exp,
    "sqrt": lambda x: np.sqrt(x * x + 1),
    "broadcast": lambda x: np.broadcast_to(x, (2, 3)),
    "linear": lambda x: 1.0 * x,
    "add": lambda x: x + x,
    "square": lambda x: x * x,
    "where": lambda x: np.where(True, x, 0),
}


def arrays(tree):
    if isinstance(tree, (tuple, list)):
        return [a for part in tree for a in arrays(part)]
    return [tree]


def spoil(tree):
    for a in arrays(tree):
        assert a.flags.writeable
        a[...] = 77.0


def no_sharing(*trees):
    flat = [a for tree in trees for a in arrays(tree)]
    for a, b in itertools.combinations(flat, 2):
        assert not np.shares_memory(a, b)


@by_mode
@pytest.mark.parametrize("name", FRESH)
def test_results_share_no_memory_with_anything(name, mode):
    f, x, v = FRESH[name], X.copy(), V.copy()
    y_exact = [np.copy(a) for a in arrays(f(X))]
    ones = lambda: tuple(np.ones(a.shape) for a in y_exact) if name == "twice" else np.ones(y_exact[0].shape)  # noqa: E731

    def check(run):
        first = [np.copy(a) for a in arrays(run())]
        result = run()
        no_sharing(result, x, v)
        spoil(result)
        for a, b in zip(first, arrays(run()), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(v, V)

    check(lambda: dd.jvp(f, (x,), (v,), mode=mode))
    check(lambda: dd.value_and_jacobian(f, mode=mode)(x))
    check(lambda: dd.vmap(f)(x.reshape(1, 3)))
    y, pullback = dd.vjp(f, x, mode=mode)
    no_sharing(y, x)
    spoil(y)
    y_bar = ones()
    check(lambda: pullback(y_bar))
    for bar in arrays(y_bar):
        np.testing.assert_array_equal(bar, 1.0)
        assert not np.shares_memory(bar, pullback(y_bar)[0])
    y, lin = dd.linearize(f, x)
    no_sharing(y, x)
    spoil(y)
    check(lambda: lin(v))
    check(lambda: lin.T(y_bar))
    check(lambda: lin.to_dense())


def test_gradient_of_a_shared_cotangent_is_given_out_once_per_leaf():
    # One ones-array flows to three leaves: each must get its own.
    found = dd.grad(lambda t: np.sum(t[0] + t[1] + t[2]), mode="reverse")([X, X, X])
    no_sharing(*found)
    value, found = dd.value_and_grad(lambda x: x, mode="reverse")(np.array(2.0))
    no_sharing(value, found)


def test_value_of_shape_zero_is_not_the_argument_itself():
    x = np.array(2.0)
    for mode in MODES:
        value, _ = dd.value_and_grad(lambda x: x, mode=mode)(x)
        assert not np.shares_memory(value, x)


@convention("ER-4")
def test_inputs_are_bitwise_unmodified():
    x, v, g = X.copy(), V.copy(), G.copy()
    for array in (x, v, g):
        array.flags.writeable = False
    f = lambda x: np.exp(x) * x[[0, 0, 2]] + np.concatenate([x[1:], x[:1]])  # noqa: E731
    for mode in MODES:
        dd.jvp(f, (x,), (v,), mode=mode)
        dd.vjp(f, x, mode=mode)[1](g)
        dd.jacobian(f, mode=mode)(x)
        dd.hessian(lambda x: np.sum(f(x)), mode=mode)(x)


def test_x_changed_in_place_between_calls_is_seen_by_the_next_call():
    x = X.copy()
    f = dd.grad(lambda x: np.sum(x * x))
    close(f(x), 2 * X)
    x *= 3
    close(f(x), 6 * X)


# -------------------------------------------------- number of calls
def counting(f):
    def counted(*args, **kwargs):
        counted.calls += 1
        return f(*args, **kwargs)

    counted.calls = 0
    return counted


@by_mode
def test_f_runs_once(mode):
    f = counting(lambda x: np.sum(x * x))
    dd.value_and_grad(f, mode=mode)(X)
    assert f.calls == 1
    dd.grad(f, mode=mode)(X)
    assert f.calls == 2
    dd.jvp(f, (X,), (V,), mode=mode)
    assert f.calls == 3
    _, pullback = dd.vjp(f, X, mode=mode)
    pullback(1.0)
    pullback(2.0)
    assert f.calls == 4
    _, lin = dd.linearize(f, X)
    lin(V), lin.T(1.0), lin.to_dense()
    assert f.calls == 5
    dd.jacobian(f, mode=mode)(X)
    assert f.calls == 6
    dd.vmap(f)(np.ones((4, 3)))
    assert f.calls == 7


def test_forward_chunks_run_f_once_each_and_reverse_chunks_do_not():
    f = counting(np.sin)
    dd.jacobian(f, mode="forward", chunk_size=1)(X)
    assert f.calls == 3
    dd.jacobian(f, mode="reverse", chunk_size=1)(X)
    assert f.calls == 4


@pytest.mark.parametrize("mode", ["auto", *("-over-".join(pair) for pair in PAIRS)])
def test_hvp_runs_f_at_most_twice(mode):
    f = counting(lambda x: np.sum(x**3))
    dd.hvp(f, (X,), (V,), mode=mode)
    assert f.calls <= 2


# -------------------------------------------------- the wrapper
def test_wrappers_keep_name_and_documentation():
    def loss(x):
        """A loss."""
        return x * x

    for transform in (dd.grad, dd.value_and_grad, dd.jacobian, dd.jacfwd, dd.jacrev, dd.hessian, dd.vmap):
        assert transform(loss).__name__ == "loss"
        assert transform(loss).__doc__ == "A loss."


def test_any_callable_is_a_function():
    import functools
    import operator

    class Callable:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * x * x

        def method(self, x):
            return self(x)

        @staticmethod
        def static(x):
            return x * x

    for f in (
        Callable(1.0), Callable(1.0).method, Callable.static, functools.partial(operator.mul, 1.0), np.square,
        functools.partial(lambda k, x: k * x * x, 1.0), dd.grad(lambda x: x**3 / 3),
        functools.lru_cache(Callable.static),
    ):  # fmt: skip
        for mode in MODES:
            assert dd.grad(f, mode=mode)(3.0) in (6.0, 1.0)


@convention("GEN-5")
def test_random_numbers_are_constants():
    def f(x):
        rng = np.random.default_rng(7)
        return np.sum(x * rng.normal(size=3))

    close(dd.grad(f)(X), np.random.default_rng(7).normal(size=3))


# -------------------------------------------------- linear maps
def test_linear_map_of_several_arguments_and_outputs():
    f = lambda x, y: {"a": x * y, "b": np.sum(x)}  # noqa: E731
    _, lin = dd.linearize(f, X, 2.0)
    assert lin.shape == (4, 4)
    dense = lin.to_dense()
    close(dense, np.block([[2 * np.eye(3), X[:, None]], [np.ones((1, 3)), np.zeros((1, 1))]]))
    tangent = lin(V, -1.0)
    close(np.append(tangent["a"], tangent["b"]), dense @ np.append(V, -1.0))
    x_bar, y_bar = lin.T({"a": G, "b": 0.5})
    close(np.append(x_bar, y_bar), np.append(G, 0.5) @ dense)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (3, 3)])
def test_dense_matrix_in_both_directions(shape):
    m, n = shape
    a = np.arange(1.0, m * n + 1).reshape(m, n)
    _, lin = dd.linearize(lambda x: np.sum(a * x, axis=1), np.ones(n))
    close(lin.to_dense(), a)
    z = 1j * np.ones(n)
    _, lin = dd.linearize(lambda x: np.sum((a + 1j) * x, axis=1), z)
    close(lin.to_dense(holomorphic=True), a + 1j)
    _, lin = dd.linearize(lambda x: np.sum((a + 1j) * x, axis=1), np.ones(n))
    close(lin.to_dense(), a + 1j)


@pytest.mark.parametrize("f", [np.conj, np.real, np.sin])
def test_dense_matrix_of_complex_arguments_asks_for_a_holomorphic_function(f):
    _, lin = dd.linearize(f, X + 1j)
    with pytest.raises(InputTypeError, match="holomorphic=True"):
        lin.to_dense(holomorphic=f is np.real)


MIXED = {
    "wide value": lambda a, b: np.sum(a) * b,
    "narrow value": lambda a, b: (a * np.sum(b)).astype(np.float32),
    "one unused": lambda a, b: a * np.float32(2),
    "no derivative": lambda a, b: np.sign(a) * np.floor(b[0]),
    "integers": lambda a, b: np.argsort(a),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk_size", ["auto", 1])
@pytest.mark.parametrize("argnums", [(0,), (1,), (0, 1), (1, 0)])
@pytest.mark.parametrize("f", MIXED.values(), ids=MIXED)
def test_block_of_a_jacobian_has_the_dtype_of_its_input(f, argnums, chunk_size, mode):
    args = np.array([1, 2, 3], np.float32), np.array([0.5, 2.0])
    blocks = dd.jacobian(f, argnums, mode=mode, chunk_size=chunk_size)(*args)
    assert [block.dtype for block in blocks] == [args[i].dtype for i in argnums]
    twice = lambda a: dd.jacobian(f, argnums, mode=mode)(a, args[1])[0]  # noqa: E731
    assert dd.jacobian(twice, mode=mode)(args[0]).dtype == np.float32
    assert dd.linearize(f, *args)[1].to_dense().dtype == np.float64


def test_linear_operator_solves_with_scipy():
    linalg = pytest.importorskip("scipy.sparse.linalg")
    rng = np.random.default_rng(5)
    root = rng.normal(size=(6, 6))
    spd = root @ root.T + 6 * np.eye(6)
    _, lin = dd.linearize(lambda x: np.sum(spd * x, axis=1).reshape(2, 3), rng.normal(size=6))
    operator = lin.as_linear_operator()
    assert operator.shape == (6, 6)
    close(operator @ np.eye(6), spd)
    close(operator.T @ np.eye(6), spd.T)
    close(operator.matvec(np.ones(6)), spd @ np.ones(6))
    b = rng.normal(size=6)
    x, info = linalg.cg(operator, b, rtol=1e-12)
    assert info == 0
    np.testing.assert_allclose(spd @ x, b, rtol=1e-9)


def test_linear_operator_of_a_tall_map_solves_least_squares():
    linalg = pytest.importorskip("scipy.sparse.linalg")
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(8, 3)), rng.normal(size=8)
    _, lin = dd.linearize(lambda x: a @ x, np.zeros(3))
    found = linalg.lsqr(lin.as_linear_operator(), b, atol=1e-14, btol=1e-14)[0]
    np.testing.assert_allclose(found, np.linalg.lstsq(a, b, rcond=None)[0], rtol=1e-9)


@pytest.mark.parametrize("factor", [A3, A3 + 1j * A3.T], ids=["real", "complex"])
def test_linear_operator_of_real_inputs_takes_complex_vectors(factor):
    pytest.importorskip("scipy.sparse.linalg")
    _, lin = dd.linearize(lambda x: np.sum(factor * x, axis=1), X)
    operator, v = lin.as_linear_operator(), V + 1j * G
    close(operator.matvec(v), factor @ v)
    close(operator.rmatvec(v), factor.conj().T @ v)
    close(operator.rmatvec(V), factor.conj().T @ V)


def test_linear_map_inside_a_gradient():
    def f(a):
        _, lin = dd.linearize(lambda x: a * np.sin(x), X)
        return np.sum(lin(V) * G) + np.sum(lin.T(G)[0] * V)

    for mode in MODES:
        close(dd.grad(f, mode=mode)(1.5), 2 * np.sum(np.cos(X) * V * G))


# -------------------------------------------------- random programs
VECTORS = programs(arguments=1).map(lambda f: lambda x: f(x) + np.zeros(3))
points = st.lists(st.integers(-16, 16), min_size=3, max_size=3).map(lambda ns: np.array(ns) / 8 + 0.01)


@given(VECTORS, points, points, points)
def test_modes_agree_on_random_programs(f, x, v, g):
    push = [dd.jvp(f, (x,), (v,), mode=mode)[1] for mode in ("forward", "reverse")]
    pull = [dd.vjp(f, x, mode=mode)[1](g)[0] for mode in ("forward", "reverse")]
    jacobian = [dd.jacobian(f, mode=mode)(x) for mode in MODES]
    _, lin = dd.linearize(f, x)
    scale = 1 + np.max(np.abs(jacobian[0]))
    for other in (*jacobian[1:], lin.to_dense()):
        np.testing.assert_allclose(other, jacobian[0], rtol=1e-10, atol=1e-12 * scale)
    for tangent in (*push, lin(v)):
        np.testing.assert_allclose(tangent, jacobian[0] @ v, rtol=1e-10, atol=1e-11 * scale)
    for cotangent in (*pull, lin.T(g)[0]):
        np.testing.assert_allclose(cotangent, g @ jacobian[0], rtol=1e-10, atol=1e-11 * scale)


@given(VECTORS, points, points, points)
def test_second_order_agrees_on_random_programs(f, x, v, g):
    scalar = lambda x: np.sum(g * np.tanh(f(x)))  # noqa: E731
    products = [dd.hvp(scalar, (x,), (v,), mode="-over-".join(pair))[1] for pair in PAIRS]
    hessians = [dd.hessian(scalar, mode=pair)(x) for pair in PAIRS]
    scale = 1 + np.max(np.abs(hessians[0]))
    for hessian in hessians:
        np.testing.assert_allclose(hessian, hessians[0], rtol=1e-8, atol=1e-10 * scale)
        np.testing.assert_allclose(hessian, hessian.T, rtol=1e-8, atol=1e-10 * scale)
    for product in products:
        np.testing.assert_allclose(product, hessians[0] @ v, rtol=1e-8, atol=1e-10 * scale)


@given(VECTORS, st.lists(points, min_size=1, max_size=3))
def test_vmap_equals_a_loop_on_random_programs(f, rows):
    xs = np.stack(rows)
    for g in (f, dd.grad(lambda x: np.sum(f(x)), mode="reverse"), dd.jacobian(f, mode="forward")):
        np.testing.assert_allclose(dd.vmap(g)(xs), np.stack([g(x) for x in xs]), rtol=1e-10, atol=1e-10)


# -------------------------------------------------- auto
def test_auto_takes_forward_for_few_inputs_and_reverse_for_few_outputs():
    kinds = []

    def spy(x):
        kinds.append(type(x).__name__)
        return np.sum(x * x)

    dd.grad(spy)(2.0)
    dd.grad(spy)(X)
    dd.jacobian(spy)(2.0)
    assert kinds == ["DualTensor", "TapeTensor", "DualTensor"]


def test_unknown_mode_is_refused_for_every_transform():
    for run in (
        lambda: dd.grad(np.sum, mode="f"),
        lambda: dd.jvp(np.sum, (X,), (X,), mode="f"),
        lambda: dd.vjp(np.sum, X, mode="f"),
        lambda: dd.jacobian(np.sum, mode="f"),
        lambda: dd.hessian(np.sum, mode=("forward", "f")),
        lambda: dd.hvp(np.sum, (X,), (X,), mode="f"),
    ):
        with pytest.raises(InputTypeError):
            run()


# -------------------------------------------------- explain_mode
@pytest.mark.parametrize(
    ("f", "args", "argnums", "expected"),
    [
        (np.sum, (np.ones(5),), 0, ("reverse", 5, 1, 1, 1)),
        (np.sin, (2.0,), 0, ("forward", 1, 1, 1, 1)),
        (np.cumsum, (np.ones(5),), 0, ("forward", 5, 5, 5, 1)),
        (lambda a, b: np.outer(a, b), (np.ones(5), np.ones(3)), (0, 1), ("forward", 8, 15, 8, 1)),
        (lambda p: {"u": p["a"][:1], "v": p["a"][0]}, ({"a": np.ones(9)},), 0, ("reverse", 9, 2, 2, 2)),
        (lambda x: x[:0], (np.ones(2),), 0, ("reverse", 2, 0, 0, 1)),
    ],
)
def test_explain_mode_gives_the_numbers_that_decide(f, args, argnums, expected):
    found = dd.explain_mode(f, *args, argnums=argnums)
    assert found[1:] == expected
    assert found.mode == choose_mode(found.inputs, found.outputs)
    assert f"auto takes {found.mode} mode" in str(found) and found.reason in str(found)


def test_explain_mode_counts_sweeps_within_the_budget():
    n = 6000  # identities of 6000 x 6000 numbers and as many lanes do not fit into 256 MiB at once
    assert dd.explain_mode(np.sin, np.ones(n)).sweeps == 3


def test_explain_mode_refuses_what_no_transform_takes():
    with pytest.raises(InputTypeError, match="explain_mode cannot differentiate"):
        dd.explain_mode(np.sum, np.arange(3))
    with pytest.raises(InputTypeError, match="explain_mode needs a function"):
        dd.explain_mode(3, np.ones(2))
