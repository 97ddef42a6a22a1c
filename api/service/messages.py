"""What workers say: each message is decided on by its task's desk, and has a receipt of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.auth.principal import Principal
from api.schemas import (
    AnyMessage,
    BlockedMessage,
    CompletedMessage,
    FailedMessage,
    MessageReceipt,
    ProgressMessage,
    StartedMessage,
)
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.leases import Leases
from api.service.observations import Observations
from api.service.workers import Workers
from domain import errors
from domain import events as e
from domain.ids import SubtaskId, WorkerId, task_of
from domain.lifecycle import Draft, Report, decide, late
from domain.task_state import TaskState
from eventstore.clock import Clock
from eventstore.codec import encode_body
from eventstore.ledger import Ledger

#: Why a message was not taken, for programs.
_CODES: tuple[tuple[type[errors.ParallelWorkersError], str], ...] = (
    (errors.StaleLeaseError, "stale_lease"),
    (errors.AlreadyReportedError, "already_reported"),
    (errors.UnknownSubtaskError, "unknown_subtask"),
    (errors.UnknownTaskError, "unknown_subtask"),
    (errors.NotYoursError, "not_yours"),
    (errors.PayloadTooLargeError, "too_large"),
    (errors.InvalidEventError, "invalid"),
    (errors.InvalidRequestError, "invalid"),
)
#: What a worker that has lost its lease may still have to give.
_RESULTS = (e.Completed, e.Failed)

_KEPT = "epoch {} of {} was over; the result is kept, and changes nothing"

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class Messages:
    """Takes in what workers say."""

    def __init__(
        self,
        desks: Desks,
        workers: Workers,
        leases: Leases,
        observations: Observations,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._desks = desks
        self._workers = workers
        self._leases = leases
        self._observations = observations
        self._ledger = ledger
        self._clock = clock
        # By the number of its id (a UUID's own hash is computed in Python): sent again while the first is under way,
        # a message waits for it. Hardly ever does one, so what it would wait for is made when it comes.
        self._under_way: dict[int, asyncio.Future[None] | None] = {}
        self.on_receipt: Callable[[AnyMessage, MessageReceipt], None] = lambda _message, _receipt: None

    async def post(self, messages: Sequence[AnyMessage], principal: Principal) -> list[MessageReceipt]:
        """Take in each message by itself, those about one subtask in their order, and give their receipts.

        Raises `LedgerError` where the database is away or too much waits: sent again, each is stored once.
        """
        if len(messages) == 1:
            return [await self._take(messages[0], principal)]
        # Each reaches its desk's queue before the next one is begun: a desk decides in the order of its queue.
        return list(await asyncio.gather(*(self._take(message, principal) for message in messages)))

    async def _take(self, message: AnyMessage, principal: Principal) -> MessageReceipt:
        try:
            receipt = await self._once(message, principal)
        except errors.ParallelWorkersError as error:
            code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
            if code is None:
                raise
            receipt = MessageReceipt(message_id=message.message_id, status="rejected", reason=str(error), code=code)
        self.on_receipt(message, receipt)
        return receipt

    async def _once(self, message: AnyMessage, principal: Principal) -> MessageReceipt:
        key = message.message_id.int
        while key in self._under_way:
            await self._end_of(key)
        self._under_way[key] = None
        try:
            return await self._decide(message, principal)
        finally:
            if (ended := self._under_way.pop(key)) is not None:
                ended.set_result(None)

    async def _end_of(self, key: int) -> None:
        ended = self._under_way[key]
        if ended is None:
            ended = self._under_way[key] = asyncio.get_running_loop().create_future()
        await asyncio.wait({ended})

    async def _decide(self, message: AnyMessage, principal: Principal) -> MessageReceipt:
        task_id = task_of(message.subtask_id)
        if message.task_id not in (None, task_id):
            raise errors.InvalidRequestError(f"{message.subtask_id} is no subtask of {message.task_id}")
        await self._workers.check(message.worker_id, principal)
        desk = await self._desks.get(task_id)
        if (said := desk.said_before(message.subtask_id, message.message_id)) is not None:
            return _known(message, said)
        report = await self._report(desk, message)
        try:
            receipts = await desk.act(lambda state: self._events(desk, state, report, message))
        except errors.StaleLeaseError as error:
            return await self._too_late(desk, report, message, error)
        except errors.RepeatedMessageError:
            # Another process has stored it just now.
            if (found := await self._found(message)) is None:
                raise
            return found
        self._leases.heard(message.worker_id)
        receipt = receipts[0]
        return MessageReceipt(
            message_id=message.message_id,
            status="created" if receipt.status == "created" else "duplicate",
            position=receipt.position,
            version=receipt.version,
            warning=receipt.warning,
        )

    async def _report(self, desk: Desk, message: AnyMessage) -> Report:
        paths: tuple[str, ...] = ()
        subtask = desk.state.subtasks.get(SubtaskId(message.subtask_id))
        if isinstance(message, BlockedMessage) and subtask is not None:
            paths = await self._observations.paths_of(desk.state, subtask)
        return Report(
            subtask_id=SubtaskId(message.subtask_id),
            worker_id=WorkerId(message.worker_id),
            epoch=message.lease_epoch,
            message=body_of(message),
            problem_paths=paths,
        )

    def _events(self, desk: Desk, state: TaskState, report: Report, message: AnyMessage) -> list[e.Event]:
        first, *rest = decide(state, report, desk.limits)
        return [self._event(desk, first, message), *(desk.event(draft) for draft in rest)]

    def _event(self, desk: Desk, draft: Draft, message: AnyMessage) -> e.Event:
        occurred_at = message.occurred_at or _time_in(message.message_id) or self._clock.now()
        return desk.event(draft, message_id=message.message_id, occurred_at=occurred_at)

    # --- what comes again, or too late ---

    async def _too_late(
        self, desk: Desk, report: Report, message: AnyMessage, error: errors.StaleLeaseError
    ) -> MessageReceipt:
        """Say that the lease is over; a result is kept all the same."""
        if (found := await self._found(message)) is not None:
            return found
        subtask = desk.state.subtasks[report.subtask_id]
        if not isinstance(report.message, _RESULTS) or report.epoch > subtask.epoch:
            raise error

        def keeping(state: TaskState) -> list[e.Event]:
            return [self._event(desk, draft, message) for draft in late(state, report)]

        receipts = await desk.act(keeping)
        return MessageReceipt(
            message_id=message.message_id,
            status="rejected",
            code="stale_lease",
            reason=f"{error}; the result is kept, and changes nothing",
            position=receipts[0].position,
            version=receipts[0].version,
        )

    async def _found(self, message: AnyMessage) -> MessageReceipt | None:
        """Look whether the ledger has the message from before."""
        record = await self._ledger.find_message(task_of(message.subtask_id), message.message_id)
        return None if record is None else _known(message, record)


def _known(message: AnyMessage, record: e.RecordedEvent) -> MessageReceipt:
    """Give the receipt of a message whose id the ledger has."""
    event = record.event
    said = event.body.message if isinstance(event.body, e.LateReported) else event.body
    sender = (event.stream_id, event.worker_id, event.lease_epoch)
    # As texts: an integer may have come back as a float.
    same = sender == (message.subtask_id, message.worker_id, message.lease_epoch) and encode_body(
        said
    ) == encode_body(body_of(message))
    if not same:
        return MessageReceipt(
            message_id=message.message_id,
            status="conflict",
            position=record.position,
            version=record.version,
            reason="this message id was used before, for something else",
        )
    late_one = isinstance(event.body, e.LateReported)
    return MessageReceipt(
        message_id=message.message_id,
        status="rejected" if late_one else "duplicate",
        code="stale_lease" if late_one else "",
        reason=_KEPT.format(message.lease_epoch, message.subtask_id) if late_one else "",
        position=record.position,
        version=record.version,
    )


def body_of(message: AnyMessage) -> e.WorkerMessage:
    """Give what is stored of a message."""
    match message:
        case StartedMessage(usage=usage):
            return e.Started(usage=usage)
        case ProgressMessage(completed=completed, total=total, status=status, usage=usage):
            return e.Progress(completed=completed, total=total, status=status, usage=usage)
        case BlockedMessage(issue=issue, context=context, usage=usage):
            return e.Blocked(issue=issue, context=context, usage=usage)
        case CompletedMessage(result=result, summary=summary, usage=usage):
            return e.Completed(result=result, summary=summary, usage=usage)
        case FailedMessage(error=error, recoverable=recoverable, usage=usage):
            return e.Failed(error=error, recoverable=recoverable, usage=usage)


def _time_in(message_id: UUID) -> datetime | None:
    """Read the milliseconds of a UUIDv7 (RFC 9562); None for other ids."""
    number = message_id.int
    if number >> 76 & 0xF != 7:
        return None
    return _UNIX + timedelta(milliseconds=number >> 80)
