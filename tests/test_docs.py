"""Every page of the documentation runs: its blocks from top to bottom, its commands, its links, its words.

Blocks of ```python are executed, and compared where they have a prompt, as those of ```pycon are. All blocks
of a page share one namespace and a folder of their own. A ```console block holds a command and its output.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import dualdiff
from dualdiff import core, errors
from dualdiff.__main__ import main

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"-?\b\d+(?:\.\d+)?(?:e[-+]?\d+)?")
OPTIONAL = re.compile(r"^(?:>>> )?(?:from|import) (scipy[.\w]*)", re.M)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def of_pages(f):
    return pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))(f)


def blocks(page, *languages):
    """(first line, text) of the page's blocks in these languages."""
    text = page.read_text()
    return [(text.count("\n", 0, m.start(2)), m[2]) for m in BLOCK.finditer(text) if m[1] in languages]


def run_doctest(text, namespace, name, line, flags=FLAGS):
    """Run examples with a prompt in `namespace`; what they print differently is the failure's message."""
    test = doctest.DocTestParser().get_doctest(text, namespace, name, name, line)
    said = []
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    runner.run(test, out=said.append, clear_globs=False)
    namespace.update(test.globs)
    assert not runner.failures, "".join(said)


@pytest.fixture
def registry():
    """Ops that a page declares are gone after it."""
    before = dict(core.OPS), dict(core.FUNCTIONS)
    yield
    for table, old in zip((core.OPS, core.FUNCTIONS), before, strict=True):
        table.clear()
        table.update(old)


# -------------------------------------------------- what runs
@of_pages
def test_page_runs_from_top_to_bottom(page, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for needed in OPTIONAL.findall(page.read_text()):
        pytest.importorskip(needed)
    for line, text in blocks(page, "python", "pycon"):
        if ">>> " in text:
            run_doctest(text, namespace, str(page), line)
        else:
            exec(compile("\n" * line + text, str(page), "exec"), namespace)


@of_pages
def test_commands_of_page_print_what_it_shows(page, capsys):
    for _, text in blocks(page, "console"):
        command, _, shown = text.partition("\n")
        words = shlex.split(command)
        assert words[:4] == ["$", "python", "-m", "dualdiff"]
        assert main(words[4:]) == 0
        printed = capsys.readouterr().out
        assert NUMBER.sub("0", printed).split() == NUMBER.sub("0", shown).split()
        for mine, theirs in zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True):
            assert float(mine) == pytest.approx(float(theirs), rel=1e-9)


MODULES = [
    m.name for m in pkgutil.walk_packages(dualdiff.__path__, "dualdiff.") if not m.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["dualdiff", *MODULES])
def test_examples_in_docstrings_run(name, registry):
    if name.startswith("dualdiff.special"):
        pytest.importorskip("scipy")
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        run_doctest(test.docstring or "", dict(vars(module)), test.name, test.lineno or 0)


# -------------------------------------------------- what must be there
@of_pages
def test_links_of_page_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name} links to {target}"


def anchors(page):
    """The names of a page's headings as a link spells them."""
    heads = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.M)
    return {re.sub(r"[^a-z0-9_ -]", "", head.lower()).replace(" ", "-") for head in heads}


@of_pages
def test_files_named_on_page_exist(page):
    for path in re.findall(r"`((?:dualdiff|tests|examples|docs|\.ci)/[\w/.-]+)`", page.read_text()):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


@of_pages
def test_page_begins_with_its_title(page):
    assert page.read_text().startswith("# ")


def test_every_page_is_reachable_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)\s#]+\.md)(?:#[^)]*)?\)", page.read_text())
        todo += [(page.parent / target).resolve() for target in targets if not target.startswith("http")]
    assert set(PAGES) <= seen


DOCS = ROOT / "docs"


def listed(index):
    """The pages that an index names in its lists and tables, which the navigation of the site is made of."""
    targets = re.findall(r"^(?:\* |\| )\[[^\]]+\]\(([^)#]+\.md)\)", (DOCS / index).read_text(), re.M)
    return [((DOCS / index).parent / target).resolve() for target in targets]


def test_every_page_is_in_the_navigation_once():
    """Add a line to a list of docs/index.md, or a row to the index of decisions: see docs/theme/hooks.py."""
    found = listed("index.md") + listed("explanation/decisions/README.md")
    inside = [page for page in found if page.is_relative_to(DOCS)]
    assert sorted([*inside, DOCS / "index.md"]) == sorted(DOCS.rglob("*.md"))


def test_navigation_has_the_four_parts():
    heads = re.findall(r"^## (.+)$", (DOCS / "index.md").read_text(), re.M)
    assert heads == ["Tutorials", "How-to guides", "Reference", "Explanation"]


def docstring_pages():
    return "".join(page.read_text() for page in DOCS.glob("reference/api/*.md"))


def public_definitions():
    """The functions and classes among the public names: what has a docstring of its own."""
    for package in ("dualdiff", "dualdiff.sparse", "dualdiff.testing", "dualdiff.teach"):
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield pytest.param(value, id=f"{package}.{name}")


@pytest.mark.parametrize("value", list(public_definitions()))
def test_pages_of_docstrings_have_every_public_name(value):
    assert f"::: {value.__module__}.{value.__qualname__}\n" in docstring_pages()


@pytest.mark.parametrize("path", re.findall(r"^::: (\S+)$", docstring_pages(), re.M))
def test_names_on_pages_of_docstrings_exist(path):
    assert inspect.getdoc(pkgutil.resolve_name(path))


ERRORS = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, errors.DualdiffError)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_has_a_section_under_its_anchor(error):
    text = (ROOT / "docs/reference/errors.md").read_text()
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.M))
    section = sections[error.anchor]
    assert error.__name__ in section
    if error is not errors.DualdiffError:
        assert "Cause" in section and "What to do" in section


def entries():
    """{name: the lines of its section} of the reference of transforms."""
    text = (ROOT / "docs/reference/transforms.md").read_text()
    return {
        name: body.strip().split("\n")
        for name, body in re.findall(r"^### (\w+)\n((?:(?!^##).*\n?)*)", text, re.M)
    }


def spelled(f):
    """The signature of a function as the reference gives it: without types."""
    signature = inspect.signature(f)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return f"`{f.__name__}{inspect.Signature(bare)}`"


def test_reference_of_transforms_has_every_public_name():
    assert set(entries()) == set(dualdiff.__all__)


@pytest.mark.parametrize("name", [name for name in dualdiff.__all__ if callable(getattr(dualdiff, name))])
def test_reference_of_transforms_has_the_signature_and_two_lines(name):
    signature, empty, *text = entries()[name]
    assert signature == spelled(getattr(dualdiff, name))
    assert not empty and len(text) >= 2


def glossary():
    rows = (ROOT / "docs/reference/glossary.md").read_text().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| ")]
    return [(row[0], name) for row in cells[1:] for name in re.findall(r"`(\w+)`", row[1])]


@pytest.mark.parametrize("term, name", glossary())
def test_glossary_names_what_the_code_says(term, name):
    source = "\n".join(path.read_text() for path in (ROOT / "dualdiff").rglob("*.py"))
    assert re.search(rf"\b{name}\b", source), f"{term}: no {name} in dualdiff/"
