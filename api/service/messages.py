"""What workers say: each message is decided on by its task's desk, and has a receipt of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
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


class _Asked(NamedTuple):
    """A message that its desk is to decide on."""

    message: AnyMessage
    desk: Desk
    report: Report
    outcome: asyncio.Future[list[e.Receipt]]


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

    async def post(self, messages: Sequence[AnyMessage], principal: Principal) -> list[MessageReceipt]:
        """Take in each message by itself, those about one subtask in their order, and give their receipts.

        Raises `LedgerError` where the database is away or too much waits: sent again, each is stored once.
        """
        if len(messages) == 1:
            return [await _receipt(messages[0], self._once(messages[0], principal))]
        # Each reaches its desk's queue before the next one is begun: a desk decides in the order of its queue. Those
        # that need to ask nobody else are there at once; what comes behind one that does must not overtake it.
        asked = list(self._ask_at_once(messages, principal))
        rest = messages[len(asked) :]
        first, others = await asyncio.gather(
            self._answers(asked),
            asyncio.gather(*(_receipt(message, self._once(message, principal)) for message in rest)),
        )
        return [*first, *others]

    def _ask_at_once(self, messages: Iterable[AnyMessage], principal: Principal) -> Iterator[_Asked]:
        """Ask the desks about messages in their order, up to the first that something has to be looked up for."""
        for message in messages:
            desk = self._desks.resident(task_of(message.subtask_id))
            plain = (
                desk is not None
                and message.task_id in (None, desk.task_id)
                and not isinstance(message, BlockedMessage)
                and message.message_id.int not in self._under_way
                and desk.said_before(message.subtask_id, message.message_id) is None
                and self._workers.known_to_belong(message.worker_id, principal)
            )
            if not plain or desk is None:
                return
            self._under_way[message.message_id.int] = None
            report = _report(message)
            yield _Asked(message, desk, report, self._ask(desk, report, message))

    async def _answers(self, asked: Sequence[_Asked]) -> list[MessageReceipt]:
        try:
            # All are waited for, so that none ends without anybody who hears of it.
            await asyncio.gather(*(one.outcome for one in asked), return_exceptions=True)
            return [await _receipt(one.message, self._outcome(one)) for one in asked]
        finally:
            for one in asked:
                self._let_go(one.message)

    async def _once(self, message: AnyMessage, principal: Principal) -> MessageReceipt:
        key = message.message_id.int
        while key in self._under_way:
            await self._end_of(key)
        self._under_way[key] = None
        try:
            return await self._decide(message, principal)
        finally:
            self._let_go(message)

    def _let_go(self, message: AnyMessage) -> None:
        if (ended := self._under_way.pop(message.message_id.int)) is not None:
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
        report = _report(message, await self._paths(desk, message))
        return await self._outcome(_Asked(message, desk, report, self._ask(desk, report, message)))

    def _ask(self, desk: Desk, report: Report, message: AnyMessage) -> asyncio.Future[list[e.Receipt]]:
        return desk.ask(lambda state: self._events(desk, state, report, message))

    async def _outcome(self, asked: _Asked) -> MessageReceipt:
        message = asked.message
        try:
            receipts = await asked.outcome
        except errors.StaleLeaseError as error:
            return await self._too_late(asked.desk, asked.report, message, error)
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

    async def _paths(self, desk: Desk, message: AnyMessage) -> tuple[str, ...]:
        """List the files that a blocked worker's problems are in."""
        subtask = desk.state.subtasks.get(SubtaskId(message.subtask_id))
        if not isinstance(message, BlockedMessage) or subtask is None:
            return ()
        return await self._observations.paths_of(desk.state, subtask)

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


async def _receipt(message: AnyMessage, outcome: Awaitable[MessageReceipt]) -> MessageReceipt:
    """Wait for what becomes of a message; a refusal that is its sender's business is a receipt as well."""
    try:
        return await outcome
    except errors.ParallelWorkersError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
        if code is None:
            raise
        return MessageReceipt(message_id=message.message_id, status="rejected", reason=str(error), code=code)


def _report(message: AnyMessage, problem_paths: tuple[str, ...] = ()) -> Report:
    return Report(
        subtask_id=SubtaskId(message.subtask_id),
        worker_id=WorkerId(message.worker_id),
        epoch=message.lease_epoch,
        message=body_of(message),
        problem_paths=problem_paths,
    )


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
