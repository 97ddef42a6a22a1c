"""`pw ledger` on a small ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.ledger.app import app

Pw = Callable[..., Result]


@pytest.fixture
def connection(database_url: str, append_raw: Callable[..., list[int]]) -> Iterator[psycopg.Connection]:
    """Five events, by somebody who may do anything."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [{"payload": f'{{"n": {number}}}'} for number in range(5)])
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def pw_ledger(database_url: str) -> Pw:
    """Run a command of the group on the test's database: `pw_ledger("seal", ...)`."""

    def run(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, [*words, "--database-url", database_url])

    return run
