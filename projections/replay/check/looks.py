"""Looks at a tree derived again from the raw output: what was seen, and the plan or the end that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from domain import events as e
from domain.errors import ModelError, ParallelWorkersError
from domain.estimation.model import Model
from domain.ids import short
from domain.lifecycle import Draft
from domain.planning.inputs import PlanningInputs, decode_inputs
from domain.problem import Problem
from domain.task_state import TaskState
from projections.replay.check.findings import Mismatch, Unchecked, first_difference
from projections.replay.check.rules import Looked, Rules
from projections.replay.recording import Recording

_NOT_KEPT = "the ledger does not hold what the tool said"
_NOT_RECORDED = "what it rests on was not recorded by the release that made it"
_ANOTHER_HASH = "its hash is another, for its conflicts or phases, or because a plan has other fields today"

#: Events of a plan before its subtasks.
_BEFORE_SUBTASKS = 3

#: What comes behind a look, whichever way it goes.
_PLAN = (e.TaskAnalyzed, e.TaskDecomposed, e.PhaseStarted, e.SubtaskPlanned)
_END = (e.TaskSynthesized, e.TaskCompleted, e.TaskStalled)


class LookChecked(NamedTuple):
    """What came of deriving a look again."""

    #: Events that belong to it, the look itself included.
    events: int
    #: What was read out of the output; None where it could not be.
    problems: Sequence[Problem] | None
    mismatches: list[Mismatch]
    unchecked: list[Unchecked]
    #: Whether the plan was derived again, and whether the end was.
    planned: bool = False
    ended: bool = False


def look_events(events: Sequence[e.RecordedEvent], at: int) -> Sequence[e.RecordedEvent]:
    """Give a look, which stands at this place, and the events of its plan or of the end that came of it."""
    kinds = _PLAN if at + 1 < len(events) and isinstance(events[at + 1].event.body, _PLAN) else _END
    end = at + 1
    while end < len(events) and isinstance(events[end].event.body, kinds) and not _is_over(events[at:end]):
        end += 1
    return events[at:end]


def _is_over(events: Sequence[e.RecordedEvent]) -> bool:
    return isinstance(events[-1].event.body, e.TaskCompleted | e.TaskStalled)


def planning_inputs(recording: Recording, analyzed: e.TaskAnalyzed) -> PlanningInputs | None:
    """Read what a plan rests on; None where it was not recorded."""
    data = recording.artifact(analyzed.inputs) if analyzed.inputs else None
    return None if data is None else decode_inputs(data)


def check_look(
    recording: Recording,
    rules: Rules,
    state: TaskState,
    at: int,
    before: Sequence[Problem] | None,
    models: Mapping[str, Model],
) -> LookChecked:
    """Derive the look at this place again.

    `state` is the task's before it, `before` what was seen the last time, `models` are those of efforts that are
    known, by SHA-256, beside the ones that are kept with a plan.
    """
    events = look_events(recording.events, at)
    observed = events[0].event.body
    assert isinstance(observed, e.ProblemsObserved)  # noqa: S101 - by its caller
    position = events[0].position
    where = f"the look of round {observed.phase}"
    data = recording.artifact(observed.artifact)
    if data is None:
        return LookChecked(len(events), None, [], [_unchecked("look", position, where, _NOT_KEPT)])
    checking = _Checking(recording, events, models)
    try:
        inputs = checking.inputs()
        looked = rules.look(state, observed, data, inputs)
    except ParallelWorkersError as error:
        refused = Mismatch(
            aspect="look", position=position, where=where, what="what the tool said",
            recorded=f"{observed.problems} problems", now=str(error),
        )  # fmt: skip
        return LookChecked(len(events), None, [refused], [])
    checking.compare_look(looked, inputs)
    planned = ended = False
    if isinstance(events[-1].event.body, _PLAN):
        planned = checking.compare_plan(looked, inputs, before)
    elif len(events) > 1:
        ended = checking.compare_end(looked, before)
    return LookChecked(len(events), looked.problems, checking.mismatches, checking.unchecked, planned, ended)


class _Checking:
    def __init__(self, recording: Recording, events: Sequence[e.RecordedEvent], models: Mapping[str, Model]) -> None:
        self._recording = recording
        self._models = models
        self._events = events
        self._observed = events[0].event.body
        self.mismatches: list[Mismatch] = []
        self.unchecked: list[Unchecked] = []

    def inputs(self) -> PlanningInputs | None:
        """Read what the plan rests on; None where it was not recorded, or nothing was planned."""
        analyzed = next((r.event.body for r in self._events if isinstance(r.event.body, e.TaskAnalyzed)), None)
        inputs = planning_inputs(self._recording, analyzed) if analyzed is not None else None
        if inputs is None or inputs.model is not None:
            return inputs
        return msgspec.structs.replace(inputs, model=self._models.get(inputs.reference.sha256))

    def compare_look(self, looked: Looked, inputs: PlanningInputs | None) -> None:
        recorded, now = self._observed, looked.observed
        assert isinstance(recorded, e.ProblemsObserved)  # noqa: S101 - by its caller
        where = f"the look of round {recorded.phase}"
        if inputs is None and now.targeted != recorded.targeted:
            self._pass_over("look", 0, f"which problems of {where[4:]} are in files of the tree", _NOT_RECORDED)
            now = msgspec.structs.replace(now, targeted=recorded.targeted)
        if found := first_difference(recorded, now):
            self._differ("look", 0, where, found)

    def compare_plan(self, looked: Looked, inputs: PlanningInputs | None, before: Sequence[Problem] | None) -> bool:
        """Hold the plan against the recorded one; tells whether it could be made again."""
        if (ending := self._ending(looked, before)) and self._ending(looked, None):
            return self._differ("plan", 1, "the plan", ("outcome", "a plan", _named(ending)))
        drafts = self._drafts(looked, inputs)
        whole = drafts is not None
        if drafts is None:
            # Groups follow from the problems alone, where these are the same ones.
            same = looked.observed.targeted == getattr(self._observed, "targeted", None)
            drafts = looked.plan(None)[:1] if same else []
        recorded = self._events[1:]
        for place, (record, draft) in enumerate(zip(recorded, drafts, strict=False), 1):
            if found := _difference(record.event, draft):
                return self._differ("plan", place, _where(record.event), found)
        if whole and len(drafts) != len(recorded):
            count = (str(len(recorded) - _BEFORE_SUBTASKS), str(len(drafts) - _BEFORE_SUBTASKS))
            return self._differ("plan", min(2, len(recorded)), "the plan", ("number of subtasks", *count))
        if any(_has_another_hash(record.event, draft) for record, draft in zip(recorded, drafts, strict=False)):
            self._pass_over("plan", 2, "what of the plan is in no event", _ANOTHER_HASH)
        return whole

    def _drafts(self, looked: Looked, inputs: PlanningInputs | None) -> list[Draft] | None:
        """Make the plan again; None where what it rests on is not known."""
        what = "how the groups were split, and the efforts"
        if inputs is None:
            self._pass_over("plan", 2, what, _NOT_RECORDED)
            return None
        try:
            return looked.plan(inputs)
        except ModelError as error:
            self._pass_over("plan", 2, what, str(error))
            return None

    def compare_end(self, looked: Looked, before: Sequence[Problem] | None) -> bool:
        recorded = [record.event.body for record in self._events[1:]]
        now = self._ending(looked, before)
        for place, (was, wanted) in enumerate(zip(recorded, now, strict=False), 1):
            if found := first_difference(was, wanted):
                return self._differ("end", place, "the end of the task", found)
        if len(now) != len(recorded):
            outcome = ("outcome", _named(recorded), _named(now) or "a plan")
            return self._differ("end", 1, "the end of the task", outcome)
        return True

    def _ending(self, looked: Looked, before: Sequence[Problem] | None) -> list[e.EventBody]:
        return looked.ending(getattr(self._observed, "targeted", 0), before)

    def _differ(self, aspect: str, place: int, where: str, found: tuple[str, str, str]) -> bool:
        what, recorded, now = found
        position = self._events[min(place, len(self._events) - 1)].position
        self.mismatches.append(
            Mismatch(aspect=aspect, position=position, where=where, what=what, recorded=recorded, now=now)  # type: ignore[arg-type]
        )
        return True

    def _pass_over(self, aspect: str, place: int, what: str, why: str) -> None:
        position = self._events[min(place, len(self._events) - 1)].position
        self.unchecked.append(_unchecked(aspect, position, what, why))


def _unchecked(aspect: str, position: int, what: str, why: str) -> Unchecked:
    return Unchecked(aspect=aspect, position=position, what=what, why=why)  # type: ignore[arg-type]


def _difference(event: e.Event, draft: Draft) -> tuple[str, str, str] | None:
    if event.stream_id != draft.stream:
        return "stream", event.stream_id, draft.stream
    recorded, now = event.body, draft.body
    match recorded, now:
        case e.TaskAnalyzed(inputs=inputs), e.TaskAnalyzed():
            # Under which hash its inputs are kept is no outcome.
            now = msgspec.structs.replace(now, inputs=inputs)
        case e.TaskDecomposed(plan_hash=plan_hash), e.TaskDecomposed():
            # It is of more than the events hold, and of a plan's fields, which change from release to release.
            now = msgspec.structs.replace(now, plan_hash=plan_hash)
    return first_difference(recorded, now)


def _has_another_hash(event: e.Event, draft: Draft) -> bool:
    match event.body, draft.body:
        case e.TaskDecomposed(plan_hash=recorded), e.TaskDecomposed(plan_hash=now):
            return recorded != now
        case _:
            return False


def _where(event: e.Event) -> str:
    match event.body:
        case e.TaskAnalyzed(phase=phase):
            return f"the groups of round {phase}"
        case e.SubtaskPlanned(phase=phase):
            return f"subtask {short(event.stream_id)} of round {phase}"
        case _:
            return "the plan"


def _named(bodies: Sequence[e.EventBody]) -> str:
    return ", ".join(str(type(body).__struct_config__.tag) for body in bodies)
