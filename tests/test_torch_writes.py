"""Writing in place: what backward() then says, views and their bases, memory shared with NumPy.

Each test holds for PyTorch as well, but for those at the end, where dualdiff is right and PyTorch refuses.
"""

import numpy as np
import pytest

import dualdiff.torch
from dualdiff.errors import MutationError

CHANGED = "modified by an inplace operation|written in place since"


def leaf(torch, *values):
    return torch.tensor(values or (4.0, 9.0, 1.0), dtype=torch.float64, requires_grad=True)


def gradient(y, x):
    (y * y).sum().backward()
    return x.grad.tolist()


# -------------------------------------------------- saved values that changed
READ = {  # functions whose rule reads the operand
    "mul": lambda t, x: x * x,
    "pow": lambda t, x: x**3,
    "sin": lambda t, x: x.sin(),
    "log": lambda t, x: x.log(),
    "norm": lambda t, x: x.norm(),
    "prod": lambda t, x: x.prod(),
    "var": lambda t, x: x.var(),
    "amax": lambda t, x: x.amax(),
    "maximum": lambda t, x: t.maximum(x, 2 * t.ones(3, dtype=t.float64)),
    "matmul": lambda t, x: x @ x,
    "outer": lambda t, x: t.outer(x, x),
    "abs": lambda t, x: x.abs(),
    "atan2": lambda t, x: t.atan2(x, x),
    "det": lambda t, x: t.linalg.det(t.diag(x)) * x.sum() * x.prod(),
}
UNREAD = {  # functions whose rule reads no more than shapes
    "add": lambda t, x: x + x,
    "sub": lambda t, x: 1 - x,
    "neg": lambda t, x: -x,
    "scale": lambda t, x: x * 3,
    "divide": lambda t, x: x / 2,
    "sum": lambda t, x: x.sum(),
    "mean": lambda t, x: x.mean(0),
    "reshape": lambda t, x: x.reshape(3, 1).clone(),
    "cat": lambda t, x: t.cat([x, x]),
    "index": lambda t, x: x[[0, 0, 2]],
    "slice": lambda t, x: x[1:] + 0,
    "where": lambda t, x: t.where(t.tensor([True, False, True]), x, 0.0),
    "cumsum": lambda t, x: x.cumsum(0),
    "flip": lambda t, x: x.flip(0),
    "repeat": lambda t, x: x.repeat(2),
    "exp": lambda t, x: x.exp(),
    "sqrt": lambda t, x: x.sqrt(),
    "tanh": lambda t, x: x.tanh(),
    "sigmoid": lambda t, x: x.sigmoid(),
    "softmax": lambda t, x: x.softmax(0),
    "inv": lambda t, x: t.linalg.inv(t.diag(x)),
}
RESULT_READ = ("exp", "sqrt", "tanh", "sigmoid", "softmax", "inv")  # functions whose rule reads the result


@pytest.mark.parametrize("name", READ)
def test_operand_that_was_saved_and_changed_raises(torch, name):
    x = leaf(torch)
    u = x * 1
    y = READ[name](torch, u)
    u += 1
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


@pytest.mark.parametrize("name", UNREAD)
def test_operand_that_was_not_saved_may_change(torch, name):
    x, w = leaf(torch), leaf(torch)
    u = x * 1
    y = UNREAD[name](torch, u)
    u += 1
    y.sum().backward()
    UNREAD[name](torch, w * 1).sum().backward()
    assert x.grad.tolist() == w.grad.tolist()


@pytest.mark.parametrize("name", RESULT_READ)
def test_result_that_was_saved_and_changed_raises(torch, name):
    y = UNREAD[name](torch, leaf(torch))
    y += 1
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


@pytest.mark.parametrize("name", [name for name in UNREAD if name not in RESULT_READ] + ["sin", "mul"])
def test_result_that_was_not_saved_may_change(torch, name):
    x, w = leaf(torch), leaf(torch)
    f = {**UNREAD, **READ}[name]
    y = f(torch, x * 1)
    y += 1
    y.sum().backward()
    f(torch, w * 1).sum().backward()
    assert x.grad.tolist() == w.grad.tolist()


