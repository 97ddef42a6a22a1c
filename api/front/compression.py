"""Large answers are compressed for whoever takes that; streams of events are not, which would only hold them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

#: Below this an answer is one packet anyway.
_BYTES_MIN = 1024
#: Most of the gain for a third of the time.
_LEVEL = 3

#: Receipts are mostly short, and asked for by machines nearby, thousands of times a second.
_PLAIN = frozenset({"/v1/messages"})


class Compression:
    """The layer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # The same thing in the words of another library.
        self._compressed = cast("ASGIApp", GZipMiddleware(app, _BYTES_MIN, _LEVEL))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and compress its answer."""
        app = self._app if scope.get("path") in _PLAIN else self._compressed
        await app(scope, receive, send)
