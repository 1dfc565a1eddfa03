"""Every example runs, and main() returns the numbers that its docstring promises."""

import re
import runpy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def numbers():
    """The numbers of an example by its file name, each script run once."""
    found = {}

    def of(name):
        if name not in found:
            found[name] = runpy.run_path(str(EXAMPLES / name))["main"]()
        return found[name]

    return of


def read_exactly(name):
    rows = (EXAMPLES / "data" / name).read_text().splitlines()[1:]
    return [[Fraction(number) for number in row.split(",")] for row in rows]


def solve_exactly(matrix, right):
    """Gauss-Jordan elimination in rational arithmetic."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for k in range(len(rows)):
            if k != i:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[-1] for row in rows]


# -------------------------------------------------- the data are the certified data
def test_longley_data_give_the_certified_coefficients_exactly():
    table = read_exactly("longley.csv")
    design, y = [[Fraction(1), *row[1:]] for row in table], [row[0] for row in table]
    columns = list(zip(*design, strict=True))
    normal = [[sum(a * b for a, b in zip(u, v, strict=True)) for u in columns] for v in columns]
    right = [sum(a * b for a, b in zip(u, y, strict=True)) for u in columns]
    found = solve_exactly(normal, right)
    certified = (
        "-3482258.63459582 15.0618722713733 -0.0358191792925910 -2.02022980381683 "
        "-1.03322686717359 -0.0511041056535807 1829.15146461355"
    )
    assert len(table) == 16
    for value, digits in zip(found, certified.split(), strict=True):
        half_a_unit = Fraction(1, 2 * 10 ** len(digits.partition(".")[2]))
        assert abs(value - Fraction(digits)) <= half_a_unit


def test_misra1a_data_give_the_certified_sum_of_squares():
    table = read_exactly("misra1a.csv")
    y, x = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    residuals = y - 2.3894212918e02 * (1 - np.exp(-5.5015643181e-04 * x))
    assert len(table) == 14
    assert np.sum(residuals**2) == pytest.approx(1.2455138894e-01, rel=5e-11)


# -------------------------------------------------- the examples
def test_longley_fit_is_the_certified_one(numbers):
    found = numbers("01_longley.py")
    assert found["largest relative error"] < 1e-12
    assert found["loss"] == pytest.approx(836424.055505915, rel=1e-13)


def test_longley_modes_agree(numbers):
    found = numbers("01_longley.py")
    assert found["gradients differ by"] < 1e-13
    assert found["Hessians differ by"] < 1e-12


def test_misra1a_fit_is_the_certified_one(numbers):
    found = numbers("02_misra1a.py")
    assert found["largest relative error"] < 5e-11  # the certified values have 11 digits
    assert found["sum of squares"] == pytest.approx(1.2455138894e-01, rel=5e-11)
    assert found["steps"] == 10


def test_misra1a_modes_agree(numbers):
    assert numbers("02_misra1a.py")["modes differ by"] < 1e-12


def test_brusselator_jacobian_is_exact_from_ten_seeds(numbers):
    pytest.importorskip("scipy")
    found = numbers("04_brusselator.py")
    assert (found["unknowns"], found["entries"], found["seeds"]) == (512, 12 * 16**2, 10)
    assert found["differs from dense by"] < 1e-11
    assert found["by differences differs"] < 1e-4  # two runs of an adaptive solver
    assert found["mean of u at the end"] == pytest.approx(0.476271, abs=1e-5)


def test_bundle_adjustment_finds_what_the_cameras_saw(numbers):
    pytest.importorskip("scipy")
    found = numbers("05_bundle_adjustment.py")
    assert found["shape"] == (240, 134) and found["entries"] == 240 * 13 and found["seeds"] == 13
    assert found["sum of squares found"] < 1e-9 < 1e-2 < found["sum of squares at first"]


def test_minimal_surface_of_both_solvers_is_the_same(numbers):
    pytest.importorskip("scipy")
    found = numbers("06_minimal_surface.py")
    assert found["slope left"] < 1e-9 and found["slope left by Newton"] < 1e-12
    assert found["films differ by"] < 1e-8
    assert found["area"] == pytest.approx(1.846548859799855, rel=1e-12)


def test_rosenbrock_hessian_is_the_known_one(numbers):
    pytest.importorskip("scipy")
    found = numbers("07_rosenbrock_hessian.py")
    assert (found["colours, star"], found["colours, acyclic"], found["asymmetric entries"]) == (3, 2, 0)
    assert found["diagonal differs by"] < 1e-11 and found["off it"] < 1e-12
    assert found["star and acyclic differ by"] < 1e-9
    assert found["distance from the minimum"] < 1e-12


def test_gaussian_mixture_is_where_em_stands_still(numbers):
    pytest.importorskip("scipy")
    found = numbers("08_gaussian_mixture.py")
    assert found["EM moves a share by"] < 1e-6 and found["EM moves a mean by"] < 1e-6
    np.testing.assert_allclose(found["means"], [[0, 0], [3, 1]], atol=0.15)  # of 200 and 100 points


def test_lstm_learns_to_repeat(numbers):
    found = numbers("09_lstm.py")
    assert found["bits right"] == 1 and found["loss"] < 0.05 < np.log(2) / 2 < found["loss at first"]
    assert found["modes differ by"] < 1e-12


def test_modes_compared_pay_for_inputs_or_for_outputs(numbers):
    found = numbers("10_modes_compared.py")
    assert found["40 in, 1 out: auto takes"] == "reverse" and found["1 in, 40 out: auto takes"] == "forward"
    assert found["40 in, 1 out: ops forward"] > 10 * found["40 in, 1 out: ops reverse"]
    assert found["1 in, 40 out: ops reverse"] > 10 * found["1 in, 40 out: ops forward"]
    assert all(v < 1e-13 for name, v in found.items() if name.endswith("modes differ by"))
    assert all(v < 1e-9 for name, v in found.items() if name.endswith("differences by"))
    orders = [found[f"bottleneck, multiplications {order}"] for order in ("forward", "reverse", "markowitz")]
    assert orders == [40, 40, 28]


def test_implicit_function_has_the_derivatives_of_its_loop(numbers):
    found = numbers("11_implicit_function.py")
    assert found.pop("residual") < 1e-10
    for difference in found.values():
        assert difference < 1e-11


def test_autograd_lesson_shows_what_pytorch_shows(numbers):
    found = {name: str(tensor) for name, tensor in numbers("03_autograd_lesson.py").items()}
    assert found == {
        "value of 2 x.x": "tensor(28., grad_fn=<MulBackward0>)",
        "its gradient": "tensor([ 0.,  4.,  8., 12.])",
        "gradient of the sum of squares": "tensor([0., 2., 4., 6.])",
        "gradient with u held fixed is u": "tensor(True)",
        "slope of the loop is d / a": "tensor(True)",
    }


# -------------------------------------------------- the folder
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_example_is_short_and_says_its_idea(script):
    text = script.read_text()
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 60


def test_every_example_is_in_the_table_and_has_a_test():
    names = {path.name for path in SCRIPTS}
    table = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"^\| \[(\w+\.py)\]", table, re.M)) == names
    assert set(re.findall(r'numbers\("(\w+\.py)"\)', Path(__file__).read_text())) == names
