"""A post-mortem as Markdown (CommonMark with tables)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.postmortem.cells import heading, is_numeric, spell, spell_rows
from api.postmortem.document import Postmortem, Section

#: A table in a text is read by people: longer ones are cut, and say so.
ROWS_MAX = 50

#: Within a word an underscore is one.
_MARKUP = re.compile(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))")


def render_markdown(document: Postmortem) -> str:
    """Write the document; what comes from tools and agents is escaped."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Postmortem) -> Iterator[str]:
    yield f"# Post-mortem of {_escape(document.task_id)}{' so far' if document.so_far else ''}"
    yield ""
    yield f"As of {document.made_at:%Y-%m-%d %H:%M:%S} UTC, position {document.position:,}."
    yield ""
    yield from (f"- {_escape(sentence)}" for sentence in document.summary)
    yield ""
    yield "| figure | value | note |"
    yield "|---|--:|---|"
    for figure in document.figures:
        value = _escape(spell(figure.value, figure.kind)) or "unknown"
        yield f"| {figure.title} | {value} | {_escape(figure.note)} |"
    for section in document.sections:
        yield ""
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.number}. {_escape(section.title)}"
    yield ""
    yield _escape(section.reading)
    yield ""
    if not section.rows:
        yield "Nothing to tell."
        return
    yield f"| {' | '.join(heading(column) for column in section.columns)} |"
    yield f"|{'|'.join('--:' if is_numeric(column) else '---' for column in section.columns)}|"
    for cells in spell_rows(section, ROWS_MAX):
        yield f"| {' | '.join(map(_escape, cells))} |"
    if len(section.rows) > ROWS_MAX:
        yield ""
        yield f"And {len(section.rows) - ROWS_MAX:,} more rows: `-o json` gives them all."


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)
