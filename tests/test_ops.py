"""Every op of the registry obeys every law, in every dtype that its domain yields; no op is named here."""

import pytest

from dualdiff.core import OPS
from dualdiff.testing.check import check_law, grid
from dualdiff.testing.laws import LAWS
from dualdiff.testing.samples import cases

GRID = grid(OPS.values())

# The laws that hold a promise for every op.
PROMISES = {
    "value_is_that_of_the_plain_call": "GEN-4",
    "tangent_has_shape_and_dtype_of_value": "DT-1",
    "cotangents_have_shapes_and_dtypes_of_primals": "DT-1",
    "pullback_is_adjoint_of_pushforward": "CPX-15",
    "four_nestings_agree": "HO-1",
    "second_derivative_is_difference_of_pullback": "HO-1",
    "batching_equals_loop": "VM-6",
    "layout_does_not_matter": "DT-13",
    "inputs_are_not_mutated": "ER-4",
    "single_precision_agrees_with_double": "DT-2 DT-6",
    "dtype_of_any_precision_is_kept": "DT-5",
}


@pytest.mark.parametrize(
    ("op", "law", "dtype"),
    GRID,
    ids=[f"{op.name}-{law}-{dtype} {PROMISES.get(law, '')}".strip() for op, law, dtype in GRID],
)
def test_op_obeys(op, law, dtype):
    check_law(op, law, dtype)


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_op_yields_cases_in_float64_or_complex128(op):
    assert cases(op, "float64") or cases(op, "complex128")


@pytest.mark.parametrize("law", list(LAWS))
def test_law_speaks_of_some_op(law):
    """A law whose condition excludes every op would pass in silence."""
    assert any(name == law for _, name, _ in GRID)
