"""The life of a task's subtasks: `decide(state, command) -> events`.

    planned -> ready -> claimed -> running (-> blocked) -> reported -> accepted
                 ^                    |          |            |
                 |                    |          +- parked    |    (and split, into others)
                 +--- failed / lost / released / rejected, while attempts are left; then held

The lease epoch is the fence: each claim raises it by one, and whatever comes under another epoch than the
present one is refused. A worker whose lease ran out may still report until the subtask is leased again: the epoch
decides, not the expiry. Failed attempts and lost workers are counted apart: a worker that dies says nothing about
the subtask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, assert_never
from uuid import UUID

import msgspec

from domain import events as e
from domain import gates
from domain.backoff import delay_seconds
from domain.blocking import answer, open_blocker
from domain.errors import (
    AlreadyReportedError,
    BehindError,
    NotClaimableError,
    NotReportedError,
    StaleLeaseError,
    UnknownSubtaskError,
)
from domain.ids import SubtaskId, WorkerId, short
from domain.plan import StartForecast
from domain.readiness import holder_of_its_files, unclaimable_reason
from domain.task_state import LIVE, OVER, Blocker, SubtaskState, TaskState


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker asks for one subtask."""

    subtask_id: SubtaskId
    worker_id: WorkerId
    base_commit: str
    request_id: UUID | None = None
    forecast: StartForecast | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A worker says how it stands."""

    subtask_id: SubtaskId
    worker_id: WorkerId
    epoch: int
    message: e.WorkerMessage
    #: The files of the subtask's problems, in their order: by them it can be split.
    problem_paths: tuple[str, ...] = ()


class LoseWorker(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a subtask is gone, or one of its clocks has run out."""

    subtask_id: SubtaskId
    epoch: int
    reason: str
    #: With the coordinator that had started it.
    coordinator_gone: bool = False
    clock: e.LeaseClock = "heartbeat"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a subtask hands it back unfinished."""

    subtask_id: SubtaskId
    epoch: int
    reason: str


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates say of finished work, and the commit that holds it."""

    subtask_id: SubtaskId
    epoch: int
    gates: tuple[e.GateEvaluated, ...] = ()
    #: The work on top of `head`; empty where there is no repository.
    commit: str = ""
    head: str = ""
    files: tuple[str, ...] = ()
    #: Files in which merging the work onto the head failed.
    conflicts: tuple[str, ...] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Another worker's judgement of finished work."""

    subtask_id: SubtaskId
    epoch: int
    reviewer: str
    approve: bool
    score: float = 1.0
    comment: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a blocker, the oldest open one where no number is given."""

    subtask_id: SubtaskId
    text: str
    by: str
    number: int | None = None
    action: e.BlockerAction = "resume"
    extra_seconds: float = 0.0
    #: As in `Report`.
    problem_paths: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a task's policy says about attempts."""

    #: Failed or rejected attempts before the subtask is held.
    attempts_max: int = 3
    #: Lost workers before the subtask is held: a subtask that keeps killing its workers must end too.
    losses_max: int = 3
    #: Before a failed subtask is handed out again; doubled with each failure.
    backoff_seconds: float = 0.0
    #: Whether a subtask waits for an answer after its worker has gone; else it is held for this phase.
    parks: bool = False
    #: Gates that must have passed, by name, before work is accepted.
    required_gates: tuple[str, ...] = ()
    #: Approvals by other workers that work needs.
    reviews: int = 0
    #: Whether gates look at finished work.
    gated: bool = True
    #: Live leases at once; None: no limit.
    leases_max: int | None = None
    #: Whether work is accepted on its worker's word: there is neither a tree nor a gate to hold it against.
    trusts: bool = False
    #: Whether somebody looks at the tree again after a phase; else the task ends with it.
    looks_again: bool = True
    #: In US dollars over all attempts; None: no limit.
    cost_max: float | None = None


Command = Claim | Report | LoseWorker | Release | Judge | Review | Answer


class Draft(NamedTuple):
    """An event to be: its body, the stream it goes to, and the epoch and worker it is said under."""

    body: e.EventBody
    stream: str
    epoch: int | None = None
    worker_id: WorkerId | None = None


