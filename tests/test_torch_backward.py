"""backward(), grad(), hooks, leaves and switches of dualdiff.torch; each test holds for PyTorch as well."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
from conventions import convention

import dualdiff.torch
from dualdiff import errors


def numbers(x):
    return x.detach().numpy()


def vector(torch, *values, requires_grad=True):
    return torch.tensor(values or (1.0, 2.0, 3.0), dtype=torch.float64, requires_grad=requires_grad)


# -------------------------------------------------- accumulation and seeds
def test_backward_adds_to_grad(torch):
    x = vector(torch)
    (x * x).sum().backward()
    first = x.grad
    (3 * x).sum().backward()
    assert x.grad is first
    assert numbers(x.grad).tolist() == [5.0, 7.0, 9.0]


def test_gradient_weighs_the_outputs(torch):
    x = vector(torch)
    y = x * x
    y.backward(gradient=torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64))
    assert numbers(x.grad).tolist() == [2.0, 0.0, -6.0]


def test_gradient_of_a_number_scales(torch):
    x = vector(torch)
    x.sum().backward(torch.tensor(5.0, dtype=torch.float64))
    assert numbers(x.grad).tolist() == [5.0, 5.0, 5.0]


def test_one_element_in_any_shape_needs_no_gradient(torch):
    x = torch.ones(1, 1, requires_grad=True)
    (3 * x).backward()
    assert x.grad.item() == 3


@pytest.mark.parametrize("output", [lambda x: x * 2, lambda x: x[:0] * 2])
def test_several_outputs_without_gradient_raise(torch, output):
    with pytest.raises(RuntimeError):
        output(vector(torch)).backward()


def test_gradient_of_another_shape_raises(torch):
    with pytest.raises(RuntimeError):
        vector(torch).mul(2).backward(torch.ones(2, dtype=torch.float64))


def test_backward_without_history_raises(torch):
    with pytest.raises(RuntimeError):
        vector(torch, requires_grad=False).sum().backward()


def test_backward_of_several_outputs(torch):
    x = vector(torch)
    torch.autograd.backward([(2 * x).sum(), x * x], [None, torch.ones(3, dtype=torch.float64)])
    assert numbers(x.grad).tolist() == [4.0, 6.0, 8.0]


def test_backward_to_chosen_inputs_alone(torch):
    x, w = vector(torch), vector(torch)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert numbers(w.grad).tolist() == [1.0, 2.0, 3.0]


def test_broadcast_operands_receive_sums(torch):
    x, w = torch.ones(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    (x * w * 2).sum().backward()
    assert w.grad.tolist() == [4.0, 4.0, 4.0]
    assert x.grad.shape == (2, 3)


def test_gradients_have_the_dtype_of_their_leaf(torch):
    x = torch.ones(2, requires_grad=True)
    (x.double() * 2).sum().backward()
    assert x.grad.dtype == torch.float32


def test_gradients_are_not_shared_between_leaves(torch):
    x, w = vector(torch), vector(torch)
    (x + w).sum().backward()
    x.grad.zero_()
    assert numbers(w.grad).tolist() == [1.0, 1.0, 1.0]


def test_gradient_given_is_not_handed_on(torch):
    x, seed = vector(torch), torch.ones(3, dtype=torch.float64)
    (x + 0).backward(seed)
    x.grad.zero_()
    assert seed.tolist() == [1.0, 1.0, 1.0]


# -------------------------------------------------- the life of a graph
def test_second_backward_through_saved_values_raises(torch):
    y = (vector(torch) * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_second_backward_through_sums_alone_works(torch):
    x = vector(torch)
    y = x.sum()
    y.backward()
    y.backward()
    assert numbers(x.grad).tolist() == [2.0, 2.0, 2.0]


def test_retain_graph_keeps_saved_values(torch):
    x = vector(torch)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert numbers(x.grad).tolist() == [4.0, 8.0, 12.0]
    with pytest.raises(RuntimeError):
        y.backward()


def test_two_outputs_share_a_graph(torch):
    x = vector(torch)
    u = x * x
    u.sum().backward(retain_graph=True)
    (u * 2).sum().backward()
    assert numbers(x.grad).tolist() == [6.0, 12.0, 18.0]


def test_saved_values_are_freed_by_backward():
    saved = np.ones(3)
    x = vector(dualdiff.torch)
    y = (x * dualdiff.torch.from_numpy(saved)).sum()
    alive = weakref.ref(saved)
    del saved
    y.backward()
    assert alive() is None


def test_graph_has_no_reference_cycles(torch):
    gc.collect()
    gc.disable()
    try:
        x = vector(torch)
        u = torch.exp(x * x).norm()
        u.register_hook(lambda g: g * 2)
        alive = weakref.ref(u)
        u.backward()
        del u
        assert alive() is None
    finally:
        gc.enable()


def test_long_chains_need_no_recursion(torch):
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.00001
    y.backward()
    assert x.grad.item() == pytest.approx(1.00001**20_000, rel=1e-12)
    del y


# -------------------------------------------------- higher derivatives
@pytest.mark.filterwarnings("ignore:Using backward")  # PyTorch's, of a reference cycle that we do not make
def test_third_derivative_by_repeated_backward(torch):
    x = vector(torch)
    y = (x**4).sum()
    for expected in ([4.0, 32.0, 108.0], [12.0, 48.0, 108.0], [24.0, 48.0, 72.0]):
        x.grad = None
        y.backward(create_graph=True)
        assert numbers(x.grad).tolist() == expected
        y = x.grad.sum()
    x.grad = None


@pytest.mark.parametrize(
    ("f", "third"),
    [
        (lambda t, x: t.sin(x), lambda x: -np.cos(x)),
        (lambda t, x: t.exp(2 * x), lambda x: 8 * np.exp(2 * x)),
        (lambda t, x: 1 / x, lambda x: -6 / x**4),
        (lambda t, x: t.log(x), lambda x: 2 / x**3),
        (lambda t, x: t.sqrt(x), lambda x: 0.375 * x**-2.5),
        (lambda t, x: x**4 * x.detach(), lambda x: 24 * x**2),
        (lambda t, x: t.cumsum(x, 0).flip(0) ** 3, None),
        (lambda t, x: t.cat([x, x * x])[1:4].reshape(3, 1) @ x.reshape(1, 3), None),
        (lambda t, x: x.norm() * x.var() + x.prod(), None),
        (lambda t, x: t.softmax(x, 0) * t.logsumexp(x, 0), None),
        (lambda t, x: t.where(x > 1.5, x**3, x.tanh()), None),
        (lambda t, x: x[[0, 0, 2]] ** 3 * x[1], None),
        (lambda t, x: t.linalg.inv(t.diag(x) + t.outer(x, x)), None),
        (lambda t, x: t.linalg.slogdet(t.diag(x) + t.outer(x, x))[1], None),
    ],
)
def test_third_derivative_by_create_graph(torch, f, third):
    x = vector(torch)
    y = f(torch, x)
    for order in range(3):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=order < 2)
    if third is None:
        third = third_of_transforms(f)
    np.testing.assert_allclose(numbers(y), third(numbers(x)), rtol=1e-7, atol=1e-7)


def third_of_transforms(f):
    """The same derivative by nested functional transforms of dualdiff, in forward mode."""
    import dualdiff as dd

    def derivative(g):
        return lambda x: dd.grad(lambda v: g(v).sum(), mode="forward")(x)

    def third(x):
        t = dualdiff.torch
        g = derivative(derivative(derivative(lambda v: f(t, v))))
        return g(t.tensor(x)).numpy()

    return third


def test_gradient_penalty_reaches_the_weights(torch):
    w, x = vector(torch), vector(torch, 0.5, -1.0, 2.0)
    y = torch.tanh(w * x).sum()
    (slope,) = torch.autograd.grad(y, x, create_graph=True)
    (slope**2).sum().backward()
    a, b = numbers(w), numbers(x)
    s = 1 - np.tanh(a * b) ** 2
    expected = 2 * a * s * s + a * a * 2 * s * (-2 * np.tanh(a * b) * s * b)
    np.testing.assert_allclose(numbers(w.grad), expected, rtol=1e-11)


def test_hessian_vector_product(torch):
    x, v = vector(torch), vector(torch, 1.0, 0.0, -1.0, requires_grad=False)
    (slope,) = torch.autograd.grad((x**3).prod(), x, create_graph=True)
    (product,) = torch.autograd.grad(slope, x, v)
    p = 216.0  # the product of the cubes, whose Hessian is 9 p / (x_i x_j), and 6 p / x_i**2 on the diagonal
    hessian = 9 * p / np.outer([1, 2, 3], [1, 2, 3])
    hessian[np.diag_indices(3)] = 6 * p / np.array([1, 4, 9])
    np.testing.assert_allclose(numbers(product), hessian @ [1, 0, -1], rtol=1e-12)


# -------------------------------------------------- grad()
def test_grad_leaves_grad_alone(torch):
    x = vector(torch)
    (found,) = torch.autograd.grad((x * x).sum(), x)
    assert x.grad is None
    assert numbers(found).tolist() == [2.0, 4.0, 6.0]


def test_grad_of_intermediate_values(torch):
    x = vector(torch)
    u = x * x
    y = (u * u).sum()
    of_u, of_x = torch.autograd.grad(y, [u, x])
    assert numbers(of_u).tolist() == [2.0, 8.0, 18.0]
    assert numbers(of_x).tolist() == [4.0, 32.0, 108.0]


@convention("UN-2")
def test_grad_of_what_is_not_used(torch):
    x, w = vector(torch), vector(torch)
    (x * x).sum().backward()
    assert w.grad is None
    y = (x * x).sum()
    with pytest.raises(RuntimeError):
        torch.autograd.grad(y, [x, w])
    y = (x * x).sum()
    assert torch.autograd.grad(y, [x, w], allow_unused=True)[1] is None
    y = (x * x).sum()
    _, zeros = torch.autograd.grad(y, [x, w], allow_unused=True, materialize_grads=True)
    assert numbers(zeros).tolist() == [0.0, 0.0, 0.0]


def test_grad_visits_no_branch_that_leads_elsewhere(torch):
    x, w = vector(torch), vector(torch)
    u = x.exp()
    y = (u * 2).sum() + w.sum()
    u.add_(1)  # a sweep to x would raise
    (found,) = torch.autograd.grad(y, w)
    assert numbers(found).tolist() == [1.0, 1.0, 1.0]


def test_grad_of_an_input_without_history_raises(torch):
    with pytest.raises(RuntimeError):
        torch.autograd.grad(vector(torch).sum(), torch.ones(3))


# -------------------------------------------------- hooks
def test_hook_sees_and_replaces_the_gradient(torch):
    x, seen = vector(torch), []
    u = x * 2
    u.register_hook(lambda g: seen.append(g.tolist()))
    u.register_hook(lambda g: g * 10)
    u.sum().backward()
    assert seen == [[1.0, 1.0, 1.0]]
    assert numbers(x.grad).tolist() == [20.0, 20.0, 20.0]


def test_hook_sees_the_sum_of_all_uses(torch):
    x, seen = vector(torch), []
    u = x * 1
    u.register_hook(lambda g: seen.append(g.tolist()))
    (u.sum() + (2 * u).sum()).backward()
    assert seen == [[3.0, 3.0, 3.0]]


def test_gradient_that_a_hook_kept_stays(torch):
    x, kept = vector(torch), []
    u = x + 0
    u.register_hook(kept.append)
    x.register_hook(kept.append)
    u.sum().backward()
    x.grad.zero_()
    assert [g.tolist() for g in kept] == [[1.0, 1.0, 1.0]] * 2


def test_hook_may_give_another_dtype():
    """PyTorch refuses it; the gradient keeps the dtype of its tensor."""
    torch = dualdiff.torch
    x = vector(torch)
    u = x * 2
    u.register_hook(lambda g: g.float() * 3)
    (u * u).sum().backward()
    assert x.grad.dtype == torch.float64
    assert numbers(x.grad).tolist() == [24.0, 48.0, 72.0]


def test_hook_of_a_leaf_works_until_removed(torch):
    x = vector(torch)
    handle = x.register_hook(lambda g: -g)
    x.sum().backward()
    handle.remove()
    x.sum().backward()
    assert numbers(x.grad).tolist() == [0.0, 0.0, 0.0]


def test_hook_that_gives_another_shape_raises(torch):
    x = vector(torch)
    x.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError):
        x.sum().backward()


def test_retain_grad_keeps_what_the_hooks_made(torch):
    x = vector(torch)
    u = x * 2
    u.retain_grad()
    u.register_hook(lambda g: g * 10)
    u.sum().backward()
    assert u.retains_grad and not x.retains_grad
    assert numbers(u.grad).tolist() == [10.0, 10.0, 10.0]


def test_grad_of_an_intermediate_value_warns(torch):
    u = vector(torch) * 2
    u.sum().backward()
    with pytest.warns(UserWarning, match="retain_grad"):
        assert u.grad is None


@pytest.mark.parametrize("asked", ["retain_grad", "register_hook"])
def test_hooks_need_a_tracked_tensor(torch, asked):
    x = torch.ones(3)
    with pytest.raises(RuntimeError):
        x.retain_grad() if asked == "retain_grad" else x.register_hook(print)


# -------------------------------------------------- leaves
def test_leaves_and_results(torch):
    x = vector(torch)
    y = x * 2
    assert (x.is_leaf, y.is_leaf, y.detach().is_leaf) == (True, False, True)
    assert x.grad_fn is None
    assert y.grad_fn.name() == "MulBackward0"
    assert y.requires_grad and not y.detach().requires_grad


def test_next_functions_lead_to_the_leaves(torch):
    y = (vector(torch) * 2).sum()
    ((product, _),) = y.grad_fn.next_functions
    assert product.name() == "MulBackward0"
    assert product.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"


def test_requires_grad_of_integers_raises(torch):
    with pytest.raises(RuntimeError):
        torch.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError):
        torch.arange(3).requires_grad_()


def test_requires_grad_can_be_switched_on_leaves_alone(torch):
    x = vector(torch)
    x.requires_grad_(False)
    assert not (x * 2).requires_grad
    x.requires_grad = True
    assert (x * 2).requires_grad
    with pytest.raises(RuntimeError):
        (x * 2).requires_grad_(False)


def test_grad_is_assigned_in_the_shape_of_its_tensor(torch):
    x = vector(torch)
    x.grad = torch.ones(3, dtype=torch.float64)
    x.sum().backward()
    assert numbers(x.grad).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(RuntimeError):
        x.grad = torch.ones(2, dtype=torch.float64)


@convention("CV-9")
def test_deepcopy_copies_leaves_alone(torch):
    x = vector(torch)
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y is not x
    with pytest.raises(RuntimeError):
        copy.deepcopy(x * 2)


def test_detach_cuts_the_history(torch):
    x = vector(torch)
    u = (x * x).detach()
    (u * x).sum().backward()
    assert numbers(x.grad).tolist() == [1.0, 4.0, 9.0]


def test_tensor_of_a_tensor_warns_that_it_forgets(torch):
    x = vector(torch)
    with pytest.warns(UserWarning, match="detach"):
        y = torch.tensor(x * 2)
    assert y.tolist() == [2.0, 4.0, 6.0] and not y.requires_grad


def test_data_is_replaced_under_a_leaf(torch):
    x = vector(torch)
    x.data = torch.zeros(3, dtype=torch.float64)
    assert x.requires_grad and x.tolist() == [0.0, 0.0, 0.0]
    (x + 1).sum().backward()
    assert numbers(x.grad).tolist() == [1.0, 1.0, 1.0]


# -------------------------------------------------- switches
def test_no_grad_is_a_context_and_a_decorator(torch):
    x = vector(torch)
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad

    @torch.no_grad()
    def double(x):
        return x * 2

    assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception(torch):
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        raise ZeroDivisionError
    assert torch.is_grad_enabled()


def test_set_grad_enabled_switches_at_once(torch):
    x = vector(torch)
    torch.set_grad_enabled(False)
    try:
        assert not (x * 2).requires_grad
    finally:
        torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


@convention("TH-3")
def test_no_grad_is_of_one_thread(torch):
    found = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: found.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert found == [True]


def test_backward_in_several_threads(torch):
    leaves = [vector(torch) for _ in range(4)]

    def work(x):
        for _ in range(50):
            (x * x).sum().backward()

    threads = [threading.Thread(target=work, args=(x,)) for x in leaves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [x.grad.tolist() for x in leaves] == [[100.0, 200.0, 300.0]] * 4


# -------------------------------------------------- our own errors
@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda t: (vector(t) * 2).backward(), errors.ScalarOutputError, "shape (3,)"),
        (lambda t: t.ones(2).sum().backward(), errors.InputTypeError, "requires_grad_()"),
        (lambda t: vector(t).numpy(), errors.ConversionError, "x.detach().numpy()"),
        (lambda t: vector(t).add_(1), errors.MutationError, "no_grad"),
        (lambda t: t.ones(2, 3) + t.ones(4), errors.ShapeError, "(2, 3), (4,)"),
        (lambda t: t.arange(3).mean(), errors.InputTypeError, "x.float()"),
        (lambda t: vector(t).sum().backward(t.ones(2)), errors.ShapeError, "shape (2,)"),
    ],
)
def test_errors_are_those_of_dualdiff_and_say_what_to_do(wrong, error, words):
    with pytest.raises(error) as caught:
        wrong(dualdiff.torch)
    assert isinstance(caught.value, RuntimeError)
    assert words in str(caught.value)
    assert f"errors#{error.anchor}" in str(caught.value)


def test_gradient_asked_for_inside_a_hook_leaves_the_outer_sweep_alone(torch):
    """The inner sweep ends at nodes that the outer one still has to pull through."""
    w = torch.tensor([0.3, 0.4], dtype=torch.float64, requires_grad=True)
    v = torch.tensor([0.5, 0.6], dtype=torch.float64, requires_grad=True)
    u = torch.cos(v)
    y = (u * w).sum()
    inner = []
    u.register_hook(lambda _: inner.append(torch.autograd.grad(y, w, retain_graph=True)[0]))
    y.backward(retain_graph=True)
    assert v.grad.shape == (2,)
    np.testing.assert_allclose(v.grad.numpy(), -np.sin([0.5, 0.6]) * [0.3, 0.4], rtol=1e-15)
    np.testing.assert_allclose(inner[0].numpy(), np.cos([0.5, 0.6]), rtol=1e-15)
