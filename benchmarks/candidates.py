"""The libraries compared: how each spells a gradient, a pullback, a Jacobian, a Hessian. One class a library.

A workload writes its function once, as f(np, x, *data), and every library runs it with its own `np`: dualdiff
with NumPy itself. Each method returns a function of no arguments, which is what is timed; conversions to a
library's arrays happen before. Libraries are imported when first asked for, and all are optional.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dualdiff as dd
from benchmarks.harness import REPLAYED, Case, LeftOut
from dualdiff.errors import ControlFlowError
from dualdiff.tree import flatten, map_tree, unflatten


class Dualdiff:
    """dualdiff, on functions written with plain NumPy."""

    def __init__(self, mode: str = "auto"):
        self.mode = mode

    def gradient(self, f: Callable, x: Any, *data: Any) -> Callable:
        both = dd.value_and_grad(lambda x: f(np, x, *data), mode=self.mode)
        return lambda: both(x)

    def pullback(self, f: Callable, x: Any, y_bar: Any, *data: Any) -> Callable:
        def run():
            _, pull = dd.vjp(lambda x: f(np, x, *data), x)
            return pull(y_bar)[0]

        return run

    def pushforward(self, f: Callable, x: Any, x_dot: Any, *data: Any) -> Callable:
        return lambda: dd.jvp(lambda x: f(np, x, *data), (x,), (x_dot,))

    def jacobian(self, f: Callable, x: Any, mode: str, *data: Any) -> Callable:
        jacobian = dd.jacobian(lambda x: f(np, x, *data), mode=self.mode)
        return lambda: jacobian(x)

    def hessian(self, f: Callable, x: Any, *data: Any) -> Callable:
        hessian = dd.hessian(lambda x: f(np, x, *data))
        return lambda: hessian(x)

    def hvp(self, f: Callable, x: Any, v: Any, *data: Any) -> Callable:
        return lambda: dd.hvp(lambda x: f(np, x, *data), (x,), (v,))[1]

    def batched(self, f: Callable, xs: Any, *data: Any) -> Callable:
        batched = dd.vmap(lambda x: f(np, x, *data))
        return lambda: batched(xs)


class Replayed:
    """dualdiff's transforms, repeated as the calls of NumPy that they made."""

    def __init__(self, mode: str = "auto"):
        self.mode = mode

    def ready(self, f: Callable, *args: Any) -> Callable:
        try:
            f(*args)
        except ControlFlowError as error:
            raise LeftOut("a value steers Python") from error
        return lambda: f(*args)

    def gradient(self, f: Callable, x: Any, *data: Any) -> Callable:
        return self.ready(dd.replay(dd.value_and_grad(lambda x: f(np, x, *data), mode=self.mode)), x)

    def pullback(self, f: Callable, x: Any, y_bar: Any, *data: Any) -> Callable:
        pulled = dd.replay(lambda x, y_bar: dd.vjp(lambda x: f(np, x, *data), x)[1](y_bar)[0])
        return self.ready(pulled, x, y_bar)

    def pushforward(self, f: Callable, x: Any, x_dot: Any, *data: Any) -> Callable:
        pushed = dd.replay(lambda x, x_dot: dd.jvp(lambda x: f(np, x, *data), (x,), (x_dot,)))
        return self.ready(pushed, x, x_dot)

    def jacobian(self, f: Callable, x: Any, mode: str, *data: Any) -> Callable:
        return self.ready(dd.replay(dd.jacobian(lambda x: f(np, x, *data), mode=mode)), x)

    def hessian(self, f: Callable, x: Any, *data: Any) -> Callable:
        return self.ready(dd.replay(dd.hessian(lambda x: f(np, x, *data))), x)

    def hvp(self, f: Callable, x: Any, v: Any, *data: Any) -> Callable:
        product = dd.replay(lambda x, v: dd.hvp(lambda x: f(np, x, *data), (x,), (v,))[1])
        return self.ready(product, x, v)


class Autograd:
    """autograd: reverse mode, and forward mode for a part of its functions."""

    def __init__(self):
        import autograd
        import autograd.numpy

        self.library, self.np = autograd, autograd.numpy

    def gradient(self, f, x, *data):
        both = self.library.value_and_grad(lambda x: f(self.np, x, *data))
        return lambda: both(x)

    def pullback(self, f, x, y_bar, *data):
        made = self.library.make_vjp(lambda x: f(self.np, x, *data))
        return lambda: made(x)[0](y_bar)

    def pushforward(self, f, x, x_dot, *data):
        made = self.library.make_jvp(lambda x: f(self.np, x, *data))
        return lambda: made(x)(x_dot)

    def jacobian(self, f, x, mode, *data):
        jacobian = self.library.jacobian(lambda x: f(self.np, x, *data))
        return lambda: jacobian(x)

    def hessian(self, f, x, *data):
        hessian = self.library.hessian(lambda x: f(self.np, x, *data))
        return lambda: hessian(x)

    def hvp(self, f, x, v, *data):
        product = self.library.hessian_vector_product(lambda x: f(self.np, x, *data))
        return lambda: product(x, v)


