"""The page of a post-mortem: whole in itself, and safe whatever tools and agents have said."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.postmortem.charts.chart import Chart
from api.postmortem.document import Postmortem
from api.postmortem.html import ROWS_MAX, _as_script, render_html

MakeDocument = Callable[..., Postmortem]

HOSTILE = "<script>alert(1)</script></script><!-- <img src=x onerror=alert(2)> \" ' &amp; </title>"


class Page(HTMLParser):
    """A page as a browser takes it apart: elements with their attributes, and the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts[-1] += data

    @property
    def specs(self) -> list[dict[str, Any]]:
        return [json.loads(script) for script in self.scripts[:-1]]

    def tags(self) -> Counter[str]:
        return Counter(tag for tag, _ in self.elements)


@pytest.fixture(scope="module")
def page(make_document: MakeDocument) -> Page:
    return Page(render_html(make_document()))


def test_it_fetches_nothing(page: Page) -> None:
    addresses = [attributes.get(name) for _, attributes in page.elements for name in ("src", "href", "xlink:href")]
    assert all(address.startswith("#") for address in addresses if address)
    assert {"link", "img", "iframe"}.isdisjoint(page.tags())
    policy = next(one["content"] for tag, one in page.elements if tag == "meta" and "http-equiv" in one)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")


def test_only_its_own_script_may_run(page: Page) -> None:
    digest = base64.b64encode(hashlib.sha256(page.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'unsafe-eval' 'sha256-{digest}'" in page.text


def test_each_chart_is_drawn_described_and_there_as_data(page: Page) -> None:
    images = [one for tag, one in page.elements if one.get("role") == "img" and tag == "div"]
    assert len(images) == len(page.specs) == page.tags()["figure"] == 6
    assert all(one["aria-label"] for one in images)
    assert page.text.count('<svg xmlns="http://www.w3.org/2000/svg"') == 6
    named = [one["data-chart"] for tag, one in page.elements if tag == "script" and "data-chart" in one]
    assert named == [one["id"] for one in images]


def test_each_question_has_its_table_beside_the_charts(page: Page, make_document: MakeDocument) -> None:
    assert page.tags()["table"] == len(make_document().sections)
    assert '<td class="numeric">$0.003</td>' in page.text
    assert '<td class="moment">09:01:00</td>' in page.text


def test_what_tools_and_agents_say_is_text(page: Page, make_document: MakeDocument) -> None:
    hostile = Page(render_html(make_document(HOSTILE, detail=HOSTILE)))
    # The title stands in tables and in the data of charts, the detail is drawn as well: no element has come of them.
    assert hostile.tags() == page.tags()
    assert HOSTILE in {row["what"].removeprefix("#1 ") for row in hostile.specs[0]["layer"][0]["data"]["values"]}
    assert hostile.scripts[-1] == page.scripts[-1]


@given(st.text())
def test_no_text_ends_the_data_of_a_chart(text: str) -> None:
    chart = Chart(name="c", question="q", title="t", description="d", spec={"data": {"values": [{"what": text}]}})
    script = _as_script(chart)
    assert not set("<>&") & set(script)
    assert json.loads(script) == chart.spec


def test_a_long_table_is_cut_and_says_so(make_document: MakeDocument) -> None:
    document = make_document()
    long = [
        msgspec.structs.replace(one, rows=one.rows * (ROWS_MAX // 2 + 1)) if one.name == "cost_per_problem" else one
        for one in document.sections
    ]
    page = Page(render_html(msgspec.structs.replace(document, sections=tuple(long))))
    assert "And 2 more rows: <code>pw postmortem tree-1 -o json</code> gives them all." in page.text


def test_a_task_that_still_runs_is_so_far(make_document: MakeDocument) -> None:
    assert "<h1>Post-mortem of <code>tree-1</code> so far</h1>" in render_html(make_document(so_far=True))


def test_a_task_without_answers_has_a_page_without_charts(make_document: MakeDocument) -> None:
    document = make_document()
    page = Page(render_html(make_document(without=[section.name for section in document.sections])))
    assert "figure" not in page.tags()
    assert page.text.count("Nothing to tell.") == len(document.sections)
