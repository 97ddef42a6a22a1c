"""Sending a worker's message, and what is to be said of its receipt."""

from __future__ import annotations

from api.mcp.tool import Call
from api.schemas import AnyMessage, HeldLease
from domain import errors

_BY_CODE: dict[str, type[errors.ParallelWorkersError]] = {
    "stale_lease": errors.StaleLeaseError,
    "unknown_subtask": errors.UnknownSubtaskError,
    "not_yours": errors.NotYoursError,
    "invalid": errors.InvalidRequestError,
    "too_large": errors.PayloadTooLargeError,
}


async def send(call: Call, message: AnyMessage) -> str:
    """Send a message and give the warning of its receipt, which is mostly empty.

    Raises the error that the receipt stands for where the message was not taken.
    """
    (receipt,) = await call.services.post([message], call.principal)
    if receipt.status == "conflict":
        raise errors.IdempotencyError(
            receipt.reason or f"message {message.message_id} was sent before, and said something else"
        )
    if receipt.status == "rejected":
        error = _BY_CODE.get(receipt.code, errors.InvalidRequestError)
        raise error(receipt.reason or f"the message about {message.subtask_id} was refused: {receipt.code}")
    held = HeldLease(subtask_id=message.subtask_id, lease_epoch=message.lease_epoch)
    call.patience.heard(message.worker_id, held, call.principal)
    return receipt.warning


def with_warning(text: str, warning: str) -> str:
    """Add a receipt's warning, where there is one."""
    return f"{text} Note: {warning}." if warning else text
