"""What was recorded is what today's code makes of the same input; and what is changed on purpose is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from api.service import planning
from api.service.replanning import ServiceRules
from domain import events as e
from domain import lifecycle
from domain.plan import Plan
from domain.planning import decompose
from domain.planning.inputs import decode_inputs
from projections.replay.check import walk
from projections.replay.check.check import check
from projections.replay.check.findings import Aspect, Mismatch
from projections.replay.check.rows import folded
from projections.replay.check.walk import Walk
from projections.replay.recording import Recording
from tests.projections.corpus.read import NAMES, recording

#: What follows from other events, and cannot be missing.
_FOLLOWING = (
    e.SubtaskReady, e.MilestoneReached, e.RetryScheduled, e.SubtaskReassigned, e.BlockerOpened, e.BlockerAnswered,
    e.SubtaskAccepted, e.SubtaskRejected, e.SubtaskHeld, e.SubtaskSplit, e.TaskDecomposed, e.SubtaskPlanned,
    e.TaskSynthesized, e.TaskCompleted, e.ReviewRequested,
)  # fmt: skip


def first(task: Recording, aspect: Aspect) -> Mismatch:
    """Give the first thing of its kind that is made otherwise."""
    return next(one for one in check(task, ServiceRules()).mismatches if one.aspect == aspect)


def walked(events: Sequence[e.RecordedEvent], task: Recording) -> list[Mismatch]:
    """Decide again on changed events, whatever becomes of the plan."""
    going = Walk(msgspec.structs.replace(task, events=events), ServiceRules())
    going.run()
    return [one for one in going.mismatches if one.aspect in ("decision", "consequence")]


def noticed(events: Sequence[e.RecordedEvent], task: Recording) -> bool:
    """Tell whether changed events lead to more differences than there were."""
    before, after = Walk(task, ServiceRules()), Walk(msgspec.structs.replace(task, events=events), ServiceRules())
    before.run()
    after.run()
    return after.mismatches != before.mismatches


# --- as recorded ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_recorded_task_would_go_the_same_way_today(name: str) -> None:
    report = check(recording(name), ServiceRules())
    assert report.mismatches == ()
    assert report.checked["decision"] > 0
    assert report.checked["consequence"] > 0
    assert report.checked["read model"] > 0


def test_every_look_plan_and_end_of_today_is_derived_again() -> None:
    report = check(recording("rounds"), ServiceRules())
    assert (report.checked["look"], report.checked["plan"], report.checked["end"]) == (3, 2, 1)
    # A plan may have got fields since.
    assert {one.what for one in report.unchecked} <= {"what of the plan is in no event"}


def test_of_an_early_release_it_says_what_could_not_be_checked() -> None:
    report = check(recording("early"), ServiceRules())
    assert report.checked["look"] == 2
    [unchecked] = report.unchecked
    assert (unchecked.aspect, unchecked.what) == ("plan", "how the groups were split, and the efforts")


@pytest.mark.parametrize("name", NAMES)
def test_without_what_the_tool_said_looks_and_splits_are_unchecked_and_other_decisions_are_not(name: str) -> None:
    report = check(msgspec.structs.replace(recording(name), packed={}), ServiceRules())
    assert report.is_clean
    whole = check(recording(name), ServiceRules()).checked
    unchecked = Counter(one.aspect for one in report.unchecked)
    assert (unchecked["look"], report.checked["look"]) == (whole["look"], 0)
    assert report.checked["decision"] + unchecked["decision"] == whole["decision"]


def test_a_model_of_efforts_that_is_not_kept_leaves_the_plan_unchecked() -> None:
    task = recording("run")
    analyzed = next(r for r in task.events if isinstance(r.event.body, e.TaskAnalyzed))
    inputs = decode_inputs(task.artifact(analyzed.event.body.inputs) or b"")  # type: ignore[union-attr]
    named = msgspec.structs.replace(inputs, model=None)
    events = [_with_inputs(record, "1" * 64) for record in task.events]

    class Kept(Recording, frozen=True):
        def artifact(self, sha256: str) -> bytes | None:
            return named.encoded() if sha256 == "1" * 64 else super().artifact(sha256)

    report = check(Kept(task_id=task.task_id, events=events, packed=task.packed), ServiceRules())
    assert report.is_clean
    [unchecked] = report.unchecked
    assert unchecked.what == "how the groups were split, and the efforts"
    assert unchecked.why == f"the model of efforts {inputs.reference.sha256[:12]} is not kept"
    assert inputs.model is not None
    known = check(
        Kept(task_id=task.task_id, events=events, packed=task.packed),
        ServiceRules(),
        models={inputs.reference.sha256: inputs.model},
    )
    assert known.checked["plan"] == 1


def _with_inputs(record: e.RecordedEvent, sha256: str) -> e.RecordedEvent:
    body = record.event.body
    if not isinstance(body, e.TaskAnalyzed):
        return record
    event = msgspec.structs.replace(record.event, body=msgspec.structs.replace(body, inputs=sha256))
    return msgspec.structs.replace(record, event=event)


# --- changed on purpose ---------------------------------------------------------------------------------


def test_a_change_in_the_decomposer_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompose, "_reason", lambda _: "because")
    found = first(recording("run"), "plan")
    assert found.where == "subtask #1 of round 1"
    assert (found.what, found.now) == ("reason", "because")
    subtask = next(r for r in recording("run").events if isinstance(r.event.body, e.SubtaskPlanned))
    assert found.position == subtask.position


def test_a_plan_of_which_only_the_hash_is_another_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "plan_hash", property(lambda _: "f" * 64))
    report = check(recording("run"), ServiceRules())
    assert report.is_clean
    assert "what of the plan is in no event" in [one.what for one in report.unchecked]


def test_another_way_to_group_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = planning.PatternRecognizer.recognise

    def fewer(self: Any, *arguments: Any, **options: Any) -> Any:
        found = whole(self, *arguments, **options)
        return msgspec.structs.replace(found, groups=found.groups[1:])

    monkeypatch.setattr(planning.PatternRecognizer, "recognise", fewer)
    found = first(recording("early"), "plan")
    assert (found.where, found.what) == ("the groups of round 1", "groups")
    assert int(found.now) == int(found.recorded) - 1


def test_a_tool_s_output_that_is_read_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = planning.read

    def without_first(data: bytes, **options: Any) -> Any:
        report = whole(data, **options)
        return msgspec.structs.replace(report, problems=report.problems[1:])

    monkeypatch.setattr(planning, "read", without_first)
    found = first(recording("run"), "look")
    assert (found.what, found.recorded, found.now) == ("problems", "24", "23")


def test_another_pause_before_a_retry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "delay_seconds", lambda *_: 7.0)
    found = first(recording("lost"), "decision")
    assert (found.what, found.now) == ("after_seconds", "7.0")
    assert found.where.startswith("retry_scheduled of #")


def test_a_milestone_that_would_not_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = walk.consequences

    def no_milestones(*arguments: Any) -> Any:
        return [draft for draft in whole(*arguments) if not isinstance(draft.body, e.MilestoneReached)]

    monkeypatch.setattr(walk, "consequences", no_milestones)
    found = first(recording("run"), "consequence")
    assert "milestone_reached" in found.where or "milestone_reached" in found.recorded


def test_a_claim_that_would_be_refused_is_named_with_the_reason() -> None:
    task = recording("run")
    place = next(i for i, r in enumerate(task.events) if isinstance(r.event.body, e.SubtaskClaimed))
    again = [*task.events[: place + 1], task.events[place], *task.events[place + 1 :]]
    [found] = walked(again, task)
    assert (found.aspect, found.what) == ("decision", "refused")
    assert found.now.endswith("is claimed")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_follows_can_be_missing_unnoticed(name: str) -> None:
    task = recording(name)
    places = [i for i, r in enumerate(task.events) if isinstance(r.event.body, _FOLLOWING)]
    unnoticed = [
        (i, type(task.events[i].event.body).__name__)
        for i in places
        if not noticed([*task.events[:i], *task.events[i + 1 :]], task) and not _is_unchecked(task, i)
    ]
    assert unnoticed == []


def _is_unchecked(task: Recording, place: int) -> bool:
    """Tell whether a plan's event is of a release that did not record what the plan rests on."""
    planned = isinstance(task.events[place].event.body, e.TaskDecomposed | e.SubtaskPlanned)
    return planned and not any(getattr(record.event.body, "inputs", "") for record in task.events)


