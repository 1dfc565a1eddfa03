"""What the library prints of the kinks of each op is what is tested, at the points its sentence names."""

import re
from pathlib import Path

import numpy as np
import pytest
from conventions import convention, each_way, hold

import dualdiff as dd
from dualdiff.core import OPS

nan, inf = np.nan, np.inf
PAGE = Path(__file__).parent.parent / "docs/reference/coverage.md"
FIRST = [[0.0, 2, 0, 0, 0], [0.0, 0, 1, 2, 0.5]]
EXTREME = "1/2, 1/2 at a tie; a NaN operand is the one selected."
PASSING = "1/2, 1/2 at a tie; the operand that is not NaN is the one selected; 0, 0 where both are NaN."
SAME_INFINITY = "1/2, 1/2 where both arguments are the same infinity."
TIES = ([1.0, nan, 1, nan], [1.0, 1, nan, nan])
INFINITIES = ([-inf, inf], [-inf, inf]), ([0.5, 0.5], [0.5, 0.5])
AT_ORIGIN = ([0.0], [0.0]), ([0], [0])
AT_0 = ([0.0, -0.0],), ([0, 0],)

# op -> (what is printed, arguments, for each the derivative there)
STATED = {
    "absolute": ("0 at 0, the least subgradient.", *AT_0),
    "fabs": ("0 at 0.", *AT_0),
    "sign_real": ("0 at 0.", *AT_0),
    "root": ("0 at 0, to every order: the length of a zero vector.", *AT_0),
    "power": (
        "0 for the base where the exponent is 0; 0 for the exponent at base 0 and exponent >= 0.",
        FIRST,
        ([0, 0, 1, 0, inf], [0, np.log(2), 0, 0, 0]),
    ),
    "logaddexp": (SAME_INFINITY, *INFINITIES),
    "logaddexp2": (SAME_INFINITY, *INFINITIES),
    "hypot": ("0, 0 at the origin.", *AT_ORIGIN),
    "arctan2": ("0, 0 at the origin.", *AT_ORIGIN),
    "maximum": (EXTREME, TIES, ([0.5, 1, 0, 0.5], [0.5, 0, 1, 0.5])),
    "minimum": (EXTREME, TIES, ([0.5, 1, 0, 0.5], [0.5, 0, 1, 0.5])),
    "fmax": (PASSING, TIES, ([0.5, 0, 1, 0], [0.5, 1, 0, 0])),
    "fmin": (PASSING, TIES, ([0.5, 0, 1, 0], [0.5, 1, 0, 0])),
    "copysign": ("0 at 0.", ([0.0, 0.0], [1.0, -1]), ([0, 0], [0, 0])),
    "heaviside": ("0 in x, also at x = 0.", ([0.0, 1], [0.5, 0.5]), ([0, 0], [1, 0])),
    "special.i0e": ("0 at 0.", *AT_0),
    "special.entr": ("inf at 0, the limit.", ([0.0],), ([inf],)),
    "special.xlogy": ("0, 0 at the origin.", *AT_ORIGIN),
    "special.xlog1py": ("0, 0 at (0, -1).", ([0.0], [-1.0]), ([0], [0])),
}
NAMES = [name for name in STATED if name in OPS]  # those of dualdiff.special where SciPy is installed
EACH = pytest.mark.parametrize("name", NAMES, ids=[f"GEN-6 {name}" for name in NAMES])


@convention("GEN-6")
def test_every_op_that_states_a_kink_is_tried_at_it():
    stated = {name: op.kink for name, op in OPS.items() if op.kink}
    assert stated == {name: STATED[name][0] for name in NAMES}


@EACH
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the function itself
@each_way
def test_derivative_at_the_kink_is_the_one_stated(name, way):
    _, xs, slopes = STATED[name]
    hold(way, OPS[name], xs, slopes)


@EACH
def test_kink_is_printed_for_one_op_and_on_the_page(name):
    words = STATED[name][0]
    assert words in str(dd.explain(name))
    ending = f".{name.rpartition('.')[2]}"
    rows = [row for row in dd.coverage().rows if row.kind == "elementwise" and row.name.endswith(ending)]
    assert rows or name in ("sign_real", "root")  # which no function of NumPy is
    for row in rows:
        assert row.kink == words
        assert re.search(rf"^\| `{re.escape(row.name)}` \|.*{re.escape(words)}", PAGE.read_text(), re.M)
