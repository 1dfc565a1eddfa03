"""The page of a report: that its data are the engine's, that text in it stays text, that it loads nothing.

What a browser makes of it is in test_teach_page_browser.py.
"""

import base64
import fnmatch
import hashlib
import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import teach
from dualdiff.__main__ import main
from dualdiff.teach.page import DIRECTIONS, data_of

ROOT = Path(__file__).parents[1]
HOSTILE = "</script><script>alert(1)</script><!-- <b> & $title \" ' \u2028"


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def layer(w, x):
    hidden = np.tanh(w @ x)
    return hidden[1:] * np.sum(hidden**2)


def containers(x, c):
    mask = x > 0
    return {"all": np.where(mask, x * c, -x), "norm": np.linalg.norm(x), "itself": c, "nothing": 3.0}


def rotated(x):
    return np.sum(np.abs(x * np.exp(1j * x)) ** 2 * np.cos(x)) + (x * 1j)[0]


def chain(x):
    for _ in range(40):
        x = np.sin(x) + 0.1 * x
    return x * x


CASES = {
    "baydin": (baydin, (2.0, 5.0)),
    "layer": (layer, (np.array([[0.5, -1.0], [2.0, 0.3], [0.1, 0.7]]), np.array([0.4, -0.2]))),
    "containers": (containers, (np.array([0.5, -2.0, 1.5]), 2.0)),
    "complex": (rotated, (np.array([0.3, 1.2]),)),
    "chain": (chain, (1.0,)),
    "many": (lambda x: np.sum(x**2) * x, (np.linspace(-1.0, 2.0, 30),)),
}
EACH = pytest.mark.parametrize("name", CASES)


def report_of(name):
    f, args = CASES[name]
    if name == "complex":  # which compare_modes does not take
        return teach.report(lambda x: np.real(f(x)), *args, timed=False)
    return teach.report(f, *args, timed=False)


@pytest.fixture(scope="module")
def reports():
    return {name: report_of(name) for name in CASES}


def array(packed):
    """The numbers of the page as NumPy has them."""
    if not isinstance(packed, dict):
        return np.asarray(float(packed))
    re_, im = (np.array([float(x) for x in packed.get(part, [])]) for part in ("re", "im"))
    return (re_ + 1j * im if im.size else re_).reshape(packed["shape"])


def combined(packs, weights):
    return sum(w * array(pack) for w, pack in zip(weights, packs, strict=True))


# -------------------------------------------------- the numbers
@EACH
def test_tangents_of_the_page_are_those_of_jvp_for_any_seed(name, reports, rng):
    report = reports[name]
    e, data = report.evaluation, data_of(report)
    f, xs = e.recording.function, tuple(e.recording.inputs)
    weights = rng.normal(size=len(data["forward"]["labels"]))
    inputs = data["values"][: data["inputs"]]
    x_dots = tuple(combined(value["tangents"], weights)[()] for value in inputs)
    assert any(np.any(x_dot) for x_dot in x_dots)
    _, y_dots = dd.jvp(lambda *xs: f(*xs), xs, x_dots)
    results = [value for value in data["values"] if value["kind"] == "output" and value["tangents"]]
    assert len(results) == len(y_dots)
    for value, y_dot in zip(results, y_dots, strict=True):
        np.testing.assert_allclose(combined(value["tangents"], weights), y_dot, rtol=1e-13, atol=1e-13)


@EACH
def test_adjoints_of_the_page_are_those_of_vjp_for_any_seed(name, reports, rng):
    report = reports[name]
    e, data = report.evaluation, data_of(report)
    f, xs = e.recording.function, tuple(e.recording.inputs)
    weights = rng.normal(size=len(data["reverse"]["labels"]))
    _, pullback = dd.vjp(lambda *xs: f(*xs), *xs)
    seeds = {
        step["sources"][0]: combined(step["arriving"], weights)[()]
        for step in data["steps"]
        if data["values"][step["sources"][0]]["kind"] == "output"
    }
    outputs = [k for k, v in enumerate(data["values"]) if v["kind"] == "output" and v["tangents"]]
    x_bars = pullback([seeds[k] for k in outputs])
    found = {step["target"]: combined(step["adjoint"], weights) for step in data["steps"]}
    for k, x_bar in enumerate(x_bars):
        np.testing.assert_allclose(found[k], x_bar, rtol=1e-13, atol=1e-13)


