"""What is in the tables of read models, for tests to compare."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from projections.models import ALL

Tables = dict[str, list[dict[str, Any]]]


def tables_of(url: str) -> Tables:
    """Give the rows of all read models as they are read, but for what depends on the moment."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return {
            one.name: connection.execute(
                sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
                    sql.SQL(", ").join(map(sql.Identifier, one.columns)),
                    sql.Identifier("projection", one.name),
                    sql.SQL(", ").join(map(sql.Identifier, one.keys)),
                )
            ).fetchall()
            for one in ALL
        }


def positions_of(url: str) -> dict[str, int]:
    """Give up to where each read model holds the ledger."""
    with psycopg.connect(url) as connection:
        return dict(
            connection.execute("SELECT name, position FROM projection.build WHERE status = 'live'").fetchall()
        )
