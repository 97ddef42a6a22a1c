"""How far the read models as a whole are behind the ledger, told cheaply enough to be asked all the time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from projections.projection import Projection

_PLACES: LiteralString = "SELECT name, version, position FROM projection.build WHERE status = 'live' ORDER BY name"
# Both by the index of positions, however long the ledger is.
_AFTER: LiteralString = """
    SELECT
        coalesce((SELECT max(position) FROM ledger.event) - %(position)s, 0),
        coalesce(greatest(extract(epoch FROM clock_timestamp() - (
            SELECT recorded_at
            FROM ledger.event
            WHERE position > %(position)s
            ORDER BY position
            LIMIT 1
        )), 0), 0)::float8
"""


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the read model that is furthest behind is behind."""

    #: In positions: about as many events.
    events: int
    #: For how long the first event that it lacks has been in the ledger.
    seconds: float
    #: Read models whose tables another version has made: nobody moves them on until they were rebuilt.
    outdated: tuple[str, ...] = ()


def lag(connection: psycopg.Connection[TupleRow], projections: Iterable[Projection]) -> Lag:
    """Tell how far read models are behind; raises `psycopg.Error`."""
    versions = {projection.name: projection.version for projection in projections}
    places = connection.execute(_PLACES).fetchall()
    outdated = tuple(name for name, version, _ in places if versions.get(name, version) != version)
    position = min((place for name, version, place in places if versions.get(name) == version), default=None)
    if position is None:
        return Lag(events=0, seconds=0.0, outdated=outdated)
    [(events, seconds)] = connection.execute(_AFTER, {"position": position}).fetchall()
    return Lag(events=max(events, 0), seconds=round(seconds, 3), outdated=outdated)
