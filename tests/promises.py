"""The promises of promises.toml, the tests that hold them, and docs/reference/promises.md, made of both.

python tests/promises.py > docs/reference/promises.md
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

TESTS = Path(__file__).parent
NUMBER = re.compile(r"\b[A-Z]{2,3}-\d+\b")

FAMILIES = tomllib.loads((TESTS / "promises.toml").read_text())  # family -> {"title": ..., number: words}
PROMISES = {
    f"{family}-{k}": words for family, rows in FAMILIES.items() for k, words in rows.items() if k != "title"
}


# -------------------------------------------------- the tests that hold them
def carriers():
    """The files whose tests take numbers."""
    return [path for path in sorted(TESTS.glob("test_*.py")) if carries(path.read_text())]


def carries(text):
    return "from conventions import" in text or '"DT-1"' in text


def holding():
    """number -> {file: the names of its tests}, of what pytest collects."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "--collect-only",
        "-q",
    ]
    run = subprocess.run([*command, *map(str, carriers())], capture_output=True, text=True, cwd=TESTS.parent)
    found = {}
    for line in run.stdout.splitlines():
        place, bracket, row = line.partition("[")
        if bracket and "::" in place:
            file, _, test = place.partition("::")
            for number in NUMBER.findall(row):
                found.setdefault(number, {}).setdefault(Path(file).name, set()).add(test)
    if run.returncode:
        raise RuntimeError(run.stdout[-2000:] + run.stderr)
    return found


# -------------------------------------------------- the page
PAGE = TESTS.parent / "docs/reference/promises.md"
HEAD = """# Promises

Every promise of [the conventions](conventions.md) by its number, and the tests that hold it. This page is
made by `python tests/promises.py`, and a test holds it to that.

A test has in its name the numbers that it holds, so `pytest -k NAN-2` runs what holds NAN-2. pytest looks for
the letters anywhere in a name: SP-1 runs SP-10 to SP-16 as well.

Derivatives are those of the sum of the results, by each argument, in float64. Unless a line says otherwise
they are the same forward, in reverse, in a batch and inside another transform. *Tests* counts functions of
the test suite, most of which have many rows.
"""
COLUMNS = "| number | what is promised | tests | in |\n|---|---|---|---|\n"


def page(held):
    """The text of the page, from what `holding` found."""
    parts = [HEAD]
    for family, rows in FAMILIES.items():
        parts.append(f"\n## {family}: {rows['title']}\n\n{COLUMNS}")
        for number in (f"{family}-{k}" for k in rows if k != "title"):
            files = held.get(number, {})
            names = ", ".join(f"`{file}`" for file in sorted(files))
            parts.append(f"| {number} | {PROMISES[number]} | {sum(map(len, files.values()))} | {names} |\n")
    return "".join(parts)


if __name__ == "__main__":
    print(page(holding()), end="")
