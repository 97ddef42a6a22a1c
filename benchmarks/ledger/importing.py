"""An import beside COPY: the same events into the same table of an empty ledger.

The rows of COPY are made before the clock runs, one transaction for as many as a block of the export holds; an import
reads them from a file, proves them by their hashes, checks their order and versions, and can be gone on with.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from eventstore.postgres.migrations import migrate
from eventstore.transfer.export import snapshot, write_export
from eventstore.transfer.export_files import open_export
from eventstore.transfer.export_format import BLOCK_LINES_MAX
from eventstore.transfer.importing import import_export

_COLUMNS: LiteralString = """
    task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch,
    occurred_at, recorded_at, payload, content_hash
"""


class Transfers:
    """The events of a ledger, ready to go into an empty one on the same server: as a file and as rows."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._file = folder / "events.ndjson"
        with snapshot(url, None) as source:
            self.events = write_export(source, self._file).events
        with (
            psycopg.connect(url) as connection,
            connection.cursor().copy(
                sql.SQL("COPY (SELECT {} FROM ledger.event ORDER BY position) TO STDOUT").format(sql.SQL(_COLUMNS))
            ) as copy,
        ):
            rows = [bytes(row) for row in copy]
        self._blocks = [b"".join(rows[at : at + BLOCK_LINES_MAX]) for at in range(0, len(rows), BLOCK_LINES_MAX)]

    def import_rate(self) -> float:
        """Import the file; events per second."""
        with self._empty_ledger() as url:
            started = time.perf_counter()
            with open_export(self._file) as source:
                import_export(url, source)
            return self.events / (time.perf_counter() - started)

    def copy_rate(self) -> float:
        """Store the rows with COPY; events per second."""
        query = sql.SQL("COPY ledger.event ({}) FROM STDIN").format(sql.SQL(_COLUMNS))
        with self._empty_ledger() as url, psycopg.connect(url, autocommit=True) as connection:
            started = time.perf_counter()
            for block in self._blocks:
                with connection.cursor().copy(query) as copy:
                    copy.write(block)
            return self.events / (time.perf_counter() - started)

    @contextmanager
    def _empty_ledger(self) -> Iterator[str]:
        name = f"import_{uuid4().hex[:12]}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            try:
                url = make_conninfo(self._url, dbname=name)
                migrate(url)
                # What was written before is not to be paid for by what is measured.
                connection.execute("CHECKPOINT")
                yield url
            finally:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def transfers(url: str) -> Iterator[Transfers]:
    """Make the events of a ledger ready, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        yield Transfers(url, Path(folder))
