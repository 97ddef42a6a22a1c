"""Verifying the ledger: every sealed event is what it was when it was sealed, none is missing, none was put in.

One REPEATABLE READ snapshot, read once from end to end: a seal, then the events of its range as a stream, so that
memory stays flat. Every hash is computed here; of the database nothing is asked but plain columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import LiteralString

import msgspec
import psycopg

from domain.errors import LedgerError, UsageError
from eventstore.postgres.connection import first_line
from eventstore.sealing.archived import ArchivedPositions
from eventstore.sealing.faults import Fault, Faults
from eventstore.sealing.hashing import POSITION_MAX, Connection, leaf_of, read_events
from eventstore.sealing.merkle import root_of
from eventstore.sealing.seal_copies import contradictions
from eventstore.sealing.seals import OnProgress, Seal, SealedRange, beginning, next_range, read_seals

#: The first event behind a gap in the versions of its stream. Streams of archived tasks have lost their beginning.
_VERSION_GAP: LiteralString = """
    WITH gapped AS (
        SELECT task_id, stream_id
        FROM ledger.event
        WHERE NOT EXISTS (SELECT FROM ledger.archive WHERE archive.task_id = event.task_id)
        GROUP BY task_id, stream_id
        HAVING min(version) <> 1 OR max(version) <> count(*)
    )
    SELECT position, stream_id
    FROM (
        SELECT position, stream_id, version, lag(version, 1, 0::bigint) OVER (
            PARTITION BY task_id, stream_id ORDER BY version
        ) AS before
        FROM ledger.event JOIN gapped USING (task_id, stream_id)
    ) AS numbered
    WHERE version <> before + 1
    ORDER BY position
"""


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check has looked at and what it found."""

    #: The last seal that was taken as good without a look; 0 for none.
    since: int
    #: Seals checked.
    seals: int
    #: Sealed events checked.
    events: int
    #: Sealed events that are in an archive and only there.
    archived: int
    #: Events not sealed yet, of which only the content hash was checked.
    unsealed: int
    #: Seals of a copy that were compared.
    compared: int
    #: How many events and seals are bad.
    faults: int
    #: The one at the lowest position; None where everything holds.
    first_fault: Fault | None


def verify(
    connection: Connection,
    *,
    since: int = 0,
    against: Sequence[Seal] = (),
    on_progress: OnProgress | None = None,
) -> VerifyReport:
    """Check the ledger and say what was found; `connection` is outside a transaction.

    `since` is the number of a seal: it and all before are taken as good. `against` are seals that were exported
    earlier: each must be in the ledger as it is. `on_progress` is called about once for each seal.
    Raises `UsageError` where there is no seal `since`, and `LedgerError` where the ledger cannot be read.
    """
    try:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return _Verification(connection, on_progress).run(since, against)
    except psycopg.Error as error:
        raise LedgerError(f"the ledger cannot be verified: {first_line(error)}") from error


