"""The plans of what runs all the time: the right index each, and never a scan of all events.

The plans are those of the product's own statements as it sends them, also once they are prepared: the extension
`auto_explain` tells them to the client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.events import Event
from domain.ids import StreamId, TaskId
from eventstore.feed import Feed
from eventstore.ledger import Ledger

#: How an append finds out whether one of its tasks is archived.
ARCHIVED = {"archive_pkey", "event_pkey"}

NewEvent = Callable[..., Event]
Walk = Iterator[dict[str, Any]]

#: 20,000 events: 100 tasks with 10 streams of 20 events each, that were written in turns.
_FILL = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, occurred_at, payload, content_hash
    )
    SELECT
        'tree-' || number % 100, 'tree-' || number % 100 || '.' || number / 100 % 10, 1 + number / 1000,
        nextval('ledger.position'), lpad(to_hex(number), 32, '0')::uuid, 'progress', 1, now(),
        '{"completed": 1, "total": 2}', sha256('')
    FROM generate_series(0, 19999) AS number
"""
_WITHOUT_INDEX = {"Seq Scan", "Sample Scan", "Tid Scan"}
_TELL_PLANS = """
    ALTER DATABASE {} SET session_preload_libraries = 'auto_explain';
    ALTER DATABASE {} SET auto_explain.log_min_duration = 0;
    ALTER DATABASE {} SET auto_explain.log_nested_statements = on;
    ALTER DATABASE {} SET auto_explain.log_format = json;
    ALTER DATABASE {} SET client_min_messages = log
"""


@pytest.fixture(scope="module")
def filled_url(database_server: str, database_template: str) -> Iterator[str]:
    """A database with many events, which tells its clients the plans of their statements."""
    name = f"pw_test_{uuid4().hex}"
    database = sql.Identifier(name)
    with psycopg.connect(database_server, autocommit=True) as connection:
        try:
            connection.execute("LOAD 'auto_explain'")
        except psycopg.Error as error:
            pytest.skip(f"this server tells no plans: {error}")
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, sql.Identifier(database_template))
        )
    url = make_conninfo(database_server, dbname=name)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_FILL)
            connection.execute("VACUUM ANALYZE ledger.event")
            connection.execute(sql.SQL(_TELL_PLANS).format(*[database] * 5))
        yield url
    finally:
        with psycopg.connect(database_server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


class Plans:
    """The plans of all statements of the product's connections."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.message_primary and "plan:" in notice.message_primary:
            self._told.append(notice.message_primary.partition("plan:")[2])

    def ways_to_events(self) -> set[str]:
        """Name the indexes through which events were read, or the kind of scan where none was used."""
        return {
            node.get("Index Name") or node["Node Type"]
            for plan in self._told
            for node in _nodes(json.loads(plan)["Plan"])
            if "Index Name" in node or (node.get("Relation Name") == "event" and node["Node Type"] in _WITHOUT_INDEX)
        }


def _nodes(node: dict[str, Any]) -> Walk:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    plans = Plans()
    connect = psycopg.AsyncConnection.connect

    async def connect_and_listen(*arguments: Any, **options: Any) -> psycopg.AsyncConnection[Any]:
        connection = await connect(*arguments, **options)
        connection.add_notice_handler(plans.note)
        return connection

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect_and_listen)
    return plans


async def test_a_feed_reads_by_position(filled_url: str, plans: Plans) -> None:
    read = 0
    async for batch in Feed(filled_url).batches(follow=False, batch_events_max=500):
        read += len(batch.events)
    assert read == 20_000
    assert plans.ways_to_events() == {"event_position_idx"}


async def test_a_feed_that_goes_on_from_a_cursor_reads_by_position(filled_url: str, plans: Plans) -> None:
    cursors = [batch.cursor async for batch in Feed(filled_url).batches(follow=False, batch_events_max=10_000)]
    for cursor in cursors:
        async for _ in Feed(filled_url).batches(cursor, follow=False):
            pass
    assert plans.ways_to_events() == {"event_position_idx"}


async def test_a_task_is_read_by_a_key_that_begins_with_its_name(filled_url: str, plans: Plans) -> None:
    async with Ledger.open(filled_url) as ledger:
        for number in range(10):
            assert len(await ledger.read_task(TaskId(f"tree-{number}"))) == 200
            assert await ledger.read_task(TaskId(f"tree-{number}"), after=15_000) != []
    # Which one is the planner's to choose: it goes by where the rows are.
    assert set() < plans.ways_to_events() <= {"event_pkey", "event_message_key"}


async def test_an_append_finds_the_last_version_by_the_key_of_the_stream(
    filled_url: str, plans: Plans, new_event: NewEvent
) -> None:
    async with Ledger.open(filled_url) as ledger:
        for number in range(10):
            stream = f"tree-{number}.{number % 10}"
            [receipt] = await ledger.append([new_event(stream, message=UUID(int=10**9 + number))])
            assert receipt.version == 21
    assert plans.ways_to_events() - ARCHIVED == {"event_stream_version_key"}


async def test_an_append_of_many_events_finds_each_last_version_by_the_key_of_the_stream(
    filled_url: str, plans: Plans, new_event: NewEvent
) -> None:
    events = [
        new_event(f"tree-{task}.new-{stream}", message=UUID(int=2 * 10**9 + 10 * task + stream))
        for task in range(50)
        for stream in range(10)
    ]
    async with Ledger.open(filled_url) as ledger:
        await ledger.append(events)
    assert plans.ways_to_events() - ARCHIVED == {"event_stream_version_key"}


@pytest.mark.parametrize("count", [1, 50])
async def test_what_was_sent_before_is_found_by_the_key_of_the_message(
    filled_url: str, plans: Plans, new_event: NewEvent, count: int
) -> None:
    # Message ids count up from 0, the tasks take turns.
    events = [
        msgspec.structs.replace(new_event(message=UUID(int=number)), task_id=TaskId(f"tree-{number % 100}"))
        for number in range(count)
    ]
    events = [msgspec.structs.replace(event, stream_id=StreamId(f"{event.task_id}.1")) for event in events]
    async with Ledger.open(filled_url) as ledger:
        for _ in range(10):
            assert {receipt.status for receipt in await ledger.append(events)} == {"conflict"}
    assert plans.ways_to_events() - ARCHIVED == {"event_message_key", "event_stream_version_key"}
