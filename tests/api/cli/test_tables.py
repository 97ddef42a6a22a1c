from __future__ import annotations

import re

import pytest
from rich.console import Console, RenderableType

from api.cli.tables import codes_table, plan_table, report_table, span, styled
from domain.plan import Effort, Plan, PlannedSubtask
from domain.scope import TaskScope
from projections.report import RunReport


def _text(what: RenderableType) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def _report(**changes: object) -> RunReport:
    facts: dict[str, object] = dict(  # noqa: C408
        task_id="boto-7k3mq9xd", status="completed", reason="nothing is left", branch="pw/boto-7k3mq9xd",
        head="0123456789abcdef", before={"F401": 1200, "E711": 3}, after={"E711": 1}, accepted=2, rejected=0, lost=0,
        held=0, conflicts=0, phases=1, wall_seconds=4.0, worker_seconds=8.0, worker_cpu_seconds=6.0, gate_seconds=0.5,
        observations=2, speedup=2.0, speedup_basis="worker time over wall time", subtasks=(),
    )  # fmt: skip
    return RunReport(**(facts | changes))  # type: ignore[arg-type]


def _plan(subtasks: int, reasons: list[str]) -> Plan:
    effort = Effort(p50=10.0, p80=20.0, p95=30.0)
    return Plan(
        strategy="root-cause",
        subtasks=tuple(
            PlannedSubtask(
                title=f"title {number} [bold]",
                reason=reasons[number % len(reasons)],
                scope=TaskScope(files=("a.py",), codes=("F401",)),
                problems=(number,),
                effort=effort,
                priority=number,
            )
            for number in range(subtasks)
        ),
        recommended_workers=2,
        recommendation="",
        curve=(),
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"), (0.44, "0.4 s"), (42.4, "42 s"), (200.0, "3 min 20 s"), (3599.0, "59 min 59 s"),
        (3600.0, "1 h 0 min"), (7500.0, "2 h 5 min"),
    ],
)  # fmt: skip
def test_a_duration_is_spelt_with_what_matters(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_an_unknown_status_is_shown_as_it_is() -> None:
    assert styled("odd").plain == "odd"


def test_problems_are_counted_before_and_after_the_most_frequent_first() -> None:
    rows = [re.findall(r"[\w,]+", line) for line in _text(codes_table(_report())).splitlines()]
    assert [row for row in rows if {"F401", "E711"} & set(row)] == [
        ["F401", "1,200", "0", "1,200"],
        ["E711", "3", "1", "2"],
    ]


def test_many_codes_are_cut_but_counted() -> None:
    text = _text(codes_table(_report(before={f"C{number}": 1 for number in range(45)}, after={})))
    assert "and 5 more codes" in text


def test_a_report_without_problems_has_a_table_all_the_same() -> None:
    assert "all" in _text(codes_table(_report(before={}, after={})))


def test_a_stalled_task_says_how_to_go_on() -> None:
    assert "pw run --resume boto-7k3mq9xd" in _text(report_table(_report(status="stalled")))


def test_a_completed_task_does_not() -> None:
    assert "--resume" not in _text(report_table(_report()))


def test_a_reason_is_text_and_no_markup() -> None:
    assert "[bold]left[/]" in _text(report_table(_report(reason="[bold]left[/]")))


def test_reasons_of_a_plan_are_said_once() -> None:
    text = _text(plan_table(_plan(4, ["one cause", "local edits"])))
    assert (text.count("one cause"), text.count("local edits")) == (1, 1)
    assert "title 3 [bold]" in text


def test_a_long_plan_is_cut_but_counted() -> None:
    assert "and 10 more" in _text(plan_table(_plan(50, ["why"])))


def test_reasons_beyond_the_alphabet_have_two_letters() -> None:
    assert "aa: reason 26" in _text(plan_table(_plan(30, [f"reason {number}" for number in range(30)])))
