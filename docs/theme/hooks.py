"""What MkDocs is told beside mkdocs.yml: the navigation, pages from outside docs/, links to the source.

The navigation is written once, as the lists of docs/index.md and of the index of decisions. The changelog and
the tables of examples and benchmarks, which stand beside their files, are pages of the site too.
"""

import html
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.append(str(Path(__file__).parent))
from messages import forms  # noqa: E402  (a neighbour of this file, which is no package)

GUESTS = {
    "examples/README.md": "examples.md",
    "benchmarks/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
}
SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.M)
ENTRY = re.compile(r"^(?:\* |\| )\[([^\]]+)\]\(([^)#]+)\)(?: \| (.+) \|)?", re.M)
LINK = re.compile(r"(?<!!)\[((?:[^\]`]|`[^`]*`)+)\]\(([^)\s#:]+)((?:#[^)\s]*)?)\)")


def on_config(config: Any, **_: Any) -> Any:
    """Set the navigation from the lists of links in docs/index.md: a section for each heading over a list."""
    config.nav = [{"Home": "index.md"}, *navigation(Path(config.docs_dir))]
    return config


def navigation(docs: Path) -> list[dict]:
    """[{section: [{title: page}, ...]}, ...]; the decisions are a section inside theirs."""
    found = []
    for title, body in SECTION.findall((docs / "index.md").read_text()):
        entries: list[dict] = []
        for name, target, _ in ENTRY.findall(body):
            page = GUESTS.get(posixpath.normpath(posixpath.join("docs", target)), target)
            if page.endswith("decisions/README.md"):
                inside = ENTRY.findall((docs / page).read_text())
                folder = posixpath.dirname(page)
                pages = [{f"{number} {about}": f"{folder}/{file}"} for number, file, about in inside]
                entries.append({name: [page, *pages]})
            else:
                entries.append({name: page})
        if entries:
            found.append({title: entries})
    return found


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages that stand outside docs/."""
    for source, page in GUESTS.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links that leave docs/ lead to a guest page, or become the name of the file, which the site has not."""
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]  # it would be empty: the page itself is the list
    here = next((k for k, v in GUESTS.items() if v == page.file.src_uri), f"docs/{page.file.src_uri}")

    def led(match: re.Match) -> str:
        text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        if path.startswith("docs/"):
            page_path = path.removeprefix("docs/")
        elif path in GUESTS:
            page_path = GUESTS[path]
        elif path == "README.md":
            page_path = "index.md"
        else:
            return text if path.split("/")[-1] in text else f"{text} (`{path}`)"
        back = posixpath.relpath(page_path, posixpath.dirname(page.file.src_uri) or ".")
        return f"[{text}]({back}{anchor})"

    if page.file.src_uri == "reference/errors.md":
        markdown = with_messages(markdown)
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.M | re.S)
    return "".join(shown(part) if part.startswith("```") else LINK.sub(led, part) for part in parts)


def shown(block: str) -> str:
    """A block of code as Python prints it: doctest's word for an empty line is an empty line."""
    return re.sub(r"^<BLANKLINE>$", "", block, flags=re.M)


def with_messages(markdown: str) -> str:
    """The page of errors with the forms of all messages at the end of each section, folded."""
    known = forms()

    def longer(match: re.Match) -> str:
        found = known.get(match[1], [])
        rows = "".join(f"<li>{html.escape(form)}</li>" for form in found)
        folded = f"<details><summary>All {len(found)} messages</summary><ul>{rows}</ul></details>"
        return match[0].rstrip("\n") + f"\n\n{folded}\n\n" if found else match[0]

    return SECTION.sub(longer, markdown)
