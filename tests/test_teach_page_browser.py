"""The page of a report in a browser: what a reader does, what is shown then, that nothing is hidden.

It needs Chromium, its driver and selenium (`pip install selenium`, `apt-get install chromium-driver`), and is
skipped without them. Every wait is for a condition and has an end.
"""

import shutil

import numpy as np
import pytest

import dualdiff as dd
from dualdiff import teach

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium or its driver is not installed")

ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
SIZES = [(1280, 800), (390, 844)]
SCHEMES = ["light", "dark"]
SECONDS = 20


def baydin(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


WEIGHTS = np.array([[0.5, -0.2, 0.1], [0.2, 0.7, -0.4], [-0.3, 0.2, 0.6]])


def network(x):
    for _ in range(6):
        x = np.tanh(WEIGHTS @ x + 0.1) * x
    return np.sum(np.exp(x)) - np.log(1 + np.sum(x**2))


def chain(x):
    for _ in range(40):
        x = np.sin(x) + 0.1 * x
    return x * x


def leaves(sides, scale):
    return {"area": sides[0] * sides[1] * scale, "ratio": sides / scale}


CASES = {
    "baydin": (baydin, (2.0, 5.0), "log(x1) + x1*x2 - sin(x2)"),
    "network": (network, (np.array([0.5, -1.25, 2.0]),), ""),
    "chain": (chain, (1.0,), ""),
    "leaves": (leaves, (np.array([3.0, 4.0]), -0.12345), ""),
    "matrix": (lambda a: np.linalg.inv(a) * 1e-7, (np.array([[2.0, 1.0], [0.5, -1.0]]),), ""),
}
EACH = pytest.mark.parametrize("name", CASES)


# -------------------------------------------------- the browser
@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ARGUMENTS.split():
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(SECONDS)
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: address}, from files, as a reader opens them."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, (f, args, text) in CASES.items():
        path = folder / f"{name}.html"
        path.write_text(teach.report(f, *args, text=text).to_html(), encoding="utf-8")
        found[name] = path.as_uri()
    return found


@pytest.fixture
def visit(browser, pages):
    """Open a page at a size, in a colour scheme, without motion; afterwards its console must be empty."""

    def visiting(name, size=SIZES[0], scheme="light", motion="reduce"):
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        features = [{"name": name, "value": value} for name, value in media.items()]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(pages.get(name, name))
        return browser

    yield visiting
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def click(browser, name):
    browser.find_element(By.ID, name).click()


def walk(browser):
    """Click Next until it is disabled, as it must be at the end."""
    clicks = browser.execute_script(
        """const next = document.getElementById("next");
        let clicks = 0;
        while (!next.disabled && clicks < 1000) { next.click(); clicks++; }
        return clicks"""
    )
    assert browser.find_element(By.ID, "count").text == f"step {clicks} of {clicks}"


def results(browser):
    """{name: numbers} of what is found, in all digits."""
    rows = browser.find_elements(By.CSS_SELECTOR, "#results > div")
    found = {}
    for row in rows:
        name = row.find_element(By.TAG_NAME, "dt").text.replace("\n", "").removesuffix(" =")
        title = row.find_element(By.TAG_NAME, "dd").get_attribute("title")
        assert title, f"{name} is not shown"
        found[name] = np.array(eval(title, {"NaN": np.nan, "Infinity": np.inf}))  # nested lists of numbers
    return found


def set_seed(browser, k, number):
    field = browser.find_elements(By.CSS_SELECTOR, "#seeds input")[k]
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(repr(float(number)))


# -------------------------------------------------- the numbers
@EACH
def test_steps_to_the_end_of_reverse_mode_give_the_gradient(name, visit):
    f, args, _ = CASES[name]
    browser = visit(name)
    click(browser, "reverse")
    walk(browser)
    y, pullback = dd.vjp(f, *args)
    x_bars = pullback(
        {k: np.ones_like(part) for k, part in y.items()} if isinstance(y, dict) else np.ones_like(y)
    )
    for found, x_bar in zip(results(browser).values(), x_bars, strict=True):
        np.testing.assert_allclose(found, x_bar, rtol=1e-13)


