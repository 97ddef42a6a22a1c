"""A post-mortem as tables for the terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from api.postmortem.cells import heading, is_numeric, spell, spell_rows
from api.postmortem.document import Postmortem, Section

#: Rows of an answer; the rest is for those who ask for JSON.
ROWS_MAX = 20
#: Width of a file, in which nobody can ask for the terminal's.
_PLAIN_WIDTH = 160
_INDENT = 2
#: Between two columns.
_GAP = 2
#: Room that a column of words gets at least, and characters of a cell that are shown.
_TEXT_MIN, _TEXT_MAX = 18, 120


def render_terminal(document: Postmortem, width: int) -> RenderableType:
    """Lay out the summary, then a table for each question; columns that `width` has no room for are left out."""
    return Group(*_parts(document, width))


def render_plain(document: Postmortem) -> str:
    """Write the same as text without colours."""
    text = io.StringIO()
    Console(file=text, width=_PLAIN_WIDTH, color_system=None, highlight=False).print(
        render_terminal(document, _PLAIN_WIDTH)
    )
    return text.getvalue()


def _parts(document: Postmortem, width: int) -> Iterator[RenderableType]:
    so_far = " so far" if document.so_far else ""
    yield Text(f"Post-mortem of {document.task_id}{so_far}, as of {document.made_at:%Y-%m-%d %H:%M:%S} UTC", "bold")
    for sentence in document.summary:
        yield Text(sentence)
    yield Text()
    yield _figures(document)
    for section in document.sections:
        yield Text()
        yield from _section(section, width)


def _figures(document: Postmortem) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for figure in document.figures:
        table.add_row(figure.title, Text(spell(figure.value, figure.kind) or "unknown"), Text(figure.note))
    return table


def _section(section: Section, width: int) -> Iterator[RenderableType]:
    title = f"{section.number}. {section.title}"
    if not section.rows:
        yield Text.assemble((title, "bold"), " Nothing to tell.")
        return
    yield Text(title, "bold")
    yield Text(section.reading, "dim")
    columns = _fitting(section, width - _INDENT)
    yield Padding(_table(section, columns), (0, 0, 0, _INDENT))
    if columns < len(section.columns):
        left_out = ", ".join(heading(column) for column in section.columns[columns:])
        yield Text(f"  no room for {left_out}: -o markdown", "dim")
    if len(section.rows) > ROWS_MAX:
        yield Text(f"  and {len(section.rows) - ROWS_MAX:,} more: -o json")


def _fitting(section: Section, width: int) -> int:
    """Count the columns that there is room for, from the first on: the later, the less an answer needs them."""
    used = fitting = 0
    for column, cells in zip(section.columns, zip(*spell_rows(section, ROWS_MAX), strict=True), strict=True):
        words, longest = max(map(len, heading(column).split())), max(map(len, cells))
        used += max(words, min(longest, _TEXT_MIN) if column.kind == "text" else longest) + _GAP
        if used > width + _GAP:
            break
        fitting += 1
    return max(fitting, 1)


def _table(section: Section, columns: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False, collapse_padding=True)
    for column in section.columns[:columns]:
        # Words are wrapped, figures are not.
        name = heading(column) if column.kind == "text" else heading(column).replace(" ", "\n")
        justify: Literal["left", "right"] = "right" if is_numeric(column) else "left"
        table.add_column(name, justify=justify, no_wrap=column.kind != "text", overflow="fold", vertical="top")
    for cells in spell_rows(section, ROWS_MAX):
        table.add_row(*(Text(_shortened(cell)) for cell in cells[:columns]))
    return table


def _shortened(cell: str) -> str:
    return cell if len(cell) <= _TEXT_MAX else f"{cell[: _TEXT_MAX - 1]}…"
