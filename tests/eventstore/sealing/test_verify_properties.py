"""Whoever may do anything to the database, and does one thing to a sealed ledger, is found out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.sealing.seals import Seal, read_seals, seal
from eventstore.sealing.verify import VerifyReport, verify

Append = Callable[..., list[int]]

rows = st.fixed_dictionaries({
    "stream_id": st.sampled_from(["tree", "tree.1", "tree.2", "bush", "bush.1"]),
    "type": st.sampled_from(["progress", "started", "completed"]),
    "schema_version": st.integers(1, 3),
    "worker_id": st.sampled_from([None, "w1", "w22"]),
    "lease_epoch": st.none() | st.integers(0, 9),
    "occurred_at": st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "payload": st.fixed_dictionaries(
        {"text": st.text("abc\"\\é\n", min_size=1, max_size=6), "number": st.integers(-9, 9) | st.floats(-9, 9)}
    ).map(json.dumps),
})  # fmt: skip
#: Each with how many positions are lost before it: transactions that were rolled back.
histories = st.lists(st.tuples(rows, st.sampled_from([0, 0, 0, 1, 3])), min_size=2, max_size=9)
per_seal = st.integers(1, 4)

_settings = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_CONTENT = "task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload"
#: Nothing that a constraint of the database keeps from happening is taken for granted.
_WITHOUT_CONSTRAINTS = """
    DO $$ DECLARE item record; BEGIN
        FOR item IN
            SELECT conrelid::regclass AS place, conname AS name FROM pg_constraint
            WHERE conrelid IN ('ledger.event'::regclass, 'ledger.seal'::regclass) AND contype IN ('c', 'p', 'u')
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', item.place, item.name);
        END LOOP;
    END $$
"""


class Sealed(NamedTuple):
    """A sealed ledger, before anything was done to it."""

    connection: psycopg.Connection
    positions: list[int]
    seals: list[Seal]

    def run(self, statement: str, **values: object) -> None:
        assert self.connection.execute(statement, values).rowcount != 0


Seals = Callable[[Sequence[tuple[dict[str, object], int]], int], Sealed]


@pytest.fixture
def sealed(database_url: str, append_raw: Append) -> Iterator[Seals]:
    """Make a sealed ledger of a history, in place of the one before."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(_WITHOUT_CONSTRAINTS)

        def make(history: Sequence[tuple[dict[str, object], int]], events_max: int) -> Sealed:
            connection.execute("DELETE FROM ledger.event")
            connection.execute("DELETE FROM ledger.seal")
            connection.execute("ALTER SEQUENCE ledger.position RESTART")
            positions = []
            for row, lost in history:
                connection.execute("SELECT nextval('ledger.position') FROM generate_series(1, %s)", [lost])
                positions += append_raw(connection, [row])
            return Sealed(connection, positions, seal(connection, events_max=events_max))

        yield make


def _first_bad(report: VerifyReport) -> int | None:
    return report.first_fault.position if report.first_fault is not None else None


def _rehash(ledger: Sealed, position: int) -> None:
    ledger.run(
        f"UPDATE ledger.event SET content_hash = sha256(convert_to(ledger.content_text({_CONTENT}), 'UTF8'))"
        " WHERE position = %(position)s",
        position=position,
    )


# --- nothing was done ---


@_settings
@given(history=histories, events_max=per_seal)
def test_an_untouched_ledger_holds(
    sealed: Seals, history: list[tuple[dict[str, object], int]], events_max: int
) -> None:
    ledger = sealed(history, events_max)
    report = verify(ledger.connection, against=ledger.seals)
    assert (report.faults, report.events, report.seals) == (0, len(history), len(ledger.seals))


# --- one column of one event ---

_CHANGES = {
    "task_id": "overlay(task_id PLACING 'X' FROM mod({byte}, length(task_id)) + 1 FOR 1)",
    "stream_id": "overlay(stream_id PLACING 'X' FROM mod({byte}, length(stream_id)) + 1 FOR 1)",
    "type": "overlay(type PLACING 'X' FROM mod({byte}, length(type)) + 1 FOR 1)",
    "worker_id": "coalesce(overlay(worker_id PLACING 'X' FROM mod({byte}, length(worker_id)) + 1 FOR 1), 'X')",
    "message_id": "overlay(message_id::text PLACING 'f' FROM mod({byte}, 8) + 1 FOR 1)::uuid",
    "schema_version": "schema_version + 1",
    "lease_epoch": "coalesce(lease_epoch + 1, 0)",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "recorded_at": "recorded_at - interval '1 microsecond'",
    "version": "version + 1",
    "content_hash": "set_byte(content_hash, mod({byte}, 32), get_byte(content_hash, mod({byte}, 32)) # 1)",
    "payload": "jsonb_set(payload, '{{text}}', to_jsonb(overlay(payload ->> 'text' PLACING 'X' FROM 1 FOR 1)))",
    "payload number": "jsonb_set(payload, '{{number}}', to_jsonb((payload ->> 'number')::numeric + 0.5))",
    # Equal to Postgres, and another text.
    "payload scale": "jsonb_set(payload, '{{number}}', to_jsonb((payload ->> 'number')::numeric * 1.000))",
    "payload key": "payload || '{{\"one\": 1}}'",
    "worker_id empty": "CASE WHEN worker_id IS NULL THEN '' END",
    "lease_epoch gone": "CASE WHEN lease_epoch IS NULL THEN 7 END",
    "recorded_at infinity": "'infinity'",
    "occurred_at infinity": "'-infinity'",
    "task_id line": "task_id || E'\\n'",
}


