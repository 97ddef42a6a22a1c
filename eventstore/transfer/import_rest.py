"""What goes along with the events of an export: raw tool output, and for a whole ledger its archives and seals."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib

from domain.errors import LedgerError
from eventstore.transfer.bulk import Connection
from eventstore.transfer.export_format import ArchiveLine, ArtifactLine, SealLine

_PIECE_BYTES = 1024 * 1024

_STORE_ARTIFACT = """
    INSERT INTO ledger.artifact (task_id, sha256, encoding, size_bytes, content)
    VALUES (%s, %s, %s, %s, %b)
    ON CONFLICT (task_id, sha256) DO NOTHING
"""

_STORE_ARCHIVE = """
    INSERT INTO ledger.archive (task_id, tombstone_position, positions, file_name, file_sha256, archived_at)
    VALUES (%s, %s, %b, %s, %s, %s)
    ON CONFLICT (task_id, tombstone_position) DO NOTHING
"""

# Only what continues the chain: a ledger that has sealed these positions by itself keeps its own seals.
_STORE_SEAL = """
    INSERT INTO ledger.seal
        (number, first_position, last_position, positions, leaves, root, previous, sealed_at, hash)
    SELECT
        %(number)s, %(first)s, %(last)s, %(positions)b, %(leaves)b, %(root)s, %(previous)s, %(sealed_at)s, %(hash)s
    WHERE (%(number)s - 1, %(previous)s) IN (
        SELECT number, hash FROM ledger.seal
        UNION ALL
        SELECT 0, decode(repeat('00', 32), 'hex')
        ORDER BY number DESC
        LIMIT 1
    )
"""


def store_artifact(connection: Connection, artifact: ArtifactLine, place: str) -> bool:
    """Store an artifact that is what its hash says, and tell whether the ledger did not have it yet.

    Raises `LedgerError`, which names the place in the file, where it is something else.
    """
    key = (artifact.task_id, bytes.fromhex(artifact.sha256))
    query = "SELECT EXISTS (SELECT FROM ledger.artifact WHERE task_id = %s AND sha256 = %s)"
    if connection.execute(query, key).fetchone() == (True,):
        return False
    if not _is_whole(artifact):
        raise LedgerError(f"{place}: artifact {artifact.sha256[:12]} of {artifact.task_id} is damaged")
    connection.execute(_STORE_ARTIFACT, (*key, artifact.encoding, artifact.size_bytes, artifact.content))
    return True


def _is_whole(artifact: ArtifactLine) -> bool:
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(artifact.content)) as unpacked:
            while (piece := unpacked.read(_PIECE_BYTES)) and size <= artifact.size_bytes:
                digest.update(piece)
                size += len(piece)
    except (OSError, EOFError, zlib.error):
        return False
    return size == artifact.size_bytes and digest.hexdigest() == artifact.sha256


def store_archive(connection: Connection, archive: ArchiveLine) -> None:
    """Store which events were moved into which file."""
    digest = bytes.fromhex(archive.file_sha256)
    connection.execute(
        _STORE_ARCHIVE,
        (
            archive.task_id, archive.tombstone_position, list(archive.positions), archive.file_name, digest,
            archive.archived_at,
        ),
    )  # fmt: skip


def store_seal(connection: Connection, seal: SealLine) -> bool:
    """Store a seal where it continues the ledger's chain, and tell whether it did."""
    cursor = connection.execute(
        _STORE_SEAL,
        {
            "number": seal.number,
            "first": seal.first_position,
            "last": seal.last_position,
            "positions": list(seal.positions),
            "leaves": seal.leaves,
            "root": bytes.fromhex(seal.root),
            "previous": bytes.fromhex(seal.previous),
            "sealed_at": seal.sealed_at,
            "hash": bytes.fromhex(seal.hash),
        },
    )
    return cursor.rowcount == 1