@pytest.mark.parametrize("name", NAMES)
def test_a_subtask_made_ready_too_early_is_noticed(name: str) -> None:
    task = recording(name)
    place = next(i for i, r in enumerate(task.events) if isinstance(r.event.body, e.SubtaskPlanned))
    ready = next(r for r in task.events if isinstance(r.event.body, e.SubtaskReady))
    claimed = next(i for i, r in enumerate(task.events) if isinstance(r.event.body, e.SubtaskClaimed))
    assert place < claimed
    [found] = walked([*task.events[: claimed + 1], ready, *task.events[claimed + 1 :]], task)
    assert (found.aspect, found.what) == ("consequence", "by itself")


def test_the_pause_before_a_retry_must_be_over(monkeypatch: pytest.MonkeyPatch) -> None:
    task = recording("lost")
    scheduled = next(i for i, r in enumerate(task.events) if isinstance(r.event.body, e.RetryScheduled))
    stream = task.events[scheduled].event.stream_id
    ready = next(
        i
        for i, r in enumerate(task.events)
        if i > scheduled and r.event.stream_id == stream and isinstance(r.event.body, e.SubtaskReady)
    )
    earlier = msgspec.structs.replace(
        task.events[ready].event, occurred_at=task.events[scheduled].event.occurred_at + timedelta(seconds=1)
    )
    events = list(task.events)
    events[ready] = msgspec.structs.replace(events[ready], event=earlier)
    assert [found.aspect for found in walked(events, task)] == ["consequence"]


# --- read models ----------------------------------------------------------------------------------------


def test_a_row_in_a_table_that_a_fold_would_not_make_is_named() -> None:
    task = recording("run")
    rows = [dict(row) for row in folded(task.events, taken_every=len(task.events))["subtask"].values()]
    rows[0]["failures"] = 7
    report = check(task, ServiceRules(), {"subtask": rows, "worker": "it is of version 0: pw rebuild worker"})
    [found] = [one for one in report.mismatches if one.aspect == "read model"]
    assert (found.aspect, found.what, found.recorded, found.now) == ("read model", "failures", "7", "0")
    assert found.where.startswith("subtask 1 ")
    assert "the table worker" in [one.what for one in report.unchecked]
