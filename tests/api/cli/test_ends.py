"""When a task will be done, as people read it, and what `--what-if` supposes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from rich.console import Console

from api.cli.ends import end_line, estimate_table
from api.cli.suppositions import supposition_of
from api.schemas import CriticalSubtask, EstimateView
from api.service.supposition import AS_IT_IS, Supposition
from domain.errors import UsageError

#: At noon by the clock of whoever runs the tests.
MADE_AT = datetime(2026, 3, 1, 12, tzinfo=UTC).astimezone().replace(hour=12)


def view(p50: float, p80: float, p95: float, *, supposed: str = "") -> EstimateView:
    return EstimateView(
        task_id="boto-7k3mq9xd",
        phase=1,
        made_at=MADE_AT,
        unknown="",
        supposed=supposed,
        p50_seconds=p50,
        p80_seconds=p80,
        p95_seconds=p95,
        p50_at=MADE_AT + timedelta(seconds=p50),
        p80_at=MADE_AT + timedelta(seconds=p80),
        p95_at=MADE_AT + timedelta(seconds=p95),
        workers=3,
        open_subtasks=5,
        worker_saves_seconds=20.0,
        reasons=("5 subtasks are open, 3 of them under way, on 3 workers",),
        subtasks=(CriticalSubtask(id="boto-7k3mq9xd.7", title="F401 in 3 files", critical=0.83, variance=0.4),),
        position=41,
        model="ab" * 32,
        model_position=30,
        draws=1_000,
    )


UNKNOWN = msgspec.structs.replace(
    view(1.0, 2.0, 3.0), unknown="no worker is there", p50_at=None, p80_at=None, p95_at=None,
    p50_seconds=None, p80_seconds=None, p95_seconds=None, subtasks=(), reasons=(),
)  # fmt: skip


def shown(*views: EstimateView) -> str:
    console = Console(width=200, record=True, file=None)
    with console.capture() as captured:
        console.print(estimate_table(*views))
    return captured.get()


def test_a_line_says_when_and_by_when_with_some_certainty() -> None:
    assert end_line(view(7_500.0, 8_400.0, 9_000.0)) == "done 14:05, by 14:20 with 80 %"


def test_moments_that_lie_close_together_are_told_apart() -> None:
    assert end_line(view(10.0, 25.0, 30.0)) == "done 12:00:10, by 12:00:25 with 80 %"


def test_another_day_is_named() -> None:
    assert end_line(view(3_600.0, 86_400.0, 90_000.0)).endswith("by 03-02 12:00 with 80 %")


def test_there_is_no_line_where_there_is_no_telling() -> None:
    assert end_line(None) == end_line(UNKNOWN) == ""


def test_the_table_says_why_and_what_the_end_waits_for() -> None:
    text = shown(view(7_500.0, 8_400.0, 9_000.0))

    assert "14:05, in 2 h 5 min" in text
    assert "5 subtasks are open, 3 of them under way, on 3 workers" in text
    assert "83%" in text
    assert "F401 in 3 files" in text


def test_what_is_supposed_stands_beside_what_is() -> None:
    text = shown(view(7_500.0, 8_400.0, 9_000.0), view(600.0, 660.0, 720.0, supposed="8 workers from now on"))

    assert "as it is" in text
    assert "if 8 workers from now on" in text
    assert "12:10:00, in 10 min 0 s" in text


def test_the_table_says_why_there_is_no_telling() -> None:
    assert "no worker is there" in shown(UNKNOWN)


def test_suppositions_are_read() -> None:
    assert supposition_of([]) == AS_IT_IS
    assert supposition_of(["without-worker=w1", "blocked-longer=3600", "workers=8"]) == Supposition(
        without_worker="w1", blocked_longer=3_600.0, workers=8
    )


@pytest.mark.parametrize(
    "said", ["", "workers", "workers=", "speed=2", "workers=two", "workers=1.5", "workers=-1", "blocked-longer=nan"]
)
def test_nonsense_is_refused_with_what_can_be_supposed(said: str) -> None:
    with pytest.raises(UsageError, match="--what-if"):
        supposition_of([said])


def test_nothing_is_supposed_twice() -> None:
    with pytest.raises(UsageError, match="twice"):
        supposition_of(["workers=1", "workers=2"])
