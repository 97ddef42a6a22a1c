"""What the ledger teaches the effort model: which attempts count, as what, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.estimation.features import Completion
from domain.estimation.learner import Learner
from domain.estimation.model import snapshot
from domain.estimation.shipped import SHIPPED
from domain.plan import StartForecast
from eventstore.ledger import Ledger
from projections.effort_models import model_at
from projections.learning import Lessons, Training
from tests.projections.conftest import History


def lessons_of(records: Sequence[e.RecordedEvent]) -> list[Completion]:
    lessons = Lessons()
    return [completion for record in records for completion in lessons.take_in(record)]


def the_lesson(history: History) -> Completion:
    [completion] = lessons_of(history.recorded)
    return completion


@pytest.fixture
def planned(history: History) -> History:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0, 30.0, prior=20.0)
    return history


def test_an_accepted_attempt_counts_with_its_active_time(planned: History) -> None:
    planned.start(10)
    planned.add(20, e.Blocked(issue=e.ScopeClarification(question="which?")), subtask=1, epoch=1)
    planned.add(50, e.BlockerAnswered(number=1, text="the first"), subtask=1, epoch=1)
    planned.complete(65)
    planned.accept(70)

    lesson = the_lesson(planned)

    assert (lesson.seconds, lesson.blocked_seconds, lesson.censored, lesson.failed) == (25.0, 30.0, False, False)
    assert lesson.position == len(planned.events)


def test_its_features_are_what_plan_and_task_say(planned: History) -> None:
    planned.start(10)
    planned.complete(65)
    planned.accept(70)

    known = the_lesson(planned).features

    assert (known.project, known.decomposition, known.worker) == ("/tree", planned.task, "ruff-fix")
    assert (known.planned_seconds, known.problems, known.files) == (20.0, 2, 1)


def test_a_rejected_attempt_is_measured_and_has_failed(planned: History) -> None:
    planned.start(10)
    planned.complete(65)
    planned.add(70, e.SubtaskRejected(gate="tests", reason="red"), subtask=1, epoch=1)

    lesson = the_lesson(planned)

    assert (lesson.seconds, lesson.censored, lesson.failed) == (55.0, False, True)


@pytest.mark.parametrize(
    ("ending", "failed"),
    [
        (e.Failed(error="gave up"), True),
        (e.LeaseExpired(reason="no progress", clock="progress"), True),
        (e.SubtaskReleased(reason="the run was paused"), False),
    ],
)
def test_what_was_cut_off_would_have_taken_longer(planned: History, ending: e.EventBody, *, failed: bool) -> None:
    planned.start(10)
    planned.add(30, e.Progress(completed=1, total=2), subtask=1, epoch=1)
    planned.add(40, ending, subtask=1, epoch=1)

    lesson = the_lesson(planned)

    assert (lesson.censored, lesson.failed) == (True, failed)
    assert lesson.seconds >= 20.0


def test_an_offer_that_was_never_taken_up_teaches_nothing(planned: History) -> None:
    planned.claim(10)
    planned.add(40, e.LeaseExpired(reason="not taken up", clock="offer"), subtask=1, epoch=1)

    assert lessons_of(planned.recorded) == []


def test_work_that_keeps_a_processor_busy_counts_with_the_processor_s_time(
    new_history: Callable[[str], History],
) -> None:
    history = new_history("busy")
    options = {"policy": {"worker_name": "ruff-fix", "worker_kind": "script", "cores": 2}}
    history.add(0, e.TaskSubmitted(repository="/tree", base_commit="c0", branch="b", options=options))
    history.plan(2, 30.0)
    history.start(10)
    history.complete(50, cpu=11.0)
    history.accept(51)

    assert the_lesson(history).seconds == 11.0


def test_reports_count_once_for_each_tenth_of_the_work(planned: History) -> None:
    planned.start(10)
    for second in range(11, 31):
        planned.add(second, e.Progress(completed=second - 10, total=100), subtask=1, epoch=1)
    planned.complete(65)
    planned.accept(70)

    assert [(report.elapsed_seconds, report.fraction) for report in the_lesson(planned).reports] == [
        (1.0, 0.01), (10.0, 0.1), (20.0, 0.2),
    ]  # fmt: skip


def test_what_was_forecast_at_the_claim_is_what_is_scored(planned: History) -> None:
    forecast = StartForecast(p50=1.0, p80=2.0, p95=3.0, mean=4, spread=5, doubt=6, position=2)
    planned.add(10, e.SubtaskClaimed(base_commit="c0", forecast=forecast), subtask=1, epoch=1)
    planned.add(10, e.Started(), subtask=1, epoch=1)
    planned.complete(65)
    planned.accept(70)

    issued = the_lesson(planned).issued

    assert issued is not None
    assert (issued.mean, issued.spread, issued.doubt) == (4, 5, 6)


def worked(history: History, seconds: Sequence[float]) -> None:
    """One subtask after the other is done in so many seconds each."""
    history.plan(1, *(30.0 for _ in seconds), prior=20.0)
    at = 10.0
    for number, took in enumerate(seconds, 1):
        history.start(at, number)
        at += took
        history.complete(at, number)
        history.accept(at, number)


durations = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(durations, durations, st.data())
def test_a_fold_that_was_broken_off_goes_on_as_if_it_had_not_been(
    first: list[float], second: list[float], data: st.DataObject
) -> None:
    one, other = History("one", 1), History("other", 10_000)
    for history, seconds in ((one, first), (other, second)):
        history.submit()
        worked(history, seconds)
    records = [record_at(position, record) for position, record in enumerate([*one.recorded, *other.recorded], 1)]
    stop = data.draw(st.integers(0, len(records)))

    at_once = learnt(records)
    lessons, learner = Lessons(), Learner(prior=SHIPPED)
    teach(learner, lessons, records[:stop])
    again = Lessons()
    for task in {record.event.task_id for record in records[:stop]}:
        again.remember(task, [record for record in records[:stop] if record.event.task_id == task])
    teach(learner, again, records[stop:])

    assert snapshot(learner) == snapshot(at_once)


def record_at(position: int, record: e.RecordedEvent) -> e.RecordedEvent:
    return e.RecordedEvent(
        event=record.event, version=record.version, position=position, recorded_at=record.recorded_at
    )


def teach(learner: Learner, lessons: Lessons, records: Sequence[e.RecordedEvent]) -> None:
    for record in records:
        for completion in lessons.take_in(record):
            learner.learn(completion)


def learnt(records: Sequence[e.RecordedEvent]) -> Learner:
    learner = Learner(prior=SHIPPED)
    teach(learner, Lessons(), records)
    return learner


async def test_the_ledger_read_at_once_or_in_parts_makes_the_same_model(
    ledger: Ledger, database_url: str, history: History
) -> None:
    worked(history, [10.0, 40.0, 25.0, 60.0])
    receipts = await ledger.append(history.events)
    end = max(receipt.position or 0 for receipt in receipts)

    at_once = Training(database_url)
    await at_once.read()
    parts = Training(database_url)
    for position in range(1, end, 5):
        # Another process each time, which knows the model and nothing of the tasks.
        parts = Training(database_url, parts.learner, parts.position)
        await parts.read(position)
    await parts.read()

    assert snapshot(parts.learner) == snapshot(at_once.learner)
    assert at_once.learner.state.completions == 4


async def test_a_model_at_a_position_depends_on_nothing_after_it(
    ledger: Ledger, database_url: str, history: History
) -> None:
    worked(history, [10.0, 40.0])
    half = len(history.events) - 3
    receipts = await ledger.append(history.events[:half])
    position = max(receipt.position or 0 for receipt in receipts)
    before = await model_at(database_url, position)
    await ledger.append(history.events[half:])

    assert await model_at(database_url, position) == before
    assert (await model_at(database_url, position + 3)).completions == before.completions + 1


@pytest.mark.parametrize("hidden", [e.TaskSubmitted, e.SubtaskClaimed, e.Completed, e.SubtaskAccepted])
async def test_an_event_that_cannot_be_read_is_passed_over_the_same_way_at_once_in_parts_and_as_it_comes(
    ledger: Ledger, database_url: str, new_history: Callable[[str], History], hidden: type
) -> None:
    poisoned, whole = new_history("over-1"), new_history("tree-1")
    for history in (poisoned, whole):
        history.submit()
        worked(history, [10.0, 40.0])
    events = [event for pair in zip(poisoned.events, whole.events, strict=True) for event in pair]
    await ledger.append(events)
    end, bad = len(events), 1 + next(
        place for place, event in enumerate(events) if event.task_id == "over-1" and isinstance(event.body, hidden)
    )  # fmt: skip
    readable = await ledger.read_task(whole.task) + await ledger.read_task(poisoned.task)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.event SET schema_version = 9 WHERE position = %s", [bad])

    at_once = Training(database_url)
    await at_once.read()
    parts = Training(database_url)
    for position in range(1, end + 1, 5):
        parts = Training(database_url, parts.learner, parts.position)
        await parts.read(position)
    await parts.read()
    coming = Training(database_url)
    for record in sorted(readable, key=lambda record: record.position):
        if record.position != bad:
            await coming.take_in([record])

    assert snapshot(at_once.learner) == snapshot(parts.learner) == snapshot(coming.learner)
    assert (at_once.position, parts.position) == (end, end)
    assert at_once.learner.state.completions >= 2
