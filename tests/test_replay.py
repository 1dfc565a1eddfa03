"""Recorded programs: they give what running the function gives, for every op and any input, or refuse."""

import numpy as np
import pytest

import dualdiff as dd
import dualdiff.modes.program
from dualdiff.core import OPS
from dualdiff.errors import ControlFlowError, GradientMismatch
from dualdiff.modes.replay import RecordLevel, program_of
from dualdiff.testing.samples import cases

pytest.importorskip("scipy")
sparse = dd.sparse
X = np.array([0.5, 1.5, 2.0, 3.0])


@pytest.fixture(autouse=True)
def small_arrays_are_overwritten(monkeypatch):
    """As large ones are, whose memory costs more than the arithmetic."""
    monkeypatch.setattr(dualdiff.modes.program, "LARGE", 0)


def program(f, *inputs):
    """The program of f, and its results at these inputs."""
    level = RecordLevel(f)
    y = f(*(level.watch(x) for x in inputs))
    level.close()
    return program_of(level, list(y) if isinstance(y, tuple) else [y])


# -------------------------------------------------- every op
def all_cases():
    for name, op in OPS.items():
        for k, case in enumerate(cases(op, float)):
            if case.active:
                yield pytest.param(case, id=f"{name}-{k}")


@pytest.mark.parametrize("case", list(all_cases()))
def test_program_of_an_op_gives_its_values_elsewhere(case):
    made = program(case.function, *case.primals)
    other = [case.sibling[i] for i in case.active]
    for primals in (case.primals, other):
        expected = case.function(*primals)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for found, y in zip(made.run(list(primals)), expected, strict=True):
            np.testing.assert_array_equal(found, y)
            assert np.asarray(found).dtype == y.dtype


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("case", [p for p in all_cases() if p.values[0].op.kind != "constant"])
def test_replayed_jacobian_of_an_op_is_the_jacobian_elsewhere(case, mode):
    every = tuple(range(len(case.primals)))

    def f(*primals):
        y = case.function(*primals)
        return [np.real(v) for v in (y if case.op.multiple else [y]) if v.dtype.kind in "fc"]

    plan = sparse.prepare_jacobian(f, *case.primals, argnums=every, mode=mode, check=None)
    replayed = sparse.prepare_jacobian(f, *case.primals, argnums=every, mode=mode, replay=True, check=None)
    other = [case.sibling[i] for i in case.active]
    for primals in (case.primals, other):
        np.testing.assert_allclose(replayed(*primals).data, plan(*primals).data, rtol=1e-12, atol=1e-13)


# -------------------------------------------------- what a program is
def test_program_does_what_the_results_need_and_each_thing_once():
    constant = np.arange(4.0)

    def f(x):
        unused = np.exp(x)
        del unused
        return np.sin(constant) * np.cos(x) + np.cos(x) * np.sin(constant)

    made = program(f, X)
    # The sine is a constant; products with constant arrays are not compared, so there are two of them.
    assert [step[0].__name__ for step in made.steps] == ["cos", "multiply", "multiply", "add"]


def test_op_of_several_results_is_done_once_as_well():
    def f(x):
        return np.modf(x)[0] * np.modf(x)[1] + np.linalg.slogdet(np.outer(x, x) + np.eye(3))[1]

    x = np.array([1.5, -2.25, 3.0])
    np.testing.assert_array_equal(dd.replay(f)(x), f(x))


def test_constants_are_what_they_were_when_they_were_read():
    buffer = np.zeros(4)

    def f(x):
        total = 0 * x
        for k in range(3):
            buffer[:] = k
            total = total + buffer * x
        return total

    made = program(f, X)
    buffer[:] = 100
    np.testing.assert_array_equal(made.run([X])[0], 3 * X)


def test_different_numbers_are_different_constants():
    made = program(lambda x: (x * 2, x * 2.0, x * np.float32(2), x * 3, x**2, x**2.0), X)
    np.testing.assert_array_equal(made.run([X]), [2 * X, 2 * X, 2 * X, 3 * X, X**2, X**2])


def test_results_may_be_inputs_and_constants():
    made = program(lambda x: (x, np.ones(2), x[:0]), X)
    found = made.run([2 * X])
    np.testing.assert_array_equal(found[0], 2 * X)
    np.testing.assert_array_equal(found[1], np.ones(2))
    assert found[2].shape == (0,)