class Torch:
    """What PyTorch's two front ends share: one thread, float64."""

    def __init__(self):
        import torch

        torch.set_num_threads(1)
        self.torch = torch

    def convert(self, value: Any) -> Any:
        return map_tree(lambda x: self.torch.tensor(x, dtype=self.torch.float64), value)

    def closed(self, f: Callable, data: tuple) -> Callable:
        data = self.convert(data)
        return lambda x: f(self.torch, x, *data)


class TorchEager(Torch):
    """PyTorch as it is mostly used: tensors that require a gradient."""

    def gradient(self, f, x, *data):
        g = self.closed(f, data)
        leaves, tree = flatten(self.convert(x))
        x = unflatten(tree, [leaf.requires_grad_() for leaf in leaves])

        def run():
            y = g(x)
            return y, self.torch.autograd.grad(y, leaves)

        return run

    def pullback(self, f, x, y_bar, *data):
        g, x, y_bar = self.closed(f, data), self.convert(x).requires_grad_(), self.convert(y_bar)
        return lambda: self.torch.autograd.grad(g(x), x, y_bar)

    def jacobian(self, f, x, mode, *data):
        g, x = self.closed(f, data), self.convert(x)
        jacobian, strategy = self.torch.autograd.functional.jacobian, f"{mode}-mode"
        return lambda: jacobian(g, x, vectorize=True, strategy=strategy)

    def hessian(self, f, x, *data):
        g, x = self.closed(f, data), self.convert(x)
        return lambda: self.torch.autograd.functional.hessian(g, x, vectorize=True)

    def hvp(self, f, x, v, *data):
        g, x, v = self.closed(f, data), self.convert(x).requires_grad_(), self.convert(v)

        def run():
            (slope,) = self.torch.autograd.grad(g(x), x, create_graph=True)
            return self.torch.autograd.grad(slope, x, v)

        return run


class TorchFunc(Torch):
    """PyTorch's functional transforms."""

    def gradient(self, f, x, *data):
        both, x = self.torch.func.grad_and_value(self.closed(f, data)), self.convert(x)
        return lambda: both(x)[::-1]

    def pullback(self, f, x, y_bar, *data):
        g, x, y_bar = self.closed(f, data), self.convert(x), self.convert(y_bar)
        return lambda: self.torch.func.vjp(g, x)[1](y_bar)

    def pushforward(self, f, x, x_dot, *data):
        g, x, x_dot = self.closed(f, data), self.convert(x), self.convert(x_dot)
        return lambda: self.torch.func.jvp(g, (x,), (x_dot,))

    def jacobian(self, f, x, mode, *data):
        g, x = self.closed(f, data), self.convert(x)
        jacobian = (self.torch.func.jacfwd if mode == "forward" else self.torch.func.jacrev)(g)
        return lambda: jacobian(x)

    def hessian(self, f, x, *data):
        hessian, x = self.torch.func.hessian(self.closed(f, data)), self.convert(x)
        return lambda: hessian(x)

    def batched(self, f, xs, *data):
        batched, xs = self.torch.func.vmap(self.closed(f, data)), self.convert(xs)
        return lambda: batched(xs)

    def hvp(self, f, x, v, *data):
        slope, x, v = self.torch.func.grad(self.closed(f, data)), self.convert(x), self.convert(v)
        return lambda: self.torch.func.jvp(slope, (x,), (v,))[1]


