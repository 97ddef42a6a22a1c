"""No request may send more than it should, whether it says how much in advance or not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from api.front.layer import CallerGoneError, header
from api.settings import Settings
from domain.errors import PayloadTooLargeError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

#: Where a tool's output is taken in.
_REPORTS = re.compile(r"/v1/(tasks|analyses|tasks/[^/]+/problems)/?")


class BodyLimit:
    """The layer; raises `PayloadTooLargeError` as soon as it is known, and `CallerGoneError` for half a body."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._body_max = settings.body_bytes_max
        self._report_max = settings.report_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its bytes on the way."""
        if scope["type"] != ScopeType.HTTP or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        limit = self._report_max if _REPORTS.fullmatch(scope["path"]) else self._body_max
        length = header(scope["headers"], b"content-length")
        if length is not None and length.isdecimal() and int(length) > limit:
            raise _too_large(limit)
        received = 0
        whole = False

        async def counted() -> ReceiveMessage:
            nonlocal received, whole
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if received > limit:
                    raise _too_large(limit)
            elif not whole:
                raise CallerGoneError
            return message

        await self._app(scope, counted, send)


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body has more than {limit} bytes, which is the limit here")
