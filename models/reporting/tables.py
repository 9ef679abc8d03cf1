"""The one table of all written output, and its three forms: Markdown, HTML and rich (terminal)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import rich.table
from markupsafe import Markup, escape
from rich.text import Text

Alignment = Literal["left", "right"]
_MARKDOWN_SIGNS = frozenset(r"\`*_{}[]<>#|!~")
_NUMBER_SIGNS = frozenset("0123456789.,[]%+-e ")
_NUMBER_CHARACTERS = 32
_RULES: dict[Alignment, str] = {"left": "---", "right": "---:"}


@dataclass(frozen=True)
class Table:
    """An immutable table of text. The first column names the rows.

    Attributes:
        columns: one heading per column; headings may be empty.
        rows: the cells, one text per column.
        caption: what the table shows; empty for none.
        alignment: one entry per column; empty aligns every column to the left.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    alignment: tuple[Alignment, ...] = ()

    def __post_init__(self) -> None:
        """Check that rows and alignment fit the columns."""
        width = len(self.columns)
        assert all(len(row) == width for row in self.rows), "every row has one cell per column"
        assert len(self.alignment) in (0, width), "one alignment per column"

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        caption: str = "",
        alignment: Sequence[Alignment] = (),
    ) -> Table:
        """Build a table from any sequences of text."""
        return cls(tuple(columns), tuple(tuple(row) for row in rows), caption, tuple(alignment))

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """The alignment of every column."""
        left: Alignment = "left"
        return self.alignment or (left,) * len(self.columns)

    def markdown(self, escape_cell: Callable[[str], str] | None = None) -> str:
        """Return the table in GitHub Markdown, without its caption and without a final line break.

        Args:
            escape_cell: makes a cell safe; ``single_cell`` by default.
        """
        safe = single_cell if escape_cell is None else escape_cell
        lines = [_markdown_row([safe(heading) for heading in self.columns])]
        lines.append("|" + "|".join(_RULES[side] for side in self.alignments) + "|")
        lines += [_markdown_row([safe(cell) for cell in row]) for row in self.rows]
        return "\n".join(lines)

    def html(self) -> Markup:
        """Return the table as an HTML ``figure`` that scrolls sideways; all text is escaped."""
        parts = ['<figure class="table">']
        if self.caption:
            parts.append(f"<figcaption>{escape(self.caption)}</figcaption>")
        name = escape(self.caption or "Table")
        # What scrolls must be reachable by the keyboard.
        parts.append(f'<div class="scroll" tabindex="0" role="group" aria-label="{name}"><table>')
        if any(self.columns):
            headings = "".join(
                f'<th scope="col"{_classes("", side)}>{escape(heading)}</th>'
                for heading, side in zip(self.columns, self.alignments, strict=True)
            )
            parts.append(f"<thead><tr>{headings}</tr></thead>")
        parts.append("<tbody>")
        for row in self.rows:
            classes = [_classes(cell, side) for cell, side in zip(row, self.alignments, strict=True)]
            cells = [
                f"<td{names}>{escape(cell)}</td>" for cell, names in zip(row[1:], classes[1:], strict=True)
            ]
            parts.append(f'<tr><th scope="row"{classes[0]}>{escape(row[0])}</th>{"".join(cells)}</tr>')
        parts.append("</tbody></table></div></figure>")
        return Markup("\n".join(parts))  # noqa: S704  (every text above is escaped)

    def terminal(self, row_styles: Sequence[str] = ()) -> rich.table.Table:
        """Return the table for ``rich.console.Console.print``; text is shown as it is, without rich's markup.

        Args:
            row_styles: one rich style per row, such as ``"bold green"``; empty for none.
        """
        shown = rich.table.Table(title=Text(self.caption) if self.caption else None, title_justify="left")
        for heading, side in zip(self.columns, self.alignments, strict=True):
            shown.add_column(Text(heading), justify=side)
        styles = row_styles or ("",) * len(self.rows)
        for row, style in zip(self.rows, styles, strict=True):
            shown.add_row(*(Text(cell) for cell in row), style=style)
        return shown


def markdown_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    escape_cell: Callable[[str], str] | None = None,
) -> str:
    r"""Return a table in GitHub Markdown, without a final line break.

    Args:
        columns: one heading per column.
        rows: the cells, one text per column.
        escape_cell: makes a cell safe; ``single_cell`` by default.

    Example:
        >>> print(markdown_table(["label", "votes"], [["anger | fear", "3"]]))
        | label | votes |
        |---|---|
        | anger \| fear | 3 |
    """
    return Table.of(columns, rows).markdown(escape_cell)


def single_cell(text: str) -> str:
    """Escape what would end a Markdown cell or start an HTML tag."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def plain_markdown(text: str) -> str:
    """Return one line of Markdown that shows ``text`` as it is: every sign of markup is escaped."""
    line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in _MARKDOWN_SIGNS else sign for sign in line)


def _markdown_row(cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _classes(cell: str, side: Alignment) -> str:
    """The HTML classes of a cell: numbers and their intervals stay on one line."""
    names = [name for name, applies in (("number", _is_number(cell)), ("right", side == "right")) if applies]
    return f' class="{" ".join(names)}"' if names else ""


def _is_number(cell: str) -> bool:
    return 0 < len(cell) <= _NUMBER_CHARACTERS and cell[0] in "-0123456789" and set(cell) <= _NUMBER_SIGNS
