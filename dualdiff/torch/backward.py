"""backward() and grad(): from tensors to seeds, one sweep, and tensors again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.modes.tape import Node
from dualdiff.ops.structural import astype
from dualdiff.torch.dispatch import methods
from dualdiff.torch.errors import BackwardError, NotTracked, SizeError
from dualdiff.torch.graph import walk
from dualdiff.torch.tensor import Tensor, given_back, node_of, operand


def seed(output: Tensor, gradient: Any, called: str) -> tuple[Node, Any]:
    """The node at which a sweep begins, and its cotangent."""
    node = node_of(output)
    if node is None:
        inside = isinstance(output.array, Tracer)
        raise NotTracked(
            f"{called} of a tensor of shape {tuple(output.shape)} that does not require a gradient"
            + (", inside a functional transform." if inside else " and was not made of one that does."),
            "Return it from the transformed function."
            if inside
            else "Call requires_grad_() on a leaf before it is used, outside no_grad().",
        )
    if gradient is None:
        if output.numel() != 1 or output.is_complex():
            raise BackwardError(
                f"{called} without a gradient needs an output of one real number; it has shape "
                f"{tuple(output.shape)} and {output.dtype}.",
                "Sum it first, or give gradient=, a tensor of its shape: the weights of the sum.",
            )
        return node, node[2].type(1) if node[1] == () else np.ones(node[1], node[2])
    if not isinstance(gradient, Tensor):
        raise TypeError(f"{called}: a gradient is a tensor or None, not {type(gradient).__name__}")
    if gradient.shape != output.shape:
        raise SizeError(
            f"{called} was given a gradient of shape {tuple(gradient.shape)} for an output of shape "
            f"{tuple(output.shape)}.",
            "Give it the shape of the output.",
        )
    return node, astype(operand(gradient), node[2])


def seeds(outputs: Any, gradients: Any, called: str) -> list[tuple[Node, Any]]:
    """The seeds of one output or several."""
    outputs = listed(outputs)
    gradients = (None,) * len(outputs) if gradients is None else listed(gradients)
    if len(gradients) != len(outputs):
        raise SizeError(
            f"{called} was given {len(outputs)} outputs and {len(gradients)} gradients.",
            "Give one gradient, or None, for each output.",
        )
    return [seed(y, g, called) for y, g in zip(outputs, gradients, strict=True)]


def listed(tensors: Any) -> Sequence:
    return (tensors,) if isinstance(tensors, Tensor) or tensors is None else tuple(tensors)


def nodes_of(inputs: Sequence, called: str) -> list[Node]:
    """The nodes of inputs, all of which must be tracked."""
    nodes = [node_of(x) for x in inputs]
    if None in nodes:
        raise NotTracked(
            f"{called}: input {nodes.index(None)} does not require a gradient.",
            "Call requires_grad_() on it before the output is computed.",
        )
    return [node for node in nodes if node is not None]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of the tensors, weighted by grad_tensors, to .grad of the leaves (or of `inputs`)."""
    retain = create_graph if retain_graph is None else retain_graph
    start = seeds(tensors, grad_tensors, "backward()")
    if inputs is None:
        walk(start, retain, create_graph)
        return
    targets = listed(inputs)
    nodes = nodes_of(targets, "backward()")
    found = walk(start, retain, create_graph, nodes)
    for x, node in zip(targets, nodes, strict=True):
        if node[0] in found:
            x.receive(found[node[0]])


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of outputs, weighted by grad_outputs, with respect to inputs, which keep their .grad.

    An input that the outputs do not depend on is an error; with allow_unused its gradient is None, with
    materialize_grads zeros. create_graph makes gradients that can be differentiated again.
    """
    retain = create_graph if retain_graph is None else retain_graph
    targets = listed(inputs)
    nodes = nodes_of(targets, "grad()")
    found = walk(seeds(outputs, grad_outputs, "grad()"), retain, create_graph, nodes)
    missing = [k for k, node in enumerate(nodes) if node[0] not in found]
    if missing and not (allow_unused or materialize_grads):
        raise NotTracked(
            f"grad(): the outputs do not depend on input {missing[0]}.",
            "Give allow_unused=True for None, or materialize_grads=True for zeros, in its place.",
        )
    return tuple(
        given_back(found[node[0]])
        if node[0] in found
        else Tensor(np.zeros(node[1], node[2]))
        if materialize_grads
        else None
        for node in nodes
    )


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of this tensor to .grad of the leaves that it was made of.

    A tensor of several numbers needs `gradient`: the weights with which they are summed. What the graph saved
    is freed unless retain_graph says otherwise; create_graph records the sweep, for higher derivatives.
    """
    backward(self, gradient, retain_graph, create_graph, inputs)


methods(backward=_backward)
