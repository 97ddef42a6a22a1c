"""Each request has an id: the caller's own in `X-Request-Id`, or a new one. It is in the answer and in the log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from structlog.contextvars import bound_contextvars

from api.front.layer import REQUEST_ID, header
from eventstore.clock import Clock

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

#: Anything else might break a line of the log, or fill it.
_USABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}")


class RequestIds:
    """The layer."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name a request, or pass on what is none."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        given = header(scope["headers"], b"x-request-id")
        name = given if given and _USABLE.fullmatch(given) else str(self._clock.new_message_id())
        answered = (b"x-request-id", name.encode())
        scope.setdefault("state", {})[REQUEST_ID] = name

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], answered]
            await send(message)

        with bound_contextvars(request_id=name):
            await self._app(scope, receive, named)
