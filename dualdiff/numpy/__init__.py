"""NumPy's names for code that also builds arrays from tensors: `import dualdiff.numpy as np`.

Each name is listed by hand: what has no rule is not here, and fails where it is imported rather than where it
is differentiated. A function that NumPy itself hands over to tensors is NumPy's own, the same object, so that
nothing changes on plain arrays. The others are ours: those that make arrays of nested lists of tensors, and
those with an argument in which NumPy does not look for tensors (indices, fill values).
"""

# The chapters are those of the reference, one name once; they are not sorted into one block.
# ruff: noqa: F401, I001
# fmt: off
from numpy import (  # constants
    e, euler_gamma, inf, nan, newaxis, pi,
)
from numpy import (  # dtypes, and questions about them
    bool, bool_, can_cast, common_type, complex64, complex128, complexfloating, clongdouble, dtype,
    errstate, finfo, float16, float32, float64, floating, generic, iinfo, inexact, int8, int16, int32,
    int64, int_, integer, intp, isdtype, issubdtype, longdouble, min_scalar_type, ndarray, number,
    promote_types, result_type, uint8, uint16, uint32, uint64,
)
from numpy import (  # plain arrays and indices, from shapes
    arange, bartlett, blackman, broadcast_shapes, diag_indices, diag_indices_from, eye,
    from_dlpack, fromfunction, hamming, hanning, identity, indices, ix_, kaiser, mask_indices,
    ravel_multi_index, tri, tril_indices, tril_indices_from, triu_indices, triu_indices_from,
    unravel_index,
)
from numpy import (  # element by element, one argument
    abs, absolute, acos, acosh, angle, arccos, arccosh, arcsin, arcsinh, arctan, arctanh, around, asin, asinh,
    atan, atanh, bitwise_count, bitwise_invert, bitwise_not, cbrt, ceil, clip, conj, conjugate, cos, cosh,
    deg2rad, degrees, exp, exp2, expm1, fabs, floor, frexp, i0, imag, invert, iscomplex, isfinite,
    isinf, isnan, isneginf, isposinf, isreal, log, log10, log1p, log2, logical_not, modf, nan_to_num,
    negative, positive, rad2deg, radians, real, real_if_close, reciprocal, rint, round, sign, signbit,
    sin, sinc, sinh, spacing, sqrt, square, tan, tanh, trunc, unwrap,
)
from numpy import trunc as fix  # whose own name NumPy 2.5 deprecates
from numpy import (  # element by element, several arguments
    add, arctan2, atan2, bitwise_and, bitwise_left_shift, bitwise_or, bitwise_right_shift, bitwise_xor,
    choose, copysign, divide, divmod, equal, float_power, floor_divide, fmax, fmin, fmod, gcd, greater,
    greater_equal,
    heaviside, hypot, isclose, lcm, ldexp, left_shift, less, less_equal, logaddexp, logaddexp2,
    logical_and, logical_or, logical_xor, maximum, minimum, mod, multiply, nextafter, not_equal,
    piecewise, pow, power, remainder, right_shift, select, subtract, true_divide, where,
)
from numpy import (  # reductions and scans
    all, allclose, amax, amin, any, argmax, argmin, array_equal, array_equiv, average, bincount, corrcoef,
    count_nonzero, cov, cumprod, cumsum, histogram, histogram2d, histogram_bin_edges, histogramdd, interp,
    max, mean, median, min, percentile, prod, ptp, quantile, std, sum, trapezoid, var,
)
from numpy import (  # without NaN
    nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean, nanmedian, nanmin, nanpercentile, nanprod,
    nanquantile, nanstd, nansum, nanvar,
)
from numpy import (  # writing into the first argument
    copyto, fill_diagonal, place, put, put_along_axis, putmask,
)
from numpy import (  # sorting, searching, sets
    argpartition, argsort, argwhere, compress, digitize, extract, flatnonzero, intersect1d, isin, lexsort,
    nonzero, partition, searchsorted, setdiff1d, setxor1d, sort, sort_complex, take_along_axis, union1d,
    unique, unique_all, unique_counts, unique_inverse, unique_values,
)
from numpy import (  # polynomials and convolutions
    convolve, correlate, poly, polyadd, polyder, polydiv, polyfit, polyint, polymul, polysub, polyval, roots,
)
from numpy import (  # a function for every slice
    apply_along_axis, apply_over_axes,
)
from numpy import (  # products
    cross, dot, einsum, einsum_path, gradient, inner, kron, matmul, outer, tensordot, trace, vdot, vecdot,
)
from numpy import (  # shapes
    append, array_split, atleast_1d, atleast_2d, atleast_3d, block, broadcast_arrays,
    broadcast_to, column_stack, concat, concatenate, copy, delete, diag, diagflat, diagonal, diff, dsplit,
    dstack, ediff1d, expand_dims, flip, fliplr, flipud, hsplit, hstack, insert, matrix_transpose,
    meshgrid, moveaxis, ndim, permute_dims, ravel, reshape, resize, rollaxis, rot90, shape, size, split,
    squeeze, stack, swapaxes, transpose, tril, trim_zeros, triu, vsplit, vstack,
)
from numpy import (  # questions and text
    array2string, array_repr, array_str, iscomplexobj, isfortran, isrealobj, isscalar, iterable,
    may_share_memory, shares_memory,
)
from numpy import emath, lib

from dualdiff.numpy import fft, linalg
from dualdiff.ops.arrange import repeat, roll, tile
from dualdiff.ops.creation import (
    array, asarray, asarray_chkfinite, ascontiguousarray, empty, empty_like, full, full_like, geomspace,
    linspace, logspace, ones, ones_like, require, vander, zeros, zeros_like,
)
from dualdiff.ops.creation import asarray as asanyarray, ascontiguousarray as asfortranarray
from dualdiff.ops.indexing import take
from dualdiff.ops.joining import unstack
from dualdiff.ops.padding import pad
from dualdiff.ops.products import matvec, vecmat
from dualdiff.ops.scans import cumulative_prod, cumulative_sum
from dualdiff.ops.structural import astype

__array_api_version__ = "2024.12"
