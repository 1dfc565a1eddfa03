"""The table of covered functions: nothing of NumPy is undecided, and the reference page is up to date."""

import re
from pathlib import Path

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import covered
from dualdiff.core import FUNCTIONS
from dualdiff.errors import DualdiffError

PAGE = Path(__file__).parent.parent / "docs/reference/coverage.md"
TABLE = dd.coverage()


def test_no_function_of_numpy_is_undecided():
    """A function that a new NumPy brings gets a rule, or a reason in dualdiff/covered.py."""
    assert TABLE.undecided == []


def test_new_function_of_numpy_would_be_undecided(monkeypatch):
    monkeypatch.setattr(np, "brand_new", lambda x: x, raising=False)
    found = dd.coverage()
    assert found.undecided == ["np.brand_new"]
    assert "1 undecided" in found.summary() and "np.brand_new" not in str(found)


def test_every_function_of_the_registry_has_a_row():
    spelled = {}
    for module, members in covered.MODULES.items():
        for name in dir(members):
            spelled.setdefault(id(getattr(members, name)), f"{module}.{name}")
    rows = {row.name for row in TABLE.rows if row.covered}
    missing = [f.__name__ for f in FUNCTIONS if id(f) in spelled and spelled[id(f)] not in rows]
    assert missing == []


def test_no_decision_is_about_a_covered_function():
    names = {row.name.rpartition(".")[2] for row in TABLE.rows if row.covered}
    assert names & set(covered.DECIDED) == set()


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    ("name", "why"),
    [item for item in covered.DECIDED.items() if item[1].startswith("refused")],
)
def test_function_that_is_refused_raises_an_error(name, why):
    """Whatever it does with a tensor, no derivative is dropped."""
    function = getattr(np, name, None) or getattr(np.lib.stride_tricks, name)
    expected = (
        DualdiffError,
        TypeError,
        ValueError,
        AttributeError,
    )  # NumPy's own, where it asks for text or a file
    if not why.startswith("refused: text") and name not in (
        "frompyfunc",
        "isnat",
        "datetime_data",
        "nested_iters",
    ):
        expected = DualdiffError
    calls = {
        "busday_count": lambda x: function(x, x),
        "busday_offset": lambda x: function(x, x),
        "copyto": lambda x: function(np.zeros(3), x),
        "fill_diagonal": lambda x: function(x, 0.0),
        "fromiter": lambda x: function(x, float),
        "nested_iters": lambda x: function([x], [[0], [1]]),
        "fromregex": lambda x: function(x, "a", float),
        "place": lambda x: function(x, x > 0, 1.0),
        "put": lambda x: function(x, [0], 1.0),
        "put_along_axis": lambda x: function(x, np.array([0]), 1.0, 0),
        "putmask": lambda x: function(x, x > 0, 1.0),
        "frompyfunc": lambda x: function(abs, 1, 1)(x),
        "save": lambda x: function("never", x),
        "savetxt": lambda x: function("never", x),
        "savez": lambda x: function("never", x),
        "savez_compressed": lambda x: function("never", x),
        "bmat": lambda x: function([[x, x]]),
    }
    with pytest.raises(expected):
        dd.vjp(lambda x: calls.get(name, function)(x), np.array([1.0, 2.0, 3.0]))


def test_table_prints_its_count():
    text = str(TABLE)
    assert text.startswith("function") and f"{TABLE.covered} functions covered" in text
    assert re.search(r"^np\.linalg\.solve +composite +", text, re.M)
    assert re.search(r"^np\.sin +elementwise +one run +float32 float64 complex64 complex128$", text, re.M)
    assert TABLE.covered > 390  # without SciPy


def rows_of(text):
    return {m[1]: m[0] for m in re.finditer(r"^\| `([\w.]+)` \|.*$", text, re.M)}


def test_reference_page_is_up_to_date():
    """Row by row: another NumPy has other functions, which their page cannot know."""
    pytest.importorskip("scipy")
    written, made = rows_of(PAGE.read_text()), rows_of(covered.page())
    differ = [name for name in made.keys() & written.keys() if made[name] != written[name]]
    assert differ == [], "run: python -m dualdiff.covered > docs/reference/coverage.md"
    if np.__version__.startswith("2.4"):  # the version that it was made with
        assert PAGE.read_text() == covered.page()


def test_sections_of_the_page_have_each_function_once():
    names = re.findall(r"^\| `([\w.]+)` \|", covered.page(), re.M)
    assert len(set(names)) == len(names) == len(TABLE.rows)


@pytest.mark.parametrize(
    ("name", "chapter"),
    [
        ("np.sin", "np: element by element"),
        ("np.reshape", "np: shapes, joining, making"),
        ("np.cumsum", "np: reductions and scans"),
        ("np.allclose", "np: questions"),
        ("np.linalg.solve", "np.linalg"),
        ("np.add.reduce", "Methods of ufuncs"),
    ],
)
def test_chapter_of_function_is_that_of_its_rule(name, chapter):
    (row,) = [row for row in TABLE.rows if row.name == name]
    assert covered.chapter_of(row) == chapter


def test_every_file_of_a_chapter_is_a_file_of_ops():
    files = {path.stem for path in Path(covered.__file__).parent.glob("ops/*.py")}
    assert {file for chapter in covered.CHAPTERS.values() for file in chapter} <= files
