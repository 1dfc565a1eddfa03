"""`python -m dualdiff`: the report, what it refuses and how, and the small language of formulas."""

import math
import subprocess
import sys

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.__main__ import main
from dualdiff.expression import FUNCTIONS, Expression, ExpressionError, names_in
from dualdiff.modes.count import CountLevel

BAYDIN = "log(x1) + x1*x2 - sin(x2)"
METHODS = ("forward mode", "reverse mode", "finite differences")


def read_report(text):
    """{row name: {method: cell}}, split at the columns where the header's names begin."""
    lines = text.splitlines()
    top = next(k for k, line in enumerate(lines) if METHODS[0] in line)
    starts = [lines[top].index(method) for method in METHODS]
    ends = [*starts[1:], None]
    rows = {}
    for line in lines[top + 1 : lines.index("", top)]:
        cells = [line[a:b].strip() for a, b in zip(starts, ends, strict=True)]
        rows[line[: starts[0]].strip()] = dict(zip(METHODS, cells, strict=True))
    return rows


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "dualdiff", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


# -------------------------------------------------- the report
def test_command_prints_baydins_example():
    done = run(BAYDIN, "x1=2", "x2=5")
    assert (done.returncode, done.stderr) == (0, "")
    value = float(done.stdout.splitlines()[1].partition(" = ")[2])
    assert value == pytest.approx(11.652071455223084, rel=1e-15)
    rows = read_report(done.stdout)
    for method in METHODS:
        rel = 1e-9 if method == "finite differences" else 1e-15
        assert float(rows["df/dx1"][method]) == pytest.approx(5.5, rel=rel)
        assert float(rows["df/dx2"][method]) == pytest.approx(1.7163378145367738, rel=rel)