def test_saved_number_that_changed_raises(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match=CHANGED):
        y.backward()


def test_constant_operand_that_changed_raises(torch):
    x, w = leaf(torch), torch.ones(3, dtype=torch.float64)
    y, z = x * w, x + w
    w.mul_(2)
    z.sum().backward()
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


def test_index_that_changed_raises(torch):
    x, i = leaf(torch), torch.tensor([0, 0])
    y = x[i]
    i.add_(1)
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


def test_parameter_stepped_before_backward_raises(torch):
    w, x = torch.ones(2, 2, requires_grad=True), torch.ones(2, requires_grad=True)
    y = (w @ x).sum()
    with torch.no_grad():
        w.sub_(1)
    with pytest.raises(RuntimeError, match=CHANGED):
        y.backward()


@pytest.mark.parametrize("write", ["through a view", "through detach", "through the base"])
def test_memory_is_one_whatever_the_tensor(torch, write):
    x = leaf(torch)
    u = x * 1
    v = u[:2]
    y = v.sin()
    with torch.no_grad():
        if write == "through a view":
            u[1:].zero_()
        elif write == "through detach":
            u.detach().zero_()
        else:
            u.zero_()
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


def test_writes_before_saving_are_no_change(torch):
    x = leaf(torch)
    u = x * 1
    u.mul_(2)
    (u * u).sum().backward()
    assert x.grad.tolist() == [32.0, 72.0, 8.0]


def test_version_counts_writes_of_the_memory(torch):
    x = torch.zeros(3)
    y = x[1:]
    x.add_(1)
    y.zero_()
    assert (x._version, y._version, torch.zeros(3)._version) == (2, 2, 0)


# -------------------------------------------------- the graph follows
def test_write_of_a_result_is_differentiated(torch):
    x = leaf(torch)
    y = x * 2
    y.add_(x).mul_(3)
    assert y.tolist() == [36.0, 81.0, 9.0]
    assert gradient(y, x) == [648.0, 1458.0, 162.0]


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda t, y, x: y.mul_(x), 3 * np.array([4.0, 9, 1]) ** 2 / np.array([4.0, 9, 1]) * 2 / 3),
        (lambda t, y, x: y.exp_(), np.exp([4.0, 9, 1])),
        (lambda t, y, x: y.pow_(3), 3 * np.array([4.0, 9, 1]) ** 2),
        (lambda t, y, x: y.sub_(x, alpha=3), [-2.0, -2, -2]),
        (lambda t, y, x: y.clamp_(max=5.0), [1.0, 0, 1]),
        (lambda t, y, x: y.neg_(), [-1.0, -1, -1]),
        (lambda t, y, x: y.zero_(), [0.0, 0, 0]),
        (lambda t, y, x: y.fill_(7), [0.0, 0, 0]),
        (lambda t, y, x: y.copy_(x * x), [8.0, 18, 2]),
        (lambda t, y, x: y.copy_(t.ones(3)), [0.0, 0, 0]),
    ],
)
def test_methods_in_place(torch, write, expected):
    x = leaf(torch)
    y = x * 1
    assert write(torch, y, x) is y
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14)


def test_untracked_tensor_takes_a_history(torch):
    x, y = leaf(torch), torch.zeros(3, dtype=torch.float64)
    y.add_(x)
    assert y.requires_grad and not y.is_leaf
    assert gradient(y, x) == [8.0, 18.0, 2.0]


def test_copy_of_a_leaf_into_zeros(torch):
    x, y = leaf(torch), torch.zeros(3, dtype=torch.float64)
    y.copy_(x)
    assert repr(y) == "tensor([4., 9., 1.], dtype=torch.float64, grad_fn=<CopyBackwards>)"
    assert gradient(y, x) == [8.0, 18.0, 2.0]


def test_dtype_of_what_is_written_stays(torch):
    x = torch.ones(3, requires_grad=True)
    w = leaf(torch)
    y = x * 2
    y.add_(w)
    assert y.dtype == torch.float32
    (y * y).sum().backward()
    assert x.grad.dtype == torch.float32 and x.grad.tolist() == [24.0, 44.0, 12.0]
    assert w.grad.dtype == torch.float64 and w.grad.tolist() == [12.0, 22.0, 6.0]


