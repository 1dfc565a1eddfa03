"""Evaluation traces: the tables of Baydin et al. (2018), and that every number is the one of the modes.

The goldens of the first section are the paper's tables 2 and 3 in full precision; every other trace is held
to jvp and vjp of the same function.
"""

import html.parser

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import teach
from dualdiff.core import OPS
from dualdiff.errors import InputTypeError, ShapeError, StructureError
from dualdiff.teach.words import Formula
from dualdiff.testing.samples import cases

COS5 = 0.28366218546322626
EXACT = {"rtol": 1e-15, "atol": 0}


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


# -------------------------------------------------- the tables of the paper
#    name, expression, value, rule of the tangent, tangent along x1, along x2
TABLE_2 = [
    ("v-1", "x1", 2, "x1_dot", 1, 0),
    ("v0", "x2", 5, "x2_dot", 0, 1),
    ("v1", "ln v-1", 0.69314718055994531, "v-1_dot / v-1", 0.5, 0),
    ("v2", "v-1 * v0", 10, "v-1_dot * v0 + v0_dot * v-1", 5, 2),
    ("v3", "sin v0", -0.95892427466313847, "v0_dot * cos v0", 0, COS5),
    ("v4", "v1 + v2", 10.693147180559945, "v1_dot + v2_dot", 5.5, 2),
    ("v5", "v4 - v3", 11.652071455223084, "v4_dot - v3_dot", 5.5, 1.7163378145367737),
    ("y", "v5", 11.652071455223084, "v5_dot", 5.5, 1.7163378145367737),
]
#    what is assigned, value
TABLE_3 = [
    ("v5_bar = y_bar", 1),
    ("v4_bar = v5_bar * 1", 1),
    ("v3_bar = v5_bar * (-1)", -1),
    ("v1_bar = v4_bar * 1", 1),
    ("v2_bar = v4_bar * 1", 1),
    ("v0_bar = v3_bar * cos v0", -COS5),
    ("v-1_bar = v2_bar * v0", 5),
    ("v0_bar = v0_bar + v2_bar * v-1", 1.7163378145367737),
    ("v-1_bar = v-1_bar + v1_bar / v-1", 5.5),
]


def test_forward_trace_is_table_2_of_baydin():
    rows = teach.trace_table(baydin, 2, 5).rows
    assert [(r.name, r.expression, r.rule) for r in rows] == [(r[0], r[1], r[3]) for r in TABLE_2]
    np.testing.assert_allclose([r.primal for r in rows], [r[2] for r in TABLE_2], **EXACT)
    np.testing.assert_allclose([r.tangents for r in rows], [r[4:] for r in TABLE_2], **EXACT)


def test_reverse_trace_is_table_3_of_baydin():
    table = teach.trace_table(baydin, 2, 5, mode="reverse")
    assert [step.line for step in table.steps] == [row[0] for row in TABLE_3]
    np.testing.assert_allclose([step.adjoint for step in table.steps], [row[1] for row in TABLE_3], **EXACT)
    assert [step.first for step in table.steps] == [True] * 7 + [False] * 2
    adjoints = {row.name: row.adjoint for row in table.rows}
    assert adjoints["v-1"] == 5.5 and adjoints["v2"] == 1
    np.testing.assert_allclose(adjoints["v0"], 1.7163378145367737, **EXACT)


def test_trace_of_both_modes_has_tangents_and_adjoints():
    table = teach.trace_table(baydin, 2, 5, mode="both")
    last = next(row for row in table.rows if row.name == "v5")
    np.testing.assert_allclose(last.tangents, TABLE_2[6][4:], **EXACT)
    assert last.adjoint == 1 and len(table.steps) == len(TABLE_3)


def test_gradient_takes_two_forward_sweeps_or_one_reverse_sweep():
    costs = teach.trace_table(baydin, 2, 5).costs
    assert {mode: cost.sweeps for mode, cost in costs.items()} == {"f": 1, "forward": 2, "reverse": 1}
    assert costs["f"].ops == 5 < costs["reverse"].ops < costs["forward"].ops


def test_order_run_is_that_of_python():
    rows = teach.trace_table(baydin, 2, 5, order="run").rows
    assert [row.expression for row in rows[2:]] == [
        "ln v-1",
        "v-1 * v0",
        "v1 + v2",
        "sin v0",
        "v3 - v4",
        "v5",
    ]


# -------------------------------------------------- forms
def test_text_shows_the_digits_of_the_paper():
    text = str(teach.trace_table(baydin, 2, 5, mode="both"))
    for digits in ("0.693147", "-0.958924", "10.6931", "11.6521", "1.71634", "-0.283662"):
        assert digits in text
    assert all(line == line.rstrip() for line in text.splitlines()) and text.isascii()


