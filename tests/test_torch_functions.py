"""The functions of dualdiff.torch: values, gradients and text beside PyTorch's; slopes beside differences."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualdiff.torch
from dualdiff.errors import MutationError
from dualdiff.testing import finite_difference

VALUES = {
    "x": np.array([0.1, 0.2, 0.7]),
    "v": np.array([0.6, 0.3, 0.4]),
    "m": np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.4], [0.5, 0.6, 1.1]]),
    "b": np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.5], [0.7, 0.4]]]),
}

FUNCTIONS = """
x + v; x + 1; 1 + x; x - v; 1 - x; x - 1; x * v; x * 2; x / v; x / 2; 1 / x; x ** 2; x ** v; 2 ** x; -x
abs(x); x % v; x % 2; x @ v; m @ v; v @ m; m @ m; b @ b; t.dot(x, v); t.mm(m, m); t.mv(m, v); t.bmm(b, b)
t.outer(x, v); t.einsum('ij,j->i', m, v); t.einsum('bij,bjk->bik', b, b); t.inner(x, v); t.addmm(m, m, m)
t.trace(m); t.tensordot(m, m, 1); t.kron(m, m); t.linalg.cross(x, v); x.sum(); m.sum(0); m.sum(dim=(0, 1))
m.sum(0, keepdim=True); m.sum(axis=1, keepdims=True); x.mean(); m.mean(0); x.prod(); m.prod(0); x.norm()
x.norm(1); x.norm(3); m.norm(dim=0); t.norm(x); t.linalg.norm(m); t.linalg.norm(x, 3)
t.linalg.vector_norm(x); t.linalg.norm(m, 2); x.max(); m.max(0).values; x.min(); m.min(1)[0]
t.maximum(x, v); t.minimum(x, v); x.amax(); m.amax(0); m.amin(1); x.var(); m.var(0); x.std(); m.std(0)
x.var(unbiased=False); m.var(0, correction=0); m.cumsum(0); m.cumprod(1); t.logsumexp(x, 0)
m.logsumexp(1, keepdim=True); t.softmax(m, 1); t.log_softmax(m, 0); t.median(x); m.median(0).values
m.nansum(); m.dist(m + v); t.relu(x - 0.15); t.sigmoid(x); t.tanh(x); t.exp(x); t.exp2(x); t.expm1(x)
t.log(x); t.log2(x); t.log10(x); t.log1p(x); t.sqrt(x); t.rsqrt(x); t.square(x); t.reciprocal(x); t.sin(x)
t.cos(x); t.tan(x); t.asin(x); t.acos(x); t.atan(x); t.sinh(x); t.cosh(x); t.asinh(x); t.acosh(x + 1)
t.atanh(x); t.atan2(x, v); t.hypot(x, v); t.logaddexp(x, v); t.sinc(x); t.logit(x); t.frac(x); t.fmod(x, v)
t.lerp(x, v, 0.5); t.addcmul(x, x, v); t.addcdiv(x, x, v); t.clamp(x, 0.15, 0.5); t.clamp(x, min=0.15)
t.where(x > 0.15, x, v); t.where(x > 0.15, x, 0.0); x.masked_fill(x > 0.15, 0.0); t.sign(x); t.floor(x)
t.ceil(x); t.round(x); t.trunc(x); t.nan_to_num(x); t.copysign(x, -v); x.add(v, alpha=3); x.sub(v, alpha=2)
x.div(v, rounding_mode='floor'); x.reshape(3, 1); x.view(3, 1); m.view(-1); m.T; m.t(); m.mT
m.transpose(0, 1); m.permute(1, 0); x.unsqueeze(0); t.swapaxes(m, 0, 1); t.movedim(b, 0, 2)
x.reshape(1, 3).squeeze(); x.reshape(1, 3).squeeze(0); m.flatten(); m.ravel(); b.flatten(1); x.expand(2, 3)
x.expand(2, -1); x.broadcast_to(2, 3); x.repeat(2, 2); t.tile(x, (2,)); x.repeat_interleave(2)
t.cat([x, v]); t.cat([m, m], dim=1); t.stack([x, v], 1); t.hstack([x, v]); t.vstack([x, v]); x.split(2)[1]
m.split([1, 2], 1)[1]; x.chunk(2)[0]; m.unbind(1)[0]; list(m)[2]; x[0]; x[0:2]; x[None]; x[...]; m[0, 1]
m[:, 1]; m[1:, ::2]; x[[0, 0, 2]]; x[x > 0.15]; m[[0, 2], [1, 1]]; m[m > 0.45]; b[0, :, [1, 0]]
b[:, [1, 0], 1]; m[-1, None]; x.index_select(0, t.tensor([0, 2])); m.gather(1, t.tensor([[0, 2], [1, 1]]))
x.masked_select(x > 0.15); t.take_along_dim(m, t.tensor([[0, 2, 1]]), 0); m.diagonal(); x.diag(); m.tril()
m.triu(1); m.flip(0); m.roll(1, 0); x.sort()[0]; m.sort(1, descending=True).values; x.topk(2)[0]; x.clone()
m.T.contiguous(); x.to(t.float32); m.diff(); t.narrow(m, 0, 0, 2); m.select(1, 1); t.real(x + 0j)
t.imag(x * 1j); t.abs(x * (1 + 2j)); t.angle(x * (1 + 2j)); t.inverse(m); t.linalg.inv(m)
t.linalg.solve(m, v); t.det(m); t.linalg.slogdet(m)[1]; t.linalg.cholesky(m @ m.T)
t.linalg.eigvalsh(m + m.T); t.linalg.svdvals(m); t.linalg.qr(m)[1]; t.atleast_2d(x)
t.meshgrid(x, v, indexing='ij')[0]; t.meshgrid(x, v, indexing='xy')[1]; x.detach() * x; x.type(t.float32)
t.deg2rad(x); m.mean((0, 1)); m.mean(1, True)
"""
EXPRESSIONS = [
    part.strip() for line in FUNCTIONS.strip().splitlines() for part in line.split(";") if part.strip()
]


def leaves(torch):
    return {name: torch.tensor(value, requires_grad=True) for name, value in VALUES.items()}


def value_and_gradients(torch, expression):
    inputs = leaves(torch)
    y = eval(expression, {"t": torch, **inputs})
    if y.requires_grad:
        weights = torch.arange(1.0, y.numel() + 1, dtype=torch.float64).reshape(y.shape)
        (y * weights).real.sum().backward()
    return y, {name: None if x.grad is None else x.grad.numpy() for name, x in inputs.items()}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_value_gradients_and_text_are_pytorchs(expression):
    torch = pytest.importorskip("torch")
    mine, slopes = value_and_gradients(dualdiff.torch, expression)
    theirs, expected = value_and_gradients(torch, expression)
    assert repr(mine) == repr(theirs)
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-12)
    for name, slope in slopes.items():
        other = expected[name]
        if slope is None or other is None:
            assert not np.any(slope if other is None else other)
        else:
            np.testing.assert_allclose(slope, other, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_second_derivatives_are_pytorchs(expression):
    torch = pytest.importorskip("torch")

    def second(t):
        inputs = leaves(t)
        y = eval(expression, {"t": t, **inputs})
        if not y.requires_grad:
            return None
        weights = t.arange(1.0, y.numel() + 1, dtype=t.float64).reshape(y.shape)
        xs = list(inputs.values())
        slopes = t.autograd.grad((y * weights).real.sum(), xs, create_graph=True, allow_unused=True)
        total = sum((g * g).sum() for g in slopes if g is not None and g.requires_grad)
        if isinstance(total, int):
            return None
        found = t.autograd.grad(total, xs, allow_unused=True)
        return [
            np.zeros(x.shape) if g is None else g.numpy(force=True) for g, x in zip(found, xs, strict=True)
        ]

    try:
        expected = second(torch)
    except NotImplementedError:
        pytest.skip("PyTorch has no second derivative")
    found = second(dualdiff.torch)
    zeros = [np.zeros(v.shape) for v in VALUES.values()]
    for a, b in zip(found or zeros, expected or zeros, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS if "float32" not in e])
def test_gradient_is_the_slope(expression):
    """Against differences of the function itself, with nothing tracked: PyTorch need not be there."""
    torch = dualdiff.torch
    _, slopes = value_and_gradients(torch, expression)
    fixed = expression.replace("x.detach() *", "t.tensor([0.1, 0.2, 0.7], dtype=t.float64) *")
    for name, slope in slopes.items():

        def f(value, name=name):
            inputs = {**{k: torch.tensor(v) for k, v in VALUES.items()}, name: torch.tensor(value)}
            y = eval(fixed, {"t": torch, **inputs})
            weights = np.arange(1.0, y.numel() + 1).reshape(y.shape)
            return np.sum(np.real(y.numpy() * weights))

        flat = VALUES[name].reshape(-1)
        basis = np.eye(flat.size).reshape(flat.size, *VALUES[name].shape)
        differences = [finite_difference(f, (VALUES[name],), (d,)) for d in basis]
        found = np.zeros(flat.size) if slope is None else slope.reshape(-1)
        np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("written", ["result", *VALUES])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_write_after_use_is_refused_or_changes_no_gradient(expression, written):
    """Whatever a function saved: a write into it may be refused, but never gives another gradient."""
    torch = dualdiff.torch

    def slopes(write):
        inputs = leaves(torch)
        used = {name: x * 1 for name, x in inputs.items()}
        y = eval(expression, {"t": torch, **used})
        if not y.requires_grad:
            return None
        weights = torch.arange(1.0, y.numel() + 1, dtype=torch.float64).reshape(y.shape)
        if write:
            (y if written == "result" else used[written]).add_(1)
        (y * weights).real.sum().backward()
        return {name: None if x.grad is None else x.grad.tolist() for name, x in inputs.items()}

    try:
        found = slopes(write=True)
    except MutationError:
        return
    assert found == slopes(write=False)


# -------------------------------------------------- random programs
UNARY = """sin(x); exp(x); tanh(x); -x; x * 0.5; 1.5 - x; x * x; sqrt(x * x + 1); sigmoid(x); abs(x)"""
# Where a result is written next, a clone is: our rules of these three read their result, PyTorch's do not.
BINARY = """x + y; x - y; x * y; maximum(x, y).clone(); where(x > y, x, y); (x / (y * y + 1)).clone()
atan2(x, y * y + 1)"""
SHAPED = """x.sum(0); x.mean(-1, keepdim=True); x.reshape(-1); x.T; x[0]; x[..., 1:]; x.unsqueeze(0)
cumsum(x, 0); softmax(x, -1); x.flip(0); cat([x, x], 0); stack([x, -x]); x.amax(0).clone(); x.norm()
x.expand(2, *x.shape); logsumexp(x, -1); x.var(); x @ x.T; x.clone()"""
WRITES = """x.mul_(2); x.add_(y.clone()); x[0].mul_(y0); x[0] = y0; x.exp_(); x.zero_(); x.sub_(1)
x[..., 0].add_(1)"""
UNARY, BINARY, SHAPED, WRITES = (
    [part.strip() for part in re.split("[;\n]", lines)] for lines in (UNARY, BINARY, SHAPED, WRITES)
)


@st.composite
def programs(draw):
    """Lines of a program on tensors a and b, and shapes for them."""
    lines, names = [], ["a", "b"]
    for k in range(draw(st.integers(1, 8))):
        x, y = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        kind = draw(st.sampled_from([UNARY, UNARY, BINARY, BINARY, SHAPED, WRITES]))
        body = draw(st.sampled_from(kind))
        lines.append((body, x, y, f"u{k}"))
        if kind is not WRITES:
            names.append(f"u{k}")
    shape = draw(st.sampled_from([(), (3,), (2, 3), (1, 2, 2)]))
    return lines, shape, draw(st.sampled_from([shape, shape[-1:]])), draw(st.booleans())


def executed(torch, program):
    """What a program gives: every value that it made, then the gradients, or the kind of its error."""
    lines, left, right, twice = program
    names = {k: getattr(torch, k) for k in dir(torch) if not k.startswith("_")}
    made = {
        name: torch.tensor(
            np.linspace(0.3, 1.7, max(1, int(np.prod(shape)))).reshape(shape), requires_grad=True
        )
        for name, shape in {"a": left, "b": right}.items()
    }
    done = []
    for body, x, y, target in lines:
        scope = {**names, "x": made[x], "y": made[y]}
        try:
            if "y0" in body:
                scope["y0"] = made[y].reshape(-1)[0].clone()
            if body in WRITES:
                exec(body, scope)
            else:
                made[target] = eval(body, scope)
            done.append("done")
        except (RuntimeError, IndexError, ValueError, TypeError):
            done.append("refused")
            made.setdefault(target, made[x])
    values = [made[name].tolist() for name in made]
    total = 0
    for x in made.values():
        total = total + (x * x).sum()
    try:
        found = torch.autograd.grad(total, [made["a"], made["b"]], create_graph=twice, allow_unused=True)
        if twice:
            again = sum((g * g).sum() for g in found if g is not None and g.requires_grad)
            if not isinstance(again, int):
                found += torch.autograd.grad(again, [made["a"], made["b"]], allow_unused=True)
        slopes = [None if g is None else g.tolist() for g in found]
    except RuntimeError:
        slopes = "refused"
    return done, values, slopes


@settings(max_examples=max(100, settings.default.max_examples))
@given(program=programs())
def test_random_programs_do_what_pytorch_does(program):
    torch = pytest.importorskip("torch")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of variances of one number, and of T where it is the identity
        mine, theirs = executed(dualdiff.torch, program), executed(torch, program)
    assert mine[0] == theirs[0]
    compare(mine[1], theirs[1])
    if theirs[2] != "refused":  # PyTorch refuses some writes whose derivative is known
        compare(mine[2], theirs[2])


def compare(mine, theirs):
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        if a is None or b is None:
            assert not np.any(a if b is None else b)
        else:
            # Where PyTorch has nan, as at the kink of atan2 in second order, there may be a number here.
            known = np.isfinite(b)
            np.testing.assert_allclose(np.asarray(a)[known], np.asarray(b)[known], rtol=1e-8, atol=1e-9)
