"""A process says what is wrong with it, and says nothing of what mends itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.jobs.leader import LOCK_KEY
from api.observability import readiness as readinesses
from api.observability.readiness import PATIENCE_SECONDS, Readiness
from api.streams.hub import EventHub


@contextmanager
def led(url: str) -> Iterator[None]:
    """Hold the lead."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        yield


async def test_nothing_is_wrong_with_a_process_that_works(database_url: str, hub: EventHub, clock: Any) -> None:
    ready = Readiness(database_url, hub, clock, folder=Path("/"))
    with led(database_url):
        assert await ready.problems() == []
        clock.seconds += 2 * PATIENCE_SECONDS
        assert await ready.problems() == []


async def test_a_database_out_of_reach_is_named(hub: EventHub, clock: Any, unused_tcp_port: int) -> None:
    ready = Readiness(f"postgresql://user:geheim@127.0.0.1:{unused_tcp_port}/pw", hub, clock)
    [problem] = await ready.problems()
    assert problem.startswith("the database cannot be reached: connection refused")
    assert "geheim" not in problem


async def test_missing_migrations_are_named(empty_database_url: str, hub: EventHub, clock: Any) -> None:
    [problem] = await Readiness(empty_database_url, hub, clock).problems()
    assert problem.startswith("migrations are missing: 0001_ledger, ")


async def test_a_lead_that_is_nobodys_is_named_after_a_while(database_url: str, hub: EventHub, clock: Any) -> None:
    ready = Readiness(database_url, hub, clock)
    assert await ready.problems() == []
    clock.seconds += PATIENCE_SECONDS + 1
    assert await ready.problems() == ["no process has led the scheduled jobs for 21 seconds"]
    with led(database_url):
        clock.seconds += 2
        assert await ready.problems() == []


async def test_events_that_are_not_followed_are_named_after_a_while(
    database_url: str, clock: Any, append_raw: Callable[..., list[int]]
) -> None:
    stuck = EventHub(database_url)
    ready = Readiness(database_url, stuck, clock)
    with psycopg.connect(database_url, autocommit=True) as connection, led(database_url):
        [position] = append_raw(connection, [{}])
        assert await ready.problems() == []
        clock.seconds += PATIENCE_SECONDS + 1
        assert await ready.problems() == [
            f"events are not followed: this process is at position 0, the ledger at {position}"
        ]


async def test_a_reader_that_has_failed_is_named_at_once(database_url: str, hub: EventHub, clock: Any) -> None:
    hub.failure = "the ledger is not followed any more: restored"
    with led(database_url):
        assert await Readiness(database_url, hub, clock).problems() == [hub.failure]


async def test_a_full_disk_is_named(
    database_url: str, hub: EventHub, clock: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readinesses, "_FREE_BYTES_MIN", 2**63)
    with led(database_url):
        [problem] = await Readiness(database_url, hub, clock, folder=tmp_path).problems()
    assert problem.endswith(f"MiB are free at {tmp_path}")


async def test_one_look_serves_all_who_ask_at_once(
    database_url: str, hub: EventHub, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = readinesses._look

    def counted(url: str) -> Any:
        nonlocal looks
        looks += 1
        return look(url)

    monkeypatch.setattr(readinesses, "_look", counted)
    ready = Readiness(database_url, hub, clock)
    await asyncio.gather(*(ready.problems() for _ in range(20)))
    assert looks == 1
