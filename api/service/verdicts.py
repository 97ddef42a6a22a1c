"""What follows completed work (gates, reviews), an answer to a blocker, and a subtask that is handed back."""

from __future__ import annotations

from collections.abc import Sequence

from api.auth.principal import Principal
from api.schemas import AnswerRequest, GatesRequest, ReleaseRequest, ReviewRequest, VerdictReply
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.observations import Observations
from api.service.workers import Workers
from domain import events as e
from domain.errors import BehindError, InvalidRequestError, StaleLeaseError, UnknownSubtaskError
from domain.gates import scope_gate
from domain.ids import SubtaskId
from domain.lifecycle import Answer, Draft, Judge, LoseWorker, Release, Review, missing_gates
from domain.task_state import SubtaskState


class Verdicts:
    """Decides on work that is claimed to be done."""

    def __init__(self, desks: Desks, workers: Workers, observations: Observations) -> None:
        self._desks = desks
        self._workers = workers
        self._observations = observations

    async def judge(self, subtask_id: str, request: GatesRequest, principal: Principal) -> VerdictReply:
        """Take in what the gates said; see `Services.judge`."""
        await self._workers.check(request.worker_id, principal)
        desk = await self._desks.of_subtask(subtask_id)
        command = Judge(
            subtask_id=SubtaskId(subtask_id),
            epoch=request.lease_epoch,
            gates=_with_scope(_subtask(desk, subtask_id), request),
            commit=request.commit,
            head=request.head,
            files=request.files,
            conflicts=request.conflicts,
        )
        _check_holder(desk, subtask_id, request.worker_id, request.lease_epoch)
        try:
            decided = await desk.command(command)
        except BehindError as error:
            return VerdictReply(outcome="behind", reason=str(error), head=error.head)
        except StaleLeaseError as error:
            return _as_before(desk, subtask_id, request.lease_epoch, error)
        return _verdict(desk, subtask_id, decided)

    async def review(self, subtask_id: str, request: ReviewRequest, principal: Principal) -> VerdictReply:
        """Take in another worker's judgement; see `Services.review`."""
        await self._workers.check(request.reviewer, principal)
        desk = await self._desks.of_subtask(subtask_id)
        subtask = _subtask(desk, subtask_id)
        if request.reviewer == subtask.worker_id:
            raise InvalidRequestError(f"{request.reviewer} has done {subtask_id}: somebody else has to review it")
        command = Review(
            subtask_id=subtask.id,
            epoch=request.lease_epoch,
            reviewer=request.reviewer,
            approve=request.approve,
            score=request.score,
            comment=request.comment,
        )
        return _verdict(desk, subtask_id, await desk.command(command))

    async def answer(self, subtask_id: str, request: AnswerRequest, principal: Principal) -> Desk:
        """Answer a blocker, and give the task's desk; see `Services.answer`."""
        desk = await self._desks.of_subtask(subtask_id)
        subtask = _subtask(desk, subtask_id)
        splits = request.action == "split"
        command = Answer(
            subtask_id=subtask.id,
            text=request.text,
            by=principal.name or principal.key_id or principal.role,
            number=request.number,
            action=request.action,
            extra_seconds=request.extra_seconds,
            problem_paths=await self._observations.paths_of(desk.state, subtask) if splits else (),
        )
        await desk.command(command)
        return desk

    async def release(self, subtask_id: str, request: ReleaseRequest, principal: Principal) -> Desk:
        """Take a subtask back, and give the task's desk; see `Services.release`."""
        await self._workers.check(request.worker_id, principal)
        desk = await self._desks.of_subtask(subtask_id)
        subtask = _subtask(desk, subtask_id)
        if _released_before(subtask, request):
            return desk
        _check_holder(desk, subtask_id, request.worker_id, request.lease_epoch)
        reason = request.reason or f"{request.worker_id} handed it back"
        command: LoseWorker | Release
        if request.lost:
            command = LoseWorker(subtask_id=subtask.id, epoch=request.lease_epoch, reason=reason)
        else:
            command = Release(subtask_id=subtask.id, epoch=request.lease_epoch, reason=reason)
        try:
            await desk.command(command)
        except StaleLeaseError:
            # Another process may have taken it back just now, for the same request.
            if not _released_before(_subtask(desk, subtask_id), request):
                raise
        return desk


def _subtask(desk: Desk, subtask_id: str) -> SubtaskState:
    if (subtask := desk.state.subtasks.get(SubtaskId(subtask_id))) is None:
        raise UnknownSubtaskError(f"there is no subtask {subtask_id}")
    return subtask


def _check_holder(desk: Desk, subtask_id: str, worker_id: str, epoch: int) -> None:
    """Refuse another worker than the one that holds the lease: the epoch alone could be guessed."""
    subtask = _subtask(desk, subtask_id)
    if subtask.epoch == epoch and subtask.worker_id not in (None, worker_id):
        raise StaleLeaseError(f"{subtask_id} is held by {subtask.worker_id} under epoch {epoch}, not by {worker_id}")


def _released_before(subtask: SubtaskState, request: ReleaseRequest) -> bool:
    """Tell whether the request comes again, after a lost answer."""
    last = subtask.history[-1] if subtask.history else None
    return (
        subtask.worker_id is None
        and last is not None
        and (last.epoch, last.worker_id) == (request.lease_epoch, request.worker_id)
        and subtask.epoch == request.lease_epoch
    )


def _with_scope(subtask: SubtaskState, request: GatesRequest) -> tuple[e.GateEvaluated, ...]:
    """Give the gates with the scope's, where what was posted says nothing of files that leave the scope."""
    scope = scope_gate(subtask.plan.scope, request.files)
    return request.gates if scope.passed else (*request.gates, scope)


def _verdict(desk: Desk, subtask_id: str, decided: Sequence[Draft]) -> VerdictReply:
    head = desk.state.head
    for draft in decided:
        match draft.body:
            case e.SubtaskAccepted():
                return VerdictReply(outcome="accepted", reason="", head=head)
            case e.SubtaskRejected(gate=gate, reason=reason):
                return VerdictReply(outcome="rejected", reason=f"{gate}: {reason}", head=head)
            case e.SubtaskReleased(reason=reason):
                return VerdictReply(outcome="released", reason=reason, head=head)
            case _:
                continue
    missing = missing_gates(_subtask(desk, subtask_id).gates, desk.limits)
    reason = f"gates are missing: {', '.join(missing)}" if missing else "reviews are missing"
    return VerdictReply(outcome="pending", reason=reason, head=head)


def _as_before(desk: Desk, subtask_id: str, epoch: int, error: StaleLeaseError) -> VerdictReply:
    """Say again what became of an attempt whose verdict was lost on its way."""
    subtask = _subtask(desk, subtask_id)
    if subtask.epoch == epoch and subtask.status == "accepted":
        return VerdictReply(outcome="accepted", reason="", head=desk.state.head)
    last = subtask.history[-1] if subtask.history else None
    if subtask.epoch == epoch and last is not None and last.epoch == epoch:
        return VerdictReply(outcome="rejected", reason=last.what, head=desk.state.head)
    raise error
