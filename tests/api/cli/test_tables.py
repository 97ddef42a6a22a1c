from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from api.cli.tables import (
    codes_table,
    make_table,
    plan_table,
    report_table,
    span,
    styled,
    subtasks_table,
    task_views_table,
    tasks_table,
)
from domain.plan import Effort, Plan, PlannedSubtask
from domain.scope import TaskScope
from projections.report import RunReport


def _text(what: RenderableType, width: int = 200) -> str:
    console = Console(width=width, no_color=True)
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


def _plan(subtasks: int, reasons: list[str], effort: Effort | None = None) -> Plan:
    effort = effort or Effort(p50=10.0, p80=20.0, p95=30.0)
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


# --- where there is little room


def _wordy(width: int) -> str:
    effort = Effort(p50=1355.0, p80=5340.0, p95=9000.0)
    return _text(plan_table(_plan(3, ["local edits of one cause"], effort)), width)


def _columns(text: str) -> list[str]:
    return re.split(r"  +", text.splitlines()[1].strip())


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_plan_shows_its_figures_whole_however_narrow_it_is(width: int) -> None:
    text = _wordy(width)
    assert text.count("22 min 35 s / 1 h 29 min") == 3
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_a_plan_goes_without_codes_first_and_then_without_waves_and_reasons() -> None:
    plan = ["#", "what", "files", "problems", "codes", "wave", "effort P50/P80", "why"]
    seen = [_columns(_wordy(width)) for width in range(120, 50, -1)]
    stages = [columns for number, columns in enumerate(seen) if columns != seen[number - 1]]
    assert seen[0] == plan
    gone = [[column for column in plan if column not in columns] for columns in [plan, *stages[1:]]]
    assert gone == [[], ["codes"], ["codes", "wave"], ["codes", "wave", "why"]]


def test_the_legend_of_a_column_goes_with_it() -> None:
    for width in range(50, 120):
        text = _wordy(width)
        assert ("a: local edits" in text) == ("why" in _columns(text))


def test_prose_is_wrapped_and_a_word_that_finds_no_room_ends_in_an_ellipsis() -> None:
    table = make_table("", "name", "what", prose=("what",))
    table.add_row("n" * 40, "several words")
    assert re.findall("several|words|n+", _text(table, 50).split("─")[-1]) == ["n" * 40, "several", "words"]
    assert "n…" in _text(table, 30)


def _task(**further: Any) -> Any:
    return SimpleNamespace(
        id="boto-2-49-0-eqtw9fxj", task_id="boto-2-49-0-eqtw9fxj", status="completed",
        submitted_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC), percent=100, accepted=1204, held=12, phase=2,
        problems_before=41429, problems_now=31352, **further,
    )  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_tasks_are_listed_by_their_whole_names_and_figures(width: int) -> None:
    stored = _text(tasks_table([_task(subtasks=1300)]), width)
    served = _text(task_views_table([_task(subtasks={"accepted": 1204, "held": 96}, problems=41429)]), width)
    for text, figures in ((stored, "41429 > 31352"), (served, "41,429")):
        assert all(part in text for part in ("boto-2-49-0-eqtw9fxj", "completed", "1204/1300", figures))


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_subtasks_are_listed_with_whole_figures(width: int) -> None:
    plan = SimpleNamespace(phase=1, problems=range(10197), title="C408, COM812, COM819 +16 in 152 files")
    one = SimpleNamespace(
        id="boto-2-49-0-eqtw9fxj.112", plan=plan, status="accepted", worker_id="vm-7860-12", fraction=1.0, epoch=3,
        worked_seconds=1355.0, note="",
    )  # fmt: skip
    state: Any = SimpleNamespace(subtasks={one.id: one})
    text = _text(subtasks_table(state), width)
    assert all(part in text for part in ("112", "accepted", "100%", "22 min 35 s", "COM812"))


# --- counts


def test_what_there_is_one_of_is_counted_as_one() -> None:
    text = _text(report_table(_report(rejected=1, lost=1, conflicts=1)))
    assert "1 attempt refused by a gate, 1 conflict, 1 worker lost" in text
    assert "1 subtask (root-cause)" in _text(plan_table(_plan(1, ["why"])))
