from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256

import psycopg
import pytest

from domain.errors import LedgerError
from eventstore.sealing.hashing import leaf_of, read_events
from eventstore.sealing.merkle import root_of
from eventstore.sealing.seals import Seal, beginning, last_seal, next_range, range_holding, read_seals, seal

Append = Callable[..., list[int]]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def _ranges(seals: list[Seal]) -> list[tuple[int, int, int, int]]:
    return [(made.number, made.first_position, made.last_position, made.count) for made in seals]


def test_an_empty_ledger_has_nothing_to_seal(connection: psycopg.Connection) -> None:
    assert seal(connection) == []
    assert last_seal(connection) == beginning(connection)


def test_what_is_settled_is_sealed_in_ranges_of_at_most_so_many_events(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    append_raw(connection, [{}] * 8)
    assert _ranges(seal(connection, events_max=3)) == [(1, 1, 3, 3), (2, 4, 6, 3), (3, 7, 8, 2)]


def test_positions_that_no_event_has_are_in_a_range_all_the_same(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    connection.execute("SELECT nextval('ledger.position')")
    append_raw(connection, [{}] * 2)
    connection.execute("SELECT nextval('ledger.position') FROM generate_series(1, 3)")
    append_raw(connection, [{}])
    connection.execute("SELECT nextval('ledger.position')")
    assert _ranges(seal(connection, events_max=2)) == [(1, 1, 3, 2), (2, 4, 8, 1)]
    ranges = [next_range(connection, number) for number in (0, 1)]
    assert [sealed and sealed.positions for sealed in ranges] == [[2, 3], [7]]


def test_positions_without_any_event_make_no_seal_until_there_is_one(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    append_raw(connection, [{}])
    seal(connection)
    connection.execute("SELECT nextval('ledger.position')")
    assert seal(connection) == []
    append_raw(connection, [{}])
    assert _ranges(seal(connection)) == [(2, 2, 3, 1)]


def test_sealing_again_makes_nothing(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}] * 3)
    assert len(seal(connection)) == 1
    assert seal(connection) == []


def test_each_seal_follows_from_the_one_before_and_holds_its_events(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    append_raw(connection, [{"payload": f'{{"n": {number}}}'} for number in range(5)])
    first, second = seal(connection, events_max=3)
    assert first.previous == bytes(32).hex()
    assert second.previous == first.hash
    leaves = [leaf_of(event) for event in read_events(connection, 1)]
    assert (first.root, second.root) == (root_of(leaves[:3]).hex(), root_of(leaves[3:]).hex())
    fields = b"".join(number.to_bytes(8, "big") for number in (2, 4, 5, 2, second.sealed_at_us))
    hashes = bytes.fromhex(second.root + second.previous)
    assert second.hash == sha256(b"\2" + fields + hashes).hexdigest()


def test_what_is_read_is_what_was_made(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}] * 5)
    made = seal(connection, events_max=2)
    assert list(read_seals(connection)) == made
    assert last_seal(connection) == made[-1]
    sealed = range_holding(connection, 4)
    assert sealed is not None
    assert (sealed.seal, sealed.positions, len(sealed.leaves)) == (made[1], [3, 4], 2)
    assert range_holding(connection, 6) is None
    assert next_range(connection, 3) is None


def test_progress_is_told_after_each_seal(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}] * 5)
    told: list[tuple[int, int]] = []
    seal(connection, events_max=2, on_progress=lambda reached, end: told.append((reached, end)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_an_event_under_way_is_waited_for(
    database_url: str, connection: psycopg.Connection, append_raw: Append
) -> None:
    with psycopg.connect(database_url) as slow:
        # As every append does.
        slow.execute("SELECT pg_advisory_xact_lock_shared(8103995998057293682)")
        append_raw(slow, [{}])
        append_raw(connection, [{"stream_id": "other.1"}])
        with pytest.raises(LedgerError, match="under way for two seconds: nothing was sealed"):
            seal(connection)
    assert _ranges(seal(connection)) == [(1, 1, 2, 2)]


def test_what_an_import_has_not_reached_is_not_sealed(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}] * 4)
    connection.execute(
        "INSERT INTO ledger.import (export_id, keeps_positions, done_position, last_position)"
        " VALUES (gen_random_uuid(), true, 3, 9)"
    )
    assert _ranges(seal(connection)) == [(1, 1, 3, 3)]


def test_an_event_whose_hash_is_not_its_content_s_stops_the_sealing_before_it(
    connection: psycopg.Connection, append_raw: Append
) -> None:
    append_raw(connection, [{}] * 5)
    connection.execute("SET session_replication_role = replica")
    connection.execute("""UPDATE ledger.event SET payload = '{"forged": true}' WHERE position = 4""")
    with pytest.raises(LedgerError, match=r"^position 4 cannot be sealed: its content does not have the hash"):
        seal(connection, events_max=2)
    assert _ranges(list(read_seals(connection))) == [(1, 1, 2, 2)]


def test_two_events_at_one_position_are_not_sealed(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}, {"stream_id": "other.1"}])
    connection.execute("SET session_replication_role = replica")
    connection.execute("UPDATE ledger.event SET position = 1 WHERE position = 2")
    with pytest.raises(LedgerError, match=r"^position 1 cannot be sealed: two events have it"):
        seal(connection)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_two_sealers_take_turns(
    database_url: str, connection: psycopg.Connection, append_raw: Append, isolation: str
) -> None:
    append_raw(connection, [{}] * 40)
    made: list[list[Seal]] = [[], []]
    together = threading.Barrier(2)

    def work(place: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            own.execute(f"SET default_transaction_isolation = '{isolation}'")
            together.wait()
            made[place] = seal(own, events_max=1)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = list(read_seals(connection))
    assert [one.number for one in stored] == list(range(1, 41))
    assert sorted(made[0] + made[1], key=lambda one: one.number) == stored
    assert all(later.previous == earlier.hash for earlier, later in itertools.pairwise(stored))


def test_the_service_may_seal_and_not_rewrite_a_seal(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}])
    connection.execute("SET ROLE pw_service")
    assert len(seal(connection)) == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM ledger.seal")


def test_a_database_that_refuses_is_one_line(connection: psycopg.Connection, append_raw: Append) -> None:
    append_raw(connection, [{}])
    connection.execute("SET ROLE pw_analyst")
    with pytest.raises(LedgerError, match=r"^the ledger cannot be sealed: permission denied for schema ledger$"):
        seal(connection)


def test_values_that_no_seal_can_hold_have_no_hash(connection: psycopg.Connection) -> None:
    before = beginning(connection)
    with pytest.raises(ValueError, match="seal -1 cannot be hashed"):
        Seal(
            incarnation=before.incarnation, number=-1, first_position=1, last_position=1, count=1, sealed_at_us=0,
            root=before.root, previous=before.previous, hash="",
        ).computed_hash()  # fmt: skip


def test_a_ledger_without_identity_is_refused(connection: psycopg.Connection) -> None:
    connection.execute("SET session_replication_role = replica")
    connection.execute("DELETE FROM ledger.incarnation")
    with pytest.raises(LedgerError, match="lost its identity"):
        beginning(connection)
