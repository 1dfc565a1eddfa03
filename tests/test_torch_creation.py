"""New tensors of dualdiff.torch: ranges, shapes, random numbers. All but the last hold for PyTorch."""

import numpy as np
import pytest

import dualdiff.torch


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda t: t.arange(4), [0, 1, 2, 3]),
        (lambda t: t.arange(1, 8, 3), [1, 4, 7]),
        (lambda t: t.arange(5, 0, -2), [5, 3, 1]),
        (lambda t: t.arange(0.0, 1.0, 0.25), [0.0, 0.25, 0.5, 0.75]),
        (lambda t: t.arange(3, 3), []),
        (lambda t: t.linspace(0, 1, 5), [0.0, 0.25, 0.5, 0.75, 1.0]),
        (lambda t: t.logspace(0, 2, 3), [1.0, 10.0, 100.0]),
        (lambda t: t.zeros(2), [0.0, 0.0]),
        (lambda t: t.zeros((2, 1)), [[0.0], [0.0]]),
        (lambda t: t.ones(size=(2,)), [1.0, 1.0]),
        (lambda t: t.full((2,), 7), [7, 7]),
        (lambda t: t.full((), 2.5), 2.5),
        (lambda t: t.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
        (lambda t: t.eye(1, 2), [[1.0, 0.0]]),
        (lambda t: t.ones_like(t.arange(2)), [1, 1]),
        (lambda t: t.full_like(t.zeros(2), 3), [3.0, 3.0]),
        (lambda t: t.zeros(2, dtype=t.int64), [0, 0]),
        (lambda t: t.ones(2).new_zeros(2), [0.0, 0.0]),
        (lambda t: t.ones(2).new_tensor([1, 2]), [1.0, 2.0]),
        (lambda t: t.tensor([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (lambda t: t.empty(0), []),
    ],
)
def test_new_tensors(torch, make, expected):
    assert make(torch).tolist() == expected


@pytest.mark.parametrize("make", ["zeros", "ones", "randn", "rand"])
def test_new_tensors_may_require_a_gradient(torch, make):
    x = getattr(torch, make)(2, 3, requires_grad=True)
    assert x.shape == (2, 3) and x.requires_grad and x.is_leaf


@pytest.mark.parametrize("draw", [lambda t: t.randn(3), lambda t: t.rand(3), lambda t: t.randperm(9)])
def test_a_seed_repeats_its_numbers(torch, draw):
    torch.manual_seed(3)
    first = draw(torch).tolist()
    second = draw(torch).tolist()
    torch.manual_seed(3)
    assert draw(torch).tolist() == first != second


def test_generators_are_streams_of_their_own(torch):
    a, b = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    first = torch.rand(2, generator=a).tolist()
    torch.rand(5)
    assert torch.rand(2, generator=b).tolist() == first
    assert a.initial_seed() == 1


def test_distributions(torch):
    torch.manual_seed(0)
    n = 40_000
    normal, uniform, whole = torch.randn(n).numpy(), torch.rand(n).numpy(), torch.randint(2, 6, (n,)).numpy()
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.02
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.01
    assert set(np.unique(whole)) == {2, 3, 4, 5}
    assert sorted(torch.randperm(5).tolist()) == [0, 1, 2, 3, 4]
    assert abs(torch.normal(3.0, 0.5, (n,)).mean().item() - 3) < 0.02
    assert abs(torch.bernoulli(torch.full((n,), 0.3)).mean().item() - 0.3) < 0.02
    assert torch.randn(size=()).shape == ()


def test_random_numbers_in_place(torch):
    x = torch.empty(1000)
    assert x.uniform_(2, 3) is x
    assert x.min() >= 2 and x.max() <= 3
    assert abs(x.normal_(5, 0.1).mean() - 5) < 0.1


@pytest.mark.parametrize(
    "wrong", [lambda t: t.tensor(["a"]), lambda t: t.tensor([[1, 2], [3]]), lambda t: t.zeros("a")]
)
def test_what_is_no_data_raises(torch, wrong):
    with pytest.raises((TypeError, ValueError)):
        wrong(torch)


def test_other_devices_raise():
    torch = dualdiff.torch
    with pytest.raises(NotImplementedError, match="cpu"):
        torch.zeros(2, device="cuda")
    assert torch.zeros(2, device="cpu").device == torch.device("cpu")