def decide(state: TaskState, command: Command, limits: Limits) -> list[Draft]:
    """Say which events follow from a command.

    Raises `UnknownSubtaskError` where there is no such subtask or blocker; `NotClaimableError` where a claim cannot
    be granted; `StaleLeaseError` where the command comes under a lease that no longer holds; `AlreadyReportedError`
    for a report after the last word; `NotReportedError` for a verdict before the worker has said to be done; and
    `BehindError` for work on another head than the present one.
    """
    if (subtask := state.subtasks.get(command.subtask_id)) is None:
        raise UnknownSubtaskError(f"there is no subtask {command.subtask_id}")
    drafts = _decide(state, subtask, command, limits)
    return drafts + _no_more_questions(subtask, drafts)


def _decide(state: TaskState, subtask: SubtaskState, command: Command, limits: Limits) -> list[Draft]:
    match command:
        case Claim():
            return _claim(state, subtask, command, limits)
        case Answer():
            return _under(subtask, answer(state, subtask, _answered(command), command.problem_paths))
        case Report():
            _check_reporter(state, subtask, command)
            return _report(state, subtask, command, limits)
        case _:
            _check_fence(subtask, command.epoch)
    bodies: list[e.EventBody]
    match command:
        case LoseWorker(reason=reason, coordinator_gone=gone, clock=clock):
            # What waits for an answer waits on; where nothing waits, the next worker has to ask again.
            closed = [] if limits.parks else _closed(subtask.open_blockers, "the worker is gone")
            after = [] if gone else _after_expiry(subtask, limits, reason, clock)
            bodies = [e.LeaseExpired(reason=reason, coordinator_gone=gone, clock=clock), *closed, *after]
        case Release(reason=reason):
            bodies = _release(subtask, reason, limits)
        case Judge():
            _check_reported(subtask)
            bodies = _judge(state, subtask, command, limits)
        case Review():
            _check_reported(subtask)
            bodies = _review(state, subtask, command, limits)
        case _:
            assert_never(command)
    return _under(subtask, [(body, subtask.id) for body in bodies])


def _no_more_questions(subtask: SubtaskState, drafts: Sequence[Draft]) -> list[Draft]:
    """Close what is still open of a subtask that has come to its end: nobody waits for the answers."""
    if len(drafts) == 1:
        # A message from which nothing follows: most that is decided.
        return []
    said = [draft.body for draft in drafts if draft.stream == subtask.id]
    if not any(isinstance(body, e.SubtaskHeld | e.SubtaskSplit) for body in said):
        return []
    answered = {body.number for body in said if isinstance(body, e.BlockerAnswered)}
    closed = _closed([b for b in subtask.open_blockers if b.number not in answered], "the subtask has ended")
    return [Draft(body, subtask.id, subtask.epoch or None, subtask.worker_id) for body in closed]


def late(state: TaskState, command: Report) -> list[Draft]:
    """Keep what a worker reports under a lease that has gone to another one, or is over for good."""
    subtask = state.subtasks[command.subtask_id]
    body = e.LateReported(message=command.message, holder=_holder(subtask))
    return [Draft(body, subtask.id, command.epoch, command.worker_id)]


def _under(subtask: SubtaskState, bodies: Sequence[tuple[e.EventBody, str]]) -> list[Draft]:
    """Say things under the subtask's present lease, but for what belongs to other streams."""
    return [
        Draft(body, stream, subtask.epoch or None, subtask.worker_id) if stream == subtask.id else Draft(body, stream)
        for body, stream in bodies
    ]


# --- claims ---------------------------------------------------------------------------------------------


def _claim(state: TaskState, subtask: SubtaskState, command: Claim, limits: Limits) -> list[Draft]:
    if (reason := unclaimable_reason(state, subtask)) is not None:
        raise NotClaimableError(reason)
    if limits.leases_max is not None:
        live = sum(other.status in LIVE for other in state.subtasks.values())
        if live >= limits.leases_max:
            raise NotClaimableError(f"{state.id} has {live} leases, the most that it may have at once")
    if (given := _given_to(state, command.request_id)) is not None:
        raise NotClaimableError(f"the request was given {short(given.id)} before")
    claimed = e.SubtaskClaimed(
        base_commit=command.base_commit, request_id=command.request_id, forecast=command.forecast
    )
    bodies: list[e.EventBody] = [claimed]
    if subtask.history and (last := subtask.history[-1]).worker_id not in ("", command.worker_id):
        bodies.append(e.SubtaskReassigned(previous_worker=last.worker_id, previous_epoch=last.epoch, found=last.what))
    return [Draft(body, subtask.id, subtask.epoch + 1, command.worker_id) for body in bodies]


