"""Raw tool output comes back byte for byte, is kept once, and is never changed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from domain.ids import TaskId
from eventstore.artifacts import ArtifactStore

Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]

TASK, OTHER_TASK = TaskId("tree-1"), TaskId("tree-2")


@pytest.fixture
async def connection(connect: Connect) -> Connection:
    return await connect()


@pytest.fixture
def artifacts(connection: Connection) -> ArtifactStore:
    return ArtifactStore(connection)


async def rows(connection: Connection) -> list[TupleRow]:
    query = "SELECT task_id, encode(sha256, 'hex'), size_bytes FROM ledger.artifact ORDER BY task_id"
    return await (await connection.execute(query)).fetchall()


@pytest.mark.parametrize(
    "data",
    [b"", b"a.py:1: error\n", bytes(range(256)), b"x" * 3_000_000, random.Random(7).randbytes(100_000)],
    ids=["empty", "text", "every byte", "large", "incompressible"],
)
async def test_bytes_come_back_as_they_went_in(artifacts: ArtifactStore, data: bytes) -> None:
    assert await artifacts.fetch(TASK, await artifacts.store(TASK, data)) == data


async def test_an_artifact_is_named_by_the_digest_of_its_raw_bytes(artifacts: ArtifactStore) -> None:
    assert await artifacts.store(TASK, b"output") == hashlib.sha256(b"output").hexdigest()


async def test_the_size_that_is_kept_is_that_of_the_raw_bytes(
    artifacts: ArtifactStore, connection: Connection
) -> None:
    digest = await artifacts.store(TASK, b"x" * 5000)
    assert await rows(connection) == [(TASK, digest, 5000)]


async def test_bytes_that_are_stored_again_are_kept_once(artifacts: ArtifactStore, connection: Connection) -> None:
    digests = [await artifacts.store(TASK, b"output") for _ in range(2)]
    assert digests[0] == digests[1]
    assert await rows(connection) == [(TASK, digests[0], 6)]


async def test_an_artifact_belongs_to_its_task(artifacts: ArtifactStore) -> None:
    digest = await artifacts.store(TASK, b"output")
    with pytest.raises(LedgerError, match=rf"^the ledger holds no artifact {digest[:12]} of tree-2$"):
        await artifacts.fetch(OTHER_TASK, digest)


async def test_tasks_with_the_same_output_have_one_copy_each(
    artifacts: ArtifactStore, connection: Connection
) -> None:
    digest = await artifacts.store(TASK, b"output")
    await artifacts.store(OTHER_TASK, b"output")
    assert await rows(connection) == [(TASK, digest, 6), (OTHER_TASK, digest, 6)]


async def test_a_missing_artifact_is_named(artifacts: ArtifactStore) -> None:
    with pytest.raises(LedgerError, match=r"^the ledger holds no artifact 000000000000 of tree-1$"):
        await artifacts.fetch(TASK, "0" * 64)


async def test_an_artifact_that_is_not_what_its_name_says_is_not_given_out(
    artifacts: ArtifactStore, connection: Connection
) -> None:
    await artifacts.store(TASK, b"output")
    # What a damaged disk or a careless import might leave.
    await connection.execute(
        "INSERT INTO ledger.artifact SELECT task_id, sha256(''), encoding, size_bytes, content FROM ledger.artifact"
    )
    digest = hashlib.sha256(b"").hexdigest()
    with pytest.raises(LedgerError, match=rf"^artifact {digest[:12]} of tree-1 is damaged$"):
        await artifacts.fetch(TASK, digest)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger.artifact SET size_bytes = 0", "DELETE FROM ledger.artifact", "TRUNCATE ledger.artifact"],
)
async def test_a_stored_artifact_cannot_be_changed(
    artifacts: ArtifactStore, connection: Connection, statement: str
) -> None:
    digest = await artifacts.store(TASK, b"output")
    with pytest.raises(psycopg.DatabaseError, match="the ledger is append-only") as refused:
        await connection.execute(statement)
    assert refused.value.sqlstate == "PW001"
    assert await rows(connection) == [(TASK, digest, 6)]


async def test_a_store_without_its_database_refuses_to_keep(artifacts: ArtifactStore, connection: Connection) -> None:
    await connection.close()
    with pytest.raises(LedgerError, match=r"^the ledger cannot be reached: the connection is closed$"):
        await artifacts.store(TASK, b"output")
