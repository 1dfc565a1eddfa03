"""explain: what it says is what the record says, for every name of the registry."""

import numpy as np
import pytest

import dualdiff as dd
from dualdiff.core import FUNCTIONS, OPS
from dualdiff.errors import InputTypeError
from dualdiff.teach.explaining import names


def test_elementwise_op_in_words():
    found = dd.explain("tanh")
    assert found["formula"] == "y = tanh x" and found["partial"] == "dy/dx = 1 - y * y"
    assert found["forward"].startswith("y_dot = x_dot * (1 - y * y)") and found["reverse"].endswith("keeps y")
    assert found["domain"] == "reals" and found.op is OPS["tanh"]


@pytest.mark.parametrize(
    "name, partial, keeps",
    [
        ("multiply", "dz/dx = y, dz/dy = x", "x, y"),
        ("log", "dy/dx = 1 / x", "x"),
        ("add", "dz/dx = 1, dz/dy = 1", "nothing"),
        ("subtract", "dz/dx = 1, dz/dy = -1", "nothing"),
        ("divide", "dz/dx = 1 / y, dz/dy = -z / y", "z, y"),
        ("exp", "dy/dx = y", "y"),
        ("power", "dz/dx = y * x**(y - 1), dz/dy = z * ln x", "z, x, y"),
        ("maximum", "dz/dx by cases, dz/dy by cases", "z, x, y"),
    ],
)
def test_partials_and_what_is_kept(name, partial, keeps):
    found = dd.explain(name)
    assert found["partial"] == partial and found["reverse"].endswith(f"keeps {keeps}")


def test_linear_multilinear_and_general_ops():
    assert dd.explain("reshape_to")["reverse"].startswith("x_bar = reshape(y_bar,")
    assert dd.explain(OPS["matmul"])["forward"].startswith("y_dot = x1_dot @ x2 + x1 @ x2_dot")
    solve = dd.explain(OPS["solve"])
    assert solve["forward"].startswith("y_dot = solve(a, b_dot - a_dot @ y)")
    assert "b_bar = solve(a.T, y_bar)" in solve["reverse"] and "Giles" in solve["note"]


def test_kinks_and_sources_are_told():
    assert "1/2, 1/2 at a tie" in dd.explain("maximum")["note"]
    assert "0 at 0" in dd.explain("absolute")["note"]


def test_function_made_of_ops_says_so():
    found = dd.explain("np.cov")
    assert found.kind == "composite" and found.op is None and "matmul" in found.ops
    assert "made of ops" in found["kind"]


def test_function_around_one_op_has_its_record():
    found = dd.explain(np.linalg.det)
    assert found.ops == ["det"] and found["det: forward"].startswith("y_dot = sum(cofactors(a) * a_dot)")


def test_constant_op_has_no_derivative():
    found = dd.explain(np.floor)
    assert found.kind == "constant" and "forward" not in dict(found.lines)


@pytest.mark.parametrize("name", ["tanh", "np.tanh", "numpy.tanh", " tanh ", np.tanh, OPS["tanh"]])
def test_a_function_goes_by_all_its_names(name):
    assert dd.explain(name).op is OPS["tanh"]


def test_functions_of_scipy_by_name_and_by_themselves():
    special = pytest.importorskip("scipy.special")
    for name in ("scipy.special.erf", "special.erf", "erf", special.erf):
        assert dd.explain(name)["formula"] == "y = erf x"


def test_own_op_is_explained():
    half = dd.elementwise(lambda x: x / 2, 0.5, name="half_of", doc="Half.", source="Euclid.")
    try:
        found = dd.explain(half)
        assert found["partial"] == "dy/dx = 0.5" and found["note"] == "Half." and found["source"] == "Euclid."
    finally:
        del OPS["half_of"]


@pytest.mark.parametrize("name", sorted(set(names())))
def test_every_known_name_is_explained_in_lines(name):
    found = dd.explain(name)
    fields = dict(found.lines)
    assert "kind" in fields and all(
        text and "\n" not in text and "\x01" not in text for text in fields.values()
    )
    assert str(found).splitlines()[0] == name and len(str(found).splitlines()) == 1 + len(found.lines)


def test_every_function_of_the_registry_is_known():
    assert all(dd.explain(function).lines for function in FUNCTIONS if hasattr(function, "__name__"))


@pytest.mark.parametrize(
    "name, like", [("tahn", "tanh"), ("np.lnalg.solve", "linalg.solve"), ("reduce_sun", "reduce_sum")]
)
def test_unknown_name_gets_a_suggestion(name, like):
    with pytest.raises(InputTypeError, match=rf"Did you mean .*{like}"):
        dd.explain(name)


@pytest.mark.parametrize("thing", ["qqqqqq", len, 3, None, np.array([1.0]), [1, 2], ""])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(InputTypeError, match="explain knows no function"):
        dd.explain(thing)
