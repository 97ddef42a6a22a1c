"""Whose token it is, and what that costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import psycopg
import pytest

from api.auth.authenticator import SECONDS_MAX, Authenticator
from api.auth.keys import Key, Keys
from api.auth.principal import Principal
from api.auth.tokens import Token
from domain.errors import LedgerError, UnauthenticatedError
from eventstore.clock import Clock


class StandingClock(Clock, Protocol):
    seconds: float


class CountingKeys:
    """Counts how often the table is read."""

    def __init__(self, keys: Keys) -> None:
        self.reads = 0
        self._keys = keys

    async def hashes(self) -> list[tuple[Key, bytes]]:
        self.reads += 1
        return await self._keys.hashes()


@pytest.fixture
def counting(keys: Keys) -> CountingKeys:
    return CountingKeys(keys)


@pytest.fixture
def authenticator(counting: CountingKeys, clock: Clock) -> Authenticator:
    return Authenticator(counting, clock)  # type: ignore[arg-type]


async def test_a_token_says_who_calls(keys: Keys, authenticator: Authenticator) -> None:
    key, token = await keys.create("Ada", "planner")
    assert await authenticator.authenticate(str(token)) == Principal(role="planner", key_id=key.key_id, name="Ada")


async def test_a_key_that_was_made_a_moment_ago_is_known(
    keys: Keys, authenticator: Authenticator, clock: StandingClock
) -> None:
    _, first = await keys.create("Ada", "worker")
    await authenticator.authenticate(str(first))
    _, second = await keys.create("Bob", "worker")
    clock.seconds += 0.5
    assert (await authenticator.authenticate(str(second))).name == "Bob"


@pytest.mark.parametrize("wrong", ["", "secret", "pw_nobody_abc"])
async def test_an_unknown_token_is_refused(authenticator: Authenticator, wrong: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await authenticator.authenticate(wrong)


async def test_a_known_id_with_another_secret_is_refused(keys: Keys, authenticator: Authenticator) -> None:
    key, _ = await keys.create("Ada", "admin")
    with pytest.raises(UnauthenticatedError):
        await authenticator.authenticate(str(Token(key.key_id, "a" * 52)))


async def test_an_expired_key_is_refused_at_once(
    keys: Keys, authenticator: Authenticator, clock: StandingClock
) -> None:
    _, token = await keys.create("Ada", "worker", expires_at=clock.now() + timedelta(seconds=1))
    await authenticator.authenticate(str(token))
    clock.seconds += 1
    with pytest.raises(UnauthenticatedError):
        await authenticator.authenticate(str(token))


async def test_a_revoked_key_is_refused_soon(keys: Keys, authenticator: Authenticator, clock: StandingClock) -> None:
    key, token = await keys.create("Ada", "worker")
    await authenticator.authenticate(str(token))
    await keys.revoke(key.key_id)
    clock.seconds += SECONDS_MAX + 0.01
    with pytest.raises(UnauthenticatedError):
        await authenticator.authenticate(str(token))


async def test_known_tokens_cost_no_query(keys: Keys, authenticator: Authenticator, counting: CountingKeys) -> None:
    _, token = await keys.create("Ada", "worker")
    for _ in range(100):
        await authenticator.authenticate(str(token))
    assert counting.reads == 1


async def test_whether_there_is_a_key_costs_one_query_in_a_while(
    authenticator: Authenticator, counting: CountingKeys
) -> None:
    found = [await authenticator.any_key_exists() for _ in range(100)]
    assert (set(found), counting.reads) == ({False}, 1)


async def test_a_revoked_key_still_counts_as_a_key(
    keys: Keys, authenticator: Authenticator, clock: StandingClock
) -> None:
    assert not await authenticator.any_key_exists()
    key, _ = await keys.create("Ada", "admin")
    await keys.revoke(key.key_id)
    clock.seconds += SECONDS_MAX + 0.01
    assert await authenticator.any_key_exists()


async def test_without_a_database_nobody_is_let_in(
    keys: Keys, authenticator: Authenticator, database_url: str, clock: StandingClock
) -> None:
    _, token = await keys.create("Ada", "worker")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE service.api_key CASCADE")
    with pytest.raises(LedgerError):
        await authenticator.authenticate(str(token))