class JaxEager:
    """JAX op by op."""

    def __init__(self):
        import jax
        import jax.numpy

        jax.config.update("jax_enable_x64", True)
        self.jax, self.np = jax, jax.numpy

    def compiled(self, f: Callable) -> Callable:
        return f

    def ready(self, f: Callable, *args: Any) -> Callable:
        """Calls of f on JAX's arrays that wait for the result."""
        f, args = self.compiled(f), map_tree(self.np.asarray, args)
        return lambda: self.jax.block_until_ready(f(*args))

    def closed(self, f: Callable, data: tuple) -> Callable:
        data = map_tree(self.np.asarray, data)
        return lambda x: f(self.np, x, *data)

    def gradient(self, f, x, *data):
        return self.ready(self.jax.value_and_grad(self.closed(f, data)), x)

    def pullback(self, f, x, y_bar, *data):
        g = self.closed(f, data)
        return self.ready(lambda x, y_bar: self.jax.vjp(g, x)[1](y_bar), x, y_bar)

    def pushforward(self, f, x, x_dot, *data):
        g = self.closed(f, data)
        return self.ready(lambda x, x_dot: self.jax.jvp(g, (x,), (x_dot,)), x, x_dot)

    def jacobian(self, f, x, mode, *data):
        jacobian = self.jax.jacfwd if mode == "forward" else self.jax.jacrev
        return self.ready(jacobian(self.closed(f, data)), x)

    def hessian(self, f, x, *data):
        return self.ready(self.jax.hessian(self.closed(f, data)), x)

    def batched(self, f, xs, *data):
        return self.ready(self.jax.vmap(self.closed(f, data)), xs)

    def hvp(self, f, x, v, *data):
        slope = self.jax.grad(self.closed(f, data))
        return self.ready(lambda x, v: self.jax.jvp(slope, (x,), (v,))[1], x, v)


class JaxJit(JaxEager):
    """JAX with the whole derivative compiled; the first call, which compiles, is reported apart."""

    def compiled(self, f: Callable) -> Callable:
        return self.jax.jit(f)


class Mygrad:
    """mygrad: tensors with a backward method, memory guard on as it comes."""

    def __init__(self):
        import mygrad

        self.np = mygrad

    def gradient(self, f, x, *data):
        leaves, tree = flatten(map_tree(self.np.tensor, x))
        x = unflatten(tree, leaves)

        def run():
            y = f(self.np, x, *data)
            y.backward()
            return y.data, [leaf.grad for leaf in leaves]

        return run

    def pullback(self, f, x, y_bar, *data):
        x = self.np.tensor(x)

        def run():
            f(self.np, x, *data).backward(y_bar)
            return x.grad

        return run


class Advect:
    """advect: NumPy's own functions on values that a native tape records, one trace a call."""

    def __init__(self):
        import advect

        self.library = advect

    def gradient(self, f, x, *data):
        both = self.library.value_and_grad(lambda x: f(np, x, *data))
        return lambda: both(x)

    def pullback(self, f, x, y_bar, *data):
        made = self.library.vjp(lambda x: f(np, x, *data))
        return lambda: made(x)[1](y_bar)

    def pushforward(self, f, x, x_dot, *data):
        pushed = self.library.jvp(lambda x: f(np, x, *data))
        return lambda: pushed(x, tangents=x_dot)

    def jacobian(self, f, x, mode, *data):
        jacobian = self.library.jacobian(lambda x: f(np, x, *data))
        return lambda: jacobian(x)

    def hessian(self, f, x, *data):
        hessian = self.library.hessian(lambda x: f(np, x, *data))
        return lambda: hessian(x)

    def hvp(self, f, x, v, *data):
        product = self.library.hvp(lambda x: f(np, x, *data))
        return lambda: product(x, vectors=v)[1]


class AdvectStaged:
    """advect with the function traced once into a program, whose derivative is a program as well."""

    def __init__(self):
        import advect

        self.library = advect

    def gradient(self, f, x, *data):
        both = self.library.value_and_grad(self.library.stage(lambda x: f(np, x, *data), x))
        return lambda: both(x)

    def pullback(self, f, x, y_bar, *data):
        pull = self.library.vjp_program(self.library.stage(lambda x: f(np, x, *data), x))
        return lambda: pull(x, cotangent=y_bar)


PEERS: dict[str, Callable[[], Any]] = {
    REPLAYED: Replayed,
    "autograd": Autograd,
    "torch eager": TorchEager,
    "torch.func": TorchFunc,
    "jax eager": JaxEager,
    "jax.jit": JaxJit,
    "mygrad": Mygrad,
    "advect": Advect,
    "advect staged": AdvectStaged,
}


def add_libraries(
    case: Case,
    derivative: str,
    f: Callable,
    *args: Any,
    modes: tuple[str, ...] = (),
    without: dict[str, str] | None = None,
) -> None:
    """Enter dualdiff (auto and the modes named) and every peer that can compute this derivative of f.

    `without` has the peers that could but are not measured here, each with the reason for the report.
    """
    reasons = without or {}

    def preparing(library: Callable) -> Callable:
        return lambda: getattr(library(), derivative)(f, *args)

    def leaving_out(reason: str) -> Callable:
        def prepare():
            raise LeftOut(reason)

        return prepare

    case.add("dualdiff", preparing(Dualdiff))
    for mode in modes:
        case.add(f"dualdiff {mode}", preparing(lambda mode=mode: Dualdiff(mode)))
    for label, library in PEERS.items():
        if hasattr(library, derivative):
            case.add(label, leaving_out(reasons[label]) if label in reasons else preparing(library))
