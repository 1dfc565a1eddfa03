"""Random tensors from NumPy's generator: the same names and distributions as PyTorch's, other numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.torch.creation import finished
from dualdiff.torch.dispatch import method
from dualdiff.torch.dtypes import as_numpy, default_real
from dualdiff.torch.inplace import copy_
from dualdiff.torch.metadata import device as place
from dualdiff.torch.shapes import listed
from dualdiff.torch.tensor import Tensor


class Generator:
    """A stream of random numbers with a seed of its own; it begins when the first number is drawn."""

    def __init__(self, device: Any = "cpu"):
        place(device)
        self.started: int | None = None
        self.numbers: Any = None

    def manual_seed(self, seed: int) -> Generator:
        """Begin the stream that belongs to this seed."""
        self.numbers = np.random.default_rng(seed % 2**64)
        self.started = seed  # last: another thread that sees it finds the numbers there
        return self

    def seed(self) -> int:
        """Begin a stream that nobody can foresee, and return its seed."""
        seed = np.random.SeedSequence().generate_state(1, np.uint64).item()
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return self.seed() if self.started is None else self.started

    @property
    def stream(self) -> np.random.Generator:
        """NumPy's generator of the numbers."""
        self.initial_seed()
        return self.numbers


default_generator = Generator()
manual_seed = default_generator.manual_seed
seed = default_generator.seed
initial_seed = default_generator.initial_seed


def stream(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).stream


def _drawn(name: str, draw: Callable) -> tuple[Callable, Callable]:
    """The function of a size and the function of a tensor whose size it takes."""

    def sized(
        *size: Any,
        generator: Generator | None = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **shape: Any,
    ) -> Tensor:
        sizes = tuple(shape["size"]) if "size" in shape else listed(size)
        kind = default_real() if dtype is None else as_numpy(dtype)
        return finished(np.asarray(draw(stream(generator), sizes)).astype(kind), requires_grad, device)

    def like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
        kind = input.dtype if dtype is None else dtype
        return sized(*input.shape, dtype=kind, requires_grad=requires_grad)

    sized.__name__, like.__name__ = name, f"{name}_like"
    sized.__doc__ = f"Random numbers in a tensor of a size, as PyTorch's {name} distributes them."
    like.__doc__ = f"{name} in the size and dtype of a tensor."
    return sized, like


rand, rand_like = _drawn("rand", lambda g, size: g.random(size))
randn, randn_like = _drawn("randn", lambda g, size: g.standard_normal(size))


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None
) -> Tensor:
    """Random integers from low (0 if there is one bound) to high - 1."""
    if size is None:
        low, high, size = 0, low, high
    drawn = stream(generator).integers(low, high, size)
    return Tensor(np.asarray(drawn, np.int64 if dtype is None else as_numpy(dtype)))


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    return Tensor(stream(generator).permutation(n))


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None
) -> Tensor:
    """Normal random numbers of this mean and deviation; sizes of tensors are taken from them."""
    center, spread = (x.array if isinstance(x, Tensor) else x for x in (mean, std))
    shape = np.broadcast_shapes(np.shape(center), np.shape(spread)) if size is None else tuple(size)
    drawn = center + spread * stream(generator).standard_normal(shape)
    return Tensor(np.asarray(drawn).astype(default_real()))


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability in each element, else 0."""
    p = input.array
    return Tensor((stream(generator).random(p.shape) < p).astype(p.dtype))


@method
def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Random numbers between a and b, in place."""
    return copy_(self, a + (b - a) * default_generator.stream.random(self.value.shape))


@method
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Normal random numbers, in place."""
    return copy_(self, mean + std * default_generator.stream.standard_normal(self.value.shape))
