"""Plans: sparse Jacobians and Hessians equal the dense ones wherever they may be used; else they refuse."""

import inspect
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.errors import (
    ControlFlowError,
    GradientMismatch,
    InputTypeError,
    PlanMismatch,
    ScalarOutputError,
    ShapeError,
)

pytest.importorskip("scipy")
import scipy.sparse as sp

from dualdiff.sparse import plan as plan_module

sparse = dd.sparse
N = 12


def chain(x):
    """Each value of two neighbours."""
    return np.sin(x[1:]) * x[:-1] ** 2


def arrow(x):
    """The first value of all inputs, the others of the first input and their own."""
    return np.concatenate([np.sum(x**3, keepdims=True), x[1:] * x[0]])


def few(x):
    """Three values of many inputs, two to each: rows share more seeds than columns."""
    return np.sum(np.exp(x[:9].reshape(3, 3)), axis=1)


def boxed(p, scale):
    """Containers in, containers out, one argument of each kind."""
    return {"a": p["u"] * scale, "b": (np.diff(p["v"]), p["u"][0] * p["v"][1])}


def energy(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def star_energy(x):
    """Every variable meets the first."""
    return np.sum(np.exp(x[1:] * x[0])) + np.sum(x**4)


def grid_energy(x):
    """Neighbours on a torus meet."""
    u = x.reshape(3, 4)
    return np.sum(np.cos(u - np.roll(u, 1, 0)) + (u * np.roll(u, 1, 1)) ** 2)


@pytest.fixture
def x():
    return np.random.default_rng(5).uniform(0.5, 1.5, N)


FUNCTIONS = {"chain": chain, "arrow": arrow, "few": few, "all": np.cumsum, "nothing": lambda x: np.ones(3)}
ENERGIES = {"chain": energy, "star": star_energy, "torus": grid_energy, "separable": lambda x: np.sum(x**3)}


# -------------------------------------------------- numbers
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_sparse_jacobian_is_the_dense_one(name, mode, x):
    f = FUNCTIONS[name]
    found = sparse.jacobian(f, mode=mode)(x)
    assert isinstance(found, sp.csr_array) and found.dtype == np.float64
    np.testing.assert_allclose(found.toarray(), dd.jacobian(f)(x), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("partition", ["column", "row", "bidirectional"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_by_every_partition(name, partition, x):
    f = FUNCTIONS[name]
    coloring = sparse.color(sparse.pattern(f, x), partition=partition)
    found = sparse.jacobian(f, coloring=coloring)(x)
    np.testing.assert_allclose(found.toarray(), dd.jacobian(f)(x), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("partition", ["star", "acyclic"])
@pytest.mark.parametrize("name", ENERGIES)
def test_sparse_hessian_is_the_dense_one_and_symmetric_to_the_last_bit(name, partition, x):
    f = ENERGIES[name]
    found = sparse.hessian(f, partition=partition)(x)
    dense = dd.hessian(f)(x)
    np.testing.assert_allclose(found.toarray(), dense, rtol=1e-12, atol=1e-12 * abs(dense).max())
    assert (found != found.T).nnz == 0


def test_plan_holds_at_other_points(x):
    plan = sparse.prepare_jacobian(chain, x)
    for scale in (0.3, -2.0, 1e3):
        np.testing.assert_allclose(plan(scale * x).toarray(), dd.jacobian(chain)(scale * x), rtol=1e-14)


def test_auto_takes_both_directions_for_an_arrowhead(x):
    report = sparse.prepare_jacobian(arrow, x).report()
    assert (report.partition, report.forward_seeds, report.reverse_seeds) == ("bidirectional", 2, 1)


def test_auto_takes_rows_where_they_share_seeds(x):
    report = sparse.prepare_jacobian(few, x).report()
    assert (report.partition, report.reverse_seeds) == ("row", 1)


@pytest.mark.parametrize("chunk_size", [1, 2, 5, None, "auto"])
@pytest.mark.parametrize("name", ["chain", "arrow", "few", "all"])
def test_chunks_change_nothing(name, chunk_size, x):
    f = FUNCTIONS[name]
    found = sparse.jacobian(f, chunk_size=chunk_size)(x).toarray()
    np.testing.assert_array_equal(found, sparse.jacobian(f)(x).toarray())


def test_sweeps_are_counted_in_the_report(x):
    assert sparse.prepare_jacobian(np.cumsum, x, chunk_size=5).report().sweeps == 3
    assert sparse.prepare_jacobian(np.cumsum, x).report().sweeps == 1


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0), "scale"])
def test_containers_and_several_arguments(argnums):
    p = {"u": np.array([1.0, 2.0]), "v": np.array([0.5, 1.5, 4.0])}
    found = sparse.jacobian(boxed, argnums)(p, 3.0).toarray()
    dense = dd.jacobian(boxed, argnums)(p, 3.0)
    several = dense if isinstance(argnums, tuple) else None
    rows = []
    for part, size in ((lambda d: d["a"], 2), (lambda d: d["b"][0], 2), (lambda d: d["b"][1], 1)):
        blocks = []
        for k in range(len(argnums) if several is not None else 1):
            value = part(dense)[k] if several is not None else part(dense)
            leaves = [value["u"], value["v"]] if isinstance(value, dict) else [value]
            blocks += [np.reshape(leaf, (size, -1)) for leaf in leaves]
        rows.append(np.concatenate(blocks, axis=1))
    np.testing.assert_array_equal(found, np.concatenate(rows))


def test_keyword_arguments(x):
    def f(x, *, k):
        return k * x**2

    np.testing.assert_allclose(sparse.jacobian(f)(x, k=3.0).diagonal(), 6 * x)
    np.testing.assert_allclose(sparse.jacobian(f, "k")(x, k=3.0).toarray()[:, 0], x**2)


def test_single_precision_stays_single(x):
    found = sparse.jacobian(chain)(x.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), dd.jacobian(chain)(x), rtol=2e-5)
    assert sparse.hessian(energy)(x.astype(np.float32)).dtype == np.float32


def test_scalars_and_empty_arrays():
    assert sparse.jacobian(lambda t: t**2)(3.0).toarray().tolist() == [[6.0]]
    assert sparse.jacobian(lambda t: np.stack([t, t * t]))(3.0).toarray().tolist() == [[1.0], [6.0]]
    assert sparse.jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert sparse.jacobian(np.sin)(np.zeros(0)).shape == (0, 0)
    assert sparse.hessian(lambda x: np.sum(x))(np.ones(3)).nnz == 0


def test_integer_outputs_have_zeros(x):
    assert sparse.jacobian(lambda x: np.argsort(x))(x).nnz == 0


def test_stopped_gradients_and_nested_derivatives(x):
    def f(x):
        inner = dd.grad(lambda z: np.sum(z**3))(x)
        return inner * dd.stop_gradient(x) + dd.vmap(np.sin)(x)

    np.testing.assert_allclose(sparse.jacobian(f)(x).toarray(), dd.jacobian(f)(x), rtol=1e-14, atol=1e-300)
    assert sparse.pattern(f, x).nnz == N


# -------------------------------------------------- what a plan does not do again
def test_call_neither_detects_nor_colours(x, monkeypatch):
    plans = sparse.prepare_jacobian(chain, x), sparse.prepare_hessian(energy, x)

    def forbidden(*args, **kwargs):
        raise AssertionError("detected or coloured again")

    for name in ("detect", "detect_hessian", "color", "recovery", "compressed"):
        monkeypatch.setattr(plan_module, name, forbidden)
    for plan in plans:
        plan(x + 1)


def test_jacobian_prepares_once_for_each_shape(x, monkeypatch):
    made = []
    detect = plan_module.detect
    monkeypatch.setattr(plan_module, "detect", lambda *args: made.append(1) or detect(*args))
    jacobian = sparse.jacobian(chain)
    for point in (x, 2 * x, x[:5], 3 * x, x[:5], x.astype(np.float32), x):
        np.testing.assert_allclose(jacobian(point).toarray(), dd.jacobian(chain)(point), rtol=1e-5)
    assert len(made) == 3


def test_function_runs_once_in_a_call(x):
    runs = []

    def f(x):
        runs.append(1)
        return chain(x)

    plan = sparse.prepare_jacobian(f, x)
    runs.clear()
    plan(x)
    assert len(runs) == 1


def test_result_is_its_own(x):
    plan = sparse.prepare_jacobian(chain, x)
    first = plan(x)
    first.data[:] = 0
    first.indices[:] = 0
    first.eliminate_zeros()
    np.testing.assert_allclose(plan(x).toarray(), dd.jacobian(chain)(x), rtol=1e-14)


def test_memory_of_a_call_is_within_the_chunks():
    n = 4000
    x = np.linspace(0, 1, n)
    rows = np.repeat(np.arange(n), 64)
    columns = (rows + np.tile(np.arange(64), n)) % n
    weights = np.ones((64, 1)) / 64

    def f(x):
        total = 0
        for k in range(64):
            total = total + weights[k] * np.roll(x, -k) ** 2
        return total

    pattern = sp.coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(n, n))
    plan = sparse.prepare_jacobian(f, x, pattern=pattern, chunk_size=4, check=None)
    assert plan.coloring.ncolors >= 64
    result = plan(x)
    tracemalloc.start()
    plan(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = plan.coloring.ncolors * n * 8 * 2 + 3 * result.data.nbytes
    assert peak < kept + 4 * n * 8 * 20  # all results, the matrix, and 20 arrays of 4 lanes


# -------------------------------------------------- what is checked
def without(pattern, row, column):
    dense = pattern.toarray()
    assert dense[row, column]
    dense[row, column] = False
    return dense


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
@pytest.mark.parametrize(("row", "column"), [(0, 1), (7, 7), (10, 11)])
def test_pattern_that_misses_an_entry_is_caught_by_the_probe(row, column, mode, x):
    wrong = without(sparse.pattern(chain, x), row, column)
    value = dd.jacobian(chain)(x)[row, column]
    with pytest.raises(GradientMismatch, match=rf"no entry \({row}, {column}\).*\n?.*{value:.6g}"):
        sparse.prepare_jacobian(chain, x, pattern=wrong, mode=mode)


def test_hessian_pattern_that_misses_an_entry_is_caught(x):
    wrong = without(sparse.hessian_pattern(energy, x), 3, 4) & without(
        sparse.hessian_pattern(energy, x), 4, 3
    )
    with pytest.raises(GradientMismatch, match=r"hessian\(energy\) has no entry \((3, 4|4, 3)\)"):
        sparse.prepare_hessian(energy, x, pattern=wrong)


def test_given_pattern_is_also_tried_nearby():
    """At 0 the entry is 0, and the probe there would find nothing wrong."""
    with pytest.raises(GradientMismatch, match=r"no entry \(0, 1\)"):
        sparse.prepare_jacobian(lambda x: x[:1] * (1 + x[1] ** 2), np.array([1.0, 0.0]), pattern=[[1, 0]])


def test_wider_pattern_than_needed_is_fine(x):
    plan = sparse.prepare_jacobian(chain, x, pattern=np.ones((N - 1, N)))
    np.testing.assert_allclose(plan(x).toarray(), dd.jacobian(chain)(x), rtol=1e-14, atol=1e-300)
    assert plan.report().scope == "given"


def test_dense_check_and_no_check(x):
    wrong = without(sparse.pattern(chain, x), 2, 3)
    with pytest.raises(GradientMismatch, match=r"no entry \(2, 3\)"):
        sparse.prepare_jacobian(chain, x, pattern=wrong, check="dense")
    assert sparse.prepare_jacobian(chain, x, pattern=wrong, check=None).pattern.nnz == 2 * (N - 1) - 1


def test_scope_is_global_where_nothing_was_steered(x):
    assert sparse.prepare_jacobian(chain, x).report().scope == "global"
    assert sparse.prepare_jacobian(chain, x, kind="local").report().scope == "local"
    assert sparse.prepare_jacobian(chain, x, kind="global").report().scope == "global"


def branching(x):
    return x**2 if x[0] > 0 else x * x[::-1]


def test_plan_of_a_path_says_so_when_another_is_taken(x):
    plan = sparse.prepare_jacobian(branching, x)
    assert plan.report().scope == "path"
    np.testing.assert_allclose(plan(2 * x).diagonal(), 4 * x)
    with pytest.raises(GradientMismatch, match=r"no entry \(0, 11\)"):
        plan(-x)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_plan_of_a_local_pattern_says_so_elsewhere(mode):
    plan = sparse.prepare_jacobian(
        lambda x: np.maximum(x[:2], x[2:]), np.array([1.0, 2, 3, 4]), kind="local", mode=mode
    )
    assert plan(np.array([1.0, 3, 5, 9])).nnz == 2
    with pytest.raises(GradientMismatch, match=r"no entry \((0, 0|1, 1)\)"):
        plan(np.array([4.0, 3, 2, 1]))


def test_global_refuses_control_flow_before_anything_is_prepared(x):
    with pytest.raises(ControlFlowError, match="steers Python control flow"):
        sparse.prepare_jacobian(branching, x, kind="global")
    with pytest.raises(ControlFlowError, match="steers Python control flow"):
        sparse.hessian(lambda x: np.sum(branching(x)), kind="global")(x)


def test_infinite_derivatives_are_no_mistake_of_the_pattern():
    x = np.array([0.0, 1.0, 4.0])
    with np.errstate(divide="ignore"):
        found = sparse.prepare_jacobian(lambda x: np.sqrt(x), x)(x)
    np.testing.assert_array_equal(found.diagonal(), [np.inf, 0.5, 0.25])


def test_rounding_of_a_function_that_cancels_is_no_mistake_of_the_pattern(x):
    def f(x):
        big = 1e9 * x[:-1]
        return (big + x[1:]) ** 2 - big**2 - 2 * big * x[1:]  # x[1:]**2, with nothing left of it

    plan = sparse.prepare_jacobian(f, x)
    assert plan(x).nnz == 2 * (N - 1)
    assert sparse.jacobian(np.sin)(x.astype(np.float16)).dtype == np.float32


@pytest.mark.parametrize("partition", ["star", "acyclic"])
def test_mistake_of_a_hessian_pattern_is_found_for_either_partition(partition, x):
    wrong = sparse.hessian_pattern(energy, x).toarray()
    wrong[5, 6] = wrong[6, 5] = False
    with pytest.raises(GradientMismatch, match=r"has no entry \((5, 6|6, 5)\)|pattern lacks an entry"):
        sparse.prepare_hessian(energy, x, pattern=wrong, partition=partition)


# -------------------------------------------------- what a plan refuses
def indexed(x, index, c, name="a"):
    return x[index] * c


INDEX = np.array([2, 0])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((np.ones(4), INDEX, 2.0), r"argument \[0\] of shape \(3,\) and dtype float64; .* shape \(4,\)"),
        ((np.ones(3, np.float32), INDEX, 2.0), r"dtype float64; it was called with .* float32"),
        ((np.ones(3), INDEX[::-1].copy(), 2.0), r"argument \[1\] with these int64"),
        ((np.ones(3), INDEX, np.ones(2)), r"argument \[2\] of shape \(\)"),
        ((np.ones(3), INDEX, 2), r"argument \[2\] of shape \(\) and dtype float64; it was called with 2"),
        (((np.ones(3),), INDEX, 2.0), r"structure"),
        ((np.ones(3), INDEX, 2.0, "b"), r"structure"),
    ],
)
def test_plan_refuses_other_arguments(args, words):
    plan = sparse.prepare_jacobian(indexed, np.ones(3), INDEX, 2.0)
    with pytest.raises(PlanMismatch, match=words):
        plan(*args)