def _given_to(state: TaskState, request_id: UUID | None) -> SubtaskState | None:
    """Find what a request was given that comes again."""
    if request_id is None:
        return None
    live = (subtask for subtask in state.subtasks.values() if subtask.status in LIVE)
    return next((subtask for subtask in live if subtask.request_id == request_id), None)


# --- reports --------------------------------------------------------------------------------------------


def _report(state: TaskState, subtask: SubtaskState, command: Report, limits: Limits) -> list[Draft]:
    message = command.message
    bodies: list[tuple[e.EventBody, str]] = [(message, subtask.id)]
    match message:
        case e.Blocked(issue=issue):
            bodies += open_blocker(state, subtask, issue, command.problem_paths)
            if subtask.status not in LIVE:
                # What it waited for when it was lost may wait for it by now: it has to ask anew.
                bodies += [(body, subtask.id) for body in _closed(subtask.open_blockers, "the worker is back")]
        case e.Failed():
            bodies += [(body, subtask.id) for body in _closed(subtask.open_blockers, "the attempt has failed")]
            bodies += [(body, subtask.id) for body in _after_failure(subtask, limits, message)]
        case e.Started() | e.Progress() | e.Completed():
            closed = _closed(subtask.open_blockers, "the worker went on by itself")
            bodies += [(body, subtask.id) for body in closed]
            if isinstance(message, e.Completed):
                bodies += [(body, subtask.id) for body in _without_gates(state, message, limits)]
        case _:
            assert_never(message)
    return [
        Draft(body, stream, command.epoch, command.worker_id) if stream == subtask.id else Draft(body, stream)
        for body, stream in bodies
    ]


def _without_gates(state: TaskState, message: e.Completed, limits: Limits) -> list[e.EventBody]:
    """Say what follows from finished work that no gate will look at."""
    if limits.trusts:
        return [e.SubtaskAccepted(commit="", files_changed=0, summary=message.summary)]
    if limits.reviews and not limits.gated and not state.head:
        return [e.ReviewRequested(reviews=limits.reviews)]
    return []


def _closed(blockers: Sequence[Blocker], text: str) -> list[e.EventBody]:
    return [e.BlockerAnswered(number=blocker.number, text=text) for blocker in blockers]


def _check_reporter(state: TaskState, subtask: SubtaskState, command: Report) -> None:
    if subtask.status in LIVE and subtask.epoch == command.epoch:
        if subtask.worker_id != command.worker_id:
            raise StaleLeaseError(f"{short(subtask.id)} is held by {subtask.worker_id}, not by {command.worker_id}")
        if subtask.status == "reported" and not isinstance(command.message, e.Failed):
            raise AlreadyReportedError(f"{short(subtask.id)} is completed already and waits for its verdict")
        return
    # The lease ran out, and nobody else has the subtask or its files: what its worker says still counts.
    unclaimed = subtask.status in ("planned", "ready") and subtask.epoch == command.epoch
    back = unclaimed and subtask.lost_worker == command.worker_id and state.status not in OVER
    if back and holder_of_its_files(state, subtask) is None:
        return
    _check_fence(subtask, command.epoch)
    raise StaleLeaseError(f"epoch {command.epoch} of {short(subtask.id)} is over: {_holder(subtask)}")


def _check_fence(subtask: SubtaskState, epoch: int) -> None:
    if not (subtask.status in LIVE and subtask.epoch == epoch):
        raise StaleLeaseError(f"epoch {epoch} of {short(subtask.id)} is over: {_holder(subtask)}")


def _holder(subtask: SubtaskState) -> str:
    if subtask.status in LIVE:
        return f"it is held by {subtask.worker_id} under epoch {subtask.epoch}"
    return f"it is {subtask.status} and held by nobody"


# --- ends of attempts -----------------------------------------------------------------------------------


def _release(subtask: SubtaskState, reason: str, limits: Limits) -> list[e.EventBody]:
    if not subtask.open_blockers:
        return [e.SubtaskReleased(reason=reason)]
    if limits.parks:
        return [e.SubtaskReleased(reason=reason, parked=True)]
    asked = "; ".join(blocker.detail for blocker in subtask.open_blockers)
    return [e.SubtaskReleased(reason=reason), e.SubtaskHeld(reason=f"blocked: {asked}")]


