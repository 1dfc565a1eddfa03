"""Docstrings for the site: plain text with columns of fields and examples becomes Markdown.

A docstring of dualdiff is read in a terminal first (its fixed words are tested in test_architecture.py). On
the site a block of `Word    text` lines is a list of definitions, `>>>` a block of code, all else a
paragraph in which no character but the backtick means anything.
"""

import html
import re
import textwrap
from typing import Any

import griffe

FIELD = re.compile(r"^(\S+(?: \S+)*) {2,}(?=\S)")
CODE = re.compile(r"(`[^`]+`)")


def to_markdown(text: str) -> str:
    """The Markdown of a docstring, block by block."""
    return "\n\n".join(block_to_markdown(block) for block in re.split(r"\n[ \t]*\n", text.strip("\n")))


def block_to_markdown(block: str) -> str:
    """One block between empty lines."""
    lines = block.split("\n")
    if lines[0].lstrip().startswith(">>> "):
        code = textwrap.dedent(block).replace("<BLANKLINE>\n", "\n")  # doctest's word for an empty line
        return f"```pycon\n{code}\n```"
    column = column_of_texts(lines)
    if column:
        return fields_to_html(lines, column)
    if lines[0].startswith("    "):
        return f"```text\n{textwrap.dedent(block)}\n```"
    return escaped(block)


def column_of_texts(lines: list[str]) -> int:
    """Where the right column of a block begins, which the first line shows; 0 if it has no columns."""
    found = FIELD.match(lines[0])
    column = found.end() if found else 0
    return column if all(line[:column].endswith(" ") for line in lines) else 0


def fields_to_html(lines: list[str], column: int) -> str:
    """A list of definitions; a line with nothing on the left continues the one above."""
    pairs: list[list[str]] = []
    for line in lines:
        term, text = line[:column].strip(), line[column:].strip()
        if term:
            pairs.append([term, text])
        else:
            pairs[-1][1] += " " + text
    rows = "".join(f"<dt>{inline(term)}</dt><dd>{inline(text)}</dd>" for term, text in pairs)
    return f'<dl class="fields">{rows}</dl>'


def inline(text: str) -> str:
    """Plain text with `code` as HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def escaped(text: str) -> str:
    """Plain text with `code` as Markdown: every other mark of Markdown stands for itself."""
    parts = CODE.split(text)
    return "".join(p if CODE.fullmatch(p) else re.sub(r"([\\*_<>\[\]#|])", r"\\\1", p) for p in parts)


class Fields(griffe.Extension):
    """Replaces the text of each docstring of the package before mkdocstrings renders it."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        rewrite(pkg)


def rewrite(item: griffe.Object) -> None:
    """Rewrite the docstrings of an object and of all its members."""
    if item.docstring:
        item.docstring.value = to_markdown(item.docstring.value)
    for member in item.members.values():
        if not member.is_alias:
            rewrite(member)
