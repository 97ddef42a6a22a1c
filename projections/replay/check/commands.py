"""Which command a recorded decision answered: read off the events that came of it.

The ledger keeps what was decided, not what was asked. What was asked is in the events all the same, but for the head
that a verdict was about: `decide` refuses any other than the present one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile

import msgspec

from domain import events as e
from domain.gates import MERGE, merge_gate
from domain.ids import SubtaskId, WorkerId
from domain.lifecycle import Answer, Claim, Command, Draft, Judge, LoseWorker, Release, Report, Review
from domain.task_state import TaskState

PathsOf = Callable[[SubtaskId], tuple[str, ...]]
"""Gives the files of a subtask's problems, in their order."""

_VERDICTS = (e.GateEvaluated, e.ReviewRequested, e.SubtaskAccepted, e.SubtaskRejected)

_MORE = " and "


def command_of(  # noqa: PLR0911 - one arm per command
    events: Sequence[e.RecordedEvent], at: int, state: TaskState, paths_of: PathsOf
) -> Command | None:
    """Give the command whose first event stands at this place; None where none begins with such an event."""
    event = events[at].event
    subtask, epoch = SubtaskId(event.stream_id), event.lease_epoch or 0
    worker = WorkerId(event.worker_id or "")
    match event.body:
        case e.SubtaskClaimed(base_commit=base, request_id=request_id, forecast=forecast):
            return Claim(
                subtask_id=subtask, worker_id=worker, base_commit=base, request_id=request_id, forecast=forecast
            )
        case e.Started() | e.Progress() | e.Blocked() | e.Completed() | e.Failed() as message:
            paths = paths_of(subtask) if isinstance(message, e.Blocked) else ()
            return Report(subtask_id=subtask, worker_id=worker, epoch=epoch, message=message, problem_paths=paths)
        case e.LeaseExpired(reason=reason, coordinator_gone=gone, clock=clock):
            return LoseWorker(subtask_id=subtask, epoch=epoch, reason=reason, coordinator_gone=gone, clock=clock)
        case e.SubtaskReleased(reason=reason):
            return Release(subtask_id=subtask, epoch=epoch, reason=reason)
        case e.ReviewGiven(reviewer=reviewer, approve=approve, score=score, comment=comment):
            return Review(
                subtask_id=subtask, epoch=epoch, reviewer=reviewer, approve=approve, score=score, comment=comment
            )
        case e.BlockerAnswered() as body:
            return _answer(body, subtask, paths_of)
        case body if isinstance(body, _VERDICTS):
            return _judge(events, at, state)
        case _:
            return None


def _answer(body: e.BlockerAnswered, subtask: SubtaskId, paths_of: PathsOf) -> Answer:
    return Answer(
        subtask_id=subtask,
        text=body.text,
        by=body.by,
        number=body.number,
        action=body.action,
        extra_seconds=body.extra_seconds,
        problem_paths=paths_of(subtask) if body.action == "split" else (),
    )


def _judge(events: Sequence[e.RecordedEvent], at: int, state: TaskState) -> Judge:
    stream, epoch = events[at].event.stream_id, events[at].event.lease_epoch or 0
    bodies = [record.event.body for record in takewhile(lambda one: one.event.stream_id == stream, events[at:])]
    gates = list(_gates(bodies))
    merge = next((gate for gate in gates if gate.gate == MERGE), None)
    outcome = bodies[len(gates)] if len(gates) < len(bodies) else None
    accepted = outcome if isinstance(outcome, e.SubtaskAccepted) else None
    return Judge(
        subtask_id=SubtaskId(stream),
        epoch=epoch,
        gates=tuple(gate for gate in gates if gate.gate != MERGE),
        commit=outcome.commit if isinstance(outcome, e.SubtaskAccepted | e.ReviewRequested) else "",
        head=state.head,
        files=_files(accepted),
        conflicts=_conflicts(merge) if merge is not None and not merge.passed else (),
    )


def _gates(bodies: Iterable[e.EventBody]) -> Iterator[e.GateEvaluated]:
    """Give the gates that a verdict begins with."""
    for body in bodies:
        if not isinstance(body, e.GateEvaluated):
            return
        yield body


def _files(accepted: e.SubtaskAccepted | None) -> tuple[str, ...]:
    """Give the files of accepted work; early releases recorded only how many there were."""
    if accepted is None:
        return ()
    return accepted.files or ("",) * accepted.files_changed


def _conflicts(gate: e.GateEvaluated) -> tuple[str, ...]:
    """Give files in conflict for which the merge gate says what it said: it names the first three."""
    said = gate.detail.removeprefix(merge_gate(("",)).detail)
    first, _, more = said.rpartition(_MORE)
    if not first or not more.removesuffix(" more").isdecimal():
        return (said,)
    *others, last = first.split(", ", 2)
    return (*others, last, *("",) * int(more.removesuffix(" more")))


def agrees(event: e.Event, draft: Draft) -> bool:
    """Tell whether a recorded event is what was decided: its content, where it went, and under whose lease."""
    said = (event.stream_id, event.lease_epoch, event.worker_id)
    return said == (draft.stream, draft.epoch, draft.worker_id) and event.body == as_recorded(event, draft)


def as_recorded(event: e.Event, draft: Draft) -> e.EventBody:
    """Give the body of a draft without what was not recorded by the release that wrote the event."""
    match event.body, draft.body:
        case e.SubtaskAccepted(files=()), e.SubtaskAccepted() as now:
            return msgspec.structs.replace(now, files=())
        case _, now:
            return now
