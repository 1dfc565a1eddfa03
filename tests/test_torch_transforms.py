"""Functional transforms of dualdiff on tensors of the front end, and both graphs in one computation."""

import subprocess
import sys

import numpy as np
import pytest

import dualdiff as dd
import dualdiff.torch as torch
from dualdiff.errors import ConversionError, MutationError, ScalarOutputError

MODES = pytest.mark.parametrize("mode", ["forward", "reverse"])


def vector(*values, requires_grad=False):
    return torch.tensor(values or (1.0, 2.0, 3.0), dtype=torch.float64, requires_grad=requires_grad)


def cubes(x):
    return (x**3).sum()


def same(found, expected):
    """A plain or untracked tensor with these numbers."""
    assert isinstance(found, torch.Tensor) and not found.requires_grad
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


# -------------------------------------------------- tensors in, tensors out
@MODES
def test_grad_takes_and_gives_tensors(mode):
    value, slope = dd.value_and_grad(cubes, mode=mode)(vector())
    same(value, 36.0)
    same(slope, [3.0, 12.0, 27.0])


@MODES
def test_jvp_and_vjp(mode):
    y, y_dot = dd.jvp(lambda x: x * x, (vector(),), (vector(1.0, 0.0, -1.0),), mode=mode)
    same(y, [1.0, 4.0, 9.0])
    same(y_dot, [2.0, 0.0, -6.0])
    y, pullback = dd.vjp(lambda x: x * x, vector(), mode=mode)
    same(pullback(vector(1.0, 0.0, -1.0))[0], [2.0, 0.0, -6.0])


@MODES
def test_jacobian(mode):
    same(dd.jacobian(lambda x: x * x, mode=mode)(vector()), np.diag([2.0, 4.0, 6.0]))


def test_second_derivatives():
    same(dd.hessian(cubes)(vector()), np.diag([6.0, 12.0, 18.0]))
    same(dd.hvp(cubes, (vector(),), (vector(1.0, 0.0, 1.0),))[1], [6.0, 0.0, 18.0])


def test_vmap_and_linearize():
    rows = torch.arange(6.0).reshape(2, 3)
    same(dd.vmap(lambda row: (row * row).sum())(rows), [5.0, 50.0])
    _, lin = dd.linearize(cubes, vector())
    same(lin(vector(1.0, 1.0, 0.0)), 15.0)
    same(lin.T(torch.tensor(2.0, dtype=torch.float64))[0], [6.0, 24.0, 54.0])


def test_tensors_in_containers():
    def loss(parameters, x):
        return ((x @ parameters["w"] + parameters["b"]) ** 2).sum()

    parameters = {"w": torch.ones(3, 2), "b": torch.zeros(2)}
    found = dd.grad(loss)(parameters, torch.ones(4, 3))
    assert found["w"].shape == (3, 2)
    same(found["b"], [24.0, 24.0])


def test_function_of_arrays_that_uses_tensors_inside():
    def f(a):
        x = torch.from_numpy(a)
        return (x * x.sin()).sum()

    a = np.array([0.3, 1.1])
    np.testing.assert_allclose(dd.grad(f)(a), np.sin(a) + a * np.cos(a), rtol=1e-14)


def test_control_flow_and_views_inside():
    def f(x):
        y = x[1:].reshape(2, 1).T[0]
        while y.norm() < 100:
            y = y * 2
        return y.sum() if y[0] > 0 else -y.sum()

    x = vector(1.0, 3.0, 4.0)
    same(dd.grad(f)(x), [0.0, 32.0, 32.0])
    same(dd.grad(f, mode="forward")(x), [0.0, 32.0, 32.0])


def test_derivative_of_detached_values_is_zero():
    same(dd.grad(lambda x: (x.detach() * x).sum())(vector()), [1.0, 2.0, 3.0])


def test_stop_gradient_keeps_tensors():
    same(dd.grad(lambda x: (dd.stop_gradient(x) * x).sum())(vector()), [1.0, 2.0, 3.0])


# -------------------------------------------------- both graphs at once
@MODES
def test_backward_through_a_functional_gradient(mode):
    w = vector(requires_grad=True)
    slope = dd.grad(lambda x: (w * x**3).sum(), mode=mode)(vector())
    slope.sum().backward()
    assert w.grad.tolist() == [3.0, 12.0, 27.0]


@MODES
def test_tracked_argument_of_a_functional_gradient(mode):
    x = vector(requires_grad=True)
    slope = dd.grad(cubes, mode=mode)(x)
    assert slope.tolist() == [3.0, 12.0, 27.0]
    slope.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0, 18.0]


@MODES
def test_backward_inside_a_functional_transform_is_a_constant(mode):
    """What backward() accumulates at its own leaves does not depend on the transform's argument."""

    def f(x):
        w = vector(requires_grad=True)
        (w * w).sum().backward()
        return (w.grad * x).sum()

    same(dd.grad(f, mode=mode)(vector()), [2.0, 4.0, 6.0])


def test_closed_over_parameters_are_constants_of_a_functional_gradient():
    w = vector(requires_grad=True)
    slope = dd.grad(lambda x: (w * x * x).sum())(vector())
    assert slope.requires_grad and slope.detach().tolist() == [2.0, 8.0, 18.0]
    with torch.no_grad():
        same(dd.grad(lambda x: (w * x * x).sum())(vector()), [2.0, 8.0, 18.0])


# -------------------------------------------------- what has no meaning
def test_several_numbers_are_no_gradient():
    with pytest.raises(ScalarOutputError, match="shape"):
        dd.grad(lambda x: x * x)(vector())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda x: x[0].item(), ConversionError),
        (lambda x: float(x[0]), ConversionError),
        (lambda x: x.numpy(), ConversionError),
        (lambda x: np.sin(x), ConversionError),
        (lambda x: x.add_(1), MutationError),
        (lambda x: x.__setitem__(0, 1.0), MutationError),
        (lambda x: x.requires_grad_(), RuntimeError),
        (lambda x: x.sum().backward(), RuntimeError),
    ],
)
@MODES
def test_what_would_drop_the_derivative_raises(wrong, error, mode):
    def f(x):
        wrong(x)
        return x.sum()

    with pytest.raises(error):
        dd.grad(f, mode=mode)(vector())


# -------------------------------------------------- one import beside the other
def fresh(code):
    """The last line that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_of_dualdiff_leaves_the_front_end_alone():
    assert fresh("import sys, dualdiff; print('dualdiff.torch' in sys.modules)") == "False"


def test_front_end_does_not_import_or_hide_pytorch():
    assert fresh("import sys, dualdiff.torch as torch; print('torch' in sys.modules)") == "False"


def test_names_of_the_front_end_are_its_own():
    """No module inside the package is reached by a name of PyTorch's."""
    assert torch.autograd.__name__ == "dualdiff.torch.autograd"
    assert torch.linalg.__name__ == "dualdiff.torch.linalg"
