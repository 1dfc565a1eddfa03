"""How a tensor prints: the rules that PyTorch documents for set_printoptions, and what its output shows.

Numbers get one width, found from all of them: whole numbers end in a point, others have four digits, and very
large, very small or very different ones are written with an exponent. A tensor of more than 1000 elements
shows three at each end of every dim. What is not the default is said behind: dtype, size, graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dualdiff.core import Tracer
from dualdiff.torch.dispatch import methods
from dualdiff.torch.dtypes import BOOL, BY_NUMPY, INT64, default_complex, default_real
from dualdiff.torch.graph import AccumulateGrad
from dualdiff.torch.tensor import Tensor, node_of


class Options:
    """What set_printoptions sets."""

    precision = 4
    threshold = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Digits behind the point, elements shown in full, elements at each end, characters in a line."""
    if profile is not None:
        presets = {"default": (4, 1000, 3), "short": (2, 1000, 2), "full": (4, math.inf, 3)}
        Options.precision, Options.threshold, Options.edgeitems = presets[profile]  # type: ignore[assignment]
        Options.linewidth = 80
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(Options, name, value)
    Options.sci_mode = sci_mode


# -------------------------------------------------- one number
def writer(x: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """How to write one element of x, and the width that all of them fit in."""
    if x.dtype.kind == "c":
        return complex_writer(x)
    if x.dtype.kind != "f":
        width = max((len(str(v)) for v in x.ravel().tolist()), default=1)
        return lambda v: f"{v!s:>{width}}", width
    values = x.astype(np.float64).ravel()
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    whole = bool((sizes == np.floor(sizes)).all())
    style = exponent_or_not(sizes, whole)
    point = "." if whole and style == ".0f" else ""
    shown = values[np.isfinite(values) & (values != 0)]
    width = max((len(f"{v:{style}}{point}") for v in shown.tolist()), default=1)

    def write(v: float) -> str:
        text = f"{v:{style}}" + (point if math.isfinite(v) else "")
        return f"{text:>{width}}"

    return write, width


def exponent_or_not(sizes: np.ndarray, whole: bool) -> str:
    """The format of floating numbers whose sizes, finite and not 0, are these."""
    spread = sizes.size and (sizes.max() / sizes.min() > 1000 or sizes.max() > 1e8)
    small = sizes.size and not whole and sizes.min() < 1e-4
    if bool(spread or small) if Options.sci_mode is None else Options.sci_mode:
        return f".{Options.precision}e"
    return ".0f" if whole else f".{Options.precision}f"


def complex_writer(x: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """The real and the imaginary part, each as the numbers of its own kind."""
    real, left = writer(np.ascontiguousarray(x.real))
    imag, right = writer(np.ascontiguousarray(x.imag))

    def write(v: complex) -> str:
        text = imag(v.imag).lstrip()
        sign, text = ("-", text[1:]) if text.startswith("-") else ("+", text)
        return f"{real(v.real)}{sign}{text}j"

    return write, left + right + 1


# -------------------------------------------------- all of them
def ends(x: np.ndarray) -> np.ndarray:
    """x without what a summary leaves out."""
    for axis, n in enumerate(x.shape):
        if n > 2 * Options.edgeitems:
            x = np.take(x, [*range(Options.edgeitems), *range(n - Options.edgeitems, n)], axis)
    return x


def body(x: np.ndarray, indent: int, summary: bool, write: Callable, width: int) -> str:
    """The elements in brackets, rows under rows."""
    if x.ndim == 0:
        return write(x.item())
    cut = summary and x.shape[0] > 2 * Options.edgeitems
    e = Options.edgeitems
    if x.ndim == 1:
        per_line = max(1, (Options.linewidth - indent) // (width + 2))
        shown = x[:e].tolist() + x[-e:].tolist() if cut else x.tolist()
        texts = [write(v) for v in shown]
        if cut:
            texts.insert(e, " ...")
        lines = [", ".join(texts[k : k + per_line]) for k in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [*range(e), *range(x.shape[0] - e, x.shape[0])] if cut else range(x.shape[0])
    texts = [body(x[k], indent + 1, summary, write, width) for k in rows]
    if cut:
        texts.insert(e, "...")
    return "[" + ("," + "\n" * (x.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def suffixes(tensor: Tensor, x: np.ndarray) -> list[str]:
    """What is said behind the numbers, where it is not what one expects."""
    found = []
    usual = (default_real(), default_complex(), INT64, BOOL) if x.size else (default_real(),)
    if not x.size and x.ndim != 1:
        found.append(f"size={x.shape}")
    if x.dtype not in usual:
        found.append(f"dtype={BY_NUMPY[x.dtype]}")
    node = node_of(tensor)
    if node is not None:
        leaf = type(node[3]) is AccumulateGrad
        found.append("requires_grad=True" if leaf else f"grad_fn=<{node[3].name()}>")
    return found


def text(tensor: Tensor) -> str:
    """The tensor as PyTorch prints it."""
    x = tensor.array
    if isinstance(x, Tracer):
        return f"tensor({x!r})"
    summary = x.size > Options.threshold
    indent = len("tensor(")
    written = body(x, indent, summary, *writer(ends(x) if summary else x)) if x.size else "[]"
    written = f"tensor({written}"
    line = len(written) - written.rfind("\n") + 1
    for suffix in suffixes(tensor, x):
        if line + len(suffix) + 2 > Options.linewidth:
            written, line = written + ",\n" + " " * indent + suffix, indent + len(suffix)
        else:
            written, line = f"{written}, {suffix}", line + len(suffix) + 2
    return f"{written})"


methods(__repr__=text, __str__=text)
