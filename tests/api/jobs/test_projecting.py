"""Read models follow the ledger as long as the block lasts."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from api.jobs.projecting import projecting
from eventstore.postgres.connection import connect
from projections.builds import make_builds
from projections.models import ALL
from tests.api.chaos.processes import until
from tests.projections.tables_of import positions_of

_SUBMITTED = '{"repository": "/tree", "base_commit": "c0", "branch": "pw/tree", "options": {}}'


def tables_in(url: str) -> int:
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'projection'").fetchall()
    return int(count)


async def test_what_is_appended_is_taken_in_and_what_a_dead_rebuild_left_is_removed(
    database_url: str, append_raw: Callable[..., list[int]]
) -> None:
    before = tables_in(database_url)
    async with await connect(database_url, "a rebuild") as connection:
        await make_builds(connection, ALL)
    assert tables_in(database_url) == before + len(ALL)
    async with projecting(database_url):
        with psycopg.connect(database_url, autocommit=True) as connection:
            [position] = append_raw(
                connection, [{"stream_id": "tree", "type": "task_submitted", "payload": _SUBMITTED}]
            )
        await until(lambda: set(positions_of(database_url).values()) == {position}, "the read models hold it")
    assert tables_in(database_url) == before