def test_plan_takes_other_numbers(x):
    plan = sparse.prepare_jacobian(indexed, np.ones(3), INDEX, 2.0)
    assert plan(np.ones(3), INDEX.copy(), np.float64(5)).toarray().tolist() == [[0, 0, 5], [5, 0, 0]]


def test_plan_keeps_what_it_compares_with():
    index = INDEX.copy()
    plan = sparse.prepare_jacobian(indexed, np.ones(3), index, 2.0)
    index[:] = 1
    with pytest.raises(PlanMismatch, match="int64"):
        plan(np.ones(3), index, 2.0)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        (
            {"pattern": np.ones((N, N))},
            ShapeError,
            rf"shape \({N}, {N}\); it has {N - 1} outputs and {N} inputs",
        ),
        ({"coloring": sparse.color(np.eye(3))}, ShapeError, r"shape \(3, 3\)"),
        ({"coloring": [0, 1]}, InputTypeError, "coloring of type list"),
        ({"pattern": np.eye(2), "coloring": sparse.color(np.eye(2))}, InputTypeError, "Give one"),
        ({"mode": "column"}, InputTypeError, "mode='column'"),
        ({"kind": "everywhere"}, InputTypeError, "kind='everywhere'"),
        ({"check": True}, InputTypeError, "check=True"),
        ({"chunk_size": 0}, InputTypeError, "chunk_size=0"),
        ({"argnums": 3}, InputTypeError, "argument 3"),
    ],
)
def test_prepare_jacobian_refuses(how, error, words, x):
    with pytest.raises(error, match=words):
        sparse.prepare_jacobian(chain, x, **how)


