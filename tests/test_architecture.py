"""The shape of the source: layers of imports, no cycles, module docstrings, file budgets, names.

Everything is read from the source with ast; only the tests of what an import costs import anything.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "dualdiff"
FILES = sorted(PACKAGE.rglob("*.py"))
BUDGET = 400

# A module may import from layers before its own, and within its own as long as there is no cycle. The longest
# prefix of its name decides.
LAYERS = [
    ("errors", "avals", "domains", "memory", "quiet", "core"),
    ("declare", "tree"),
    ("ops.elementwise", "ops.structural"),
    ("ops",),
    ("tensor",),
    ("modes",),
    ("transforms",),
    ("numpy", "torch", "sparse", "special", "expression"),
    ("testing", "teach", "covered", "__init__", "__main__"),
]
OPTIONAL = {"scipy", "matplotlib", "IPython", "hypothesis"}
FIELDS = ("Shapes", "Dtypes", "Units", "Derivative", "Cost", "Raises", "Source")


def name_of(path):
    """dualdiff/ops/scans.py -> ops.scans; the package's own file is __init__."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


MODULES = {name_of(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
EACH_MODULE = pytest.mark.parametrize("module", MODULES)


def layer_of(module):
    prefixes = [".".join(module.split(".")[:n]) for n in range(module.count(".") + 1, 0, -1)]
    return next((k for p in prefixes for k, layer in enumerate(LAYERS) if p in layer), None)


def imports(module):
    """The modules of the package that this one imports while it is being imported."""
    found = set()
    for node in at_import_time(TREES[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dualdiff":
            base = node.module.removeprefix("dualdiff").lstrip(".")
            for alias in node.names:
                inside = f"{base}.{alias.name}".lstrip(".")
                found.add(inside if inside in MODULES else base or "__init__")
        if isinstance(node, ast.Import):
            names = (alias.name for alias in node.names if alias.name.split(".")[0] == "dualdiff")
            found |= {name.removeprefix("dualdiff").lstrip(".") or "__init__" for name in names}
    return found - {module}


def at_import_time(node):
    """The nodes that run on import: no bodies of functions, nothing for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import_time(child)


@EACH_MODULE
def test_module_has_a_layer(module):
    assert layer_of(module) is not None, f"put {module} into a layer of design and of LAYERS"


@EACH_MODULE
def test_module_imports_from_layers_below(module):
    above = [other for other in imports(module) if layer_of(other) > layer_of(module)]
    assert above == []


def test_imports_have_no_cycle():
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            path.append(module)
            for other in sorted(imports(module)):
                visit(other)
            path.pop()
            done.add(module)

    for module in MODULES:
        visit(module)


@EACH_MODULE
def test_no_relative_and_no_starred_import(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the module's full name"
            assert all(alias.name != "*" for alias in node.names), (
                f"line {node.lineno}: name what is imported"
            )


@EACH_MODULE
def test_import_inside_a_function_is_of_an_extra_or_says_why(module):
    lines = MODULES[module].read_text().splitlines()
    for function in ast.walk(TREES[module]):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                around = lines[node.lineno - 2 : node.lineno]
                assert name.split(".")[0] in OPTIONAL or any("#" in line for line in around), (
                    f"line {node.lineno}: import {name} at the top, or say in a comment why not"
                )


# -------------------------------------------------- files
@EACH_MODULE
def test_module_begins_with_a_sentence(module):
    text = ast.get_docstring(TREES[module])
    assert text, "say in one sentence what the module is"
    assert text.split("\n\n")[0].rstrip().endswith((".", ":", "!")), text.split("\n\n")[0]


@EACH_MODULE
def test_file_keeps_its_budget_or_says_why_it_is_long(module):
    length = len(MODULES[module].read_text().splitlines())
    reason = re.search(r"\b(long|longer|lines)\b", ast.get_docstring(TREES[module]) or "", re.IGNORECASE)
    assert length <= BUDGET or reason, f"{length} lines: split it, or give the reason in its docstring"


@EACH_MODULE
def test_module_name_says_what_is_in_it(module):
    last = module.split(".")[-1]
    assert not re.search(r"util|helper|misc|common|\d$|^new_", last)


@EACH_MODULE
def test_source_is_ascii(module):
    assert MODULES[module].read_text().isascii()


@EACH_MODULE
def test_no_code_in_strings(module):
    called = {
        node.func.id
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    # A program is Python on purpose (decision 018), made of names and symbols that it chose itself.
    allowed = {"exec", "compile"} if module == "modes.program" else set()
    assert not called & {"eval", "exec", "compile"} - allowed


# -------------------------------------------------- definitions
def public_functions():
    """Functions and classes without a leading underscore, where names are ours and not NumPy's."""
    for module, tree in TREES.items():
        if module.split(".")[0] in ("ops", "numpy"):
            continue
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                yield pytest.param(node, id=f"{module}.{node.name}")


@pytest.mark.parametrize("node", list(public_functions()))
def test_fields_of_docstring_are_the_fixed_words_in_order(node):
    text = ast.get_docstring(node) or ""
    found = re.findall(r"^([A-Z][a-z]+) {2,}\S", text, re.MULTILINE)
    assert [field for field in FIELDS if field in found] == found


@pytest.mark.parametrize("node", list(public_functions()))
def test_name_has_no_number_of_a_version(node):
    assert not re.search(r"\d$|_(new|old)$", node.name)


PUBLIC = [
    (module, name)
    for module in ("__init__", "testing")
    for node in TREES[module].body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    for name in ast.literal_eval(node.value)
]


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[f"{module}.{name}" for module, name in PUBLIC])
def test_public_name_is_documented(module, name):
    package = __import__("dualdiff" if module == "__init__" else f"dualdiff.{module}", fromlist=[name])
    assert (getattr(package, name).__doc__ or "").strip()


# -------------------------------------------------- what an import costs
def run(code):
    """The last line that a fresh interpreter prints."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.strip()


@pytest.mark.parametrize("extra", ["scipy", "matplotlib", "hypothesis", "pytest"])
def test_import_leaves_extras_alone(extra):
    assert run(f"import sys, dualdiff; print({extra!r} in sys.modules)") == "False"
    assert run(f"import sys, dualdiff.testing; print({extra!r} in sys.modules)") == "False"


def test_import_changes_nothing_of_numpy():
    # np.fft and its like load when they are used.
    names = "{k: id(v) for k, v in vars(np).items() if type(v) is not type(np)}"
    probe = f"(np.geterr(), np.get_printoptions(), {names})"
    code = f"import numpy as np; before = {probe}; import dualdiff; after = {probe}; print(before == after)"
    assert run(code) == "True"
