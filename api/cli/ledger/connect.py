"""What all commands of the group begin with: a connection to the ledger, and errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from api.cli.console import one_line_errors
from eventstore.postgres.connection import unreachable
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from eventstore.sealing.hashing import Connection


@contextmanager
def connected(database_url: str | None) -> Iterator[Connection]:
    """Connect to the migrated ledger in autocommit; whatever goes wrong ends the command with one line."""
    with one_line_errors(), open_database(database_url, data_folder()) as url:
        try:
            with psycopg.connect(url, autocommit=True, application_name="pw ledger") as connection:
                yield connection
        except psycopg.Error as error:
            raise unreachable(error) from error
