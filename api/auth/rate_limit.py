"""How many requests a key may make: a bucket of tokens that fills up steadily."""

from __future__ import annotations

from dataclasses import dataclass

from api.auth.principal import Principal
from domain.errors import TooManyRequestsError
from eventstore.clock import Clock


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A bucket for each key; whoever needs no key has none, and no limit."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: dict[str, _Bucket] = {}

    def take(self, principal: Principal) -> None:
        """Count a request; raises `TooManyRequestsError`, which says when to come again."""
        if principal.key_id is None or self._per_second <= 0:
            return
        now = self._clock.monotonic()
        bucket = self._buckets.get(principal.key_id)
        if bucket is None:
            # Only keys that exist come here, so there are never many.
            bucket = self._buckets[principal.key_id] = _Bucket(self._burst, now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        if bucket.tokens < 1.0:
            wait = (1.0 - bucket.tokens) / self._per_second
            raise TooManyRequestsError(
                f"more than {self._per_second:g} requests per second with key {principal.key_id}", wait
            )
        bucket.tokens -= 1.0
