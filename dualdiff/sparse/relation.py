"""Relations between elements and inputs: which inputs each element of an array may depend on.

A relation is a boolean CSR array of SciPy with one row per element (in C order) and one column per input.
Everything here is a gather, a union or a product of such arrays; nothing knows an op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dualdiff.errors import InputTypeError

LIMIT = 2**26  # entries of one relation: some 350 MB, and several of them are alive at a time


def scipy_sparse() -> Any:
    """The module scipy.sparse, or an error that names the extra."""
    try:
        import scipy.sparse
    except ImportError as error:
        raise ImportError("dualdiff.sparse needs SciPy: pip install 'dualdiff[sparse]'") from error
    return scipy.sparse


def assembled(indptr: np.ndarray, indices: np.ndarray, shape: tuple[int, int]) -> Any:
    """The relation with these index arrays, in the integers that SciPy's solvers take."""
    kind = np.int32 if max(*shape, len(indices)) < 2**31 else np.int64
    arrays = np.ones(len(indices), bool), indices.astype(kind), indptr.astype(kind)
    return scipy_sparse().csr_array(arrays, shape=shape)


def unit(size: int, start: int, width: int) -> Any:
    """Element e depends on input start + e."""
    return assembled(np.arange(size + 1), np.arange(start, start + size), (size, width))


def nothing(size: int, width: int) -> Any:
    """No element depends on any input."""
    return assembled(np.zeros(size + 1, int), np.zeros(0, int), (size, width))


def from_pairs(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> Any:
    """The relation that holds for these pairs, of which some may be given twice."""
    ones = np.ones(len(rows), bool)
    return canonical(scipy_sparse().coo_array((ones, (rows, columns)), shape=shape).tocsr())


def canonical(s: Any) -> Any:
    """s with sorted rows and no entry twice, which unions are fastest with."""
    s.sum_duplicates()
    return s


def check_size(entries: int) -> None:
    """Refuse what would fill the memory: such a pattern is not sparse."""
    if entries > LIMIT:
        raise InputTypeError(
            f"a sparsity pattern with more than {LIMIT} entries came up on the way.",
            "It is not sparse: multiply with the Jacobian instead (jvp, vjp, linearize), or give a pattern.",
        )


def united(a: Any, b: Any) -> Any:
    """What either says; None says nothing."""
    if a is None or b is None or a is b:
        return b if a is None else a
    check_size(a.nnz + b.nnz)
    return a + b


def stacked(relations: list) -> Any:
    """One relation after the other."""
    return relations[0] if len(relations) == 1 else scipy_sparse().vstack(relations, format="csr")


def gathered(s: Any, index: np.ndarray) -> Any:
    """Element e depends on what element index[e] depends on; on nothing where the index is -1."""
    index = np.reshape(index, -1)
    if len(index) == s.shape[0] and np.array_equal(index, np.arange(len(index))):
        return s
    counts = np.append(np.diff(s.indptr), 0)
    check_size(int(counts[index].sum()))
    extended = assembled(np.append(s.indptr, s.indptr[-1]), s.indices, (s.shape[0] + 1, s.shape[1]))
    return extended[index]


def collected(s: Any, place: np.ndarray, count: int) -> Any:
    """Element e depends on what all elements depend on whose place is e; those at -1 go nowhere."""
    place = np.reshape(place, -1)
    source = np.flatnonzero(place >= 0)
    return product(from_pairs(place[source], source, (count, s.shape[0])), s)


def product(p: Any, s: Any) -> Any:
    """Element e depends on what all elements depend on that p relates it to."""
    check_size(int(np.diff(s.indptr)[p.indices].sum()))
    return canonical(p @ s)


def accumulated(s: Any, before: np.ndarray, steps: int) -> Any:
    """Element e depends also on all elements before it: before[e], before[before[e]] and so on, -1 ending.

    Source: W. D. Hillis and G. L. Steele 1986, Data parallel algorithms (the distance doubles each time).
    """
    chain = np.append(before, -1)
    while steps > 0:
        s = united(s, gathered(s, chain[:-1]))
        chain, steps = chain[chain], steps // 2
    return s


def without_rows(s: Any, empty: np.ndarray) -> Any:
    """s, but where `empty` holds an element depends on nothing."""
    return gathered(s, np.where(np.reshape(empty, -1), -1, np.arange(s.shape[0])))
