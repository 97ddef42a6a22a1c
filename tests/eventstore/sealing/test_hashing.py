from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.sealing.hashing import StoredEvent, content_text, leaf_of, microseconds, read_events

EVENT = StoredEvent(
    position=7,
    version=3,
    recorded_at="1772357400.000001",
    content_hash=b"",
    task_id="tree",
    stream_id="tree.1",
    message_id="00000000-0000-0000-0000-000000000001",
    type="progress",
    schema_version=1,
    worker_id="w1",
    lease_epoch=2,
    occurred_at="1772357400.500000",
    payload='{"completed": 1}',
)
TEXT = 'tree\ntree.1\n00000000-0000-0000-0000-000000000001\nprogress\n1\nw1\n2\n1772357400.500000\n{"completed": 1}'

#: Everything but what Postgres does not take: NUL and halves of surrogate pairs.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
rows = st.fixed_dictionaries({
    "stream_id": lines.map(lambda text: f"tree.{text}"),
    "type": lines,
    "schema_version": st.integers(1, 2**15 - 1),
    "worker_id": st.none() | lines,
    "lease_epoch": st.none() | st.integers(0, 2**31 - 1),
    "occurred_at": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    "payload": st.dictionaries(words, words | st.floats(allow_nan=False, allow_infinity=False) | st.integers()).map(
        json.dumps
    ),
})  # fmt: skip


def _whole(**changes: object) -> StoredEvent:
    event = EVENT._replace(**changes)  # type: ignore[arg-type]
    return event._replace(content_hash=sha256(content_text(event).encode()).digest())


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_the_content_is_nine_fields_one_a_line() -> None:
    assert content_text(EVENT) == TEXT


def test_what_is_absent_is_empty() -> None:
    assert content_text(EVENT._replace(worker_id=None, lease_epoch=None)) == TEXT.replace("w1\n2", "\n")


def test_a_leaf_is_the_place_and_the_content_hash_behind_a_zero() -> None:
    place = b"".join(number.to_bytes(8, "big") for number in (7, 3, 1_772_357_400_000_001))
    assert leaf_of(_whole()) == sha256(b"\0" + place + sha256(TEXT.encode()).digest()).digest()


@pytest.mark.parametrize(
    ("seconds", "expected"), [("0.000000", 0), ("1.000001", 1_000_001), ("-0.000001", -1), ("-1.500000", -1_500_000)]
)
def test_seconds_are_read_as_microseconds(seconds: str, expected: int) -> None:
    assert microseconds(seconds) == expected


def test_content_without_its_hash_has_no_leaf() -> None:
    with pytest.raises(ValueError, match="does not have the hash"):
        leaf_of(_whole()._replace(payload='{"completed": 2}'))


@pytest.mark.parametrize("changes", [{"worker_id": ""}, {"type": "pro\ngress"}, {"task_id": "tree\ntree"}])
def test_an_identifier_that_would_let_two_events_share_a_text_has_no_leaf(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="line feed"):
        leaf_of(_whole(**changes))


@pytest.mark.parametrize(
    "changes",
    [{"recorded_at": "Infinity"}, {"recorded_at": None}, {"version": -1}, {"version": None}, {"position": -1}],
)
def test_a_place_that_no_event_can_have_has_no_leaf(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        leaf_of(_whole(**changes))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(rows, min_size=1, max_size=20))
def test_every_event_that_postgres_stores_has_the_hash_that_postgres_stores(
    connection: psycopg.Connection, append_raw: Callable[..., list[int]], rows: list[dict[str, object]]
) -> None:
    positions = append_raw(connection, rows)
    events = list(read_events(connection, positions[0], positions[-1]))
    assert [event.position for event in events] == positions
    assert [len(leaf_of(event)) for event in events] == [32] * len(rows)


def test_no_more_events_are_read_than_asked_for(
    connection: psycopg.Connection, append_raw: Callable[..., list[int]]
) -> None:
    append_raw(connection, [{}] * 5)
    assert [event.position for event in read_events(connection, 2, 4, limit=2)] == [2, 3]


def test_events_are_read_in_the_order_of_their_positions(
    connection: psycopg.Connection, append_raw: Callable[..., list[int]]
) -> None:
    append_raw(connection, [{}] * 3)
    connection.execute("SET session_replication_role = replica")
    # A row that is written anew comes last in the table.
    connection.execute("UPDATE ledger.event SET recorded_at = recorded_at WHERE position = 1")
    connection.execute("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off")
    assert [event.position for event in read_events(connection, 1)] == [1, 2, 3]
