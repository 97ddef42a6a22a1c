from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256

import psycopg
import pytest

from domain.errors import LedgerError
from eventstore.sealing.merkle import root_from_path
from eventstore.sealing.proofs import prove
from eventstore.sealing.seals import range_holding, seal

Append = Callable[..., list[int]]


@pytest.fixture
def connection(database_url: str, append_raw: Append) -> Iterator[psycopg.Connection]:
    """Seven events in seals of at most four."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [{"payload": f'{{"n": {number}}}', "worker_id": "w1"} for number in range(7)])
        seal(connection, events_max=4)
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.mark.parametrize("position", range(1, 8))
def test_a_proof_leads_from_the_event_to_the_root_of_its_seal(connection: psycopg.Connection, position: int) -> None:
    proof = prove(connection, position)
    sealed = range_holding(connection, position)
    assert sealed is not None
    assert proof.seal == sealed.seal
    leaf = sealed.leaves[proof.leaf_index]
    path = [bytes.fromhex(node) for node in proof.path]
    assert root_from_path(leaf, proof.leaf_index, proof.seal.count, path).hex() == proof.seal.root


def test_a_proof_holds_all_that_is_hashed(connection: psycopg.Connection) -> None:
    proof = prove(connection, 3)
    fields = [getattr(proof.content, name) for name in proof.content.__struct_fields__]
    text = "\n".join("" if field is None else str(field) for field in fields)
    stored = connection.execute("SELECT content_hash FROM ledger.event WHERE position = 3").fetchone()
    assert stored == (sha256(text.encode()).digest(),)
    assert proof.content.payload == '{"n": 2}'


def test_a_position_that_was_never_taken_has_no_proof(connection: psycopg.Connection) -> None:
    with pytest.raises(LedgerError, match=r"^the ledger holds no event at position 99$"):
        prove(connection, 99)


def test_an_event_that_is_not_sealed_yet_has_no_proof(connection: psycopg.Connection, append_raw: Append) -> None:
    [position] = append_raw(connection, [{"stream_id": "other.1", "message_id": "0" * 30 + "ff"}])
    with pytest.raises(LedgerError, match=f"^position {position} is not sealed yet: pw ledger seal$"):
        prove(connection, position)


def test_an_event_that_is_gone_has_no_proof(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM ledger.event WHERE position = 3")
    with pytest.raises(LedgerError, match="position 3 is not in the ledger any more"):
        prove(connection, 3)


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE ledger.event SET payload = '{"n": 9}' WHERE position = 3""",
        "UPDATE ledger.event SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = 3",
        "UPDATE ledger.event SET position = CASE position WHEN 5 THEN 3 ELSE 99 END WHERE position IN (3, 5)",
    ],
)
def test_an_event_that_is_not_what_was_sealed_has_no_proof(connection: psycopg.Connection, change: str) -> None:
    connection.execute(change)
    with pytest.raises(LedgerError, match=r"^position 3: "):
        prove(connection, 3)


@pytest.mark.parametrize("column", ["root", "hash", "previous"])
def test_a_seal_that_is_not_whole_proves_nothing(connection: psycopg.Connection, column: str) -> None:
    connection.execute(f"UPDATE ledger.seal SET {column} = sha256({column}) WHERE number = 1")
    with pytest.raises(LedgerError, match=r"^seal 1 is not whole"):
        prove(connection, 3)


def test_a_database_that_refuses_is_one_line(connection: psycopg.Connection) -> None:
    connection.execute("SET ROLE pw_analyst")
    with pytest.raises(LedgerError, match=r"^the ledger cannot be read: permission denied for schema ledger$"):
        prove(connection, 3)