def test_symmetric_colouring_is_for_hessians_alone(x):
    star = sparse.color(sparse.hessian_pattern(energy, x), partition="star")
    with pytest.raises(InputTypeError, match="star colouring, which is for symmetric"):
        sparse.prepare_jacobian(dd.grad(energy), x, coloring=star)
    np.testing.assert_array_equal(
        sparse.prepare_hessian(energy, x, coloring=star)(x).toarray(), sparse.hessian(energy)(x).toarray()
    )
    with pytest.raises(InputTypeError, match="column colouring, which would not give a symmetric"):
        sparse.prepare_hessian(energy, x, coloring=sparse.color(star.pattern, partition="column"))
    with pytest.raises(InputTypeError, match="partition='column'"):
        sparse.hessian(energy, partition="column")


def test_colouring_that_does_not_separate_is_refused(x):
    fitting = sparse.color(sparse.pattern(chain, x), partition="column")
    one = sparse.Coloring("column", "given", fitting.pattern, np.zeros(N, int), np.full(N - 1, -1))
    with pytest.raises(InputTypeError, match=r"does not separate entry \(0, 0\)"):
        sparse.prepare_jacobian(chain, x, coloring=one)


@pytest.mark.parametrize("partition", ["star", "acyclic"])
def test_colouring_of_a_hessian_that_does_not_separate_is_refused(partition, x):
    pattern = sparse.hessian_pattern(energy, x) + sparse.hessian_pattern(star_energy, x)
    made = sparse.Coloring(
        partition, "given", sparse.color(pattern).pattern, np.zeros(N, int), np.full(N, -1)
    )
    with pytest.raises(InputTypeError, match="does not separate entry"):
        sparse.prepare_hessian(lambda x: energy(x) + star_energy(x), x, coloring=made)


