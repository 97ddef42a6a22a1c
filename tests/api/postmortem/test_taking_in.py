"""Whoever asks for a post-mortem may watch how the read models take in the ledger first."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from api.postmortem import taking_in
from domain.errors import LedgerError
from eventstore.postgres.connection import connect
from projections.builds import load_builds
from tests.projections.incident import store_incident


async def test_what_is_in_the_ledger_is_in_the_read_models_afterwards(
    database_url: str, append_raw: Callable[..., list[int]]
) -> None:
    submitted = '{"repository": "/tree", "base_commit": "c0", "branch": "pw/tree", "options": {}}'
    with psycopg.connect(database_url, autocommit=True) as connection:
        [position] = append_raw(connection, [{"stream_id": "tree", "type": "task_submitted", "payload": submitted}])
    await taking_in.take_in(database_url, lambda _reached, _end: None)
    async with await connect(database_url, "test") as reader:
        assert {build.position for build in await load_builds(reader, "live")} == {position}


async def test_who_watches_is_told_how_far_it_is(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_in, "_SHOWN_EACH_SECONDS", 0.0)
    shown: list[tuple[int, int]] = []
    await store_incident(database_url)
    await taking_in.take_in(database_url, lambda reached, end: shown.append((reached, end)))
    assert shown
    assert all(0 <= reached <= end for reached, end in shown)


async def test_a_database_that_is_away_is_one_line() -> None:
    with pytest.raises(LedgerError, match=r"^the ledger cannot be reached: "):
        await taking_in.take_in("postgresql://postgres@127.0.0.1:1/postgres", lambda _reached, _end: None)