def test_operators_write_in_place(torch):
    x = leaf(torch)
    y = before = x * 1
    y += 1
    y -= x
    y *= 3
    y /= x
    y **= 2
    assert y is before
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), -18 / np.array([4.0, 9, 1]) ** 3, rtol=1e-14)


def test_retain_grad_is_of_the_value_last_written(torch):
    x = leaf(torch)
    y = x * 1
    y.retain_grad()
    y.mul_(10)
    (3 * y).sum().backward()
    assert y.retains_grad
    assert y.grad.tolist() == [3.0, 3.0, 3.0]
    assert x.grad.tolist() == [30.0, 30.0, 30.0]


# -------------------------------------------------- index assignment
@pytest.mark.parametrize(
    ("key", "kept"),
    [
        (0, [0.0, 1, 1]),
        (slice(1, None), [1.0, 0, 0]),
        (Ellipsis, [0.0, 0, 0]),
        ([0, 2], [0.0, 1, 0]),
        (np.array([True, False, True]), [0.0, 1, 0]),
    ],
)
def test_assignment_of_a_number_cuts_what_it_replaces(torch, key, kept):
    x = leaf(torch)
    y = x * 1
    y[torch.tensor(key) if isinstance(key, np.ndarray) else key] = 5
    y.sum().backward()
    assert x.grad.tolist() == kept


@pytest.mark.parametrize("key", [slice(0, 2), [0, 1]])
def test_assignment_of_a_tensor_is_differentiated(torch, key):
    x = leaf(torch)
    y = torch.zeros(3, dtype=torch.float64)
    y[key] = x[1:] * x[0]
    assert y.tolist() == [36.0, 4.0, 0.0]
    assert gradient(y, x) == [2 * (36 * 9 + 4 * 1), 2 * 36 * 4.0, 2 * 4 * 4.0]


def test_assignment_says_so_in_the_graph(torch):
    x = leaf(torch)
    y = x * 1
    y[0] = 2
    assert y.grad_fn.name().endswith("CopySlices")
    y[[0, 1]] = x[1:]
    assert y.grad_fn.name() == "IndexPutBackward0"


def test_assignment_to_one_element_of_a_matrix(torch):
    x = leaf(torch)
    y = torch.outer(x, x)
    y[0, 1] = x[2]
    y[1][2] = 3 * x[2]
    y.sum().backward()
    # the sum is (4 + 9 + 1)**2 - 4 9 - 9 1 + 4 x2 as a function of each
    assert x.grad.tolist() == [28 - 9.0, 28 - 4.0 - 1.0, 28 - 9.0 + 4.0]


def test_assignment_of_what_does_not_fit_raises(torch):
    x = torch.zeros(3)
    with pytest.raises(RuntimeError):
        x[0:2] = torch.ones(3)


def test_plain_assignment_as_in_numpy(torch):
    x = torch.arange(12.0).reshape(3, 4)
    x[1] = 0
    x[:, 2] = torch.tensor([7.0, 8.0, 9.0])
    x[x > 8] = -1
    x[[0, 1], [0, 0]] = 99
    x[0, 0] += 1
    assert x.tolist() == [[100, 1, 7, 3], [99, 0, 8, 0], [8, -1, -1, -1]]


