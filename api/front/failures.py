"""Whatever goes wrong is answered with problem details, and what nobody foresaw is logged and not told."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException

from api.front.layer import CallerGoneError, request_id, send_problem
from api.problems import (
    INTERNAL,
    KINDS,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
    Kind,
    plain_problem,
    problem_of,
)
from api.schemas import ProblemDetails
from domain.errors import InvalidRequestError, ParallelWorkersError, PayloadTooLargeError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_BY_STATUS = {
    kind.status: kind
    for kind in (
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        UNSUPPORTED_MEDIA_TYPE,
        KINDS[InvalidRequestError],
        KINDS[PayloadTooLargeError],
    )
}

_LOG = logging.getLogger(__name__)


class Failures:
    """The layer around everything that may fail before an answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer in its place where that fails."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except CallerGoneError:
            # Nobody is there to be answered.
            return
        except Exception as error:
            if begun:
                # The answer cannot be taken back: the server cuts the line, so that nobody takes it for a whole one.
                raise
            await send_problem(send, problem_for(error, scope), _extra(error))


def problem_for(error: Exception, scope: Scope) -> ProblemDetails:
    """Say what went wrong with a request, as far as it is the caller's business."""
    instance = request_id(scope)
    if isinstance(error, ParallelWorkersError):
        problem = problem_of(error, instance)
        if problem.status >= 500:
            _LOG.warning("a request could not be served", extra={"path": scope["path"], "reason": str(error)})
        return problem
    if isinstance(error, HTTPException) and error.status_code < 500:
        phrase = HTTPStatus(error.status_code).phrase
        kind = _BY_STATUS.get(error.status_code, Kind(error.status_code, "http", phrase))
        return plain_problem(kind, _detail(error, scope), instance)
    _LOG.error("a request has failed", extra={"path": scope["path"]}, exc_info=error)
    return plain_problem(INTERNAL, "the service has failed; its log says why, under this request's id", instance)


def _detail(error: HTTPException, scope: Scope) -> str:
    if error.status_code == NOT_FOUND.status:
        return f"there is nothing at {scope['path']}"
    if error.status_code == METHOD_NOT_ALLOWED.status:
        return f"{scope.get('method', '')} is not allowed at {scope['path']}"
    return error.detail


def _extra(error: Exception) -> list[tuple[bytes, bytes]]:
    """Give the headers that an error of the router brings along: `Allow`."""
    headers: dict[str, Any] = (getattr(error, "headers", None) or {}) if isinstance(error, HTTPException) else {}
    return [(name.lower().encode(), str(value).encode("latin-1")) for name, value in headers.items()]
