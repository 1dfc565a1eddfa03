"""Every op of the registry obeys every law, in every dtype that its domain yields; no op is named here."""

import pytest

from dualdiff.core import OPS
from dualdiff.testing.check import check_law, grid
from dualdiff.testing.laws import LAWS
from dualdiff.testing.samples import cases

GRID = grid(OPS.values())


@pytest.mark.parametrize(
    ("op", "law", "dtype"), GRID, ids=[f"{op.name}-{law}-{dtype}" for op, law, dtype in GRID]
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
