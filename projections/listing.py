"""How read models stand: which version, up to where, how far behind, and what was set aside."""

from __future__ import annotations

from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow

from projections.models import ALL

# One look for each position: most read models stand at the same one.
_BUILDS: LiteralString = """
    WITH standing AS (
        SELECT name, name || '_' || number AS table_name, version, position
        FROM projection.build
        WHERE status = 'live'
        UNION ALL
        -- Has no tables of several versions.
        SELECT 'problem', 'problem_life', 1, position FROM projection.problem_place
    ),
    place AS (
        SELECT
            position,
            (SELECT count(*) FROM ledger.event WHERE event.position > place.position) AS events,
            (
                SELECT extract(epoch FROM clock_timestamp() - recorded_at)
                FROM ledger.event
                WHERE event.position > place.position
                ORDER BY event.position
                LIMIT 1
            ) AS seconds
        FROM (SELECT DISTINCT position FROM standing) AS place
    )
    SELECT name, table_name, version, position, events, coalesce(greatest(seconds, 0), 0)::float8
    FROM standing
    JOIN place USING (position)
    ORDER BY name
"""
_ASIDE: LiteralString = """
    SELECT name, count(*), (array_agg(format('%s at %s: %s', task_id, position, error) ORDER BY position))[1:5]
    FROM projection.set_aside
    GROUP BY name
"""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a read model stands."""

    name: str
    #: Of the fold that has filled the table that is read.
    version: int
    #: Of this release; where it is another one, nobody moves the table on until it was rebuilt.
    version_wanted: int
    #: The table that is read, in schema `projection`.
    table: str
    position: int
    lag_events: int
    #: For how long the first event that is not in it has been in the ledger.
    lag_seconds: float
    #: Events that it could not take in, and the first of them: task, position, reason.
    set_aside: int
    set_aside_first: tuple[str, ...]


def standings(connection: psycopg.Connection[TupleRow]) -> list[Standing]:
    """List how the read models stand; raises `psycopg.Error`."""
    wanted: dict[str, int] = {projection.name: projection.version for projection in ALL}
    aside = {name: (count, tuple(first)) for name, count, first in connection.execute(_ASIDE)}
    return [
        Standing(
            name=name,
            version=version,
            version_wanted=wanted.get(str(name), int(version)),
            table=table,
            position=position,
            lag_events=events,
            lag_seconds=round(seconds, 3),
            set_aside=aside.get(name, (0, ()))[0],
            set_aside_first=aside.get(name, (0, ()))[1],
        )
        for name, table, version, position, events, seconds in connection.execute(_BUILDS)
    ]
