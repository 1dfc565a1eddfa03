"""Which functions of NumPy and SciPy are covered, read from the registry; `dualdiff.coverage()` shows it.

A name of NumPy that is neither in the registry nor decided upon below is an undecided row: a new NumPy cannot
leave a hole that nobody sees.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from dualdiff.core import FUNCTIONS, Op
from dualdiff.domains import Domain
from dualdiff.ops import ufuncs
from dualdiff.testing.samples import cases

MODULES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft, "np.emath": np.emath}
DTYPES = ("float32", "float64", "complex64", "complex128")

# Names of NumPy that no rule is for, and why.
PLAIN = "takes no array of numbers; plain arrays and tensors are as good"
DECIDED: dict[str, str] = {
    **dict.fromkeys(
        [
            "bartlett", "blackman", "broadcast_shapes", "diag_indices", "fftfreq", "fromfunction", "hamming",
            "hanning", "indices", "isdtype", "isscalar", "issubdtype", "iterable", "kaiser", "mask_indices",
            "mintypecode", "promote_types", "rfftfreq", "tril_indices", "triu_indices", "typename",
        ],
        PLAIN,
    ),
    **dict.fromkeys(
        [
            "base_repr", "binary_repr", "format_float_positional", "format_float_scientific", "frombuffer",
            "fromfile", "fromiter", "fromregex", "fromstring", "genfromtxt", "load", "loadtxt", "save",
            "savetxt", "savez", "savez_compressed", "from_dlpack", "packbits", "unpackbits",
        ],
        "refused: text, files and memory hold no derivative",
    ),
    **dict.fromkeys(
        ["busday_count", "busday_offset", "datetime_as_string", "datetime_data", "is_busday", "isnat"],
        "refused: dates are no real numbers",
    ),
    **dict.fromkeys(["asmatrix", "bmat"], "refused: matrices multiply in their own way"),
    **dict.fromkeys(["frompyfunc", "nested_iters"], "refused: calls Python for every element"),
    **dict.fromkeys(
        [
            "get_include", "get_printoptions", "getbufsize", "geterr", "geterrcall", "info", "printoptions",
            "set_printoptions", "setbufsize", "seterr", "seterrcall", "show_config", "show_runtime", "test",
        ],
        "no function of arrays",
    ),
    "as_strided": "refused: reads memory past the array's elements",
    "asarray_chkfinite": "dualdiff.numpy.asarray_chkfinite; NumPy does not hand over tensors",
    "isfortran": "refused: a tensor has no memory order",
    "in1d": "NumPy's old name of isin",
    "row_stack": "NumPy's old name of vstack, which it calls",
    "trapz": "NumPy's old name of trapezoid, which it calls",
}  # fmt: skip

# Composites whose results are plain: questions, places, shapes, zeros.
PLAIN_RESULTS = frozenset(
    [
        "all", "any", "arange", "argmax", "argmin", "argpartition", "argsort", "can_cast", "count_nonzero",
        "digitize", "empty", "empty_like", "eye", "identity", "iscomplexobj", "isclose", "isin", "isrealobj",
        "lexsort", "matrix_rank", "nanargmax", "nanargmin", "ndim", "nonzero", "ones", "ones_like",
        "result_type", "searchsorted", "shape", "size", "tri", "zeros", "zeros_like",
    ]
)  # fmt: skip


# The sections of the reference page for the functions of np itself, by the file of their rule; the first is
# for what is an op of its own.
CHAPTERS: dict[str, tuple[str, ...]] = {
    "element by element": ("elementwise",),
    "shapes, joining, making": ("structural", "arrange", "joining", "padding", "creation"),
    "indexing and selection": ("indexing", "selection", "slicewise"),
    "writing in place": ("assignment",),
    "reductions and scans": ("reductions", "scans", "extremes", "nans", "statistics"),
    "orders, sets, histograms": ("ordering", "sets", "quantiles", "histograms"),
    "products": ("contraction", "products"),
    "differences, samples, polynomials": ("differences", "sampled", "polynomials"),
    "questions": ("questions",),
}


class Row(NamedTuple):
    """What is known of one function.

    kind      that of its op; "composite" of ops, from which it inherits the rest; "constant" for results
              without a derivative; else the reason why it is not covered
    batching  "one run" for a whole batch, or "loop" over the examples
    kink      which derivative it takes where there is none, as far as its op says; also part of the note
    """

    name: str
    kind: str
    batching: str
    dtypes: str
    domain: str
    note: str
    kink: str = ""

    @property
    def covered(self) -> bool:
        return bool(self.batching)


class Coverage:
    """The table of functions: `rows`, `covered` (how many), `undecided` (names); prints as text."""

    def __init__(self, rows: list[Row]):
        self.rows = rows

    @property
    def covered(self) -> int:
        return sum(row.covered for row in self.rows)

    @property
    def undecided(self) -> list[str]:
        return [row.name for row in self.rows if row.kind == "undecided"]

    def __str__(self) -> str:
        heads = ("function", "kind", "batching", "dtypes")
        table = [heads, *((row.name, row.kind, row.batching, row.dtypes) for row in self.rows if row.covered)]
        widths = [max(len(line[k]) for line in table) for k in range(len(heads))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in table]
        return "\n".join([*(line.rstrip() for line in lines), "", self.summary()])

    __repr__ = __str__

    def summary(self) -> str:
        """How many functions are covered, and how many are not."""
        rest = len(self.rows) - self.covered - len(self.undecided)
        return f"{self.covered} functions covered, {rest} decided against, {len(self.undecided)} undecided."

    def to_markdown(self) -> str:
        """The tables of the reference page: what is covered by chapter, then what is not and why."""
        parts = []
        chapters = [f"np: {title}" for title in CHAPTERS]
        for row in self.rows:
            chapters += [chapter_of(row)] if row.covered and chapter_of(row) not in chapters else []
        for chapter in chapters:
            parts += [f"## {chapter}", "", "| function | kind | batching | dtypes | domain | note |"]
            parts += ["|---|---|---|---|---|---|"]
            parts += [_line(row) for row in self.rows if row.covered and chapter_of(row) == chapter]
            parts += [""]
        parts += ["## Not covered", "", "| function | why |", "|---|---|"]
        parts += [f"| `{row.name}` | {row.kind} |" for row in self.rows if not row.covered]
        return "\n".join(parts) + "\n"


def chapter_of(row: Row) -> str:
    """The section of a function: its module, the methods of ufuncs together, those of np by CHAPTERS."""
    module, _, name = row.name.rpartition(".")
    if module.count(".") == 1 and isinstance(getattr(np, module.removeprefix("np."), None), np.ufunc):
        return "Methods of ufuncs"
    if module != "np":
        return module
    ours = FUNCTIONS.get(getattr(np, name))
    if isinstance(ours, Op):
        return "np: element by element"
    file = (ours.__module__ if ours else "").rpartition(".")[2]
    return next((f"np: {title}" for title, files in CHAPTERS.items() if file in files), "np: questions")


def _line(row: Row) -> str:
    dtypes = row.dtypes.replace("float32 float64", "real").replace("complex64 complex128", "complex")
    return f"| `{row.name}` | {row.kind} | {row.batching} | {dtypes} | {row.domain} | {row.note} |"


def coverage() -> Coverage:
    """Every function of NumPy, and of SciPy where it is installed, and what the registry says of it.

    >>> import dualdiff
    >>> dualdiff.coverage().undecided
    []
    """
    found: dict[str, Row] = {}
    for module, members in MODULES.items():
        for name in dir(members):
            function = getattr(members, name)
            if not name.startswith("_") and callable(function) and not isinstance(function, type):
                found[f"{module}.{name}"] = row_of(f"{module}.{name}", function)
    for name in ("as_strided", "sliding_window_view"):
        path = f"np.lib.stride_tricks.{name}"
        found[path] = row_of(path, getattr(np.lib.stride_tricks, name))
    for (ufunc, method), ours in ufuncs._METHODS.items():
        name = f"np.{ufunc.__name__}.{method}"
        found[name] = described(name, ours)
    for name, function in of_scipy():
        found[name] = row_of(name, function)
    return Coverage(list(found.values()))


def of_scipy() -> Iterator[tuple[str, Callable]]:
    """The functions of dualdiff.special; none where SciPy is not installed."""
    if importlib.util.find_spec("scipy") is None:
        return
    ours = importlib.import_module("dualdiff.special")  # an extra, imported when it is asked for
    for name, value in vars(ours).items():
        if not name.startswith("_") and callable(value):
            yield f"scipy.special.{name}", value


def row_of(name: str, function: Callable) -> Row:
    """The row of a function from the registry, from the decisions above, or undecided."""
    ours = FUNCTIONS.get(function)
    if ours is None and name.startswith(
        "scipy"
    ):  # a function of ours under SciPy's name, or one that calls ufuncs
        ours = function
    if ours is not None:
        return described(name, ours)
    return Row(name, DECIDED.get(name.rpartition(".")[2], "undecided"), "", "", "", "")


def described(name: str, ours: Any) -> Row:
    """What the record says; of a composite, its first sentence."""
    if not isinstance(ours, Op):
        if name.rpartition(".")[2] in PLAIN_RESULTS or (ours.__module__ or "").startswith("numpy"):
            return Row(name, "constant", "where its shape allows", "any", "", "")
        note = _cell((ours.__doc__ or "").strip().split("\n")[0])
        return Row(name, "composite", "of its ops", "of its ops", "", note)
    one_run = ours.batch is not None or ours.core is not None or ours.shifts is not None
    note = " ".join(filter(None, (ours.doc.split("\n\n")[0], ours.source and f"Source: {ours.source}.")))
    dtypes = "any" if ours.kind == "constant" else " ".join(d for d in DTYPES if cases(ours, d))
    return Row(
        name, ours.kind, "one run" if one_run else "loop", dtypes, _domain(ours), _cell(note), ours.kink or ""
    )


def _domain(op: Op) -> str:
    if not isinstance(op.domain, tuple):
        return ""
    names = [domain.name for domain in op.domain if isinstance(domain, Domain)]
    return names[0] if len(set(names)) == 1 else "; ".join(names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGE = """# Coverage

Which functions of NumPy and SciPy are differentiated, and how. This page is made from the registry of ops by
`python -m dualdiff.covered`, and a test holds it to that; `dualdiff.coverage()` gives the same as rows.

Every covered function has both modes, to every order, and works in batches: its op computes a batch in
*one run*, or else in a *loop* over the examples. A *composite* is made of ops and has what they have. A
*constant* has plain results and no derivative. The *domain* is where an op is smooth; what the derivative is
elsewhere is in [conventions](conventions.md#kinks) and in the note. *Real* are float32 and float64, *complex*
are complex64 and complex128, which results keep.

The functions of np come by chapter. *Questions* answer with booleans, places, texts or types.
Methods of arrays and operators are these functions under other names.

"""


def page() -> str:
    """The text of docs/reference/coverage.md."""
    return PAGE + coverage().to_markdown()


if __name__ == "__main__":
    print(page(), end="")
