"""Decisions taken again: event by event, on the state that the recorded events before leave.

What a worker or a person said, and what the service noticed, is asked of `decide` once more: it must allow it and
give the recorded events. What follows by itself must be what `consequences` lists. Several requests may have been
decided together, up to a thousand; what follows from all of them stands behind the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from domain import events as e
from domain.consequences import consequences, is_quiet
from domain.errors import ParallelWorkersError, StaleLeaseError
from domain.estimation.model import Model
from domain.evolution import evolve
from domain.ids import SubtaskId, is_task_stream, short
from domain.lifecycle import Draft, Limits, Report, decide, late
from domain.problem import Problem
from domain.task_state import LIVE, TaskState
from projections.replay.check.commands import agrees, as_recorded, command_of
from projections.replay.check.findings import Aspect, Mismatch, Unchecked, first_difference, spelt
from projections.replay.check.looks import check_look
from projections.replay.check.rules import Rules
from projections.replay.recording import Recording

#: Requests that are decided together at most.
_TOGETHER_MAX = 1000

#: What is said to the service, or kept beside the task, and decided by nobody.
_GIVEN: tuple[type, ...] = tuple(
    kind for name in ("TaskSubmitted", "TaskArchived", "TaskForecast") if (kind := getattr(e, name, None)) is not None
)
_CONSEQUENCES = (
    e.SubtaskReady, e.MilestoneReached, e.BlockerAnswered, e.TaskPaused, e.TaskCompleted, e.TaskStalled,
)  # fmt: skip

_OF_A_SPLIT = (e.BlockerOpened, e.BlockerAnswered, e.SubtaskReleased, e.SubtaskSplit, e.SubtaskPlanned)

#: By type of event the states of a task in which nobody may say it.
_NOT_IN: dict[type, tuple[str, ...]] = {
    e.TaskPaused: ("paused", "completed", "stalled", "cancelled", "archived"),
    e.TaskResumed: ("cancelled", "archived"),
    e.TaskCancelled: ("completed", "cancelled", "archived"),
}


class Walk:
    """Goes through a recorded task once; ends at the first decision that is another one today."""

    def __init__(self, recording: Recording, rules: Rules, models: Mapping[str, Model] | None = None) -> None:
        self._recording = recording
        #: Models of efforts by SHA-256, beside those that are kept with a plan.
        self._models = models or {}
        self._rules = rules
        self._events = recording.events
        self._at = 0
        self._state: TaskState | None = None
        self._limits = Limits()
        #: By round what was seen, as far as it could be read again.
        self._seen: dict[int, Sequence[Problem]] = {}
        self._latest: Sequence[Problem] | None = None
        #: Requests since what follows by itself was last looked for.
        self._requests = 0
        self.checked: Counter[Aspect] = Counter()
        self.mismatches: list[Mismatch] = []
        self.unchecked: list[Unchecked] = []

    def run(self) -> None:
        """Go through all events, as far as they are decided as they were."""
        while self._at < len(self._events):
            count = self._explain()
            if count == 0:
                return
            for record in self._events[self._at : self._at + count]:
                self._state = evolve(self._state, record.event)
            self._at += count
        self._check_nothing_is_due("the last event")

    @property
    def _task(self) -> TaskState:
        assert self._state is not None  # noqa: S101 - the first event opens the task
        return self._state

    def _explain(self) -> int:
        """Give how many events are explained by what the first of them stands for; 0 where they are not."""
        event = self._events[self._at].event
        body = event.body
        if isinstance(body, e.TaskSubmitted):
            self._limits = self._rules.limits(body)
        if isinstance(body, _GIVEN):
            return 1
        if isinstance(body, e.ProblemsObserved):
            return self._look(body)
        if isinstance(body, _CONSEQUENCES) and (count := self._follow()) is not None:
            return count
        self._requests += 1
        if self._requests % _TOGETHER_MAX == 0 and not self._check_nothing_is_due(f"{_TOGETHER_MAX} requests"):
            return 0
        if isinstance(body, e.LateReported):
            return self._late(body)
        return self._said_of_the_task(body) if is_task_stream(event.stream_id) else self._decided()

    # --- looks ---

    def _look(self, observed: e.ProblemsObserved) -> int:
        # Whoever takes a task up again looks at it whatever the last look has said.
        state = self._task
        insists = bool(state.observations) and state.observations[-1].phase > state.phase
        before = None if insists else self._latest
        found = check_look(self._recording, self._rules, state, self._at, before, self._models)
        self.mismatches += found.mismatches
        self.unchecked += found.unchecked
        self.checked["look"] += found.problems is not None
        self.checked["plan"] += found.planned
        self.checked["end"] += found.ended
        self._latest = found.problems
        if found.problems is not None:
            self._seen[observed.phase] = found.problems
        self._requests = 0
        return found.events

    def _paths_of(self, subtask_id: SubtaskId) -> tuple[str, ...]:
        subtask = self._task.subtasks[subtask_id]
        problems = self._seen.get(subtask.plan.phase)
        if problems is None or max(subtask.plan.problems, default=0) >= len(problems):
            return ()
        return tuple(problems[number].path for number in subtask.plan.problems)

    # --- what follows by itself ---

    def _follow(self) -> int | None:
        """Hold a round of consequences against what is recorded; None where the event is none of them."""
        event = self._events[self._at].event
        due = consequences(self._task, self._limits, event.occurred_at)
        if not any(_is_said(event, draft) for draft in due):
            if isinstance(event.body, e.SubtaskReady | e.MilestoneReached):
                self._differ("consequence", self._at, "by itself", spelt(event.body), _named(due) or "nothing")
                return 0
            return None
        place = self._at
        for draft in due:
            recorded = self._events[place].event if place < len(self._events) else None
            waits_until = self._waits_until(draft)
            if recorded is not None and _is_said(recorded, draft) and _is_over(waits_until, recorded):
                place += 1
            elif waits_until is None:
                was = spelt(recorded.body) if recorded is not None else "nothing"
                self._differ("consequence", min(place, len(self._events) - 1), _to(draft), was, spelt(draft.body))
                return 0
        self.checked["consequence"] += place - self._at
        self._requests = 0
        return place - self._at

    def _waits_until(self, draft: Draft) -> datetime | None:
        """Say until when a retry is put off: whether that is over depends on the moment at which it was asked."""
        subtask = self._task.subtasks.get(SubtaskId(draft.stream))
        return subtask.not_before if subtask is not None and isinstance(draft.body, e.SubtaskReady) else None

    def _check_nothing_is_due(self, when: str) -> bool:
        """Tell whether nothing is missing that would have followed by itself, whatever the time is."""
        if self._state is None or not self._at or is_quiet(self._events[self._at - 1].event.body):
            return True
        due = consequences(self._state, self._limits, None)
        if due:
            self._differ("consequence", self._at - 1, f"after {when}", "nothing", _named(due))
        return not due

    # --- decisions ---

    def _decided(self) -> int:
        state, event = self._task, self._events[self._at].event
        closing = self._closed_at_the_end()
        if closing:
            return closing
        subtask = state.subtasks.get(SubtaskId(event.stream_id))
        if subtask is not None and _may_split(event.body) and subtask.plan.phase not in self._seen:
            return self._pass_over_split()
        command = command_of(self._events, self._at, state, self._paths_of) if subtask is not None else None
        if command is None:
            return self._differ("decision", self._at, "on its own", spelt(event.body), "nothing leads to it")
        return self._compare(lambda: decide(state, command, self._limits))

    def _pass_over_split(self) -> int:
        """Give how many events stand here that came of work that is too large: how it was split is not known."""
        first, end = self._events[self._at], self._at + 1
        while end < len(self._events) and isinstance((event := self._events[end].event).body, _OF_A_SPLIT):
            if event.stream_id != first.event.stream_id and not isinstance(event.body, e.SubtaskPlanned):
                break
            end += 1
        what = f"whether {short(first.event.stream_id)} was to be split, and how"
        why = "the problems that it rests on could not be read"
        self.unchecked.append(Unchecked(aspect="decision", position=first.position, what=what, why=why))
        return end - self._at

    def _closed_at_the_end(self) -> int:
        """Give how many answers stand here that nobody waits for any more, because the task was cancelled."""
        end = self._at
        while end < len(self._events) and isinstance(body := self._events[end].event.body, e.BlockerAnswered):
            if body.action != "give_up" or self._events[end].event.lease_epoch is not None:
                return 0
            end += 1
        cancelled = end < len(self._events) and isinstance(self._events[end].event.body, e.TaskCancelled)
        return end - self._at if cancelled else 0

    def _late(self, body: e.LateReported) -> int:
        state, event = self._task, self._events[self._at].event
        report = Report(
            subtask_id=SubtaskId(event.stream_id),
            worker_id=event.worker_id or "",  # type: ignore[arg-type]
            epoch=event.lease_epoch or 0,
            message=body.message,
        )

        def refused() -> list[Draft]:
            try:
                return decide(state, report, self._limits)
            except StaleLeaseError:
                return late(state, report)

        return self._compare(refused)

    def _compare(self, decided: Callable[[], list[Draft]]) -> int:
        """Hold what is decided today against the events from here on; gives how many, 0 where they differ."""
        event = self._events[self._at].event
        try:
            drafts = decided()
        except ParallelWorkersError as error:
            return self._differ("decision", self._at, "refused", spelt(event.body), str(error))
        for place, draft in enumerate(drafts, self._at):
            recorded = self._events[place].event if place < len(self._events) else None
            if recorded is None:
                return self._differ("decision", place - 1, "decided", "nothing more", spelt(draft.body))
            if not agrees(recorded, draft):
                return self._name_difference(place, recorded, draft)
        self.checked["decision"] += 1
        return len(drafts)

    def _name_difference(self, place: int, recorded: e.Event, draft: Draft) -> int:
        now = as_recorded(recorded, draft)
        if type(recorded.body) is type(now) and (found := first_difference(recorded.body, now)):
            return self._differ("decision", place, *found)
        if type(recorded.body) is type(now):
            return self._differ(
                "decision", place, "whose it is",
                f"{recorded.stream_id}, epoch {recorded.lease_epoch}, {recorded.worker_id}",
                f"{draft.stream}, epoch {draft.epoch}, {draft.worker_id}",
            )  # fmt: skip
        return self._differ("decision", place, "event", _named([recorded.body]), _named([now]))

    def _said_of_the_task(self, body: e.EventBody) -> int:
        """Check what somebody said of the task as a whole."""
        if type(body) not in _NOT_IN:
            return self._differ("decision", self._at, "on its own", spelt(body), "nothing leads to it")
        task = self._task
        if task.status in _NOT_IN[type(body)]:
            return self._differ("decision", self._at, "refused", spelt(body), f"the task is {task.status} already")
        if isinstance(body, e.TaskCancelled) and (left := _left_open(task)):
            return self._differ("decision", self._at, "what was open", "nothing more", f"{left} is ended first")
        self.checked["decision"] += 1
        return 1

    # --- what is found ---

    def _differ(self, aspect: Aspect, place: int, what: str, recorded: str, now: str) -> int:
        record = self._events[place]
        stream = record.event.stream_id
        kind = _named([record.event.body])
        where = f"{kind} of {'the task' if is_task_stream(stream) else short(stream)}"
        self.mismatches.append(
            Mismatch(aspect=aspect, position=record.position, where=where, what=what, recorded=recorded, now=now)
        )
        return 0


def _is_over(waits_until: datetime | None, recorded: e.Event) -> bool:
    return waits_until is None or waits_until <= recorded.occurred_at


def _may_split(body: e.EventBody) -> bool:
    """Tell whether a decision rests on where the subtask's problems are."""
    match body:
        case e.Blocked(issue=issue):
            return isinstance(issue, e.ComplexityExceeded)
        case e.BlockerAnswered(action=action):
            return action == "split"
        case _:
            return False


def _left_open(task: TaskState) -> str:
    """Name a subtask that somebody still holds, or waits for an answer about."""
    return next((short(one.id) for one in task.subtasks.values() if one.status in LIVE or one.open_blockers), "")


def _is_said(event: e.Event, draft: Draft) -> bool:
    return event.stream_id == draft.stream and event.body == draft.body


def _to(draft: Draft) -> str:
    return f"what follows for {'the task' if is_task_stream(draft.stream) else short(draft.stream)}"


def _named(bodies: Sequence[e.EventBody | Draft]) -> str:
    kinds = [body.body if isinstance(body, Draft) else body for body in bodies]
    return ", ".join(str(type(body).__struct_config__.tag) for body in kinds)
