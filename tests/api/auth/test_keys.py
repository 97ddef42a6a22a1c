"""The table of keys."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from api.auth.keys import Keys
from domain.errors import UsageError
from eventstore.clock import Clock


async def test_a_key_is_listed_without_its_secret(keys: Keys) -> None:
    key, token = await keys.create("Ada", "planner")
    assert await keys.list_all() == [key]
    assert token.secret not in repr(key)


async def test_the_secret_itself_is_not_stored(keys: Keys, database_url: str) -> None:
    _, token = await keys.create("Ada", "worker")
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT api_key::text FROM service.api_key AS api_key").fetchone()
    assert row is not None
    assert token.secret not in row[0]


async def test_a_revoked_key_stays_listed_and_is_good_for_nothing(keys: Keys, clock: Clock) -> None:
    key, _ = await keys.create("Ada", "worker")
    revoked = await keys.revoke(key.key_id)
    assert await keys.list_all() == [revoked]
    assert not revoked.is_good(clock.now())


async def test_revoking_twice_keeps_the_first_time(keys: Keys, clock: Clock) -> None:
    key, _ = await keys.create("Ada", "worker")
    first = await keys.revoke(key.key_id)
    clock.seconds = 60.0  # type: ignore[attr-defined]
    assert await keys.revoke(key.key_id) == first


async def test_a_key_is_good_until_it_expires(keys: Keys, clock: Clock) -> None:
    ends = clock.now() + timedelta(days=1)
    key, _ = await keys.create("Ada", "worker", expires_at=ends)
    assert key.is_good(ends - timedelta(seconds=1))
    assert not key.is_good(ends)


async def test_an_unknown_key_cannot_be_revoked(keys: Keys) -> None:
    with pytest.raises(UsageError, match="no key 'nobody'"):
        await keys.revoke("nobody")


async def test_a_lost_connection_is_opened_again(keys: Keys, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pw keys' AND datname = current_database()"
        )
    assert await keys.list_all() == []
