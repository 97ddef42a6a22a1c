"""Messages: what workers say, one or many at once, with a receipt for each.

An ASGI handler of its own, below everything that a route usually goes through: this is the route that is called most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler

from api.auth.principal import Principal
from api.front.layer import PRINCIPAL, header
from api.routes.endpoint import ENDPOINT, JSON, Endpoint, Reply
from api.routes.reading import decode
from api.routes.roles import WORKERS, check_role
from api.schemas import AnyMessage, MessageReceipt, Receipts
from api.service.interface import Services
from domain import errors

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

#: In one request: a second of work, and as many as go into one append.
MESSAGES_MAX = 1000

_PATH = "/v1/messages"
_LINES = "application/x-ndjson"

#: What a refusal of a single message is, by its code; any other is one of the present state.
_REFUSALS: dict[str, type[errors.ParallelWorkersError]] = {
    "stale_lease": errors.StaleLeaseError,
    "already_reported": errors.AlreadyReportedError,
    "unknown_subtask": errors.UnknownSubtaskError,
    "not_yours": errors.NotYoursError,
    "invalid": errors.InvalidEventError,
    "too_large": errors.PayloadTooLargeError,
}
#: Stands for the id of a message that has none that can be read.
_NO_ID = UUID(int=0)

_ENCODE = msgspec.json.Encoder().encode
_MESSAGE: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_MESSAGES: msgspec.json.Decoder[list[AnyMessage]] = msgspec.json.Decoder(list[AnyMessage])


class _Identified(msgspec.Struct):
    message_id: UUID


_IDENTIFIED = msgspec.json.Decoder(_Identified)

_DESCRIBED = Endpoint(
    method="POST",
    path=_PATH,
    roles=WORKERS,
    summary="Say what workers say",
    description=(
        f"One message, an array, or one a line as `{_LINES}`; {MESSAGES_MAX} at most. Of several, each is taken by "
        "itself: its receipt says what became of it, and the answer is 200. A single one that is refused is answered "
        "with a problem. Sent again, a message is stored once."
    ),
    in_path={},
    bodies={JSON: AnyMessage | list[AnyMessage], _LINES: bytes},
    replies={
        200: Reply(kind=Receipts, meaning="A receipt for each; a single message: it was there already."),
        201: Reply(kind=Receipts, meaning="A single message: it is stored."),
    },
    refusals=(404, 409, 413, 422, 503),
)


def messages_route(services: Services) -> ASGIRouteHandler:
    """Make the route."""

    async def messages(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # type: ignore[typeddict-item]
            raise MethodNotAllowedException(headers={"allow": "POST"})
        check_role(scope, WORKERS)
        principal: Principal = scope["state"][PRINCIPAL]
        body = await _body(receive)
        lines = (header(scope["headers"], b"content-type") or "").startswith(_LINES)
        if lines or body.lstrip()[:1] == b"[":
            receipts = await _post_many(services, principal, body, lines=lines)
            await _answer(send, 200, receipts)
            return
        receipt = (await services.post([decode(body, AnyMessage)], principal))[0]  # type: ignore[arg-type]
        if receipt.status == "conflict":
            raise errors.IdempotencyError(receipt.reason)
        if receipt.status == "rejected":
            raise _REFUSALS.get(receipt.code, errors.LifecycleError)(receipt.reason)
        await _answer(send, 201 if receipt.status == "created" else 200, [receipt])

    return ASGIRouteHandler(_PATH, opt={ENDPOINT: _DESCRIBED}, copy_scope=False)(messages)


async def _body(receive: Receive) -> bytes:
    message: Any = await receive()
    if not message.get("more_body", False):
        return bytes(message.get("body", b""))
    chunks = [message["body"]]
    while message.get("more_body", False):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def _post_many(services: Services, principal: Principal, body: bytes, *, lines: bool) -> list[MessageReceipt]:
    """Post those that can be read, and give receipts for all."""
    read = _read_lines(body) if lines else _read_array(body)
    if len(read) > MESSAGES_MAX:
        raise errors.PayloadTooLargeError(f"{len(read)} messages in one request, the limit is {MESSAGES_MAX}")
    messages = [item for item in read if not isinstance(item, MessageReceipt)]
    posted = iter(await services.post(messages, principal) if messages else [])
    return [item if isinstance(item, MessageReceipt) else next(posted) for item in read]


def _read_array(body: bytes) -> Sequence[AnyMessage | MessageReceipt]:
    try:
        return _MESSAGES.decode(body)
    except (ValueError, RecursionError):
        # One of them is not as it should be: which, is found out one by one.
        return [_read_one(raw) for raw in decode(body, list[msgspec.Raw])]


def _read_lines(body: bytes) -> Sequence[AnyMessage | MessageReceipt]:
    return [_read_one(line) for line in body.split(b"\n") if line.strip()]


def _read_one(raw: bytes | msgspec.Raw) -> AnyMessage | MessageReceipt:
    try:
        return _MESSAGE.decode(raw)
    except (ValueError, RecursionError) as error:
        return MessageReceipt(message_id=_id_of(raw), status="rejected", code="invalid", reason=str(error))


def _id_of(raw: bytes | msgspec.Raw) -> UUID:
    try:
        return _IDENTIFIED.decode(raw).message_id
    except (ValueError, RecursionError):
        return _NO_ID


async def _answer(send: Send, status: int, receipts: Sequence[MessageReceipt]) -> None:
    body = _ENCODE(Receipts(receipts=tuple(receipts)))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
