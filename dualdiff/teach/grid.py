"""A table of formulas and numbers: as aligned text, as Markdown, as HTML.

Every table that is printed here goes through it; what the rows mean is said elsewhere.
"""

from __future__ import annotations

import html
from typing import NamedTuple

from dualdiff.teach.words import Formula

STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
CELL = "padding:.2em .8em;text-align:left;border-bottom:1px solid rgba(128,128,128,.35)"


class Grid(NamedTuple):
    """The heads of the columns and the rows; a cell is a text or a formula."""

    heads: list[str]
    rows: list[list[str]]

    def to_text(self) -> str:
        """Columns padded to one width each."""
        table = [self.heads, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in table]
        return "\n".join(line.rstrip() for line in lines)

    def to_markdown(self) -> str:
        """A table of Markdown, its formulas as code."""
        lines = [
            self.heads,
            ["---"] * len(self.heads),
            *([marked(cell) for cell in row] for row in self.rows),
        ]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def to_html(self, name: str = "dualdiff-table") -> str:
        """A table of HTML that takes colours and fonts from the page around it."""
        heads = "".join(f'<th style="{CELL}">{spelled(head)}</th>' for head in self.heads)
        body = "\n".join(
            "<tr>" + "".join(f'<td style="{CELL}">{spelled(cell)}</td>' for cell in row) + "</tr>"
            for row in self.rows
        )
        return f'<table class="{name}" style="{STYLE}">\n<tr>{heads}</tr>\n{body}\n</table>'


def marked(cell: str) -> str:
    text = cell.replace("|", "\\|")
    return f"`{text}`" if isinstance(cell, Formula) and text else text


def spelled(cell: str) -> str:
    return cell.to_html() if isinstance(cell, Formula) else html.escape(cell)