@EACH
def test_adjoints_of_the_page_are_the_sums_of_what_arrives(name, reports):
    data = data_of(reports[name])
    for seed in range(len(data["reverse"]["labels"])):
        sums = {}
        for step in data["steps"]:
            sums[step["target"]] = sums.get(step["target"], 0) + array(step["arriving"][seed])
            np.testing.assert_allclose(array(step["adjoint"][seed]), sums[step["target"]], rtol=1e-14)
    assert [step["parts"] for step in data["steps"] if step["part"] == step["parts"]]


@pytest.mark.parametrize(
    ("xs", "labels", "whole"),
    [
        ((2.0, 5.0), ["x1", "x2"], False),
        ((np.ones(DIRECTIONS - 1), 5.0), [*(f"x1[{k}]" for k in range(DIRECTIONS - 1)), "x2"], False),
        ((np.ones(DIRECTIONS), 5.0), ["x1", "x2"], True),
        ((np.ones((90, 90)), np.ones((90, 90))), ["x1 ... x2"], True),
    ],
)
def test_directions_are_as_many_as_a_reader_can_use(xs, labels, whole):
    data = data_of(teach.report(lambda x1, x2: np.sum(np.sin(x1) * x2), *xs, timed=False))
    assert ["".join(label[:2]) for label in data["forward"]["labels"]] == labels
    assert data["forward"]["whole"] is whole


def test_large_arrays_are_carried_by_their_norms():
    x = np.linspace(0.0, 1.0, 10_000).reshape(100, 100)
    report = teach.report(lambda x: np.sum(np.sin(x) ** 2), x, timed=False)
    page = report.to_html()
    assert len(page) < 100_000
    value = data_of(report)["values"][1]
    assert value["primal"]["norm"] == pytest.approx(np.linalg.norm(np.sin(x)), rel=1e-14)
    assert value["tangents"][0]["norm"] == pytest.approx(np.linalg.norm(np.cos(x)), rel=1e-14)


def test_numbers_that_json_has_not_are_words():
    def poles(x):
        return [np.log(x), -1 / x, np.sqrt(-1 - x)]

    with np.errstate(all="ignore"):
        data = data_of(teach.report(poles, 0.0, timed=False))
    primals = [value["primal"] for value in data["values"] if value["kind"] == "output"]
    assert primals == ["-Infinity", "-Infinity", "NaN"]
    tangents = [value["tangents"][0] for value in data["values"] if value["kind"] == "output"]
    assert tangents == ["Infinity", "Infinity", "NaN"]
    assert json.loads(json.dumps(data, allow_nan=False)) == data


# -------------------------------------------------- the words
def plain(pieces):
    mark = {"": "", ".": "_dot", "~": "_bar"}
    return "".join(p if isinstance(p, str) else p[0] + p[1] + mark[p[2]] for p in pieces)


@EACH
def test_formulas_of_the_page_are_those_of_the_trace(name, reports):
    e, data = reports[name].evaluation, data_of(reports[name])
    for value, said in zip(e.values + e.results, data["values"], strict=True):
        assert plain(said["expression"]) == value.expression
        assert plain(said["rule"]) == value.rule
    assert [plain(step["right"]) for step in data["steps"]] == [step.right for step in e.steps]


@EACH
def test_names_in_formulas_lead_to_their_values(name, reports):
    data = data_of(reports[name])
    lines = [value[part] for value in data["values"] for part in ("expression", "rule")]
    for pieces in [*lines, *(step["right"] for step in data["steps"])]:
        for piece in pieces:
            if not isinstance(piece, str) and piece[0] in ("v", "c") and piece[1]:
                assert data["values"][piece[3]]["name"][:2] == piece[:2]


def test_an_argument_called_y_is_not_taken_for_the_result():
    data = data_of(teach.report(lambda y: np.sin(y), 0.5, timed=False))
    assert data["values"][0]["rule"] == [["y", "", ".", 0]]
    assert data["steps"][0]["right"] == [["y", "", "~", len(data["values"]) - 1]]


# -------------------------------------------------- the drawing
@EACH
def test_boxes_of_the_page_do_not_overlap(name, reports):
    data = data_of(reports[name])
    boxes = data["boxes"]
    for i, a in enumerate(boxes):
        assert a["x"] >= 0 and a["x"] + a["w"] <= data["width"] and a["y"] + a["h"] <= data["height"]
        for b in boxes[:i]:
            apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


@EACH
def test_every_value_with_a_derivative_has_one_box(name, reports):
    data = data_of(reports[name])
    members = [k for box in data["boxes"] for k in box["members"]]
    assert sorted(members) == [k for k, v in enumerate(data["values"]) if v["kind"] != "constant"]