@EACH
def test_steps_to_the_end_of_forward_mode_give_each_derivative(name, visit):
    f, args, _ = CASES[name]
    browser = visit(name)
    walk(browser)
    fields = len(browser.find_elements(By.CSS_SELECTOR, "#seeds input"))
    sizes = [np.size(x) for x in args]
    assert fields == sum(sizes)
    for k in range(fields):
        for j in range(fields):
            set_seed(browser, j, j == k)
        flat = np.eye(fields)[k]
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        x_dots = tuple(part.reshape(np.shape(x))[()] for part, x in zip(parts, args, strict=True))
        _, y_dot = dd.jvp(f, args, x_dots)
        expected = list(y_dot.values()) if isinstance(y_dot, dict) else [y_dot]
        for found, part in zip(results(browser).values(), expected, strict=True):
            np.testing.assert_allclose(found, part, rtol=1e-13, atol=1e-300)


def test_seeds_give_the_jvp_and_the_vjp_of_the_engine(visit):
    browser = visit("baydin")
    click(browser, "last")
    set_seed(browser, 0, -0.75)
    set_seed(browser, 1, 3e5)
    _, y_dot = dd.jvp(baydin, (2.0, 5.0), (-0.75, 3e5))
    assert results(browser)["y"] == pytest.approx(y_dot, rel=1e-14)
    assert browser.find_elements(By.CSS_SELECTOR, "#trace td")[-1].get_attribute("title") == str(
        results(browser)["y"]
    )
    click(browser, "reverse")
    click(browser, "last")
    set_seed(browser, 0, -2.5)
    _, pullback = dd.vjp(baydin, 2.0, 5.0)
    found = results(browser)
    for x_bar, expected in zip((found["x1"], found["x2"]), pullback(-2.5), strict=True):
        assert x_bar == pytest.approx(expected, rel=1e-14)


def test_an_unfinished_seed_leaves_the_numbers_as_they_are(visit):
    browser = visit("baydin")
    click(browser, "last")
    field = browser.find_elements(By.CSS_SELECTOR, "#seeds input")[0]
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("-")
    assert results(browser)["y"] == 5.5


# -------------------------------------------------- the steps
def state(browser):
    return browser.execute_script(
        """const ids = (selector) => [...document.querySelectorAll(selector)].map((node) => node.id);
        return {current: ids(".node.current"), sources: ids(".node.source"), kept: ids(".node.kept"),
          partial: [...document.querySelectorAll(".partial")].map((node) => node.parentNode.id),
          flows: document.querySelectorAll(".flow").length,
          rows: [...document.querySelectorAll("#trace [aria-current=step]")].map((row) => row.rowIndex),
          said: document.getElementById("said").textContent}"""
    )


def test_a_step_of_forward_mode_is_shown_everywhere(visit):
    browser = visit("baydin")
    for _ in range(4):
        click(browser, "next")
    found = state(browser)
    assert found["current"] == ["node-v2"] and found["sources"] == ["node-v-1", "node-v0"]
    assert found["flows"] == 2 and found["rows"] == [4] and found["kept"] == []
    assert "v2 = v-1 * v0 = 10. v2_dot = v-1_dot * v0 + v0_dot * v-1 = 5." in found["said"]
    lines = browser.find_element(By.ID, "lines").text.replace("\n", " ")
    assert "= 2 · 5" in lines and "= 1 · 5 + 0 · 2" in lines


