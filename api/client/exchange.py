"""One request and its answer: errors become ours, and what may be tried again is, for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from api.client.errors import error_of, retry_after_seconds
from domain.errors import ParallelWorkersError, ServiceError

Send = Callable[[], Awaitable[httpx.Response]]

#: Answers that say nothing about the request: too many of them, no upstream, not now.
_LATER = frozenset({429, 502, 503, 504})
#: Between two tries at first, and at most, in seconds; by lot between nothing and that.
_PAUSE_SECONDS, _PAUSE_SECONDS_MAX = 0.1, 3.0

_backoff = wait_random_exponential(multiplier=_PAUSE_SECONDS, max=_PAUSE_SECONDS_MAX)


class _NotNowError(Exception):
    """The service asks to come again."""

    def __init__(self, error: ParallelWorkersError, pause_seconds: float) -> None:
        super().__init__(str(error))
        self.pause_seconds = pause_seconds


async def exchange(send: Send, *, server: str, patience_seconds: float) -> httpx.Response:
    """Send a request until it is answered, which must be harmless, and give the answer.

    Raises the error that the service answered with, and `ServiceError` where it could not be reached, or could not
    serve, for `patience_seconds` after it first failed to.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception_type((httpx.TransportError, _NotNowError)),
        stop=_out_of_patience(patience_seconds),
        wait=_pause,
        reraise=True,
    )
    try:
        return await retrying(_once, send)
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise ServiceError(f"cannot reach {server}: {reason}") from error
    except _NotNowError as error:
        raise ServiceError(f"{server} cannot serve now: {error}") from error


async def _once(send: Send) -> httpx.Response:
    response = await send()
    if response.is_success:
        return response
    await response.aread()
    if response.status_code in _LATER:
        raise _NotNowError(error_of(response), retry_after_seconds(response))
    raise error_of(response)


def _out_of_patience(seconds: float) -> Callable[[RetryCallState], bool]:
    """Stop so long after the first failure: before that, somebody may have waited for work, and been served."""
    failed_at: list[float] = []

    def stop(state: RetryCallState) -> bool:
        failed_at.append(state.outcome_timestamp or state.start_time)
        return failed_at[-1] - failed_at[0] >= seconds

    return stop


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.pause_seconds if isinstance(error, _NotNowError) else 0.0
    return max(asked, _backoff(state))
