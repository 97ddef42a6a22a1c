"""A post-mortem on the terminal, and in a file of plain text."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from api.postmortem.document import Postmortem
from api.postmortem.terminal import ROWS_MAX, render_plain

MakeDocument = Callable[..., Postmortem]


def test_it_holds_summary_figures_and_tables(make_document: MakeDocument) -> None:
    document = make_document()
    lines = [" ".join(line.split()) for line in render_plain(document).splitlines()]
    assert lines[0] == "Post-mortem of tree-1, as of 2026-03-01 09:06:00 UTC"
    assert lines[1] == document.summary[0]
    assert "Wall time 5 min 0 s without the time in which nobody ran the task" in lines
    assert "13. Cost per problem?" in lines
    assert "E1 500 $1.50 $0.003 1,000" in lines


def test_a_title_is_no_markup_of_the_terminal(make_document: MakeDocument) -> None:
    text = render_plain(make_document("[red]alarm[/red] \x1b[2J"))
    assert "[red]alarm[/red]  [2J" in text
    assert "\x1b" not in text


def test_a_long_answer_is_cut_and_says_so(make_document: MakeDocument) -> None:
    document = make_document()
    long = [
        msgspec.structs.replace(section, rows=section.rows * 30) if section.name == "what_blocked_whom" else section
        for section in document.sections
    ]
    text = render_plain(msgspec.structs.replace(document, sections=tuple(long)))
    assert text.count("the index is down") == ROWS_MAX // 2 + 2
    assert "  and 40 more: -o json\n" in text


def test_a_question_without_an_answer_is_one_line(make_document: MakeDocument) -> None:
    assert "13. Cost per problem? Nothing to tell.\n" in render_plain(make_document(without=["cost_per_problem"]))