class _Verification:
    """One walk over seals and events, and what it has counted so far."""

    def __init__(self, connection: Connection, on_progress: OnProgress | None) -> None:
        self._connection = connection
        self._on_progress = on_progress
        self._archived = ArchivedPositions(connection)
        self._faults = Faults()
        self._seals = self._events = self._archived_events = self._unsealed = 0

    def run(self, since: int, against: Sequence[Seal]) -> VerifyReport:
        for fault in contradictions(read_seals(self._connection), against):
            self._faults.add(fault)
        before = self._begin(since)
        [(end,)] = self._connection.execute("SELECT coalesce(max(position), 0) FROM ledger.event").fetchall()
        while (sealed := next_range(self._connection, before.number)) is not None:
            self._check_seal(sealed, before)
            before = sealed.seal
            self._reached(before.last_position, end)
        self._check_unsealed(before.last_position + 1, POSITION_MAX)
        self._check_versions()
        self._reached(end, end)
        return VerifyReport(
            since=since,
            seals=self._seals,
            events=self._events,
            archived=self._archived_events,
            unsealed=self._unsealed,
            compared=len(against),
            faults=self._faults.count,
            first_fault=self._faults.first,
        )

    def _reached(self, position: int, end: int) -> None:
        if self._on_progress is not None:
            self._on_progress(min(position, end), end)

    def _begin(self, since: int) -> Seal:
        if since > 0:
            trusted = next_range(self._connection, since - 1)
            if trusted is None or trusted.seal.number != since:
                raise UsageError(f"the ledger has no seal {since}")
            return trusted.seal
        for event in read_events(self._connection, -POSITION_MAX - 1, 0):
            self._fault(event.position, "it was put in before the first position")
        return beginning(self._connection)

    def _check_seal(self, sealed: SealedRange, before: Seal) -> None:
        self._seals += 1
        seal, positions, leaves = sealed
        start = before.last_position + 1
        # What is wrong first is the cause of the rest.
        if (what := next(_faults_of(sealed, before), None)) is not None:
            self._faults.add(Fault(start, what))
        if seal.first_position > start:
            self._check_unsealed(start, seal.first_position - 1)
        # What a seal says of positions that cannot be its own is its fault, and not that of the events there.
        first, last = max(seal.first_position, start), seal.last_position
        expected = {
            position: leaf for position, leaf in zip(positions, leaves, strict=False) if first <= position <= last
        }
        self._check_events(first, last, expected, seal.number)

    def _check_events(self, first: int, last: int, expected: dict[int, bytes], number: int) -> None:
        """Hold the events of a range against leaves by position, which are consumed."""
        for event in read_events(self._connection, first, last):
            expected_leaf = expected.pop(event.position, None)
            if expected_leaf is None:
                self._fault(event.position, f"it was put in after seal {number} was made")
                continue
            self._events += 1
            try:
                if leaf_of(event) != expected_leaf:
                    self._fault(event.position, f"it is not what seal {number} holds")
            except ValueError as error:
                self._fault(event.position, str(error))
        self._check_missing(list(expected))

    def _check_missing(self, positions: list[int]) -> None:
        if not positions:
            return
        reasons = self._archived.explain(positions)
        self._archived_events += len(positions) - len(reasons)
        for position, reason in reasons.items():
            self._fault(position, reason)

    def _check_unsealed(self, first: int, last: int) -> None:
        for event in read_events(self._connection, first, last):
            self._unsealed += 1
            try:
                leaf_of(event)
            except ValueError as error:
                self._fault(event.position, str(error))

    def _check_versions(self) -> None:
        # An event that was removed leaves a gap that says nothing new.
        if self._faults.count:
            return
        for position, stream in self._connection.cursor().stream(_VERSION_GAP):
            self._fault(position, f"a version of {stream} before it is missing")

    def _fault(self, position: int, what: str) -> None:
        self._faults.add(Fault(position, what))


def _faults_of(sealed: SealedRange, before: Seal) -> Iterator[str]:
    """Say what is wrong with a seal, given the one before; the first one said is the cause of the others."""
    seal, positions, leaves = sealed
    if seal.number != before.number + 1:
        yield f"seal {before.number + 1} is missing"
    if seal.first_position != before.last_position + 1:
        yield f"seal {seal.number} does not begin here"
    if seal.previous != before.hash:
        yield f"seal {seal.number} does not follow from seal {before.number}"
    bounds = [seal.first_position - 1, *positions, seal.last_position + 1]
    if len(positions) != len(leaves) or any(low >= high for low, high in pairwise(bounds)):
        yield f"seal {seal.number} does not list the positions of its range"
    if root_of(leaves).hex() != seal.root:
        yield f"the leaves of seal {seal.number} do not give its root"
    try:
        if seal.computed_hash() != seal.hash:
            yield f"the fields of seal {seal.number} do not give its hash"
    except ValueError as error:
        yield str(error)
