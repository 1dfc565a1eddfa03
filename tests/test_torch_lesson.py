"""The lesson of examples/03_autograd_lesson.ipynb, cell by cell: a run prints what the notebook shows.

The cells are run here, so that no notebook software is needed. With PyTorch installed the same notebook runs
on PyTorch, its import line changed back, and must show the same.
"""

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples" / "03_autograd_lesson.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
IMPORT = "import dualdiff.torch as torch"


def shown(cell):
    """What the notebook shows under a cell: printed text, and the value of its last line."""
    found = {"printed": "", "value": ""}
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            found["printed"] += "".join(output["text"])
        else:
            found["value"] = "".join(output["data"]["text/plain"])
    return found


def run(source, namespace):
    """The same of a run."""
    *body, last = ast.parse(source).body
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
        else:
            exec(compile(source, "cell", "exec"), namespace)
    return {"printed": printed.getvalue(), "value": "" if value is None else repr(value)}


@pytest.fixture(scope="module", params=[IMPORT, "import torch"])
def found(request):
    """What each cell gives, one after another, with this import line."""
    if request.param != IMPORT:
        pytest.importorskip("torch")
    namespace = {"__name__": "lesson"}
    return [run("".join(cell["source"]).replace(IMPORT, request.param), namespace) for cell in CELLS]


@pytest.mark.parametrize("k", range(len(CELLS)))
def test_cell_shows_what_the_notebook_shows(found, k):
    assert found[k] == shown(CELLS[k])


def test_notebook_was_run_from_top_to_bottom():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))


@pytest.mark.parametrize(
    "text",
    [
        "tensor([0., 1., 2., 3.])",
        "tensor(28., grad_fn=<MulBackward0>)",
        "tensor([ 0.,  4.,  8., 12.])",
        "tensor([True, True, True, True])",
        "tensor(6., grad_fn=<SumBackward0>)\n",
        "tensor([1., 1., 1., 1.])",
        "tensor([0., 2., 4., 6.])",
        "tensor(True)",
    ],
)
def test_lesson_shows_each_result(text):
    assert any(text in shown(cell).values() for cell in CELLS)


def test_lesson_and_script_are_one():
    """The loop of the script is that of the notebook, word for word."""
    loop = re.search(r"    b = a \* 2\n.*?    return c", NOTEBOOK.with_suffix(".py").read_text(), re.S)
    assert any(loop[0] in "".join(cell["source"]) for cell in CELLS)
