"""The ledger is sealed by the clock."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from api.jobs.sealing import sealing
from domain.errors import LedgerError
from eventstore.postgres.database import open_database
from eventstore.sealing.seals import last_seal


async def test_what_is_settled_is_sealed(database_url: str, append_raw: Callable[..., list[int]]) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [{}, {}, {}])
        await sealing(database_url).run()
        seal = last_seal(connection)
    assert (seal.number, seal.count) == (1, 3)


async def test_nothing_new_makes_no_seal(database_url: str, append_raw: Callable[..., list[int]]) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [{}])
        await sealing(database_url).run()
        await sealing(database_url).run()
        assert last_seal(connection).number == 1


async def test_the_service_has_the_rights_that_sealing_needs(
    database_url: str, append_raw: Callable[..., list[int]], server_folder: object
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [{}])
        with open_database(database_url, server_folder, "pw_service") as url:  # type: ignore[arg-type]
            assert "pw_service" in url
            await sealing(url).run()
        assert last_seal(connection).number == 1


async def test_a_database_that_is_away_is_an_error_of_one_line(unused_tcp_port: int) -> None:
    with pytest.raises(LedgerError, match="cannot be reached"):
        await sealing(f"postgresql://127.0.0.1:{unused_tcp_port}/pw").run()
