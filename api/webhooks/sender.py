"""Sends one request to a target, and says what became of it."""

from __future__ import annotations

import asyncio
from typing import Literal, Self

import httpx
import msgspec

from api.webhooks.guard import Guard, GuardedTransport
from domain.errors import InvalidRequestError

#: From looking up the name to the end of the answer: whoever has much to do for an event answers first.
SEND_SECONDS_MAX = 20.0

#: Of an answer's body, so much is read out of politeness; what it says makes no difference.
_BODY_BYTES_MAX = 64 * 1024

_GONE = 410
_TRY_LATER = (429, 503)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    #: `gone`: the target wants nothing more, ever.
    kind: Literal["delivered", "failed", "gone"]
    #: Why it has failed, without a word of the target's: that is not for everybody who may look at deliveries.
    reason: str = ""
    #: When the target wants to be asked again, where it says so.
    retry_after_seconds: float | None = None


class Sender:
    """Sends over connections of its own; use as an async context manager."""

    def __init__(self, guard: Guard, *, seconds_max: float = SEND_SECONDS_MAX) -> None:
        self._seconds_max = seconds_max
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard), timeout=seconds_max, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        """POST a body; whatever goes wrong is in the outcome."""
        # The status decides: what the target does with the rest of its answer makes no difference.
        outcome: Outcome | None = None
        try:
            async with (
                asyncio.timeout(self._seconds_max),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                outcome = _outcome(response)
                await _drain(response)
        except TimeoutError:
            return outcome or Outcome(kind="failed", reason=f"no answer within {self._seconds_max:g} seconds")
        except InvalidRequestError as error:
            return Outcome(kind="failed", reason=str(error))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return outcome or Outcome(kind="failed", reason=f"{type(error).__name__}: {error}".rstrip(": "))
        return outcome


def _outcome(response: httpx.Response) -> Outcome:
    if response.is_success:
        return Outcome(kind="delivered")
    reason = f"the target answered {response.status_code}"
    if response.is_redirect:
        return Outcome(kind="failed", reason=f"{reason}: redirects are not followed")
    if response.status_code == _GONE:
        return Outcome(kind="gone", reason=reason)
    if response.status_code in _TRY_LATER:
        return Outcome(kind="failed", reason=reason, retry_after_seconds=_retry_after(response))
    return Outcome(kind="failed", reason=reason)


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    # A date, which the header may hold as well, is left to the usual pause.
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


async def _drain(response: httpx.Response) -> None:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size >= _BODY_BYTES_MAX:
            return