def _after_failure(subtask: SubtaskState, limits: Limits, failure: e.Failed) -> list[e.EventBody]:
    failures = subtask.failures + 1
    if not failure.recoverable:
        return [e.SubtaskHeld(reason=failure.error)]
    if failures >= limits.attempts_max:
        return [e.SubtaskHeld(reason=f"failed {limits.attempts_max} times, last: {failure.error}")]
    delay = delay_seconds(failures, limits.backoff_seconds, subtask.id, subtask.epoch)
    return [e.RetryScheduled(after_seconds=delay, failures=failures)] if delay > 0 else []


def _after_expiry(subtask: SubtaskState, limits: Limits, reason: str, clock: e.LeaseClock) -> list[e.EventBody]:
    if clock in ("progress", "deadline"):
        return _after_failure(subtask, limits, e.Failed(error=reason))
    if subtask.losses + 1 >= limits.losses_max:
        return [e.SubtaskHeld(reason=f"lost {limits.losses_max} workers, last: {reason}")]
    return []


# --- verdicts -------------------------------------------------------------------------------------------


def _judge(state: TaskState, subtask: SubtaskState, command: Judge, limits: Limits) -> list[e.EventBody]:
    evaluated: list[e.EventBody] = list(command.gates)
    failed = next((gate for gate in command.gates if gate.blocking and not gate.passed), None)
    if failed is not None:
        error = e.Failed(error=f"{failed.gate}: {failed.detail}")
        rejected = e.SubtaskRejected(gate=failed.gate, reason=failed.detail)
        return [*evaluated, rejected, *_after_failure(subtask, limits, error)]
    merge = gates.merge_gate(command.conflicts)
    if command.conflicts:
        return [*evaluated, merge, e.SubtaskReleased(reason=merge.detail)]
    if missing_gates({**subtask.gates, **gates.results(command.gates)}, limits):
        return evaluated
    if sum(subtask.reviews.values()) < limits.reviews:
        # Its worker may ask again and again how the reviews stand.
        wanted = e.ReviewRequested(reviews=limits.reviews, commit=command.commit)
        asked = [] if subtask.in_review else [wanted]
        return [*evaluated, *asked]
    if command.head != state.head:
        given = f"not {command.head[:12]}" if command.head else "and none was given"
        raise BehindError(f"the head is {state.head[:12] or 'empty'}, {given}: merge again", state.head)
    accepted = e.SubtaskAccepted(
        commit=command.commit, files_changed=len(command.files), summary=subtask.note, files=command.files
    )
    return [*evaluated, merge, accepted] if command.commit else [*evaluated, accepted]


def missing_gates(known: Mapping[str, bool], limits: Limits) -> tuple[str, ...]:
    """Name the gates that work still needs, where these are known."""
    return tuple(name for name in limits.required_gates if not known.get(name, False))


def _review(state: TaskState, subtask: SubtaskState, command: Review, limits: Limits) -> list[e.EventBody]:
    given = e.ReviewGiven(
        reviewer=command.reviewer, approve=command.approve, score=command.score, comment=command.comment
    )
    if command.approve:
        # Where there is a tree, its worker merges first, and asks for the verdict again.
        approvals = sum({**subtask.reviews, command.reviewer: True}.values())
        done = not state.head and approvals >= limits.reviews and not missing_gates(subtask.gates, limits)
        return [given, e.SubtaskAccepted(commit="", files_changed=0, summary=subtask.note)] if done else [given]
    error = e.Failed(error=f"review by {command.reviewer}: {command.comment or 'not approved'}")
    rejected = e.SubtaskRejected(gate="review", reason=f"{command.reviewer}: {command.comment or 'not approved'}")
    return [given, rejected, *_after_failure(subtask, limits, error)]


def _check_reported(subtask: SubtaskState) -> None:
    if subtask.status != "reported":
        raise NotReportedError(f"{short(subtask.id)} is {subtask.status}: there is no finished work to decide on")


def _answered(command: Answer) -> e.BlockerAnswered:
    return e.BlockerAnswered(
        number=command.number or 0,
        text=command.text,
        action=command.action,
        by=command.by,
        extra_seconds=command.extra_seconds,
    )
