"""What every program is full of: mean, var, norm, softmax, logsumexp of the rows of a matrix.

Each is squared and summed, which is a loss that reads every value of the result. `softmax` and `logsumexp`
are written out in NumPy, and a second time by the library's own ops, which have a pullback of their own.
"""

import numpy as np

from benchmarks.candidates import Dualdiff, add_libraries
from benchmarks.harness import Case
from dualdiff.ops.logsums import logsumexp
from dualdiff.ops.softmax import softmax


def row_mean(np, x):
    return np.sum(np.mean(x, axis=1) ** 2)


def row_var(np, x):
    return np.sum(np.var(x, axis=1) ** 2)


def row_norm(np, x):
    return np.sum(np.linalg.norm(x, axis=1) ** 2)


def row_softmax(np, x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return np.sum((e / np.sum(e, axis=1, keepdims=True)) ** 2)


def row_logsumexp(np, x):
    peak = np.max(x, axis=1, keepdims=True)
    return np.sum((np.log(np.sum(np.exp(x - peak), axis=1, keepdims=True)) + peak) ** 2)


def mean_by_hand(x):
    y = x.mean(1)
    return np.sum(y**2), np.broadcast_to((2 / x.shape[1]) * y[:, None], x.shape).copy()


def var_by_hand(x):
    away = x - x.mean(1, keepdims=True)
    y = (away * away).mean(1)
    return np.sum(y**2), away * ((4 / x.shape[1]) * y[:, None])


def norm_by_hand(x):
    return np.sum(np.linalg.norm(x, axis=1) ** 2), 2 * x


def softmax_by_hand(x):
    e = np.exp(x - x.max(1, keepdims=True))
    y = e / e.sum(1, keepdims=True)
    squares = y * y
    return np.sum(squares), 2 * (squares - y * squares.sum(1, keepdims=True))


def logsumexp_by_hand(x):
    peak = x.max(1, keepdims=True)
    e = np.exp(x - peak)
    total = e.sum(1, keepdims=True)
    y = np.log(total) + peak
    return np.sum(y**2), e * (2 * y / total)


WRITTEN = {
    "mean": (row_mean, mean_by_hand),
    "var": (row_var, var_by_hand),
    "norm": (row_norm, norm_by_hand),
    "softmax": (row_softmax, softmax_by_hand),
    "logsumexp": (row_logsumexp, logsumexp_by_hand),
}
OWN = {
    "softmax": lambda _, x: np.sum(softmax(x, axis=1) ** 2),
    "logsumexp": lambda _, x: np.sum(logsumexp(x, axis=1) ** 2),
}
ELSEWHERE = {
    "var": dict.fromkeys(("torch eager", "torch.func"), "its var divides by n - 1"),
    "softmax": dict.fromkeys(("torch eager", "torch.func"), "its max along an axis is a pair"),
    "logsumexp": dict.fromkeys(("torch eager", "torch.func"), "its max along an axis is a pair"),
}


def cases(tiny=False):
    for rows, columns in ((10, 10), (300, 1000)):
        x = np.random.default_rng(0).normal(size=(3, 4) if tiny else (rows, columns))
        for name, (f, by_hand) in WRITTEN.items():
            case = Case(f"{name}-{rows}x{columns}", f"{name} of {rows} rows of {columns:,} numbers, gradient")
            case.add("function", lambda x=x, f=f: lambda: f(np, x))
            case.add("by hand", lambda x=x, by_hand=by_hand: lambda: by_hand(x))
            add_libraries(case, "gradient", f, x, without=ELSEWHERE.get(name))
            if name in OWN:
                case.add("dualdiff, own op", lambda x=x, f=OWN[name]: Dualdiff().gradient(f, x))
            yield case
