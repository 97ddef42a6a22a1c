"""The queries of docs/analytics.md run as they stand there."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import duckdb
import psycopg

from tests.projections.incident import store_incident

_PAGE = (Path(__file__).parents[2] / "docs" / "analytics.md").read_text()
_EXTENSION = Path(
    str(files("duckdb_extension_postgres_scanner")),
    f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension",
)


def statements(heading: str) -> list[str]:
    """List the queries of a chapter."""
    chapter = _PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .+\n)+", chapter, re.MULTILINE)
    return [query for block in blocks for query in block.split(";") if query.strip().startswith("SELECT")]


async def test_those_for_grafana_run_as_they_stand(database_url: str) -> None:
    await store_incident(database_url)
    with psycopg.connect(database_url) as connection:
        for query in (found := statements("Grafana")):
            connection.execute(query)  # type: ignore[arg-type, unused-ignore]
    assert len(found) == 2


async def test_those_for_duckdb_run_as_they_stand(database_url: str) -> None:
    await store_incident(database_url)
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{_EXTENSION}'")
        connection.execute(f"ATTACH '{database_url}' AS pw (TYPE postgres, READ_ONLY)")
        assert [bool(connection.execute(query).fetchall()) for query in statements("DuckDB")] == [True, True]
