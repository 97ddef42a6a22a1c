"""What a worker says, on its way to the service: under its lease, with an id of its own, and what became of it."""

from __future__ import annotations

import msgspec

from api.schemas import (
    AnyMessage,
    BlockedMessage,
    CompletedMessage,
    FailedMessage,
    Lease,
    MessageReceipt,
    ProgressMessage,
    StartedMessage,
)
from domain import events as e
from domain.errors import (
    AlreadyReportedError,
    IdempotencyError,
    InvalidEventError,
    NotYoursError,
    ParallelWorkersError,
    PayloadTooLargeError,
    StaleLeaseError,
    UnknownSubtaskError,
)
from eventstore.clock import Clock

# A message has the fields of what it says, under the same names.
_MESSAGES: dict[type[e.WorkerMessage], type[AnyMessage]] = {
    e.Started: StartedMessage,
    e.Progress: ProgressMessage,
    e.Blocked: BlockedMessage,
    e.Completed: CompletedMessage,
    e.Failed: FailedMessage,
}

_BY_CODE: dict[str, type[ParallelWorkersError]] = {
    "already_reported": AlreadyReportedError,
    "not_yours": NotYoursError,
    "stale_lease": StaleLeaseError,
    "too_large": PayloadTooLargeError,
    "unknown_subtask": UnknownSubtaskError,
}


def message_of(lease: Lease, said: e.WorkerMessage, clock: Clock) -> AnyMessage:
    """Put what a worker says under its lease; the id is made here and once, however often it is sent."""
    return _MESSAGES[type(said)](
        message_id=clock.new_message_id(),
        subtask_id=lease.subtask_id,
        worker_id=lease.worker_id,
        lease_epoch=lease.lease_epoch,
        occurred_at=clock.now(),
        **msgspec.structs.asdict(said),
    )


def check(receipt: MessageReceipt) -> None:
    """Raise the error that a receipt stands for, where the message was not taken."""
    if receipt.status == "conflict":
        raise IdempotencyError(receipt.reason)
    if receipt.status == "rejected":
        raise _BY_CODE.get(receipt.code, InvalidEventError)(receipt.reason)
