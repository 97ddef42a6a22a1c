"""How many requests a key may make."""

from __future__ import annotations

from typing import Protocol

import pytest

from api.auth.principal import LOCAL, Principal
from api.auth.rate_limit import RateLimit
from domain.errors import TooManyRequestsError
from eventstore.clock import Clock

ADA = Principal(role="worker", key_id="ada")
BOB = Principal(role="worker", key_id="bob")


class StandingClock(Clock, Protocol):
    seconds: float


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    return RateLimit(clock, per_second=2.0, burst=3)


def test_a_burst_is_let_through_and_no_more(limit: RateLimit) -> None:
    for _ in range(3):
        limit.take(ADA)
    with pytest.raises(TooManyRequestsError, match="2 requests per second with key ada"):
        limit.take(ADA)


def test_the_error_says_when_to_come_again_and_then_it_works(limit: RateLimit, clock: StandingClock) -> None:
    for _ in range(3):
        limit.take(ADA)
    with pytest.raises(TooManyRequestsError) as refused:
        limit.take(ADA)
    clock.seconds += refused.value.retry_after_seconds
    limit.take(ADA)


def test_a_rest_fills_up_to_the_burst_and_not_beyond(limit: RateLimit, clock: StandingClock) -> None:
    clock.seconds += 3600
    for _ in range(3):
        limit.take(ADA)
    with pytest.raises(TooManyRequestsError):
        limit.take(ADA)


def test_each_key_has_its_own(limit: RateLimit) -> None:
    for _ in range(3):
        limit.take(ADA)
    limit.take(BOB)


def test_whoever_needs_no_key_has_no_limit(limit: RateLimit) -> None:
    for _ in range(100):
        limit.take(LOCAL)


def test_no_limit_is_no_limit(clock: Clock) -> None:
    unlimited = RateLimit(clock, per_second=0.0, burst=1)
    for _ in range(100):
        unlimited.take(ADA)
