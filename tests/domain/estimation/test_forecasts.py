"""Which forecasts of an end are written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from domain import events as e
from domain.estimation.forecasts import occasion_of
from domain.evolution import evolve
from domain.ids import StreamId, TaskId
from domain.task_state import ForecastNote, TaskState
from eventstore.clock import SystemClock

START = datetime(2025, 1, 2, tzinfo=UTC)
SUBMITTED = e.TaskSubmitted(repository="/src/boto", base_commit="c0", branch="pw/boto", options={})
STATE = TaskState(id=TaskId("boto-7k3mq9xd"), submitted=SUBMITTED, submitted_at=START, phase=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def foretold(p50_seconds: float, *, number: int = 1, milestone: int = 0) -> TaskState:
    """A forecast was made at the start."""
    note = ForecastNote(made_at=START, p50_seconds=p50_seconds, milestone=milestone, number=number)
    return msgspec.structs.replace(STATE, forecast=note)


def test_the_first_one_of_a_phase_is() -> None:
    assert occasion_of(STATE, START, 100.0) == "planned"


def test_one_that_says_the_same_is_not() -> None:
    assert occasion_of(foretold(100.0), at(40), 60.0) is None
    assert occasion_of(foretold(100.0), at(40), 70.0) is None


def test_one_by_which_the_end_has_moved_is() -> None:
    assert occasion_of(foretold(100.0), at(40), 90.0) == "moved"
    assert occasion_of(foretold(100.0), at(40), 30.0) == "moved"


def test_some_seconds_are_no_move_however_short_the_work() -> None:
    assert occasion_of(foretold(4.0), at(3), 9.0) is None


def test_each_quarter_of_the_work_has_one() -> None:
    halfway = msgspec.structs.replace(foretold(100.0, milestone=25), milestone=50)

    assert occasion_of(halfway, at(40), 60.0) == "milestone"


def test_they_come_to_an_end_but_for_the_quarters() -> None:
    many = foretold(100.0, number=20)

    assert occasion_of(many, at(40), 9_000.0) is None
    assert occasion_of(msgspec.structs.replace(many, milestone=25), at(40), 9_000.0) == "milestone"


def test_a_task_that_is_not_under_way_has_none() -> None:
    assert occasion_of(msgspec.structs.replace(STATE, status="paused"), START, 100.0) is None


def test_the_state_knows_the_last_one_until_the_next_phase() -> None:
    body = e.TaskForecast(
        phase=1, occasion="planned", p50_seconds=100.0, p80_seconds=150.0, p95_seconds=300.0,
        workers=2, open_subtasks=5, state_position=7, model="ab", model_position=3,
    )  # fmt: skip

    def event(what: e.EventBody) -> e.Event:
        return e.Event(
            task_id=STATE.id,
            stream_id=StreamId(STATE.id),
            message_id=SystemClock().new_message_id(),
            occurred_at=at(5),
            body=what,
        )

    once = evolve(STATE, event(body))
    twice = evolve(once, event(body))

    assert once.forecast == ForecastNote(made_at=at(5), p50_seconds=100.0, milestone=0, number=1)
    assert twice.forecast is not None
    assert twice.forecast.number == 2
    assert evolve(twice, event(e.PhaseStarted(phase=2, name="round 2"))).forecast is None
