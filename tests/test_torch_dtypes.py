"""dtypes of dualdiff.torch: what comes out of which operands, defaults, conversions. All hold for PyTorch."""

import cmath
import copy
import itertools
import math
import operator
import pickle

import numpy as np
import pytest
from conventions import convention

import dualdiff as dd
import dualdiff.torch

NAMES = ["bool", "uint8", "int32", "int64", "float32", "float64", "complex64", "complex128"]
NUMBERS = [True, 2, 2.5, 2.5j]
KINDS = {
    "bool": 0,
    "uint8": 1,
    "int32": 1,
    "int64": 1,
    "float32": 2,
    "float64": 2,
    "complex64": 3,
    "complex128": 3,
}


def made(torch, name, shape):
    return torch.ones(shape, dtype=getattr(torch, name))


@pytest.mark.parametrize("right", NAMES)
@pytest.mark.parametrize("left", NAMES)
def test_promotion_is_pytorchs(left, right):
    torch = pytest.importorskip("torch")
    for shapes in itertools.product([(2,), ()], repeat=2):
        found, expected = (
            made(t, left, shapes[0]) + made(t, right, shapes[1]) for t in (dualdiff.torch, torch)
        )
        assert repr(found.dtype) == repr(expected.dtype)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", NAMES)
def test_promotion_with_a_number_is_pytorchs(name, number):
    torch = pytest.importorskip("torch")
    for shape in ((2,), ()):
        for f in (operator.mul, lambda x, n: n + x):
            found, expected = (f(made(t, name, shape), number) for t in (dualdiff.torch, torch))
            assert repr(found.dtype) == repr(expected.dtype)
            assert found.tolist() == expected.tolist()


# The same rules in words, for where PyTorch is not installed.
@pytest.mark.parametrize(
    ("operands", "expected"),
    [
        (lambda t: t.ones(2) * t.tensor(2.0, dtype=t.float64), "float32"),  # a number of the same category
        (lambda t: t.ones(2) * t.ones(2, dtype=t.float64), "float64"),
        (lambda t: t.ones(2, dtype=t.int64) * t.ones(2), "float32"),  # not float64, as in NumPy
        (lambda t: t.ones(2, dtype=t.int64) * 2.5, "float32"),
        (lambda t: t.ones(2, dtype=t.int32) + t.tensor(5), "int32"),
        (lambda t: t.ones(2, dtype=t.int32) * t.tensor(2.5, dtype=t.float64), "float64"),
        (lambda t: t.ones(2, dtype=t.float64) * 2, "float64"),
        (lambda t: t.tensor([True]) + t.tensor([True]), "bool"),
        (lambda t: t.tensor([True]) + 1, "int64"),
        (lambda t: t.arange(3) / 2, "float32"),
        (lambda t: t.arange(3) / t.arange(1, 4), "float32"),
        (lambda t: t.arange(3) // 2, "int64"),
        (lambda t: t.arange(3) ** 2, "int64"),
        (lambda t: t.sqrt(t.arange(3)), "float32"),
        (lambda t: t.arange(3).sum(), "int64"),
        (lambda t: t.ones(2, dtype=t.uint8).sum(), "int64"),
        (lambda t: t.tensor([True, True]).sum(), "int64"),
        (lambda t: t.ones(2) * 1j, "complex64"),
        (lambda t: t.ones(2, dtype=t.float64) * 1j, "complex128"),
        (lambda t: t.ones(2) > 0, "bool"),
        (lambda t: t.cat([t.ones(2), t.ones(2, dtype=t.float64)]), "float64"),
        (lambda t: t.where(t.tensor([True]), t.ones(1), 2), "float32"),
        (lambda t: t.ones(2) * np.float64(2), "float32"),
        (lambda t: t.ones(3, dtype=t.float64).softmax(0), "float64"),
    ],
)
def test_dtype_of_results(torch, operands, expected):
    assert repr(operands(torch).dtype) == f"torch.{expected}"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda t: t.tensor(1.5), "float32"),
        (lambda t: t.tensor([1, 2]), "int64"),
        (lambda t: t.tensor([1, 2.5]), "float32"),
        (lambda t: t.tensor([True, False]), "bool"),
        (lambda t: t.tensor(1j), "complex64"),
        (lambda t: t.tensor([]), "float32"),
        (lambda t: t.tensor(np.ones(2)), "float64"),
        (lambda t: t.tensor([np.float64(1)]), "float64"),
        (lambda t: t.tensor([t.tensor(1.0), t.tensor(2.0)]), "float32"),
        (lambda t: t.from_numpy(np.ones(2, np.int32)), "int32"),
        (lambda t: t.arange(4), "int64"),
        (lambda t: t.arange(4.0), "float32"),
        (lambda t: t.full((2,), 3), "int64"),
        (lambda t: t.zeros(2), "float32"),
        (lambda t: t.zeros_like(t.arange(3)), "int64"),
        (lambda t: t.linspace(0, 1, 3), "float32"),
        (lambda t: t.randn(2), "float32"),
        (lambda t: t.randint(3, (2,)), "int64"),
        (lambda t: t.ones(2, dtype=float), "float64"),
    ],
)
def test_dtype_of_new_tensors(torch, make, expected):
    assert repr(make(torch).dtype) == f"torch.{expected}"


def test_default_dtype_is_what_floats_become(torch):
    torch.set_default_dtype(torch.float64)
    assert torch.get_default_dtype() is torch.float64
    assert torch.tensor(1.5).dtype == (torch.arange(3) / 2).dtype == torch.ones(2).dtype == torch.float64
    assert torch.tensor(1j).dtype == torch.complex128
    assert repr(torch.ones(1)) == "tensor([1.])"
    assert repr(torch.ones(1, dtype=torch.float32)) == "tensor([1.], dtype=torch.float32)"
    with pytest.raises(TypeError):
        torch.set_default_dtype(torch.int64)