@pytest.mark.parametrize("change", _CHANGES)
@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_any_column_of_any_event(
    sealed: Seals, change: str, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    position = data.draw(st.sampled_from(ledger.positions))
    value = _CHANGES[change].format(byte=data.draw(st.integers(0, 63)))
    ledger.run(
        f"UPDATE ledger.event SET {change.partition(' ')[0]} = {value} WHERE position = %(position)s",
        position=position,
    )
    assert _first_bad(verify(ledger.connection)) == position


@pytest.mark.parametrize(
    "change", [name for name in _CHANGES if name.partition(" ")[0] not in ("recorded_at", "version", "content_hash")]
)
@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_any_column_that_is_hashed_with_the_hash_made_to_match(
    sealed: Seals, change: str, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    position = data.draw(st.sampled_from(ledger.positions))
    value = _CHANGES[change].format(byte=data.draw(st.integers(0, 63)))
    ledger.run(
        f"UPDATE ledger.event SET {change.partition(' ')[0]} = {value} WHERE position = %(position)s",
        position=position,
    )
    _rehash(ledger, position)
    assert _first_bad(verify(ledger.connection)) == position


# --- whole rows ---


@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_a_row_that_is_removed(
    sealed: Seals, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    position = data.draw(st.sampled_from(ledger.positions))
    ledger.run("DELETE FROM ledger.event WHERE position = %(position)s", position=position)
    assert _first_bad(verify(ledger.connection)) == position


@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_a_row_that_is_put_into_a_sealed_range(
    sealed: Seals, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    position = data.draw(st.integers(0, ledger.seals[-1].last_position))
    ledger.run(
        f"INSERT INTO ledger.event (position, version, content_hash, {_CONTENT})"
        " SELECT %(position)s, 99, '', 'weed', 'weed', gen_random_uuid(), type, 1, NULL, NULL, occurred_at, payload"
        " FROM ledger.event WHERE position = %(model)s",
        position=position,
        model=ledger.positions[0],
    )
    _rehash_all_of_the_weed(ledger)
    assert _first_bad(verify(ledger.connection)) == position


def _rehash_all_of_the_weed(ledger: Sealed) -> None:
    ledger.run(
        f"UPDATE ledger.event SET content_hash = sha256(convert_to(ledger.content_text({_CONTENT}), 'UTF8'))"
        " WHERE task_id = 'weed'"
    )


@pytest.mark.parametrize(
    "columns", ["position", "position, version", "version, recorded_at", f"{_CONTENT}, content_hash"]
)
@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_two_rows_that_are_swapped_in_part(
    sealed: Seals, columns: str, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    one, other = data.draw(st.lists(st.sampled_from(ledger.positions), min_size=2, max_size=2, unique=True))
    ledger.run(
        f"UPDATE ledger.event SET ({columns}) ="
        f" (SELECT {', '.join(f'twin.{name}' for name in columns.split(', '))} FROM ledger.event AS twin"
        "  WHERE twin.position = %(one)s + %(other)s - event.position)"
        " WHERE position IN (%(one)s, %(other)s)",
        one=one,
        other=other,
    )
    assert _first_bad(verify(ledger.connection)) == min(one, other)


# --- seals ---

_SEAL_CHANGES = {
    "root": "set_byte(root, mod({byte}, 32), get_byte(root, mod({byte}, 32)) # 1)",
    "previous": "set_byte(previous, mod({byte}, 32), get_byte(previous, mod({byte}, 32)) # 1)",
    "hash": "set_byte(hash, mod({byte}, 32), get_byte(hash, mod({byte}, 32)) # 1)",
    "leaves": "set_byte(leaves, mod({byte}, length(leaves)), get_byte(leaves, mod({byte}, length(leaves))) # 1)",
    "leaves cut": "substr(leaves, 33)",
    "leaves doubled": "leaves || leaves",
    "first_position": "first_position + 1",
    "first_position earlier": "first_position - 1",
    "last_position": "last_position + 1",
    "last_position earlier": "last_position - 1",
    "last_position far": "9223372036854775806",
    "sealed_at": "sealed_at + interval '1 microsecond'",
    "sealed_at infinity": "'infinity'",
    "number": "number + 100",
    "positions doubled": "positions || positions",
    "positions cut": "positions[2:]",
    "positions far": "positions || 9223372036854775807",
    "positions early": "0::bigint || positions[2:]",
}


@pytest.mark.parametrize("change", _SEAL_CHANGES)
@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_any_column_of_any_seal(
    sealed: Seals, change: str, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    chosen = data.draw(st.sampled_from(ledger.seals))
    value = _SEAL_CHANGES[change].format(byte=data.draw(st.integers(0, 127)))
    ledger.run(
        f"UPDATE ledger.seal SET {change.partition(' ')[0]} = {value} WHERE number = %(number)s", number=chosen.number
    )
    assert _first_bad(verify(ledger.connection)) == chosen.first_position


@_settings
@given(history=histories, events_max=per_seal, data=st.data())
def test_one_position_of_a_seal(
    sealed: Seals, history: list[tuple[dict[str, object], int]], events_max: int, data: st.DataObject
) -> None:
    ledger = sealed(history, events_max)
    position = data.draw(st.sampled_from(ledger.positions))
    [chosen] = [one for one in ledger.seals if one.first_position <= position <= one.last_position]
    ledger.run(
        "UPDATE ledger.seal SET positions = array_replace(positions, %(position)s, %(position)s + 1)"
        " WHERE number = %(number)s",
        position=position,
        number=chosen.number,
    )
    # A list that could not be one is a fault of the seal; one that could be says that an event came later.
    possible = position + 1 not in ledger.positions and position < chosen.last_position
    assert _first_bad(verify(ledger.connection)) == (position if possible else chosen.first_position)


@_settings
@given(history=histories, data=st.data())
def test_two_seals_that_are_swapped(
    sealed: Seals, history: list[tuple[dict[str, object], int]], data: st.DataObject
) -> None:
    ledger = sealed(history, 1)
    one, other = sorted(data.draw(st.lists(st.integers(1, len(history)), min_size=2, max_size=2, unique=True)))
    ledger.run(
        "UPDATE ledger.seal SET number = %(one)s + %(other)s - number WHERE number IN (%(one)s, %(other)s)",
        one=one,
        other=other,
    )
    assert _first_bad(verify(ledger.connection)) == ledger.seals[one - 1].first_position


@_settings
@given(history=histories, data=st.data())
def test_a_seal_that_is_removed_is_found_unless_it_is_the_last_and_the_last_by_a_copy(
    sealed: Seals, history: list[tuple[dict[str, object], int]], data: st.DataObject
) -> None:
    ledger = sealed(history, 1)
    chosen = data.draw(st.sampled_from(ledger.seals))
    ledger.run("DELETE FROM ledger.seal WHERE number = %(number)s", number=chosen.number)
    is_last = chosen.number == len(ledger.seals)
    assert _first_bad(verify(ledger.connection)) == (None if is_last else chosen.first_position)
    assert _first_bad(verify(ledger.connection, against=ledger.seals)) == chosen.first_position


@pytest.mark.parametrize("change", ["changed", "removed", "put in"])
@_settings
@given(history=histories, data=st.data())
def test_a_chain_that_is_made_anew_over_another_history_is_found_by_a_copy_only(
    sealed: Seals, change: str, history: list[tuple[dict[str, object], int]], data: st.DataObject
) -> None:
    ledger = sealed(history, 2)
    chosen = data.draw(st.sampled_from(ledger.seals))
    position = data.draw(st.sampled_from([
        position for position in ledger.positions if chosen.first_position <= position <= chosen.last_position
    ]))  # fmt: skip
    ledger.run("DELETE FROM ledger.seal WHERE number >= %(number)s", number=chosen.number)
    _rewrite(ledger, change, position)
    seal(ledger.connection, events_max=2)
    assert verify(ledger.connection).faults == 0
    assert _first_bad(verify(ledger.connection, against=ledger.seals)) == chosen.first_position
    assert list(read_seals(ledger.connection))[: chosen.number - 1] == ledger.seals[: chosen.number - 1]


def _rewrite(ledger: Sealed, change: str, position: int) -> None:
    """Change history so that versions still have no gaps."""
    if change == "changed":
        ledger.run("UPDATE ledger.event SET type = 'Xprogress' WHERE position = %(position)s", position=position)
        _rehash(ledger, position)
        return
    by, values = -1 if change == "removed" else 1, {"position": position}
    ledger.run(
        f"UPDATE ledger.event SET version = event.version + {by} FROM ledger.event AS old"
        " WHERE old.position = %(position)s AND event.stream_id = old.stream_id AND event.position >= old.position",
        **values,
    )
    if change == "removed":
        ledger.run("DELETE FROM ledger.event WHERE position = %(position)s", **values)
        return
    ledger.run("UPDATE ledger.event SET position = position + 1 WHERE position >= %(position)s", **values)
    ledger.connection.execute("SELECT nextval('ledger.position')")
    ledger.run(
        f"INSERT INTO ledger.event (position, version, recorded_at, content_hash, {_CONTENT})"
        f" SELECT position - 1, version - 1, recorded_at, '', {_CONTENT.replace('message_id', 'gen_random_uuid()')}"
        " FROM ledger.event WHERE position = %(position)s + 1",
        **values,
    )
    _rehash(ledger, position)
