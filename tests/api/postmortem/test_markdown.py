"""A post-mortem as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.postmortem.document import Postmortem
from api.postmortem.markdown import render_markdown

MakeDocument = Callable[..., Postmortem]


def rows_with(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_it_begins_with_the_summary(make_document: MakeDocument) -> None:
    document = make_document()
    lines = render_markdown(document).splitlines()
    assert lines[:5] == [
        "# Post-mortem of tree-1",
        "",
        "As of 2026-03-01 09:06:00 UTC, position 1,234.",
        "",
        f"- {document.summary[0]}",
    ]


def test_each_question_is_a_section_with_its_answer_as_a_table(make_document: MakeDocument) -> None:
    text = render_markdown(make_document())
    assert (
        "## 13. Cost per problem?\n\nHow to read it.\n\n| domain | problems | cost | cost per problem | tokens |"
        in text
    )
    assert "| E1 | 500 | $1.50 | $0.003 | 1,000 |\n| F2 | 22 |  |  |  |\n" in text


def test_a_question_without_an_answer_says_so(make_document: MakeDocument) -> None:
    text = render_markdown(make_document(without=["cost_per_problem"]))
    assert "## 13. Cost per problem?\n\nHow to read it.\n\nNothing to tell.\n" in text


def test_a_task_that_still_runs_is_so_far(make_document: MakeDocument) -> None:
    assert render_markdown(make_document(so_far=True)).startswith("# Post-mortem of tree-1 so far\n")


def test_markup_in_a_title_is_text(make_document: MakeDocument) -> None:
    text = render_markdown(make_document("<script>alert(1)</script> *bold* [link](x) `a|b` _it_ snake_case"))
    assert r"| 1 | \<script\>alert(1)\</script\> \*bold\* \[link\](x) \`a\|b\` \_it\_ snake_case | E1 |" in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text())
def test_no_title_changes_the_form_of_a_table(make_document: MakeDocument, title: str) -> None:
    row = rows_with(render_markdown(make_document(title)), "| 1 | ")[0]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 10
