"""compare_modes: counts that can be done by hand, agreement of the modes, what auto takes, the plot."""

import math
import sys

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.core import OPS
from dualdiff.errors import InputTypeError
from dualdiff.modes.count import CountLevel

MODES = ["forward", "forward, batched", "reverse", "reverse, batched", "sparse", "finite differences"]


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def counted(f, *args, **options):
    return dd.compare_modes(f, *args, timed=False, **options)


# -------------------------------------------------- counts
def test_two_forward_sweeps_against_one_reverse_sweep():
    found = counted(baydin, 2.0, 5.0)
    assert (found.inputs, found.outputs, found.ops, found.multiplications) == (2, 1, 5, 1)
    assert found["forward"].sweeps == "2 forward"
    assert found["reverse"].sweeps == "1 forward, 1 backward"
    assert found["reverse"].ops < found["forward"].ops


def test_counts_of_a_sum_of_squares_by_hand():
    """x * x and a sum. Forward, a sweep: the two; x_dot * x twice, their sum, the sum: 6 ops, 3 n products.
    Reverse: the two; the copies of y_bar; y_bar * x twice, their sum."""
    n = 5
    found = counted(lambda x: np.sum(x * x), np.arange(1.0, n + 1))
    assert (found["forward"].ops, found["forward"].multiplications) == (n * 6, n * 3 * n)
    assert found["reverse"].multiplications == 3 * n
    assert found["finite differences"].ops == 4 * n * 2


def test_batched_sweep_computes_f_once():
    n = 5
    found = counted(lambda x: np.sum(x * x), np.arange(1.0, n + 1))
    assert found["forward, batched"].multiplications == n + 2 * n * n
    assert found["forward, batched"].ops < found["forward"].ops / 2


def test_counting_products():
    level = CountLevel()
    a, b = level.watch(np.ones((2, 3))), level.watch(np.ones((3, 4)))
    (a @ b) / 2.0
    assert level.multiplications == 2 * 3 * 4 + 8
    np.einsum("ij,jk->ik", a, b)
    assert level.multiplications == 2 * 24 + 8
    np.sin(a) + 1.0
    assert level.multiplications == 2 * 24 + 8
    np.prod(a)
    assert level.multiplications == 2 * 24 + 8 + 5


def test_everything_counted_is_the_same_every_time():
    assert str(counted(baydin, 2.0, 5.0)) == str(counted(baydin, 2.0, 5.0))