# -------------------------------------------------- views
def test_write_into_a_view_reaches_the_base(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    u = (x * 1).reshape(2, 2)
    v = u[0]
    v.mul_(3)
    assert u.tolist() == [[3.0, 6.0], [3.0, 4.0]]
    assert gradient(u, x) == [18.0, 36.0, 6.0, 8.0]


def test_write_into_the_base_reaches_a_view(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    u = x * 1
    v = u.view(2, 2)[:, 1]
    u.mul_(torch.tensor([1.0, 10.0, 1.0, 100.0], dtype=torch.float64))
    assert v.tolist() == [20.0, 400.0]
    assert gradient(v, x) == [0.0, 400.0, 0.0, 80000.0]


def test_write_into_a_view_reaches_other_views(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    u = (x * 1).reshape(2, 2)
    row, column = u[0], u[:, 0]
    row.mul_(3)
    assert column.tolist() == [3.0, 3.0]
    assert gradient(column, x) == [18.0, 0.0, 6.0, 0.0]


def test_write_into_a_view_of_a_view(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    u = x * 1
    u.view(2, 2).T[1][1:].add_(x[0])
    assert u.tolist() == [1.0, 2.0, 3.0, 5.0]
    assert gradient(u, x) == [2.0 + 10.0, 4.0, 6.0, 10.0]


@pytest.mark.parametrize(
    "view",
    [
        lambda u: u.reshape(3, 2),
        lambda u: u.view(-1),
        lambda u: u.T,
        lambda u: u.t(),
        lambda u: u.transpose(0, 1),
        lambda u: u.permute(1, 0),
        lambda u: u.unsqueeze(1),
        lambda u: u[None],
        lambda u: u[0],
        lambda u: u[1, 2],
        lambda u: u[:, 1:],
        lambda u: u[..., ::2],
        lambda u: u.flatten(),
        lambda u: u.diagonal(),
        lambda u: u.narrow(1, 0, 2),
        lambda u: u.select(1, 0),
        lambda u: u.movedim(0, 1),
        lambda u: u.squeeze(),
        lambda u: u.detach(),
    ],
)
def test_views_share_memory(torch, view):
    u = torch.arange(6.0).reshape(2, 3)
    v = view(u)
    v.fill_(-1)
    assert (u == -1).sum() == v.numel()


@pytest.mark.parametrize(
    "copied",
    [
        lambda t, u: u.clone(),
        lambda t, u: u[[0, 1]],
        lambda t, u: u[u > -1],
        lambda t, u: u.repeat(1, 1),
        lambda t, u: t.tensor(u),
        lambda t, u: u.flip(0),
        lambda t, u: u.T.contiguous(),
        lambda t, u: u.T.reshape(-1),
        lambda t, u: u.double(),
    ],
)
@pytest.mark.filterwarnings("ignore:To copy construct", "ignore:tensor.. of a tensor")
def test_copies_have_memory_of_their_own(torch, copied):
    u = torch.arange(6.0).reshape(2, 3)
    copied(torch, u).fill_(-1)
    assert (u == -1).sum() == 0


def test_view_of_what_does_not_follow_itself_raises(torch):
    with pytest.raises(RuntimeError):
        torch.ones(2, 3).t().view(6)


@pytest.mark.parametrize("pieces", [lambda u: u.unbind(0), lambda u: u.split(1), lambda u: list(u)])
def test_write_into_one_of_several_views_raises(torch, pieces):
    u = leaf(torch) * 1
    with pytest.raises(RuntimeError):
        pieces(u)[0].mul_(2)


def test_write_into_a_view_that_was_not_recorded_raises(torch):
    u = leaf(torch) * 1
    with torch.no_grad():
        v = u[:2]
        v.mul_(2)
    with pytest.raises(RuntimeError):
        v.mul_(2)


@pytest.mark.parametrize("tracked", [True, False])
def test_write_into_an_expanded_tensor_raises(torch, tracked):
    x = torch.ones(3, requires_grad=tracked)
    with pytest.raises(RuntimeError):
        (x * 1).expand(2, 3).add_(1)


# -------------------------------------------------- what must not be written
@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.add_(1),
        lambda x: x.zero_(),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x[0:2].add_(1),
        lambda x: x.__iadd__(1),
    ],
)
def test_write_into_a_leaf_that_requires_grad_raises(torch, write):
    with pytest.raises(RuntimeError):
        write(leaf(torch))


def test_leaf_may_be_written_without_recording(torch):
    x = leaf(torch)
    with torch.no_grad():
        x -= 1
        x[0] = 7
    assert x.tolist() == [7.0, 8.0, 0.0]
    assert x.requires_grad and x.is_leaf


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.arange(3).add_(1.5),
        lambda t: t.arange(3).div_(2),
        lambda t: t.ones(3).add_(t.ones(2, 3)),
        lambda t: t.ones(3).add_(t.ones(2)),
        lambda t: t.ones(3).copy_(t.ones(2)),
    ],
)
def test_write_that_does_not_fit_raises(torch, write):
    with pytest.raises(RuntimeError):
        write(torch)