@pytest.mark.parametrize(
    ("f", "point", "error", "words"),
    [
        (lambda z: z**2, np.ones(2) * 1j, InputTypeError, "complex arguments"),
        (lambda x: x * 1j, np.ones(2), InputTypeError, "complex values"),
        (lambda x: "no", np.ones(2), Exception, "return numbers"),
        (lambda x: None, np.ones(2), Exception, "None"),
        (lambda x: x, np.arange(3), InputTypeError, "int64"),
        (3, np.ones(2), InputTypeError, "needs a function"),
    ],
)
def test_functions_that_have_no_sparse_jacobian(f, point, error, words):
    with pytest.raises(error, match=words):
        sparse.prepare_jacobian(f, point)


def test_hessian_needs_a_scalar(x):
    with pytest.raises(ScalarOutputError, match="hessian needs a scalar output"):
        sparse.hessian(chain)(x)


def test_plan_is_not_differentiated(x):
    plan = sparse.prepare_jacobian(chain, x)
    with pytest.raises(InputTypeError, match="inside another transform"):
        dd.grad(lambda x: np.sum(plan(x).data))(x)


def test_missing_scipy_is_named(monkeypatch, x):
    for name in [name for name in sys.modules if name.partition(".")[0] == "scipy"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'dualdiff\[sparse\]'"):
        sparse.pattern(np.sin, x)
    with pytest.raises(ImportError, match=r"pip install 'dualdiff\[sparse\]'"):
        sparse.jacobian(np.sin)(x)


def test_report_prints_what_was_made(x):
    assert str(sparse.prepare_jacobian(chain, x).report()) == (
        "jacobian of chain: 11 x 12, 22 entries\n"
        "the pattern holds for every input\n"
        "column colouring in natural order: 2 forward and 0 reverse seeds in 1 sweeps\n"
        "ops taken as dense: none"
    )
    assert "Coloring(column, 11 x 12" in repr(sparse.prepare_jacobian(chain, x))


# -------------------------------------------------- the reference page
REFERENCE = Path(__file__).parent.parent / "docs" / "reference" / "sparse.md"


def test_reference_has_every_public_name():
    names = re.findall(r"^### (\w+)", REFERENCE.read_text(), re.M)
    assert sorted(names) == sorted(sparse.__all__)


@pytest.mark.parametrize("name", sparse.__all__)
def test_reference_has_the_signature(name):
    signature = inspect.signature(getattr(sparse, name))
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    assert f"`{name}{inspect.Signature(bare)}`" in REFERENCE.read_text()


@pytest.mark.parametrize("name", sparse.__all__)
def test_public_name_has_a_docstring(name):
    assert (getattr(sparse, name).__doc__ or "").strip()