def test_markdown_has_one_width_in_every_table():
    text = teach.trace_table(baydin, 2, 5, mode="both").to_markdown()
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [len(table) for table in tables] == [2 + len(TABLE_2), 2 + len(TABLE_3)]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


class Tags(html.parser.HTMLParser):
    """Every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_has_subscripts_dots_and_bars():
    table = teach.trace_table(baydin, 2, 5, mode="both")
    text = table._repr_html_()
    tags = Tags(text).seen
    assert tags.count("tr") == 2 + len(TABLE_2) + len(TABLE_3)
    assert "<i>v</i><sub>-1</sub>" in text and "<i>v</i>&#775;<sub>1</sub>" in text
    assert "<i>v</i>&#772;<sub>5</sub>" in text and "&lt;" not in text


def test_html_escapes_what_the_user_wrote():
    def f(d):
        return d["<b>"] * 2

    text = teach.trace_table(f, {"<b>": 1.0}).to_html()
    assert "&lt;b&gt;" in text
    Tags(text)


# -------------------------------------------------- every op, every number
def op_cases(dtype):
    for op in OPS.values():
        for case in cases(op, dtype)[:2]:
            if case.active and all(np.size(x) for x in case.args):
                yield pytest.param(case, id=f"{op.name}-{dtype}-{case!r}"[:60])


@pytest.mark.parametrize("case", [*op_cases("float64"), *op_cases("complex128")])
def test_trace_of_an_op_has_the_numbers_of_the_modes(case):
    with np.errstate(all="ignore"):
        table = teach.trace_table(
            case.function, *case.primals, mode="both", seed=(given(tangents(case.primals)), None)
        )
        y, y_dot = dd.jvp(case.function, case.primals, tangents(case.primals))
        _, pullback = dd.vjp(case.function, *case.primals)
        bars = pullback(ones(y))
    outputs = [row for row in table.rows if row.kind == "output" and row.tangents]
    parts = y_dot if isinstance(y_dot, tuple) else (y_dot,)
    by_name = {str(row.name): row for row in outputs}
    for k, part in enumerate(parts):
        row = by_name.get(f"y[{k}]" if isinstance(y_dot, tuple) else "y")
        if row is not None:
            np.testing.assert_array_equal(row.tangent, part)
    inputs = [row for row in table.rows if row.kind == "input"]
    for row, bar in zip(inputs, bars, strict=True):
        np.testing.assert_array_equal(0 * bar if row.adjoint is None else row.adjoint, bar)
    for row in table.rows[: -len(outputs) or None]:
        arrived = [step for step in table.steps if step.target == row.name]
        if arrived:  # the running sums of the lines are those of the sweep
            np.testing.assert_array_equal(arrived[-1].adjoint, row.adjoint)
    assert str(table) and Tags(table.to_html())


def tangents(xs):
    return tuple(np.cos(np.arange(x.size)).reshape(x.shape).astype(x.dtype)[()] for x in xs)


def given(dots):
    return dots if len(dots) > 1 else dots[0]


def ones(y):
    kinds = y if isinstance(y, tuple) else (y,)
    bars = tuple(np.ones(p.shape, p.dtype if p.dtype.kind in "fc" else float)[()] for p in kinds)
    return bars if isinstance(y, tuple) else bars[0]


# -------------------------------------------------- programs
def test_arrays_show_shape_and_norm():
    rows = teach.trace_table(lambda x: x @ x, np.eye(3)).rows
    assert "(3, 3), norm 1.73205" in str(teach.trace_table(lambda x: x @ x, np.eye(3)))
    assert rows[1].expression == "v0 @ v0" and rows[1].rule == "v0_dot @ v0 + v0 @ v0_dot"


def test_containers_are_named_by_their_paths():
    def f(p, x):
        return {"a": p["w"] * x, "b": (p["b"][1],)}

    rows = teach.trace_table(f, {"w": 2.0, "b": [1.0, 3.0]}, 4.0).rows
    assert [r.expression for r in rows if r.kind == "input"] == ["p['b'][0]", "p['b'][1]", "p['w']", "x"]
    assert [(r.name, r.expression) for r in rows if r.kind == "output"] == [
        ("y['a']", "v1"),
        ("y['b'][0]", "v-2"),
    ]


def test_constants_are_known_by_their_names():
    matrix = np.arange(6.0).reshape(2, 3)

    def f(x, offset):
        return np.sum(matrix @ x + offset) * 2.5

    rows = teach.trace_table(f, np.ones(3), np.arange(9.0)[:2], wrt="x").rows
    assert [r.expression for r in rows[1:4]] == ["matrix @ v0", "v1 + offset", "sum(v2)"]
    assert rows[4].expression == "v3 * 2.5"


def test_control_flow_leaves_its_comparison_in_the_trace():
    def f(x):
        return x * x if x > 1 else -x

    rows = teach.trace_table(f, 3.0).rows
    steering = next(row for row in rows if row.kind == "constant")
    assert (steering.name, steering.expression, bool(steering.primal)) == ("c1", "v0 > 1", True)
    assert steering.tangents == () and steering.adjoint is None
    assert [r.expression for r in teach.trace_table(f, 0.5).rows if r.kind == "op"] == ["-v0"]


def test_a_mask_is_named_where_it_is_read():
    rows = teach.trace_table(lambda x: np.where(x > 0, x, 0.0), np.array([1.0, -1.0])).rows
    assert [r.expression for r in rows if r.kind != "input"][:2] == ["v0 > 0", "where(c1, v0, 0)"]


def test_several_outputs_of_an_op_have_a_row_each():
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    table = teach.trace_table(lambda a: np.linalg.eigh(a), a, mode="both")
    names = {str(row.expression): row for row in table.rows}
    pair = [row for text, row in names.items() if text.startswith("eigh(")]
    assert len(pair) == 2
    np.testing.assert_allclose(pair[0].primal, np.linalg.eigvalsh(a), rtol=1e-14)
    assert any(len(step.sources) == 2 for step in table.steps)  # the pullback reads both cotangents


def test_nested_derivative_is_traced_op_by_op():
    table = teach.trace_table(lambda x: dd.grad(lambda z: z**3)(x) * x, 2.0, mode="reverse")
    assert table.rows[0].adjoint == pytest.approx(36.0)  # d(3 x^3)/dx


def test_a_buffer_written_later_does_not_change_the_trace():
    def f(x):
        buffer = np.ones(3)
        y = x * buffer
        buffer[:] = 7.0
        return np.sum(y)

    table = teach.trace_table(f, np.arange(3.0), mode="reverse")
    np.testing.assert_array_equal(table.rows[0].adjoint, np.ones(3))


def test_writing_in_place_is_an_op_with_a_row():
    def f(x):
        y = x * 2
        y[0] = 5.0
        y += x
        return y

    table = teach.trace_table(f, np.arange(3.0), mode="reverse")
    assert [row.expression for row in table.rows[1:4]] == ["v0 * 2", "v1 with 5 at [0]", "v2 + v0"]
    assert "v1_bar = v2_bar with 0 at [0]" in [step.line for step in table.steps]
    np.testing.assert_array_equal(table.rows[0].adjoint, [1.0, 3.0, 3.0])


def test_batched_function_is_traced_once_for_all_examples():
    table = teach.trace_table(lambda x: np.sum(dd.vmap(lambda z: z * z)(x)), np.arange(5.0), mode="reverse")
    assert sum(row.op == "multiply" for row in table.rows) == 1
    np.testing.assert_array_equal(table.rows[0].adjoint, 2 * np.arange(5.0))


def test_values_without_a_derivative_can_be_converted():
    def f(x):
        n = int(np.floor(x))
        return x * float(np.floor(x)) + n

    assert teach.trace_table(f, 2.5).rows[-1].tangent == 2.0


def test_rows_that_do_not_reach_the_output_have_no_adjoint():
    def f(x):
        np.sin(x)
        return x * x

    rows = {str(row.expression): row for row in teach.trace_table(f, 2.0, mode="both").rows}
    assert rows["sin v0"].adjoint is None and rows["sin v0"].tangent == np.cos(2.0)


def test_result_that_depends_on_nothing():
    table = teach.trace_table(lambda x: 3.0, 1.0, mode="both")
    assert table.rows[-1].primal == 3 and table.steps == []
    assert str(table)


def test_broadcast_is_summed_in_the_line_of_the_sweep():
    table = teach.trace_table(lambda a, x: np.sum(a * x), 2.0, np.arange(3.0), mode="reverse")
    assert [s.line for s in table.steps][-2:] == ["v-1_bar = sum(v1_bar * v0)", "v0_bar = v1_bar * v-1"]


@pytest.mark.parametrize(
    "f, expression, rule",
    [
        (lambda x: x**2, "v0**2", "v0_dot * (2 * v0)"),
        (lambda x: (x + 1) * (x - 2), "v1 * v2", "v1_dot * v2 + v2_dot * v1"),
        (lambda x: np.exp(-x), "exp v1", "v1_dot * v2"),
        (lambda x: 1 / x, "1 / v0", "v0_dot * (-v1 / v0)"),
        (lambda x: np.arctan2(x, 2.0), "arctan2(v0, 2)", "v0_dot * (2 / hypot(2, v0) / hypot(2, v0))"),
        (lambda x: abs(x), "abs v0", "v0_dot * sign(v0)"),
        (lambda x: x - (x - 1), "v0 - v1", "v0_dot - v1_dot"),
        (lambda x: 3 - x, "3 - v0", "v0_dot * (-1)"),
        (lambda x: x * -2.0, "v0 * (-2)", "v0_dot * (-2)"),
        (lambda x: np.tanh(x), "tanh v0", "v0_dot * (1 - v1 * v1)"),
    ],
)
def test_formulas_read_as_one_would_write_them(f, expression, rule):
    row = teach.trace_table(f, 0.5).rows[-2]
    assert (row.expression, row.rule) == (expression, rule)


@pytest.mark.parametrize(
    "f, expression",
    [
        (lambda x: x[0], "v0[0]"),
        (lambda x: x[1:, None, 0], "v0[1:, None, 0]"),
        (lambda x: x[[0, 2]], "v0[[0, 2]]"),
        (lambda x: x.T, "v0.T"),
        (lambda x: x.reshape(2, 3), "reshape(v0, (2, 3))"),
        (lambda x: np.sum(x), "sum(v0)"),
        (lambda x: np.sum(x, axis=1), "sum(v0, axis=1)"),
        (lambda x: np.max(x, axis=0), "max(v0, axis=0)"),
        (lambda x: np.einsum("ij->j", x), "einsum('ij->j', v0)"),
        (lambda x: np.concatenate([x, x], axis=1), "concatenate([v0, v0], axis=1)"),
        (lambda x: np.cumsum(x, axis=0), "cumsum(v0, axis=0)"),
        (lambda x: x.astype(np.float32), "v0.astype(float32)"),
    ],
)
def test_calls_read_as_numpy_is_written(f, expression):
    assert teach.trace_table(f, np.arange(6.0).reshape(3, 2)).rows[-2].expression == expression


def test_a_long_rule_is_named_and_not_written_out():
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    rows = teach.trace_table(lambda a: np.linalg.eigh(a)[1], a).rows
    assert rows[-1].rule and rows[-2].rule.startswith("D eigh(")


# -------------------------------------------------- seeds, arguments, errors
def test_seed_is_the_tangent_in_the_structure_of_the_arguments():
    row = teach.trace_table(baydin, 2, 5, seed=(3.0, -1.0)).rows[-1]
    assert row.tangent == pytest.approx(3 * 5.5 - 1.7163378145367737, rel=1e-15)


def test_seed_of_reverse_mode_is_the_cotangent():
    table = teach.trace_table(lambda x: np.stack([x, x * x]), 3.0, mode="reverse", seed=np.array([1.0, 2.0]))
    assert table.rows[0].adjoint == 13.0


def test_many_inputs_have_one_direction():
    table = teach.trace_table(lambda x: np.sum(x * x), np.arange(5.0))
    assert table.directions == ["all ones"] and table.rows[-1].tangent == 20.0
    assert teach.trace_table(np.sum, np.arange(4.0)).directions == [f"a[{k}]" for k in range(4)]


def test_wrt_leaves_the_others_constant():
    table = teach.trace_table(lambda x, n: x**n, 3.0, 2, wrt=0)
    assert [str(row.name) for row in table.rows] == ["v0", "v1", "y"] and table.rows[-1].tangent == 6


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: teach.trace_table(3, 1.0), InputTypeError),
        (lambda: teach.trace_table(baydin), InputTypeError),
        (lambda: teach.trace_table(np.sin, "x"), InputTypeError),
        (lambda: teach.trace_table(np.sin, 1.0, mode="backward"), InputTypeError),
        (lambda: teach.trace_table(np.sin, 1.0, order="up"), InputTypeError),
        (lambda: teach.trace_table(np.sin, 1.0, wrt="z"), InputTypeError),
        (lambda: teach.trace_table(np.sin, 1.0, mode="both", seed=1.0), StructureError),
        (lambda: teach.trace_table(np.sin, 1.0, seed=np.ones(2)), ShapeError),
        (lambda: teach.trace_table(lambda x: None, 1.0), StructureError),
        (lambda: dd.grad(lambda x: teach.trace_table(np.sin, x).rows[-1].primal)(1.0), InputTypeError),
    ],
)
def test_wrong_arguments_are_refused(call, error):
    with pytest.raises(error):
        call()


def test_formula_is_a_string_that_knows_its_html():
    formula = teach.trace_table(baydin, 2, 5).rows[3].rule
    assert isinstance(formula, Formula) and formula == "v-1_dot * v0 + v0_dot * v-1"
    assert formula.to_html().count("<sub>") == 4 and "&middot;" in formula.to_html()
