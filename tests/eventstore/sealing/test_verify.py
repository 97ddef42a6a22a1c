from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.errors import LedgerError, UsageError
from eventstore.sealing.faults import Fault
from eventstore.sealing.seals import Seal, read_seals, seal
from eventstore.sealing.verify import VerifyReport, verify

Append = Callable[..., list[int]]


@pytest.fixture
def connection(database_url: str, append_raw: Append) -> Iterator[psycopg.Connection]:
    """Nine events of one task and one of another, sealed by fours; the connection may do anything."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        rows = [{"stream_id": f"tree.{number % 3}", "payload": f'{{"n": {number}}}'} for number in range(9)]
        append_raw(connection, [*rows, {"stream_id": "other.1"}])
        seal(connection, events_max=4)
        connection.execute("SET session_replication_role = replica")
        yield connection


def _fault(connection: psycopg.Connection, against: Sequence[Seal] = ()) -> tuple[int, str]:
    """Give the one fault that there is."""
    report = verify(connection, against=against)
    assert report.first_fault is not None
    assert report.faults == 1
    return report.first_fault.position, report.first_fault.what


def _forge(connection: psycopg.Connection, position: int) -> None:
    """Change an event and its content hash with it."""
    connection.execute(
        """UPDATE ledger.event SET payload = '{"forged": true}' WHERE position = %(position)s""",
        {"position": position},
    )
    connection.execute(
        """
        UPDATE ledger.event SET content_hash = sha256(convert_to(ledger.content_text(
            task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload
        ), 'UTF8'))
        WHERE position = %(position)s
        """,
        {"position": position},
    )


def test_an_empty_ledger_holds(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        report = verify(connection)
    assert report == VerifyReport(
        since=0, seals=0, events=0, archived=0, unsealed=0, compared=0, faults=0, first_fault=None
    )


def test_an_untouched_ledger_holds(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{"stream_id": "late.1", "message_id": "0" * 30 + "ff"}])
    report = verify(connection, against=list(read_seals(connection)))
    assert report == VerifyReport(
        since=0, seals=3, events=10, archived=0, unsealed=1, compared=3, faults=0, first_fault=None
    )


def test_seals_up_to_a_given_one_are_taken_as_good(connection: psycopg.Connection) -> None:
    _forge(connection, 2)
    report = verify(connection, since=1)
    assert (report.since, report.seals, report.events, report.faults) == (1, 2, 6, 0)
    _forge(connection, 6)
    assert verify(connection, since=1).first_fault == Fault(6, "it is not what seal 2 holds")


def test_a_check_since_a_seal_that_is_not_there_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(UsageError, match=r"^the ledger has no seal 4$"):
        verify(connection, since=4)


def test_progress_is_told_for_each_seal_and_at_the_end(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{"stream_id": "late.1", "message_id": "0" * 30 + "ff"}])
    told: list[tuple[int, int]] = []
    verify(connection, on_progress=lambda reached, end: told.append((reached, end)))
    assert told == [(4, 11), (8, 11), (10, 11), (11, 11)]


def test_an_event_that_was_changed_with_its_hash_is_not_what_was_sealed(connection: psycopg.Connection) -> None:
    _forge(connection, 6)
    assert _fault(connection) == (6, "it is not what seal 2 holds")


def test_an_event_that_was_changed_alone_does_not_have_its_hash(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE ledger.event SET worker_id = 'somebody else' WHERE position = 6")
    assert _fault(connection) == (6, "its content does not have the hash that is stored with it")


def test_an_event_that_was_removed_is_missed(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM ledger.event WHERE position = 6")
    assert _fault(connection) == (6, "it was sealed and is gone, and no archive has it")


@pytest.mark.parametrize("position", [0, -5])
def test_an_event_before_the_first_position_was_put_in(connection: psycopg.Connection, position: int) -> None:
    connection.execute("UPDATE ledger.event SET position = %s WHERE position = 10", [position])
    report = verify(connection)
    assert (report.faults, report.first_fault) == (2, Fault(position, "it was put in before the first position"))


def test_every_bad_event_is_counted_and_the_first_one_named(connection: psycopg.Connection) -> None:
    for position in (9, 3, 7):
        _forge(connection, position)
    report = verify(connection)
    assert (report.faults, report.first_fault) == (3, Fault(3, "it is not what seal 1 holds"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("number = 12", "seal 2 is missing"),
        ("first_position = 6", "seal 2 does not begin here"),
        ("previous = sha256(previous)", "seal 2 does not follow from seal 1"),
        ("positions = '{5, 7, 6, 8}'", "seal 2 does not list the positions of its range"),
        ("positions = '{5, 6, 7, 9}'", "seal 2 does not list the positions of its range"),
        ("leaves = leaves || sha256('')", "seal 2 does not list the positions of its range"),
        ("leaves = overlay(leaves PLACING '0' FROM 40)", "the leaves of seal 2 do not give its root"),
        ("root = sha256(root)", "the leaves of seal 2 do not give its root"),
        ("sealed_at = sealed_at + interval '1 microsecond'", "the fields of seal 2 do not give its hash"),
        ("sealed_at = 'infinity'", "the fields of seal 2 do not give its hash"),
        ("hash = sha256(hash)", "the fields of seal 2 do not give its hash"),
    ],
)
def test_a_seal_that_was_changed_is_named_at_its_first_position(
    connection: psycopg.Connection, change: str, what: str
) -> None:
    connection.execute("ALTER TABLE ledger.seal DROP CONSTRAINT seal_check1")
    connection.execute(f"UPDATE ledger.seal SET {change} WHERE number = 2")
    assert verify(connection).first_fault == Fault(5, what)


def test_events_whose_seal_was_removed_are_not_all_called_bad(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM ledger.seal WHERE number = 2")
    report = verify(connection)
    assert (report.faults, report.first_fault) == (1, Fault(5, "seal 2 is missing"))
    assert (report.events, report.unsealed) == (6, 4)
    connection.execute("UPDATE ledger.event SET type = 'other' WHERE position = 6")
    assert verify(connection).faults == 2


def test_that_the_last_seal_was_removed_is_found_by_a_copy_only(connection: psycopg.Connection) -> None:
    copy = list(read_seals(connection))
    connection.execute("DELETE FROM ledger.seal WHERE number = 3")
    report = verify(connection)
    assert (report.faults, report.unsealed) == (0, 2)
    assert _fault(connection, copy) == (9, "seal 3 is in the copy and not in the ledger")


def test_a_chain_that_was_made_anew_over_changed_events_is_found_by_a_copy_only(
    connection: psycopg.Connection,
) -> None:
    copy = list(read_seals(connection))
    connection.execute("DELETE FROM ledger.seal WHERE number >= 2")
    _forge(connection, 6)
    seal(connection, events_max=4)
    assert verify(connection).faults == 0
    report = verify(connection, against=copy)
    assert (report.faults, report.first_fault) == (2, Fault(5, "seal 2 is not the one in the copy"))


def test_a_copy_of_the_first_of_many_seals_is_compared_as_far_as_it_goes(
    connection: psycopg.Connection,
) -> None:
    connection.execute("DELETE FROM ledger.seal")
    connection.execute("DELETE FROM ledger.event")
    connection.execute(
        """
        INSERT INTO ledger.event (
            task_id, stream_id, version, position, message_id, type, schema_version, occurred_at, payload,
            content_hash
        )
        SELECT
            'many', 'many.1', n, n, id, 'progress', 1::smallint, moment, '{}',
            sha256(convert_to(ledger.content_text(
                'many', 'many.1', id, 'progress', 1::smallint, NULL, NULL, moment, '{}'
            ), 'UTF8'))
        FROM (SELECT n, gen_random_uuid() AS id, now() AS moment FROM generate_series(1, 400) AS n) AS made
        """
    )
    connection.execute("SELECT setval('ledger.position', 400)")
    seals = seal(connection, events_max=1)
    report = verify(connection, against=seals[:1])
    assert (report.faults, report.seals, report.compared) == (0, 400, 1)


def test_a_copy_of_another_ledger_is_told_from_this_one_s(connection: psycopg.Connection) -> None:
    copy = [msgspec.structs.replace(one, incarnation=UUID(int=1)) for one in read_seals(connection)]
    position, what = _fault(connection, copy)
    assert (position, what[:50]) == (1, f"the copy is of ledger {UUID(int=1)}"[:50])


# --- what no seal holds yet ---


def test_an_event_that_is_not_sealed_is_held_against_its_hash(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    [position] = append_raw(connection, [{"stream_id": "late.1", "message_id": "0" * 30 + "ff"}])
    connection.execute("UPDATE ledger.event SET type = 'other' WHERE position = %s", [position])
    assert _fault(connection) == (position, "its content does not have the hash that is stored with it")


def test_a_version_that_was_removed_before_it_was_sealed_leaves_a_gap(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    ids = [f"{number:032x}" for number in range(0xF0, 0xF5)]
    positions = append_raw(connection, [{"stream_id": "late.1", "message_id": one} for one in ids])
    connection.execute("DELETE FROM ledger.event WHERE position = %s", [positions[2]])
    assert _fault(connection) == (positions[3], "a version of late.1 before it is missing")
    seal(connection)
    assert _fault(connection) == (positions[3], "a version of late.1 before it is missing")


def test_a_stream_that_does_not_begin_at_its_first_version_has_a_gap(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    ids = [f"{number:032x}" for number in range(0xF0, 0xF2)]
    positions = append_raw(connection, [{"stream_id": "late.1", "message_id": one} for one in ids])
    connection.execute("DELETE FROM ledger.event WHERE position = %s", [positions[0]])
    assert _fault(connection) == (positions[1], "a version of late.1 before it is missing")


# --- what was archived ---


def _archive(
    connection: psycopg.Connection, append_raw: Append, positions: list[int], says: str = "{}", **tombstone: str
) -> int:
    """Archive events under a tombstone that says what it should, but for what it is made to say."""
    body = {
        "file_name": "tree.jsonl",
        "file_sha256": sha256().hexdigest(),
        "events": len(positions),
        "first_position": positions[0],
        "last_position": positions[-1],
    }
    row = {
        "stream_id": "tree",
        "type": "task_archived",
        "message_id": "0" * 30 + "ee",
        "payload": json.dumps(body | json.loads(says)),
    }
    [position] = append_raw(connection, [row | tombstone])
    connection.execute(
        "INSERT INTO ledger.archive (task_id, tombstone_position, positions, file_name, file_sha256)"
        " VALUES ('tree', %s, %s, 'tree.jsonl', sha256(''))",
        [position, positions],
    )
    connection.execute("DELETE FROM ledger.event WHERE position = ANY (%s)", [positions])
    return position


def test_archived_events_are_counted(connection: psycopg.Connection, append_raw: Append) -> None:
    _archive(connection, append_raw, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    report = verify(connection)
    assert (report.faults, report.archived, report.events, report.unsealed) == (0, 9, 1, 1)


def test_the_tombstone_may_be_sealed_as_well(connection: psycopg.Connection, append_raw: Append) -> None:
    _archive(connection, append_raw, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    seal(connection)
    report = verify(connection)
    assert (report.faults, report.archived, report.events, report.unsealed) == (0, 9, 2, 0)


def test_an_event_that_no_archive_names_is_missed_among_archived_ones(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    _archive(connection, append_raw, [1, 2, 4, 5, 6, 7, 8, 9])
    connection.execute("DELETE FROM ledger.event WHERE position = 3")
    assert _fault(connection) == (3, "it was sealed and is gone, and no archive has it")


@pytest.mark.parametrize(
    "tombstone",
    [
        {"type": "progress"},
        {"stream_id": "elsewhere"},
        {"payload": "{}"},
        {"says": '{"events": 2}'},
        {"says": '{"events": "many"}'},
        {"says": '{"first_position": 2}'},
        {"says": '{"last_position": 8}'},
        {"says": '{"file_sha256": "00"}'},
    ],
)
def test_an_archive_without_a_tombstone_that_says_the_same_does_not_count(
    connection: psycopg.Connection, append_raw: Append, tombstone: dict[str, str]
) -> None:
    position = _archive(connection, append_raw, [1, 4, 7], **tombstone)
    report = verify(connection)
    assert (report.faults, report.archived) == (3, 0)
    assert report.first_fault == Fault(
        1, f"it is gone, and no event at position {position} says that it was archived so"
    )


@pytest.mark.parametrize(("positions", "bad"), [([1, 4, 7, 9], 1), ([1, 5, 7], 4)])
def test_an_archive_cannot_be_stretched_over_another_event(
    connection: psycopg.Connection, append_raw: Append, positions: list[int], bad: int
) -> None:
    _archive(connection, append_raw, [1, 4, 7])
    connection.execute("UPDATE ledger.archive SET positions = %s", [positions])
    connection.execute("DELETE FROM ledger.event WHERE position IN (5, 9)")
    report = verify(connection)
    assert report.first_fault is not None
    assert report.first_fault.position == bad


def test_an_archive_counts_for_nothing_behind_its_tombstone(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    # Two events: the tombstone takes the position before the one that it says is archived.
    tombstone = _archive(connection, append_raw, [12], says='{"first_position": 12, "last_position": 12}')
    append_raw(connection, [{"stream_id": "tree.9", "message_id": "0" * 30 + "dd"}])
    seal(connection)
    connection.execute("DELETE FROM ledger.event WHERE position = 12")
    assert _fault(connection) == (
        12,
        f"it is gone, and no event at position {tombstone} says that it was archived so",
    )


def test_archived_events_that_came_back_are_held_against_their_leaves(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM ledger.event WHERE position = 4")
    _archive(connection, append_raw, [1, 4, 7])
    connection.execute("INSERT INTO ledger.event SELECT * FROM kept")
    report = verify(connection)
    assert (report.faults, report.archived) == (0, 2)
    _forge(connection, 4)
    assert _fault(connection) == (4, "it is not what seal 1 holds")


# --- how it reads ---


def test_the_service_may_verify(connection: psycopg.Connection) -> None:
    connection.execute("SET ROLE pw_service")
    assert verify(connection).faults == 0


def test_a_database_that_refuses_is_one_line(connection: psycopg.Connection) -> None:
    connection.execute("SET ROLE pw_analyst")
    with pytest.raises(LedgerError, match=r"^the ledger cannot be verified: permission denied for schema ledger$"):
        verify(connection)


def test_a_seal_that_cannot_be_read_is_one_line(connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE ledger.seal ALTER COLUMN root DROP NOT NULL")
    connection.execute("UPDATE ledger.seal SET root = NULL WHERE number = 2")
    with pytest.raises(LedgerError, match=r"^seal 2 cannot be read: Expected `str`, got `null`"):
        verify(connection)


def test_what_is_appended_and_sealed_meanwhile_is_not_looked_at(
    database_url: str, connection: psycopg.Connection, append_raw: Append
) -> None:
    def more(reached: int, end: int) -> None:
        if reached == 4:
            with psycopg.connect(database_url, autocommit=True) as other:
                append_raw(other, [{"stream_id": "late.1", "message_id": "0" * 30 + "ff"}])
                seal(other)

    report = verify(connection, on_progress=more)
    assert (report.seals, report.unsealed, report.faults) == (3, 0, 0)
