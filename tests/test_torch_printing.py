"""Tensors print as PyTorch prints them: the same text at known values, and against PyTorch at random ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import dualdiff.torch

PRINTED = [
    ("t.arange(4.0)", "tensor([0., 1., 2., 3.])"),
    ("t.arange(4)", "tensor([0, 1, 2, 3])"),
    ("t.tensor(28.0)", "tensor(28.)"),
    ("t.tensor(5)", "tensor(5)"),
    ("t.tensor(True)", "tensor(True)"),
    ("t.tensor([True, False])", "tensor([ True, False])"),
    ("t.tensor([0.5, -1.25])", "tensor([ 0.5000, -1.2500])"),
    ("t.tensor([0.0, 4.0, 12.0])", "tensor([ 0.,  4., 12.])"),
    ("t.tensor([1e-5, 1.0])", "tensor([1.0000e-05, 1.0000e+00])"),
    ("t.tensor([1e5, 1.5])", "tensor([1.0000e+05, 1.5000e+00])"),
    ("t.tensor([1000.0, 1.0])", "tensor([1000.,    1.])"),
    ("t.tensor([1e9])", "tensor([1.0000e+09])"),
    ("t.tensor([float('nan'), 1.0])", "tensor([nan, 1.])"),
    ("t.tensor([float('inf'), -1.5])", "tensor([    inf, -1.5000])"),
    ("t.tensor(-0.0)", "tensor(-0.)"),
    ("t.tensor([1 + 2j, 0.5j])", "tensor([1.+2.0000j, 0.+0.5000j])"),
    ("t.tensor([1 - 2j])", "tensor([1.-2.j])"),
    ("t.tensor([])", "tensor([])"),
    ("t.zeros(0, 3)", "tensor([], size=(0, 3))"),
    ("t.zeros(0, dtype=t.int64)", "tensor([], dtype=torch.int64)"),
    ("t.ones(2, dtype=t.float64)", "tensor([1., 1.], dtype=torch.float64)"),
    ("t.ones(2, dtype=t.int32)", "tensor([1, 1], dtype=torch.int32)"),
    ("t.ones(2, requires_grad=True)", "tensor([1., 1.], requires_grad=True)"),
    (
        "t.ones(2, dtype=t.float64, requires_grad=True)",
        "tensor([1., 1.], dtype=torch.float64, requires_grad=True)",
    ),
    ("t.ones(2, requires_grad=True).sum()", "tensor(2., grad_fn=<SumBackward0>)"),
    ("t.eye(2)", "tensor([[1., 0.],\n        [0., 1.]])"),
    (
        "t.arange(8).reshape(2, 2, 2)",
        "tensor([[[0, 1],\n         [2, 3]],\n\n        [[4, 5],\n         [6, 7]]])",
    ),
    ("t.arange(1001)", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        "t.zeros(40, 40)",
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n        ...,\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])",
    ),
    (
        "t.arange(20.0)",
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
        "        14., 15., 16., 17., 18., 19.])",
    ),
    (
        "t.ones(7, 1, dtype=t.float64, requires_grad=True).t() * 1.5",
        "tensor([[1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000]],\n"
        "       dtype=torch.float64, grad_fn=<MulBackward0>)",
    ),
    (
        "t.max(t.tensor([[3.0, 1.0], [2.0, 5.0]]), 1)",
        "torch.return_types.max(\nvalues=tensor([3., 5.]),\nindices=tensor([0, 1]))",
    ),
]


@pytest.mark.parametrize(("expression", "text"), PRINTED, ids=[expression for expression, _ in PRINTED])
def test_printed_form(torch, expression, text):
    found = eval(expression, {"t": torch})
    assert repr(found) == str(found) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": 2}, "tensor([0.33, 2.50])"),
        ({"sci_mode": True}, "tensor([3.3333e-01, 2.5000e+00])"),
        ({"threshold": 1, "edgeitems": 1}, "tensor([0.3333, 2.5000])"),
        ({"profile": "short"}, "tensor([0.33, 2.50])"),
    ],
)
def test_options_of_printing(torch, options, text):
    torch.set_printoptions(**options)
    assert repr(torch.tensor([1 / 3, 2.5])) == text


def test_lines_have_the_width_asked_for(torch):
    torch.set_printoptions(linewidth=30)
    assert repr(torch.arange(8)) == "tensor([0, 1, 2, 3, 4, 5, 6,\n        7])"


def test_names_in_the_graph_have_an_address(torch):
    assert repr((torch.ones(2, requires_grad=True) * 2).grad_fn).startswith("<MulBackward0 object at 0x")


def elements(dtype):
    if dtype.kind == "f":
        bits = 8 * dtype.itemsize
        return st.one_of(st.floats(width=bits), st.integers(-9, 9).map(float), st.floats(-10, 10, width=bits))
    return None


DTYPES = st.sampled_from([np.dtype(name) for name in ("f8", "f4", "f2", "i8", "i4", "u1", "?", "c8", "c16")])


@given(data=st.data(), dtype=DTYPES, tracked=st.booleans())
def test_random_tensors_print_as_in_pytorch(data, dtype, tracked):
    torch = pytest.importorskip("torch")
    shape = data.draw(st.one_of(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)))
    array = data.draw(arrays.arrays(dtype, shape, elements=elements(dtype)))
    tracked = tracked and dtype.kind in "fc"
    with np.errstate(all="ignore"):
        mine, theirs = (
            repr(t.tensor(array, requires_grad=tracked) * 1) if tracked else repr(t.tensor(array))
            for t in (dualdiff.torch, torch)
        )
    assert mine == theirs
