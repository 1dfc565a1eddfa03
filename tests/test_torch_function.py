"""autograd.Function: operations with a backward of one's own; each test holds for PyTorch as well."""

import gc
import weakref

import pytest


@pytest.fixture
def kinds(torch):
    """Some operations, made for this front end."""

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, gradient):
            (y,) = ctx.saved_tensors
            return gradient * y

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, factor):
            ctx.save_for_backward(x, y)
            ctx.factor = factor
            return x * y * factor

        @staticmethod
        def backward(ctx, gradient):
            x, y = ctx.saved_tensors
            needs = ctx.needs_input_grad
            return (
                gradient * y * ctx.factor if needs[0] else None,
                gradient * x * ctx.factor if needs[1] else None,
                None,
            )

    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            return 2 * first + 3 * second

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2 * ctx.saved_tensors[0]

    return {"Exp": Exp, "Scaled": Scaled, "Pair": Pair, "Square": Square}


def vector(torch, *values):
    return torch.tensor(values or (0.0, 1.0, 2.0), dtype=torch.float64, requires_grad=True)


def test_backward_is_the_one_given(torch, kinds):
    x = vector(torch)
    y = kinds["Exp"].apply(x)
    assert repr(y.detach()) == repr(x.detach().exp())
    y.sum().backward()
    assert x.grad.tolist() == x.detach().exp().tolist()


def test_result_names_the_class(torch, kinds):
    assert "grad_fn=<ExpBackward>" in repr(kinds["Exp"].apply(vector(torch)))


def test_backward_is_differentiated_again(torch, kinds):
    x = vector(torch)
    y = kinds["Exp"].apply(2 * x)
    for _ in range(3):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert y.tolist() == pytest.approx((8 * torch.exp(2 * x)).tolist(), rel=1e-14)


def test_inputs_that_need_no_gradient(torch, kinds):
    x, y = vector(torch), vector(torch).detach()
    kinds["Scaled"].apply(x, y, 5.0).sum().backward()
    assert x.grad.tolist() == [0.0, 5.0, 10.0]
    assert y.grad is None


def test_all_inputs_on_one_leaf(torch, kinds):
    x = vector(torch)
    kinds["Scaled"].apply(x, x, 1.0).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 4.0]


def test_several_outputs_meet_in_one_backward(torch, kinds):
    x = vector(torch)
    first, second = kinds["Pair"].apply(x)
    (first * second).sum().backward()
    assert x.grad.tolist() == [0.0, 12.0, 24.0]


def test_output_that_is_not_used_has_gradient_zero(torch, kinds):
    x = vector(torch)
    kinds["Pair"].apply(x)[1].sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


def test_setup_context_saves_apart(torch, kinds):
    x = vector(torch)
    y = kinds["Square"].apply(x).sum()
    y.backward()
    assert x.grad.tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(RuntimeError):
        y.backward()


def test_saved_input_that_changed_raises(torch, kinds):
    x, y = vector(torch), vector(torch).detach()
    z = kinds["Scaled"].apply(x, y, 1.0).sum()
    y.add_(1)
    with pytest.raises(RuntimeError):
        z.backward()


def test_nothing_is_recorded_without_need(torch, kinds):
    x = vector(torch)
    assert not kinds["Exp"].apply(x.detach()).requires_grad
    with torch.no_grad():
        assert not kinds["Exp"].apply(x).requires_grad


def test_outputs_may_be_marked_constant(torch):
    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            whole = x.round()
            ctx.mark_non_differentiable(whole)
            return x - whole, whole

        @staticmethod
        def backward(ctx, gradient, _):
            return gradient

    x = vector(torch, 0.5, 1.75)
    rest, whole = Rounded.apply(x)
    assert rest.requires_grad and not whole.requires_grad
    rest.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_missing_gradients_may_stay_none(torch):
    seen = []

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            seen.append((first, second))
            return 2 * second

    Both.apply(vector(torch))[1].sum().backward()
    assert seen[0][0] is None and seen[0][1].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("wrong", [lambda g: (g, g), lambda g: "gradient"])
def test_backward_that_returns_something_else_raises(torch, wrong):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return wrong(gradient)

    with pytest.raises((RuntimeError, TypeError)):
        Wrong.apply(vector(torch)).sum().backward()


def test_saved_outputs_make_no_cycle(torch, kinds):
    gc.collect()
    gc.disable()
    try:
        y = kinds["Exp"].apply(vector(torch))
        alive = weakref.ref(y)
        del y
        assert alive() is None
    finally:
        gc.enable()