# -------------------------------------------------- agreement
FUNCTIONS = {
    "baydin": (baydin, (2.0, 5.0)),
    "layer": (lambda w, x: np.tanh(w @ x), (np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]]), np.ones(2))),
    "curve": (lambda t: np.stack([np.exp(t), np.sin(t), t]), (0.3,)),
    "containers": (lambda p: {"a": p["x"] ** 2, "b": np.sum(p["y"])}, ({"x": 3.0, "y": np.ones(3)},)),
    "many inputs": (lambda x: np.sum(np.sin(x)), (np.linspace(0, 1, 200),)),
    "many outputs": (lambda t: np.sin(t * np.linspace(0, 1, 200)), (0.3,)),
    "matrix": (lambda x: np.linalg.inv(x), (np.array([[2.0, 0.5], [0.3, 1.0]]),)),
    "a constant beside": (lambda x: (x * x, 3), (2.0,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_modes_agree_and_differences_come_near(name):
    f, args = FUNCTIONS[name]
    found = counted(f, *args)
    assert found.disagreement < 1e-14 and found.differences < 1e-9
    assert [run.mode for run in found.runs] == [
        mode for mode in MODES if mode in {r.mode for r in found.runs}
    ]
    assert all(run.peak is run.seconds is run.ratio is None for run in found.runs)


def test_a_wrong_derivative_is_seen():
    wrong = dd.elementwise(lambda x: x**3, lambda _y, x: 3.1 * x * x, name="wrong_cube")
    found = counted(wrong, 2.0)
    del OPS["wrong_cube"]
    assert found.differences == pytest.approx(0.1 / 3.1, rel=1e-6) and found.disagreement < 1e-14


def test_many_sweeps_are_sampled():
    found = dd.compare_modes(*FUNCTIONS["many inputs"][:1], *FUNCTIONS["many inputs"][1])
    assert found["forward"].sampled and not found["reverse"].sampled
    assert found["forward"].sweeps == "200 forward" and "~" in str(found)


def test_sparse_row_where_few_colours_do():
    pytest.importorskip("scipy")
    found = counted(lambda x: np.diff(x) ** 2, np.arange(1.0, 30.0))
    assert found["sparse"].sweeps == "1 forward of 2 lanes" and found["sparse"].disagreement < 1e-14
    assert "sparse" not in {run.mode for run in counted(lambda x: x @ np.ones((4, 4)), np.ones(4)).runs}


# -------------------------------------------------- what is measured
def test_time_and_memory_are_measured():
    found = dd.compare_modes(lambda x: np.sum(np.sin(x) * x), np.linspace(0, 1, 1000))
    for run in found.runs:
        assert run.seconds > 0 and run.ratio == pytest.approx(run.seconds / found.seconds) and run.peak > 0
    assert found["forward, batched"].peak > 1000 * 1000 * 8 > found["reverse"].peak


def test_arguments_that_the_function_writes_to_stay_as_they_were():
    def f(x):
        x[0] = 7.0
        return np.sum(x * x)

    x = np.arange(3.0)
    found = dd.compare_modes(f, x)
    np.testing.assert_array_equal(x, np.arange(3.0))
    assert found.disagreement < 1e-14 and found.differences < 1e-9


def test_auto_and_its_reason_come_from_explain_mode():
    found = counted(baydin, 2.0, 5.0)
    assert found.choice == dd.explain_mode(baydin, 2.0, 5.0, argnums=(0, 1))
    assert "auto takes reverse mode: there are fewer outputs than inputs." in str(found)


def test_argnums_selects():
    found = counted(baydin, 2.0, 5.0, argnums=1)
    assert found.inputs == 1 and found["forward"].sweeps == "1 forward"


def test_forms():
    found = counted(baydin, 2.0, 5.0)
    assert found.to_markdown().count("\n| ") == 2 + len(found.runs)
    assert found._repr_html_().count("<tr>") == 1 + len(found.runs)
    assert "time" not in str(found)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dd.compare_modes(3, 1.0),
        lambda: dd.compare_modes(np.sin, 1j),
        lambda: dd.compare_modes(lambda x: x * 1j, 1.0),
        lambda: dd.compare_modes(np.sin, np.ones(0)),
        lambda: dd.compare_modes(np.sin, "x"),
    ],
)
def test_wrong_arguments_are_refused(call):
    with pytest.raises(InputTypeError):
        call()


# -------------------------------------------------- the plot
def test_plot_shows_both_modes_against_inputs_and_outputs():
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    matplotlib.use("Agg")
    figure = dd.compare_modes(baydin, 2.0, 5.0).plot()
    left, right = figure.axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("number of inputs", "number of outputs")
    assert [line.get_label() for line in left.lines][:2] == ["forward", "reverse"]
    counts, cost = left.lines[0].get_data()
    assert cost[-1] / cost[0] == pytest.approx(counts[-1] / counts[0])


def test_plot_without_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"dualdiff\[plot\]"):
        dd.compare_modes(baydin, 2.0, 5.0).plot()


def test_plot_needs_times():
    with pytest.raises(InputTypeError):
        counted(baydin, 2.0, 5.0).plot(axes=[None, None])


def test_report_has_the_derivatives_in_three_ways():
    found = dd.teach.report(baydin, 2.0, 5.0, timed=False)
    names = [row.name for row in found.derivatives]
    assert names == ["dbaydin/dx1", "dbaydin/dx2"]
    for row, slope in zip(found.derivatives, (5.5, 5 * 0 + 2 - math.cos(5)), strict=True):
        assert row.found[0] == row.found[1] == pytest.approx(slope, rel=1e-15)
        assert row.found[2] == pytest.approx(slope, rel=1e-10)
    assert found.graph is found.graph and len(found.graph.nodes) == 8
    assert str(found).startswith("baydin(2, 5) = 11.652071455223084\n")


def test_report_differentiates_the_function_and_not_its_recording():
    def f(x):  # what is converted is a constant to the modes; finite differences see that it is none
        return x * float(dd.stop_gradient(x))

    (row,) = dd.teach.report(f, 3.0, timed=False).derivatives
    assert row.found[:2] == (3.0, 3.0) and row.found[2] == pytest.approx(6.0, rel=1e-9)
