"""autograd.Function: an operation with a backward of one's own, as a node of the same graph."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from dualdiff.errors import MutationError, NoDerivative
from dualdiff.modes.reverse import TapeTensor
from dualdiff.modes.tape import SELECT, Node, Rule
from dualdiff.torch.errors import CountError
from dualdiff.torch.graph import LEVEL, EagerTensor, selected, wrapped
from dualdiff.torch.state import STATE, no_grad
from dualdiff.torch.tensor import Tensor, given_back, node_of, operand, outside, tracked_array
from dualdiff.torch.writes import changed_since


class Context:
    """What forward leaves for backward: tensors by save_for_backward, anything else as an attribute."""

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._saved: list = []
        self._grad_fn: Any = lambda: None
        self._constant: set[int] = set()
        self._materialize = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for backward, which finds them in saved_tensors."""
        time = LEVEL.tick()
        self._saved = [(x, None if x is None else node_of(x), time) for x in tensors]

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that forward saved, if none of them was changed since."""
        return tuple(self._restored(*entry) for entry in self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say of outputs that they have no derivative."""
        self._constant = {id(x) for x in tensors}

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros, not None, for outputs that nothing depends on."""
        self._materialize = value

    def mark_dirty(self, *tensors: Tensor) -> None:
        raise NoDerivative(
            "a Function that writes its input in place (mark_dirty).", "Return a new tensor from forward."
        )

    def _restored(self, x: Any, node: Any, time: int) -> Any:
        """A saved tensor with the node it had; an output, known by its number, with that of this call."""
        if x is None:
            return None
        array, k = (x.array, None) if isinstance(x, Tensor) else x
        if changed_since(array, time):
            raise MutationError(
                f"a tensor of shape {array.shape} that a Function saved was changed by an in-place write.",
                "Write the out-of-place form, or save a clone().",
            )
        if k is not None:
            owner = self._grad_fn().node
            y = EagerTensor(array, owner) if k < 0 else selected(array, owner, k)
            return outside(y)
        return Tensor(array if node is None else TapeTensor(LEVEL, array, node))

    def _forget_outputs(self, outputs: list) -> None:
        """Keep the arrays of saved outputs, not the tensors, which hold the node that holds this context."""
        numbers = {id(y): k for k, y in enumerate(outputs)}
        alone = len(outputs) == 1
        self._saved = [
            ((x.array, -1 if alone else numbers[id(x)]), None, time) if id(x) in numbers else (x, node, time)
            for x, node, time in self._saved
        ]


class Function:
    """Derive a class with static methods forward(ctx, *inputs) and backward(ctx, *gradients), call its apply.

    backward returns one gradient, or None, for each input. Written with functions of this module it can be
    differentiated again. forward may leave out ctx where setup_context(ctx, inputs, output) is defined.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a Function defines forward(ctx, *inputs)")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError("a Function defines backward(ctx, *gradients)")

    setup_context: Any = None

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """The outputs of forward, with backward as their derivative."""
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in inputs)
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *inputs)
            else:
                result = cls.forward(*inputs)
                cls.setup_context(ctx, inputs, result)
        if not (STATE.grad and any(ctx.needs_input_grad)):
            return result
        outputs = list(result) if isinstance(result, tuple) else [result]
        found = record(cls, ctx, inputs, outputs)
        return tuple(found) if isinstance(result, tuple) else found[0]


def record(cls: type[Function], ctx: Context, inputs: tuple, outputs: list) -> list:
    """The outputs on the graph, under one node."""
    active = [i for i, needed in enumerate(ctx.needs_input_grad) if needed]
    parents = [node_of(inputs[i]) for i in active]
    flowing = [
        isinstance(y, Tensor) and y.value.dtype.kind in "fc" and id(y) not in ctx._constant for y in outputs
    ]
    ctx._forget_outputs(outputs)
    single = len(outputs) == 1
    shapes = [(y.array.shape, y.array.dtype) if isinstance(y, Tensor) else None for y in outputs]

    def pull(y_bar: Any, y: Any, xs: Any, params: Any) -> list:
        bars = {0: y_bar} if single else y_bar
        given = [gradient_for(bars.get(k), shape, ctx) for k, shape in enumerate(shapes)]
        bars = cls.backward(ctx, *given)
        return checked(cls, bars if isinstance(bars, tuple) else (bars,), len(inputs), active)

    shape, dtype = shapes[0] if single and shapes[0] is not None else (None, None)
    rule = Rule(pull, pull)
    raw: Node = (LEVEL.tick(), shape, dtype, rule, None, (ctx,) if ctx._saved else (), {}, *parents)
    node = wrapped(raw, None, (), f"{cls.__name__}Backward")
    ctx._grad_fn = weakref.ref(node[3])
    found = []
    for k, (y, flows) in enumerate(zip(outputs, flowing, strict=True)):
        if not flows:
            found.append(y)
        elif single:
            found.append(Tensor(tracked_array(y.array, node)))
        else:
            part = (LEVEL.tick(), y.array.shape, y.array.dtype, SELECT, None, None, k, node)
            found.append(Tensor(tracked_array(y.array, wrapped(part, None, (), node[3].label))))
    return found


def gradient_for(bar: Any, shape: Any, ctx: Context) -> Any:
    """The gradient of one output as backward sees it."""
    if bar is not None:
        return given_back(bar)
    return Tensor(np.zeros(*shape)) if ctx._materialize and shape is not None else None


def checked(cls: type[Function], bars: tuple, count: int, active: list[int]) -> list:
    """The cotangents of the tracked inputs, out of what backward returned for all inputs."""
    if len(bars) < count or any(bar is not None for bar in bars[count:]):
        raise CountError(
            f"{cls.__name__}.backward returned {len(bars)} gradients for {count} inputs.",
            "Return one for each input of forward, None where there is none.",
        )
    found = [bars[i] for i in active]
    for i, bar in zip(active, found, strict=True):
        if bar is not None and not isinstance(bar, Tensor):
            raise CountError(
                f"{cls.__name__}.backward returned {type(bar).__name__} for input {i}.",
                "Return tensors, or None.",
            )
    return [None if bar is None else operand(bar) for bar in found]
