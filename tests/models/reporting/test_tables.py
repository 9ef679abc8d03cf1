"""The table renderer: Markdown, HTML and terminal forms, and that text stays text in each of them."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from ambivox.models.reporting.tables import Table, markdown_table, plain_markdown
from tests.support.report_run import HOSTILE, Page


def test_markdown_has_one_line_per_row_and_an_alignment() -> None:
    table = Table.of(["label", "votes"], [["anger", "3"], ["", "4"]], alignment=["left", "right"])
    assert table.markdown() == "| label | votes |\n|---|---:|\n| anger | 3 |\n| | 4 |"
    assert markdown_table(["", ""], [["a", "b"]]) == "| | |\n|---|---|\n| a | b |"


def test_a_cell_cannot_leave_its_markdown_cell() -> None:
    text = markdown_table(["name"], [["a|b\nc <script>"]])
    assert text.splitlines()[2] == r"| a\|b c &lt;script> |"
    assert plain_markdown("a*b\n[c](d) <e>") == r"a\*b \[c\](d) \<e\>"


def test_html_escapes_everything() -> None:
    page = Page(Table.of([HOSTILE, "n"], [[HOSTILE, HOSTILE]], HOSTILE).html())
    assert {tag for tag, _ in page.tags} == {
        *("figure", "figcaption", "div", "table", "thead", "tbody", "tr", "th", "td")
    }
    assert page.text.count("alert('x')") == 4


def test_html_keeps_numbers_on_one_line_and_needs_no_headings() -> None:
    html = Table.of(["", ""], [["JS", "0.214 [0.201, 0.229]"], ["note", "2 words"]]).html()
    assert "<thead>" not in html
    assert '<td class="number">0.214 [0.201, 0.229]</td>' in html
    assert "<td>2 words</td>" in html


def test_terminal_shows_text_without_markup() -> None:
    table = Table.of(["source", "JS"], [["[bold]x[/bold]", "0.1"]], "a [red]title", ["left", "right"])
    written = io.StringIO()
    Console(file=written, width=60).print(table.terminal(["green"]))
    assert "[bold]x[/bold]" in written.getvalue()
    assert "a [red]title" in written.getvalue()


def test_a_table_is_immutable_and_rectangular() -> None:
    table = Table.of(["a"], [["b"]])
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.caption = "other"  # type: ignore[misc]
    with pytest.raises(AssertionError):
        Table.of(["a", "b"], [["one cell"]])
