"""torch.autograd under PyTorch's names: backward, grad, Function."""

from __future__ import annotations

from dualdiff.torch.backward import backward, grad
from dualdiff.torch.creation import tensor
from dualdiff.torch.function import Function
from dualdiff.torch.state import enable_grad, inference_mode, no_grad, set_grad_enabled
from dualdiff.torch.tensor import Tensor


def Variable(data: Tensor, requires_grad: bool = False) -> Tensor:
    """What PyTorch before 0.4 called a tensor: a leaf on the memory of data."""
    leaf = data.detach() if isinstance(data, Tensor) else tensor(data)
    return leaf.requires_grad_(requires_grad)


__all__ = [
    "Function", "Variable", "backward", "enable_grad", "grad", "inference_mode", "no_grad",
    "set_grad_enabled",
]  # fmt: skip