def test_the_two_parts_of_an_adjoint_are_shown_one_after_the_other(visit):
    browser = visit("baydin")
    click(browser, "reverse")
    assert browser.find_element(By.ID, "count").text == "step 0 of 17"
    browser.execute_script("go(13)")
    click(browser, "next")
    found = state(browser)
    assert (found["current"], found["sources"], found["partial"]) == (["node-v0"], ["node-v3"], ["node-v0"])
    assert "first of 2 parts" in found["said"] and "v0, kept from the way forward" in found["said"]
    for _ in range(2):
        click(browser, "next")
    found = state(browser)
    assert (found["current"], found["sources"], found["partial"]) == (["node-v0"], ["node-v2"], ["node-v-1"])
    assert found["kept"] == ["node-v-1"] and "second of 2 parts" in found["said"]
    assert "= −0.283662 + 1 · 2" in browser.find_element(By.ID, "lines").text


@EACH
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_steps_back_show_what_the_steps_on_showed(name, mode, visit):
    browser = visit(name)
    click(browser, mode)
    shown = "return document.getElementById('graph').innerText + document.getElementById('trace').innerText"
    count = int(browser.find_element(By.ID, "slider").get_attribute("max"))
    places = sorted({0, 1, count // 3, count // 2, count - 1, count})
    go = "const slider = document.getElementById('slider'); slider.value = arguments[0];"
    go += "slider.dispatchEvent(new Event('input'));"
    on, back = [], []
    for place in places:
        browser.execute_script(go, place)
        on.append(browser.execute_script(shown))
    for place in places[::-1]:
        browser.execute_script(go, place)
        back.append(browser.execute_script(shown))
    assert on == back[::-1] and len(set(on)) == len(places)


def test_keys_step_through_the_sweep(visit):
    browser = visit("baydin")
    body = browser.find_element(By.TAG_NAME, "body")
    count = browser.find_element(By.ID, "count")
    for key, expected in [
        (Keys.ARROW_RIGHT, 1),
        (Keys.ARROW_RIGHT, 2),
        (Keys.ARROW_LEFT, 1),
        (Keys.END, 8),
        (Keys.HOME, 0),
    ]:
        body.send_keys(key)
        assert count.text == f"step {expected} of 8"
    field = browser.find_elements(By.CSS_SELECTOR, "#seeds input")[0]
    field.send_keys(Keys.ARROW_RIGHT)
    assert count.text == "step 0 of 8"  # in a field the keys are the field's
    slider = browser.find_element(By.ID, "slider")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert count.text == "step 1 of 8"


def test_play_steps_by_itself_until_it_is_paused(visit):
    browser = visit("baydin", motion="no-preference")
    click(browser, "play")
    slider = browser.find_element(By.ID, "slider")
    WebDriverWait(browser, SECONDS).until(lambda _: int(slider.get_attribute("value")) >= 3)
    assert browser.find_element(By.ID, "play").text == "Pause"
    click(browser, "play")
    assert browser.find_element(By.ID, "play").text == "Play"
    assert browser.execute_script("return timer") is None


def test_a_row_of_the_table_leads_to_its_step(visit):
    browser = visit("baydin")
    browser.find_elements(By.CSS_SELECTOR, "#trace tbody tr")[5].click()
    assert state(browser)["current"] == ["node-v4"]


def test_controls_have_names_and_show_their_focus(visit):
    browser = visit("baydin")
    for element in browser.find_elements(By.CSS_SELECTOR, "button, input, [tabindex]"):
        assert element.accessible_name, element.get_attribute("outerHTML")
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("id") == "forward"
    assert browser.switch_to.active_element.value_of_css_property("outline-style") == "solid"


def test_no_motion_for_those_who_ask_for_none(visit):
    running = "return document.getAnimations().length"
    browser = visit("baydin", motion="reduce")
    browser.execute_script("go(4)")
    assert browser.execute_script(running) == 0
    browser = visit("baydin", motion="no-preference")
    browser.execute_script("go(4)")
    assert browser.execute_script(running) > 0


def test_a_notebook_shows_the_page_in_a_frame(visit, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(
        f"<!doctype html><body>{teach.report(baydin, 2.0, 5.0, timed=False)._repr_html_()}</body>"
    )
    browser = visit(path.as_uri())
    browser.switch_to.frame(0)
    click(browser, "last")
    assert results(browser)["y"] == 5.5


# -------------------------------------------------- the looks
MEASURE = """
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > innerWidth) wrong.push(`the page is ${root.scrollWidth} wide`);
const seen = (node) => node.offsetParent !== null && node.getClientRects().length > 0;
const named = (node) => `${node.tagName}#${node.id}.${node.className}: ${node.textContent.slice(0, 40)}`;
const scrolls = (node) => node.closest(".scroll, .wide");
for (const node of document.querySelectorAll("main *, header *")) {
  if (!seen(node) || node.closest("svg, .unseen") || node.matches(".scroll, .wide, i, input")) continue;
  const style = getComputedStyle(node);
  if (style.display === "inline") continue;
  if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0) wrong.push(`cut: ${named(node)}`);
  const box = node.getBoundingClientRect();
  const outside = box.left < -0.5 || box.right > innerWidth + 0.5;
  if (!scrolls(node) && outside) wrong.push(`outside: ${named(node)}`);
}
const apart = (nodes) => {
  const boxes = [...nodes].filter(seen).map((node) => [node, node.getBoundingClientRect()]);
  boxes.forEach(([a, p], i) => boxes.slice(0, i).forEach(([b, q]) => {
    const over = Math.min(p.right, q.right) - Math.max(p.left, q.left) > 0.5
      && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 0.5;
    if (over) wrong.push(`overlap: ${named(a)} | ${named(b)}`);
  }));
};
apart(document.querySelectorAll(".node"));
for (const node of document.querySelectorAll(".node, .node div")) apart(node.children);
for (const part of document.querySelectorAll(".buttons, .track, #seeds, #results, .stage, .now, tr")) {
  apart(part.children);
}
apart(document.querySelectorAll("header, .modes, .seeds, .stage, .after"));
for (const node of document.querySelectorAll(".node")) {
  const outer = node.getBoundingClientRect();
  for (const span of node.querySelectorAll("span")) {
    const inner = span.getBoundingClientRect();
    const leaves = inner.left < outer.left || inner.right > outer.right || inner.bottom > outer.bottom + 2;
    if (inner.width && leaves) wrong.push(`leaves its box: ${named(span)}`);
  }
}
return wrong;
"""


@EACH
@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_nothing_overlaps_and_nothing_is_cut(name, size, visit):
    browser = visit(name, size)
    for mode in ("forward", "reverse"):
        browser.execute_script(f"choose('{mode}')")
        count = browser.execute_script("return frames[mode].length")
        for place in {0, 1, 4, count // 2, 3 * count // 4, count - 1, count}:
            browser.execute_script("go(arguments[0])", place)
            assert browser.execute_script(MEASURE) == [], (mode, place)


def test_long_numbers_of_a_seed_stay_in_their_boxes(visit):
    browser = visit("leaves")
    click(browser, "last")
    for k in range(3):
        set_seed(browser, k, -1.23456789e-101)
    assert browser.execute_script(MEASURE) == []


CONTRAST = """
const channel = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const paper = (node) => {
  for (; node; node = node.parentElement) {
    const colour = rgba(getComputedStyle(node).backgroundColor);
    if (colour[3] === 1) return colour;
  }
};
let worst = [21, ""];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || node.offsetParent === null) continue;
  if (node.closest(":disabled, script, noscript, option")) continue;
  const pair = [light(rgba(getComputedStyle(node).color)), light(paper(node))];
  const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 80)];
}
return worst;
"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_text_stands_out_from_its_paper(scheme, mode, visit):
    browser = visit("baydin", scheme=scheme)
    dark = browser.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark is (scheme == "dark")
    click(browser, mode)
    browser.execute_script("go(Math.floor(0.7 * frames[mode].length))")
    ratio, where = browser.execute_script(CONTRAST)
    assert ratio >= 4.5, where  # WCAG 2.2, 1.4.3
