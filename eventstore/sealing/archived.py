"""Which sealed events are gone because they were archived, as far as the ledger itself can tell.

An archive counts where its tombstone is in the ledger and says the same of it: which file, how many events, from
where to where. The tombstone is an event and gets sealed, so an archive cannot be stretched over other events later:
each position it takes on is one that it gives up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from eventstore.sealing.hashing import Connection

_ARCHIVES: LiteralString = """
    SELECT
        archive.task_id, archive.tombstone_position, held.low, held.high,
        archive.tombstone_position > held.high AND EXISTS (
            SELECT FROM ledger.event
            WHERE event.task_id = archive.task_id AND event.position = archive.tombstone_position
                AND event.type = 'task_archived'
                -- As text: what somebody wrote there may be no number.
                AND payload ->> 'file_sha256' = encode(archive.file_sha256, 'hex')
                AND payload ->> 'events' = held.events::text
                AND payload ->> 'first_position' = held.low::text
                AND payload ->> 'last_position' = held.high::text
        )
    FROM ledger.archive, LATERAL (
        SELECT min(p), max(p), count(DISTINCT p) FROM unnest(archive.positions) AS p
    ) AS held (low, high, events)
    WHERE held.low IS NOT NULL
"""

_HELD: LiteralString = """
    SELECT p FROM ledger.archive, unnest(positions) AS p
    WHERE task_id = %s AND tombstone_position = %s AND p = ANY (%b::bigint[])
"""


class _Archive(NamedTuple):
    task: str
    tombstone: int
    low: int
    high: int
    #: The event that says the same is there, behind all that was archived.
    has_tombstone: bool


class ArchivedPositions:
    """Looks up archived positions; keeps the bounds of each archive in memory, not its positions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._archives = [_Archive(*row) for row in connection.execute(_ARCHIVES)]

    def explain(self, missing: Sequence[int]) -> dict[int, str]:
        """Say what is wrong at each of these positions, whose sealed events are gone; archived ones are left out."""
        reasons = dict.fromkeys(missing, "it was sealed and is gone, and no archive has it")
        low, high = min(missing), max(missing)
        for archive in self._archives:
            if archive.high < low or archive.low > high:
                continue
            key = (archive.task, archive.tombstone, list(missing))
            for (position,) in self._connection.execute(_HELD, key):
                if archive.has_tombstone:
                    reasons.pop(position, None)
                elif position in reasons:
                    reasons[position] = (
                        f"it is gone, and no event at position {archive.tombstone} says that it was archived so"
                    )
        return reasons