@pytest.mark.parametrize(
    ("convert", "expected"),
    [
        (lambda t, x: x.to(t.int64), [1, -2]),
        (lambda t, x: x.long(), [1, -2]),
        (lambda t, x: x.bool(), [True, True]),
        (lambda t, x: x.double(), [1.5, -2.5]),
        (lambda t, x: x.to(dtype=t.float64), [1.5, -2.5]),
        (lambda t, x: x.to(t.ones(1, dtype=t.float64)), [1.5, -2.5]),
        (lambda t, x: x.type(t.int32), [1, -2]),
        (lambda t, x: x.to("cpu"), [1.5, -2.5]),
    ],
)
def test_conversions(torch, convert, expected):
    assert convert(torch, torch.tensor([1.5, -2.5])).tolist() == expected


def test_conversion_to_the_same_dtype_is_the_tensor_itself(torch):
    x = torch.ones(2)
    assert x.float() is x and x.to(torch.float32) is x


@pytest.mark.parametrize(
    "wrong", [lambda t: t.arange(3).mean(), lambda t: t.tensor([True]) - t.tensor([True])]
)
def test_what_a_dtype_does_not_allow_raises(torch, wrong):
    with pytest.raises(RuntimeError):
        wrong(torch)


def test_dtypes_say_what_they_are(torch):
    assert repr(torch.float32) == "torch.float32"
    assert torch.float is torch.float32 and torch.double is torch.float64 and torch.long is torch.int64
    assert torch.float64.is_floating_point and torch.complex64.is_complex and not torch.int8.is_floating_point
    assert torch.float64.itemsize == 8
    assert torch.finfo(torch.float32).eps == np.finfo(np.float32).eps
    assert torch.iinfo(torch.int8).max == 127


def test_tensors_and_dtypes_are_pickled(torch):
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = pickle.loads(pickle.dumps(x))
    assert y.tolist() == [1.0, 2.0] and y.requires_grad and y.is_leaf
    assert pickle.loads(pickle.dumps(torch.bool)) is torch.bool
    assert copy.deepcopy(torch.float32) is torch.float32


@convention("CV-8")
def test_sizes_are_tuples_that_say_so(torch):
    x = torch.ones(2, 3)
    assert repr(x.shape) == repr(x.size()) == "torch.Size([2, 3])"
    assert x.shape == (2, 3) and x.size(1) == 3 and x.shape.numel() == x.numel() == 6
    assert (x.ndim, x.dim(), x.stride(), x.t().is_contiguous()) == (2, 2, (3, 1), False)
    assert repr(x.device) == "device(type='cpu')" and str(x.device) == "cpu"


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # PyTorch's, of float(x)
@convention("CV-1", "CV-2", "CV-3", "CV-4", "CV-5")
def test_numbers_of_python(torch):
    x = torch.tensor(2.5, requires_grad=True)
    assert (float(x), int(x), x.item(), bool(x), x.tolist()) == (2.5, 2, 2.5, True, 2.5)
    assert f"{x:.3f} {x:5.1f}" == "2.500   2.5"
    assert [10, 20, 30][torch.tensor(1)] == 20
    assert len(torch.ones(3, 2)) == 3
    assert 2.0 in torch.tensor([1.0, 2.0])
    assert (torch.ones(2) == None) is False  # noqa: E711


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # PyTorch's, of float(x)
@convention("CV-6", "CV-7")
def test_functions_of_math_give_numbers(torch):
    x = torch.tensor(0.5, requires_grad=True)
    assert math.sin(x) == math.sin(0.5) and math.hypot(x, x) == math.hypot(0.5, 0.5)
    assert cmath.exp(x) == cmath.exp(0.5) and complex(x) == 0.5
    assert float(x.detach()) == 0.5
    assert float(dd.stop_gradient(dualdiff.torch.tensor(0.5, requires_grad=True))) == 0.5


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda t: t.ones(2).item(), RuntimeError),
        (lambda t: bool(t.ones(2)), RuntimeError),
        (lambda t: len(t.tensor(1.0)), TypeError),
        (lambda t: list(t.tensor(1.0)), TypeError),
        (lambda t: [1, 2][t.tensor(1.0)], TypeError),
        (lambda t: t.ones(2, 3) + t.ones(4), RuntimeError),
        (lambda t: t.ones(2, 3) @ t.ones(2, 3), RuntimeError),
        (lambda t: t.ones(2, 3).mm(t.ones(3)), RuntimeError),
        (lambda t: t.dot(t.ones(2, 2), t.ones(2)), RuntimeError),
        (lambda t: t.ones(2) @ t.ones(2, dtype=t.float64), RuntimeError),
        (lambda t: t.ones(3).sum(2), IndexError),
        (lambda t: t.ones(3)[5], IndexError),
        (lambda t: t.ones(3)[1.5], IndexError),
        (lambda t: t.ones(3)[::-1], ValueError),
        (lambda t: t.ones(2, 3).reshape(4), RuntimeError),
        (lambda t: t.cat([t.ones(2, 3), t.ones(3, 2)]), RuntimeError),
        (lambda t: t.ones(2) + "a", TypeError),
        (lambda t: t.add(t.ones(2), "a"), TypeError),
        (lambda t: t.ones(2).no_such_method(), AttributeError),
    ],
)
def test_wrong_uses_raise_what_pytorch_raises(torch, wrong, error):
    with pytest.raises(error):
        wrong(torch)