def test_program_runs_again_and_in_any_order():
    made = program(lambda x, y: np.outer(x, y) @ y, X, X[::-1].copy())
    points = [X, 2 * X, -X]
    expected = [np.outer(x, x) @ x for x in points]
    for k in (0, 2, 1, 0):
        np.testing.assert_array_equal(made.run([points[k], points[k]])[0], expected[k])


def test_program_keeps_no_intermediate_value():
    made = program(lambda x: np.sin(np.cos(np.exp(x))), X)
    assert made.constants == {}
    lines = [
        "v0 = exp(x0)",
        "v1 = cos(v0, out=v0)",
        "del v0",
        "v2 = sin(v1, out=v1)",
        "del v1",
        "return [v2]",
    ]
    assert made.source.split("\n    ")[1:] == lines


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x[0] > 0 else -x,
        lambda x: x[x > 0],
        lambda x: x * float(x[0]),
        lambda x: x * np.asarray(dd.stop_gradient(x)),
        lambda x: x * dd.stop_gradient(x)[0].item(),
        lambda x: x * dd.stop_gradient(x).tolist()[0],
        lambda x: x[np.nonzero(x > 1)],
        lambda x: [x][int(x[0])],
    ],
    ids=["if", "mask", "float", "asarray", "item", "tolist", "nonzero", "int"],
)
def test_value_that_steers_is_refused(f):
    with pytest.raises(ControlFlowError, match="what was recorded does not hold"):
        program(f, X)


# -------------------------------------------------- plans
def springs(u, k):
    stretch = np.diff(np.concatenate([np.zeros(1), u, np.zeros(1)]))
    return np.diff(k * stretch + stretch**3)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_replayed_plan_takes_other_numbers(mode):
    k = np.ones(5)
    plan = sparse.prepare_jacobian(springs, X, k, mode=mode, replay=True)
    for u, stiffness in ((X, k), (-X, 2 * k), (X**2, np.arange(5.0))):
        np.testing.assert_allclose(
            plan(u, stiffness).toarray(), dd.jacobian(springs)(u, stiffness), rtol=1e-14
        )


def test_replayed_plan_takes_keywords_containers_and_plain_numbers():
    def f(t, p, *, c):
        return t * p["x"] ** 2 + c

    plan = sparse.jacobian(f, argnums=1, replay=True)
    for t in (1.0, np.float64(3), 0.5):
        np.testing.assert_array_equal(plan(t, {"x": X}, c=2.0).diagonal(), 2 * t * X)


def test_replayed_plan_does_not_run_the_function():
    runs = []

    def f(x):
        runs.append(1)
        return np.tanh(x) * x[::-1]

    plan = sparse.prepare_jacobian(f, X, replay=True)
    before = len(runs)
    plan(2 * X)
    assert len(runs) == before
    assert "replayed: " in str(plan.report()) and plan.report().steps > 3


@pytest.mark.parametrize("partition", ["star", "acyclic"])
def test_replayed_hessian_is_symmetric_and_right(partition):
    def energy(x):
        return np.sum(np.exp(x[1:] * x[:-1])) + np.prod(x[:2])

    plan = sparse.prepare_hessian(energy, X, partition=partition, replay=True)
    for x in (X, X / 2, X[::-1].copy()):
        found = plan(x)
        np.testing.assert_allclose(found.toarray(), dd.hessian(energy)(x), rtol=1e-12, atol=1e-12)
        assert (found != found.T).nnz == 0


@pytest.mark.parametrize("chunk_size", [1, 2, None])
def test_chunks_of_a_replayed_plan(chunk_size):
    plan = sparse.prepare_jacobian(np.cumsum, X, chunk_size=chunk_size, replay=True)
    np.testing.assert_array_equal(plan(X).toarray(), np.tri(4))


def test_replay_refuses_a_function_that_branches():
    with pytest.raises(ControlFlowError, match="Leave replay=True away"):
        sparse.prepare_jacobian(lambda x: x if x[0] > 0 else -x, X, replay=True)


def test_replay_of_something_that_changes_is_found_when_it_is_prepared():
    """A function that is another one at each call cannot be recorded, which the probe nearby finds."""
    calls = []

    def f(x):
        calls.append(1)
        return x * len(calls)

    with pytest.raises(GradientMismatch, match="what was recorded of f"):
        sparse.prepare_jacobian(f, X, replay=True)


def test_what_a_recorded_function_closes_over_stays_what_it_was():
    scale = [2.0]
    plan = sparse.prepare_jacobian(lambda x: scale[0] * x, X, replay=True)
    scale[0] = 3.0
    np.testing.assert_array_equal(plan(X).diagonal(), [2.0] * 4)
