"""The forms of all messages of errors, read from the source; what stands in braces is filled in."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "dualdiff"


def forms() -> dict[str, list[str]]:
    """{anchor: the forms of the messages of that error}, in the order of the source."""
    trees = [ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    anchors = anchors_of([node for node in nodes if isinstance(node, ast.ClassDef)])
    found: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in anchors:
            form = " ".join(filter(None, map(written, node.args)))
            if form and form not in found[anchors[node.func.id]]:
                found[anchors[node.func.id]].append(form)
    return found


def anchors_of(classes: list[ast.ClassDef]) -> dict[str, str]:
    """{class: anchor} of the errors; a class without an anchor has that of its first base with one."""
    own, bases = {}, {}
    for node in classes:
        bases[node.name] = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        for line in node.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "anchor":
                own[node.name] = ast.literal_eval(line.value)

    def anchor(name: str) -> str | None:
        return own.get(name) or next(filter(None, map(anchor, bases.get(name, []))), None)

    return {name: found for name in bases if (found := anchor(name))}


def written(node: ast.expr) -> str:
    """The text of a string with {names} for what is filled in; nothing for what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            written(part) if isinstance(part, ast.Constant) else hole(part) for part in node.values
        )
    return ""


def hole(part: ast.expr) -> str:
    """{name} where the value has a name of its own, else {...}."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.Name):
        return f"{{{value.id}}}"
    if isinstance(value, ast.Attribute):
        return f"{{{value.attr}}}"
    return "{...}"