# -------------------------------------------------- the document
class Parts(HTMLParser):
    """The elements of a page with their attributes, and what stands in its scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.inside, self.text = [], {}, []
        self.open = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = dict(attrs).get("id", tag) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open:
            self.inside[self.open] = self.inside.get(self.open, "") + data
        else:
            self.text.append(data)


def test_page_has_the_data_and_the_tables():
    report = teach.report(baydin, 2.0, 5.0, text="log(x1) + x1*x2 - sin(x2)")
    parts = Parts(report.to_html())
    assert json.loads(parts.inside["data"]) == data_of(report)
    text = " ".join(parts.text)
    assert "baydin(x1, x2) = log(x1) + x1*x2 - sin(x2)" in text
    assert "baydin(2, 5) = 11.652071455223084" in text
    for run in report.comparison.runs:
        assert run.mode in parts.text and run.sweeps in parts.text and str(run.ops) in parts.text
    assert "peak bytes" in parts.text
    assert f"auto takes reverse mode: {report.comparison.choice.reason}." in text


def test_hostile_words_stay_words():
    def f(x):
        return {HOSTILE: np.sin(x[HOSTILE]), "`": np.cos(x[HOSTILE])}

    f.__name__ = HOSTILE
    report = teach.report(f, {HOSTILE: 2.0}, text=HOSTILE, timed=False)
    report.notes.append(HOSTILE)
    page = report.to_html()
    parts = Parts(page)
    assert [tag for tag, _ in parts.tags].count("script") == 2
    assert "b" not in [tag for tag, _ in parts.tags]
    assert json.loads(parts.inside["data"]) == data_of(report)
    assert parts.inside["data"].count("<") == 0
    assert "alert(1)" not in parts.inside["script"]
    assert " ".join(f"note: {HOSTILE}".split()[1:]) in "".join(parts.text)
    frame = Parts(report._repr_html_())
    (name, attributes), *rest = frame.tags
    assert (name, rest, attributes["srcdoc"]) == ("iframe", [], page)


def test_page_loads_nothing_and_its_policy_says_so():
    page = teach.report(baydin, 2.0, 5.0, timed=False).to_html()
    parts = Parts(page)
    for _, attributes in parts.tags:
        assert not {"src", "href", "style", "onclick"} & set(attributes)
    own = page.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert not re.search(r"https?:|@import|url\(", own)
    (policy,) = (a["content"] for _, a in parts.tags if a.get("http-equiv") == "Content-Security-Policy")
    digests = {
        name: base64.b64encode(hashlib.sha256(parts.inside[name].encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'"
    )


def test_files_of_the_page_are_in_the_package():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    globs = declared["tool"]["setuptools"]["package-data"]["dualdiff"]
    for name in ("teach/page.html", "teach/page.css", "teach/page.js"):
        assert (ROOT / "dualdiff" / name).exists()
        assert any(fnmatch.fnmatch(name, glob) for glob in globs)


# -------------------------------------------------- the command
def test_command_writes_the_page_and_prints_the_report(tmp_path, capsys):
    path = tmp_path / "page.html"
    assert main(["log(x1) + x1*x2 - sin(x2)", "x1=2", "x2=5", "--html", str(path)]) == 0
    data = json.loads(Parts(path.read_text()).inside["data"])
    assert array(data["values"][-1]["primal"]) == pytest.approx(11.652071455223084, rel=1e-15)
    assert "11.652071455223084" in capsys.readouterr().out
    assert "peak bytes" in path.read_text()


def test_command_writes_the_page_of_a_function_of_a_file(tmp_path):
    (tmp_path / "model.py").write_text("import numpy as np\ndef loss(x):\n    return np.sum(np.sin(x))\n")
    path = tmp_path / "page.html"
    main(["--python", f"{tmp_path / 'model.py'}:loss", "x=[1,2,3]", "--html", str(path)])
    data = json.loads(Parts(path.read_text()).inside["data"])
    assert data["function"] == "loss"
    x_bar = array([step for step in data["steps"] if step["target"] == 0][-1]["adjoint"][0])
    np.testing.assert_allclose(x_bar, np.cos([1.0, 2.0, 3.0]), rtol=1e-15)


def test_command_says_where_it_cannot_write(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["x**2", "x=2", "--html", str(tmp_path / "nowhere" / "page.html")])
    assert exit.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("dualdiff: error: cannot write ") and err.count("\n") == 1
