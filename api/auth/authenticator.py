"""Who makes a request, by the token that comes with it: looked up in memory, which is seconds old at most.

All keys are read at once, and again when they are needed and were read some time ago. So any number of requests, with
good tokens or bad ones, cost one small query now and then, and a key that was revoked opens nothing soon after.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping

import msgspec

from api.auth.keys import Key, Keys
from api.auth.principal import Principal
from api.auth.tokens import Token
from domain.errors import UnauthenticatedError
from eventstore.clock import Clock

#: For so long a key that was revoked may still open something.
SECONDS_MAX = 2.0
#: A token that is not known may be new: the keys are read again, but not more often than this.
_PAUSE_SECONDS = 0.1


class _Known(msgspec.Struct, frozen=True):
    key: Key
    hashed: bytes
    principal: Principal


class Authenticator:
    """Knows the keys of the table."""

    def __init__(self, keys: Keys, clock: Clock, *, seconds_max: float = SECONDS_MAX) -> None:
        self._keys = keys
        self._clock = clock
        self._seconds_max = seconds_max
        self._known: Mapping[str, _Known] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def any_key_exists(self) -> bool:
        """Tell whether there is any key, good or not: once there was one, nobody comes in without."""
        if not self._known:
            await self._read_since(self._clock.monotonic() - self._seconds_max)
        return bool(self._known)

    async def authenticate(self, text: str) -> Principal:
        """Tell whose token it is.

        Raises `UnauthenticatedError` for one that is not known or no good any more, which does not say which, and
        `LedgerError` where the database cannot be reached.
        """
        token = Token.parse(text)
        if token is None:
            raise UnauthenticatedError("the key is none of ours: it looks like pw_ID_SECRET")
        now = self._clock.monotonic()
        await self._read_since(now - self._seconds_max)
        if token.key_id not in self._known:
            await self._read_since(now)
        known = self._known.get(token.key_id)
        if (
            known is None
            or not hmac.compare_digest(known.hashed, token.hashed())
            or not known.key.is_good(self._clock.now())
        ):
            raise UnauthenticatedError("the key is not known, or no longer good")
        return known.principal

    async def _read_since(self, moment: float) -> None:
        """See to it that what is known was read after a moment."""
        if self._read_at >= moment:
            return
        async with self._reading:
            if self._read_at >= moment:
                return
            await asyncio.sleep(max(0.0, self._tried_at + _PAUSE_SECONDS - self._clock.monotonic()))
            self._tried_at = self._clock.monotonic()
            self._known = {key.key_id: _known(key, hashed) for key, hashed in await self._keys.hashes()}
            self._read_at = self._tried_at


def _known(key: Key, hashed: bytes) -> _Known:
    return _Known(key, hashed, Principal(role=key.role, key_id=key.key_id, name=key.name))