def read_comparison(text):
    """{mode: (sweeps, ops, multiplications)} of the last table."""
    lines = text.splitlines()
    top = next(k for k, line in enumerate(lines) if line.startswith("mode "))
    rows = [line.split("  ") for line in lines[top + 1 : lines.index("", top)]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {row[0]: (row[1], int(row[2]), int(row[3])) for row in cells}


def test_report_counts_sweeps(capsys):
    assert main([BAYDIN, "x1=2", "x2=5"]) == 0
    found = read_comparison(capsys.readouterr().out)
    assert {mode: row[0] for mode, row in found.items()} == {
        "forward": "2 forward",
        "forward, batched": "1 forward of 2 lanes",
        "reverse": "1 forward, 1 backward",
        "finite differences": "8 runs of f",
    }


def test_report_counts_the_ops_of_a_product_as_by_hand(capsys):
    """x*y forward: the product, two multiplications by tangents, one sum, for each of two seeds; reverse: the
    product and two multiplications by the cotangent; differences: the product, eight times."""
    main(["x*y", "x=3", "y=4"])
    found = read_comparison(capsys.readouterr().out)
    assert {mode: row[1:] for mode, row in found.items() if mode != "forward, batched"} == {
        "forward": (8, 6),
        "reverse": (3, 3),
        "finite differences": (8, 8),
    }


def test_report_follows_the_order_of_the_values(capsys):
    main([BAYDIN, "x2=5", "x1=2"])
    assert list(read_report(capsys.readouterr().out))[:2] == ["df/dx2", "df/dx1"]


def test_table_is_aligned(capsys):
    main(["a*b*c", "a=1.25", "b=123456.75", "c=-0.001"])
    out = capsys.readouterr().out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert all(cell for row in read_report(out).values() for cell in row.values())


@pytest.mark.parametrize("formula", ["-x**2", "-x", "- x + 1", "(-x)"])
def test_formula_may_begin_with_a_minus(formula, capsys):
    assert main([formula, "x=-3"]) == 0
    row = read_report(capsys.readouterr().out)["df/dx"]
    assert float(row["reverse mode"]) == (6 if "**" in formula else -1)


@pytest.mark.parametrize(
    "formula, value, part", [("log(x)", -1, "log(x) is nan"), ("3 + sqrt(x - 2)", 1, "sqrt")]
)
def test_outside_the_domain_everything_is_nan_with_a_note(formula, value, part):
    done = run(formula, f"x={value}")
    assert (done.returncode, done.stderr) == (0, "")
    assert any(line.startswith("note: ") and part in line for line in done.stdout.splitlines())
    assert set(read_report(done.stdout)["df/dx"].values()) == {"nan"}


@pytest.mark.parametrize("formula, value", [("exp(x)", 1000), ("1/x", 0), ("1/exp(x)", 1000)])
def test_beyond_the_range_there_is_a_note_and_no_warning(formula, value, capsys):
    assert main([formula, f"x={value}"]) == 0
    assert "note: " in capsys.readouterr().out


def test_report_shows_both_traces(capsys):
    main([BAYDIN, "x1=2", "x2=5"])
    lines = capsys.readouterr().out.splitlines()
    rows = {line.partition("  ")[0]: line.split() for line in lines}
    assert rows["v5 = v4 - v3"][-3:] == ["5.5", "1.71634", "1"]
    assert rows["v0_bar = v0_bar + v2_bar * v-1"][-1] == "1.71634"
    assert rows["v-1_bar = v-1_bar + v1_bar / v-1"][-1] == "5.5"


def test_time_measures_as_well(capsys):
    assert main(["x*y", "x=3", "y=4", "--time"]) == 0
    assert "peak bytes" in capsys.readouterr().out


# -------------------------------------------------- functions of files
MODEL = """
import numpy as np

def loss(x, scale=2.0):
    return scale * np.sum(x**2)

def failing(x):
    raise RuntimeError("no\\nluck")

def by_keyword(*, x):
    return x

number = 3
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


def test_function_of_a_file_is_differentiated(model, capsys):
    assert main(["--python", f"{model}:loss", "scale=3", "x=[1,2]"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "loss([1, 2], 3) = 15.0"
    rows = {line.split()[0]: line for line in lines if line.startswith("dloss")}
    assert rows["dloss/dx"].count("[6, 12]") >= 2 and rows["dloss/dscale"].count("5.0") >= 2


BAD_FILES = {
    "no function": ["model.py:nothing", "x=1"],
    "no callable": ["model.py:number", "x=1"],
    "no file": ["other.py:loss", "x=1"],
    "no colon": ["model.py", "x=1"],
    "no argument": ["model.py:loss"],
    "unknown argument": ["model.py:loss", "x=1", "z=1"],
    "twice": ["model.py:loss", "x=1", "x=1"],
    "no value": ["model.py:loss", "x"],
    "word for a value": ["model.py:loss", "x=one"],
    "code for a value": ["model.py:loss", "x=__import__('os').getpid()"],
    "ragged lists": ["model.py:loss", "x=[[1],[2,3]]"],
    "nan": ["model.py:loss", "x=[1e999]"],
    "raises": ["model.py:failing", "x=1"],
    "keyword alone": ["model.py:by_keyword", "x=1"],
}


@pytest.mark.parametrize("arguments", BAD_FILES.values(), ids=BAD_FILES)
def test_function_of_a_file_that_cannot_be_had_is_one_line_and_status_2(
    arguments, model, capsys, monkeypatch
):
    monkeypatch.chdir(model.parent)
    with pytest.raises(SystemExit) as stop:
        main(["--python", *arguments])
    written = capsys.readouterr()
    assert (stop.value.code, written.out) == (2, "")
    assert written.err.startswith("dualdiff: error: ") and written.err.count("\n") == 1


def test_help_lists_the_functions(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    words = capsys.readouterr().out.split()
    assert stop.value.code == 0
    assert {"sin", "tanh", "arctan2"} <= set(words)


# -------------------------------------------------- what is refused
REFUSED = {
    "nothing": [],
    "empty": ["", "x=1"],
    "blank": ["   ", "x=1"],
    "import": ["__import__('os').system('true')", "x=1"],
    "call of import": ["__import__('os')"],
    "attribute": ["x.real", "x=1"],
    "attribute of a call": ["sin(x).__class__", "x=1"],
    "index": ["x[0]", "x=1"],
    "lambda": ["(lambda: x)()", "x=1"],
    "comprehension": ["[x for x in x]", "x=1"],
    "condition": ["x if x else 1", "x=1"],
    "comparison": ["x < 2", "x=1"],
    "assignment": ["(y := x)", "x=1"],
    "statement": ["x; x", "x=1"],
    "two lines": ["x\nx", "x=1"],
    "string": ["'x'", "x=1"],
    "f-string": ["f'{x}'", "x=1"],
    "complex constant": ["2j*x", "x=1"],
    "boolean": ["True*x", "x=1"],
    "unknown function": ["foo(x)", "x=1"],
    "call of a variable": ["x(2)", "x=1"],
    "function without call": ["sin", "x=1"],
    "keyword": ["sin(x=x)", "x=1"],
    "star": ["hypot(*x)", "x=1"],
    "two arguments": ["sin(x, x)", "x=1"],
    "no argument": ["sin()", "x=1"],
    "caret": ["x^2", "x=1"],
    "floor division": ["x//2", "x=1"],
    "matrix product": ["x@x", "x=1"],
    "bits": ["~x", "x=1"],
    "tower": ["9**9**9**9*x", "x=1"],
    "huge exponent": ["x**100000", "x=1"],
    "huge negative exponent": ["x**-(10**5)", "x=1"],
    "huge number": ["1e999*x", "x=1"],
    "huge integer": ["9" * 400 + "*x", "x=1"],
    "unbalanced": ["sin(x", "x=1"],
    "not ASCII": ["π*x", "x=1"],
    "too long": ["x+" * 1500 + "x", "x=1"],
    "too deep": ["+".join("x" * 500), "x=1"],
    "too deep for the parser": ["(" * 900 + "x" + ")" * 900, "x=1"],
    "many signs": ["(" + "-" * 1900 + "x)", "x=1"],
    "missing value": ["x*y", "x=1"],
    "repeated value": ["x", "x=1", "x=1"],
    "idle value": ["x", "x=1", "y=1"],
    "no variable": ["2*pi"],
    "no equals": ["x", "x"],
    "no number": ["x", "x="],
    "word for a number": ["x", "x=two"],
    "formula for a number": ["x", "x=1+1"],
    "no name": ["x", "=1"],
    "no identifier": ["x", "1x=1"],
    "two equals": ["x", "x=1=2"],
    "complex value": ["x", "x=1j"],
    "nan value": ["x", "x=nan"],
    "infinite value": ["x", "x=inf"],
    "overflowing value": ["x", "x=1e400"],
    "constant as a variable": ["pi*e", "e=1"],
    "function as a variable": ["sin", "sin=1"],
    "unknown option": ["--eval", "x", "x=1"],
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_refused_input_is_one_line_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    written = capsys.readouterr()
    assert (stop.value.code, written.out) == (2, "")
    assert written.err.startswith("dualdiff: error: ")
    assert written.err.count("\n") == 1
    assert len(written.err) < 300


@pytest.mark.parametrize("arguments", [["__import__('os')"], ["9**9**9**9", "x=1"], ["x", "x=nan"]])
def test_refused_input_shows_no_traceback(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_null_byte_is_refused():
    with pytest.raises(ExpressionError):
        Expression("x\0", ["x"])


# -------------------------------------------------- the language
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_numpy_value_and_a_gradient_in_both_modes(name):
    f = FUNCTIONS[name]
    variables = ["x", "y"][: f.nin]
    formula = Expression(f"{name}({', '.join(variables)})", variables)
    point = [1.25, 0.75] if f.nin == 2 else [1.25 if name == "arccosh" else 0.6]
    assert formula(*point) == f(*point)
    argnums = tuple(range(f.nin))
    forward = dd.grad(formula, argnums, mode="forward")(*point)
    reverse = dd.grad(formula, argnums, mode="reverse")(*point)
    h = 1e-6
    for i in argnums:
        ahead, behind = list(point), list(point)
        ahead[i] += h
        behind[i] -= h
        slope = (f(*ahead) - f(*behind)) / (2 * h)
        assert forward[i] == pytest.approx(slope, rel=1e-7, abs=1e-9)
        assert reverse[i] == pytest.approx(slope, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    "text, value",
    [
        ("1 + 2*x**2", 19),
        ("-x**2", -9),
        ("2**-x", 0.125),
        ("(x - 1)*-(x + 1)/4", -2),
        ("x % 2", 1),
        ("+x", 3),
        ("2**3**2 - x", 509),
        ("x - 1 - 1", 1),
        ("cos(pi)*x", -3),
        ("log(e**x)", 3),
        ("1e3*x", 3000),
        ("  x  ", 3),
    ],
)
def test_formulas_have_the_precedence_of_python(text, value):
    assert Expression(text, ["x"])(np.float64(3)) == pytest.approx(value, rel=1e-15)


def test_names_come_in_order_of_appearance_without_constants_and_functions():
    assert names_in("sin(b)*a + pi*b - e") == ["b", "a"]


def test_the_deepest_accepted_formula_can_be_run_and_differentiated(capsys):
    assert main(["+".join("x" * 150), "x=1"]) == 0
    assert float(read_report(capsys.readouterr().out)["df/dx"]["reverse mode"]) == 150


# -------------------------------------------------- counting
def test_counting_changes_no_value_and_counts_every_op():
    f = Expression(BAYDIN, ["x1", "x2"])
    level = CountLevel()
    y = f(level.watch(2.0), level.watch(5.0))
    assert y.value == f(np.float64(2), np.float64(5))
    assert level.applied == {"log": 1, "multiply": 1, "add": 1, "sin": 1, "subtract": 1}


def test_counting_follows_comparisons_and_branches():
    level = CountLevel()
    y = dd.grad(lambda x: x * x if x > 0 else -x)(level.watch(-2.0))
    assert float(getattr(y, "value", y)) == -1.0


def test_counting_lets_plain_results_be_converted():
    def f(x):
        n = np.floor(x)
        return x * float(n) * n.item() * n.tolist() * np.array([n, complex(n).real])[1]

    level = CountLevel()
    assert float(dd.grad(f)(level.watch(2.5))) == dd.grad(f)(2.5) == 16.0


def test_counting_counts_an_op_with_two_outputs_once():
    level = CountLevel()
    fraction, whole = np.modf(level.watch(math.pi))
    assert (float(whole.value), level.total) == (3.0, 1)
    assert fraction.value == pytest.approx(math.pi - 3)
