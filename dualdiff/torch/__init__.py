"""The PyTorch-style front end: `import dualdiff.torch as torch`, on the same engine as everything else.

Tensors that require a gradient, backward(), .grad, no_grad: under PyTorch's names, printed as PyTorch prints
them. docs/how-to/come-from-torch.md lists what is there and what differs. Read tensor.py and graph.py first.
"""

# The chapters are those of the package, one name once; they are not sorted into one block.
# ruff: noqa: F401, I001
# fmt: off
from math import e, inf, nan, pi

from dualdiff.torch import autograd, linalg
from dualdiff.torch.autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from dualdiff.torch.creation import (
    arange, as_tensor, asarray, empty, empty_like, eye, from_numpy, full, full_like, linspace, logspace, ones,
    ones_like, tensor, zeros, zeros_like,
)  # fmt: skip
from dualdiff.torch.dtypes import (
    bool_ as bool, cdouble, cfloat, complex64, complex128, double, dtype, finfo, float16, float32, float64,
    float_ as float, get_default_dtype, half, iinfo, int8, int16, int32, int64, int_ as int, long,
    set_default_dtype, short, uint8, uint16, uint32, uint64,
)  # fmt: skip
from dualdiff.torch.elementwise import (
    abs, absolute, acos, acosh, add, addcdiv, addcmul, allclose, angle, arccos, arccosh, arcsin, arcsinh,
    arctan, arctan2, arctanh, asin, asinh, atan, atan2, atanh, bitwise_and, bitwise_not, bitwise_or,
    bitwise_xor, ceil, clamp, clip, complex, conj, copysign, cos, cosh, deg2rad, div, divide, eq, equal, exp,
    exp2, expm1, fix, floor, floor_divide, fmod, frac, ge, greater, greater_equal, gt, hypot, isclose,
    isfinite, isinf, isnan, le, lerp, less, less_equal, log, log1p, log2, log10, logaddexp, logical_and,
    logical_not, logical_or, logical_xor, logit, lt, masked_fill, maximum, minimum, mul, multiply,
    nan_to_num, ne, neg, negative, not_equal, pow, rad2deg, reciprocal, relu, remainder, round, rsqrt, sgn,
    sigmoid, sign, sin, sinc, sinh, sqrt, square, sub, subtract, tan, tanh, true_divide, trunc, where,
)  # fmt: skip
from dualdiff.torch.indexing import gather, index_select, masked_select, nonzero, take_along_dim
from dualdiff.torch.linalg import det, inv as inverse
from dualdiff.torch.metadata import Size, device
from dualdiff.torch.printing import set_printoptions
from dualdiff.torch.products import (
    addmm, bmm, cross, dot, einsum, inner, kron, matmul, mm, mv, outer, tensordot, trace, vdot,
)  # fmt: skip
from dualdiff.torch.random import (
    Generator, bernoulli, default_generator, initial_seed, manual_seed, normal, rand, rand_like, randint,
    randn, randn_like, randperm, seed,
)  # fmt: skip
from dualdiff.torch.reductions import (
    all, amax, amin, any, argmax, argmin, argsort, count_nonzero, cumprod, cumsum, dist, log_softmax,
    logsumexp, max, mean, median, min, nansum, norm, prod, softmax, sort, std, sum, topk, unique, var,
)  # fmt: skip
from dualdiff.torch.shapes import (
    atleast_2d, broadcast_tensors, broadcast_to, cat, chunk, clone, concat, concatenate, diag, diagonal, diff,
    flatten, flip, hstack, imag, is_tensor, meshgrid, movedim, narrow, numel, permute, ravel, real,
    repeat_interleave, reshape, roll, select, split, squeeze, stack, swapaxes, swapdims, t, tile, transpose,
    tril, triu, unbind, unsqueeze, vstack,
)  # fmt: skip
from dualdiff.torch.state import is_grad_enabled
from dualdiff.torch.tensor import Tensor
