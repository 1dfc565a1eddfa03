"""What the site makes of docstrings and of errors: docs/theme/fields.py and messages.py, without MkDocs."""

import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

THEME = Path(__file__).parent.parent / "docs/theme"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, THEME / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def to_markdown():
    """The function of fields.py; the names of griffe that its class is made with need not be installed."""
    stand_in = types.ModuleType("griffe")
    stand_in.Extension = stand_in.Module = stand_in.Object = object
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "griffe", stand_in)
        return loaded("fields").to_markdown


def test_columns_become_definitions(to_markdown):
    found = to_markdown("Shapes   a < b,\n         and more\nRaises   `ShapeError`")
    assert found == (
        '<dl class="fields"><dt>Shapes</dt><dd>a &lt; b, and more</dd>'
        "<dt>Raises</dt><dd><code>ShapeError</code></dd></dl>"
    )


def test_long_term_needs_one_space_only(to_markdown):
    found = to_markdown("out(*xs)     the aval\nreads(y, *x) what is kept")
    assert found.count("<dt>") == 2 and "<dd>what is kept</dd>" in found


def test_examples_become_code(to_markdown):
    assert to_markdown(">>> 1 + 1\n2") == "```pycon\n>>> 1 + 1\n2\n```"


def test_marks_of_markdown_stand_for_themselves(to_markdown):
    assert to_markdown("x**2 and `y_bar` of <f>") == r"x\*\*2 and `y_bar` of \<f\>"


def test_paragraph_of_two_lines_is_no_column(to_markdown):
    assert to_markdown("A sentence  with two spaces\nwhich continue below.").startswith("A sentence  with")


def test_messages_of_every_error_are_found():
    page = (THEME.parent / "reference/errors.md").read_text()
    known = loaded("messages").forms()
    assert set(known) >= set(re.findall(r"^## (.+)$", page, re.M)) - {"dualdiff"}
    assert any("needs a scalar output" in form for form in known["scalar-output"])


def test_form_of_message_has_names_for_what_is_filled_in():
    (form,) = [f for f in loaded("messages").forms()["control-flow"] if "batched value" in f and "steer" in f]
    assert "{" in form and "examples" in form
