"""How a task stood: the fold of the events up to there, and what the live read models held at that moment."""

from __future__ import annotations

from typing import Any

import pytest

from domain import events as e
from domain.evolution import fold
from eventstore.ledger import Ledger
from projections.models import ALL
from projections.replay.difference import Change, difference
from projections.replay.moments import until
from projections.replay.state_at import state_at
from projections.runner import Runner
from tests.projections.corpus.read import NAMES, recording
from tests.projections.tables_of import tables_of

History = Any


@pytest.mark.parametrize("name", NAMES)
def test_the_state_at_every_position_is_the_fold_of_the_events_up_to_there(name: str) -> None:
    events = recording(name).events
    for count in range(1, len(events) + 1):
        state = state_at(events[:count])
        assert state.task == fold(events[:count])
        assert (state.position, state.events) == (events[count - 1].position, count)


async def test_it_is_what_the_live_read_models_held_at_that_moment(database_url: str, ledger: Ledger) -> None:
    task = recording("lost")
    runner = Runner(database_url, ALL)
    for record in task.events:
        await ledger.append([record.event])
        if record.version % 5 and record is not task.events[-1]:
            continue
        await runner.catch_up()
        stored = await ledger.read_task(task.task_id)
        live = tables_of(database_url)
        for projection in ALL:
            rows = sorted(state_at(stored).rows[projection.name], key=lambda row: _key(row, projection.keys))
            held = sorted(live[projection.name], key=lambda row: _key(row, projection.keys))
            assert rows == held, projection.name


def _key(row: dict[str, Any], keys: list[str]) -> list[str]:
    return [str(row[key]) for key in keys]


def test_it_names_what_was_running_and_who_had_it(history: History) -> None:
    history.plan(2, 30.0, 10.0)
    history.start(10, 1)
    history.add(15, e.Progress(completed=1, total=4, status="half-way"), subtask=1, epoch=1)
    [running] = state_at(history.recorded).running
    assert (running.subtask, running.status, running.worker_id, running.attempt) == ("#1", "running", "w1", 1)
    assert (running.fraction, running.note) == (0.25, "half-way")


def test_between_two_moments_it_says_what_changed_for_each_subtask(history: History) -> None:
    history.plan(2, 30.0, 10.0)
    history.start(10, 1)
    before = history.recorded
    history.complete(40, 1)
    history.accept(41, 1)
    after = history.recorded

    changed = difference(state_at(before), state_at(after), after[len(before) :])

    assert changed.seconds == 31.0
    assert changed.counts == {"running": Change(before=1, after=0), "accepted": Change(before=0, after=1)}
    [subtask] = changed.subtasks
    assert (subtask.subtask, subtask.new) == ("#1", False)
    assert subtask.changes["status"] == Change(before="running", after="accepted")
    assert subtask.changes["worker"] == Change(before="w1", after=None)
    assert changed.events == {"completed": 1, "subtask_accepted": 1}


def test_a_subtask_that_came_meanwhile_is_new(history: History) -> None:
    before = history.recorded
    history.plan(2, 30.0)
    after = history.recorded
    changed = difference(state_at(before), state_at(after), after[len(before) :])
    assert [(one.subtask, one.new) for one in changed.subtasks] == [("#1", True)]
    assert changed.changes["subtasks"] == Change(before=0, after=1)


def test_between_a_moment_and_itself_nothing_changed(history: History) -> None:
    history.plan(2, 30.0)
    state = state_at(history.recorded)
    changed = difference(state, state, [])
    assert (changed.changes, changed.counts, changed.subtasks, changed.events) == ({}, {}, (), {})


@pytest.mark.parametrize("name", NAMES)
def test_the_time_that_it_gives_leads_back_to_it(name: str) -> None:
    events = recording(name).events
    for count in (1, len(events) // 2, len(events)):
        state = state_at(events[:count])
        again = until(events, state.at)
        assert again[: len(events[:count])] == events[:count]
        assert state_at(again).at == state.at