def test_gradients_are_zeroed_in_place(torch):
    x = leaf(torch)
    x.sum().backward()
    kept = x.grad
    x.grad.zero_()
    x.sum().backward()
    assert x.grad is kept
    assert kept.tolist() == [1.0, 1.0, 1.0]


# -------------------------------------------------- NumPy's memory
def test_numpy_shares_memory_both_ways(torch):
    x = torch.ones(2)
    a = x.numpy()
    a[0] = 5
    x[1] = 7
    assert x.tolist() == a.tolist() == [5.0, 7.0]
    b = np.zeros(3)
    y = torch.from_numpy(b)
    y.add_(1)
    b[0] = 9
    assert y.tolist() == b.tolist() == [9.0, 1.0, 1.0]


def test_numpy_shares_the_memory_of_a_number(torch):
    x = torch.tensor(3.0) * 1
    a = x.numpy()
    x.add_(1)
    assert a == 4 and a.shape == ()


def test_tensor_copies_and_as_tensor_shares(torch):
    a = np.zeros(2)
    copied, shared = torch.tensor(a), torch.as_tensor(a)
    a[0] = 1
    assert copied.tolist() == [0.0, 0.0]
    assert shared.tolist() == [1.0, 0.0]


def test_numpy_of_a_tracked_tensor_raises(torch):
    x = leaf(torch)
    for wrong in (x.numpy, lambda: np.asarray(x), lambda: np.sin(x)):
        with pytest.raises(RuntimeError):
            wrong()
    assert x.detach().numpy().tolist() == x.tolist()


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept")  # PyTorch's
def test_numpy_functions_of_untracked_tensors(torch):
    y = np.sqrt(torch.tensor([4.0, 9.0]))
    assert isinstance(y, torch.Tensor)
    assert y.tolist() == [2.0, 3.0]


# -------------------------------------------------- dualdiff alone
def test_write_of_a_tensor_with_itself_is_right():
    x = leaf(dualdiff.torch)
    y = x * 2
    y.mul_(y)
    y.sum().backward()
    assert x.grad.tolist() == [32.0, 72.0, 8.0]


def test_writes_through_data_are_noticed():
    x = leaf(dualdiff.torch)
    y = x.sin().sum()
    x.data.zero_()
    with pytest.raises(MutationError):
        y.backward()


def test_error_says_which_function_saved_what():
    x = leaf(dualdiff.torch)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(MutationError, match=r"ExpBackward0 had saved its result of shape \(3,\)"):
        y.sum().backward()


# What the page "come from PyTorch" says of functions that save something else than PyTorch's: never a wrong
# gradient, a refusal or the right one.
@pytest.mark.parametrize(
    "f",
    [
        lambda t, x: t.maximum(x, t.ones(3, dtype=t.float64)),
        lambda t, x: x.clamp(min=2.0),
        lambda t, x: x / x.sqrt(),
        lambda t, x: 1 / x,
    ],
)
def test_results_that_must_not_be_written_here(f):
    x = leaf(dualdiff.torch)
    y = f(dualdiff.torch, x)
    y += 1
    with pytest.raises(MutationError):
        y.sum().backward()


@pytest.mark.parametrize(
    "f",
    [
        lambda t, x: x.relu(),
        lambda t, x: x.prod(),
        lambda t, x: x.logsumexp(0),
        lambda t, x: t.linalg.det(t.diag(x)),
        lambda t, x: x.median(),
    ],
)
def test_results_that_may_be_written_here(f):
    x, w = leaf(dualdiff.torch), leaf(dualdiff.torch)
    y = f(dualdiff.torch, x)
    y += 1
    y.sum().backward()
    f(dualdiff.torch, w).sum().backward()
    assert x.grad.tolist() == w.grad.tolist()
