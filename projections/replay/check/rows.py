"""Read models folded again: all at once, bit by bit, and beside the rows that are in the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from domain.errors import LedgerError
from domain.events import RecordedEvent
from domain.ids import TaskId
from eventstore.postgres.connection import Connection, unreachable
from projections.builds import load_builds, table_of
from projections.course import Course
from projections.models import ALL
from projections.projection import Projection, Row
from projections.replay.check.findings import Aspect, Mismatch, Unchecked, first_difference

#: Rows are taken about so many times on the way.
_TAKES = 300

Key = tuple[Any, ...]
Rows = Mapping[str, Mapping[Key, Row]]
"""Rows by read model and key."""


class RowsCheck:
    """Checks the read models of one task."""

    def __init__(self, events: Sequence[RecordedEvent]) -> None:
        self._events = events
        self.checked: Counter[Aspect] = Counter()
        self.mismatches: list[Mismatch] = []
        self.unchecked: list[Unchecked] = []

    def run(self, live: Mapping[str, Sequence[Row] | str]) -> None:
        """Fold twice and compare.

        `live` are the rows in the tables, or the reason why they cannot be compared, by read model.
        """
        whole, piecemeal = folded(self._events, taken_every=len(self._events)), self._piecemeal()
        self._compare(piecemeal, whole, "taken on the way, and all at once")
        for projection in ALL:
            found = live.get(projection.name)
            if isinstance(found, str):
                self._pass_over(projection.name, found)
            elif found is not None:
                rows = {projection.name: _by_key(projection, found)}
                self._compare(rows, {projection.name: whole[projection.name]}, "in the table, and folded now")

    def _piecemeal(self) -> Rows:
        return folded(self._events, taken_every=max(len(self._events) // _TAKES, 1))

    def _compare(self, recorded: Rows, now: Rows, which: str) -> None:
        for name, rows in now.items():
            before = recorded[name]
            for key in {**before, **rows}:
                self.checked["read model"] += 1
                if before.get(key) == rows.get(key):
                    continue
                found = first_difference(before.get(key, {}), rows.get(key, {})) or ("row", "a row", "another")
                what, was, is_now = found
                self.mismatches.append(
                    Mismatch(
                        aspect="read model", position=0, where=f"{name} {_spelt(key)} ({which})", what=what,
                        recorded=was, now=is_now,
                    )
                )  # fmt: skip
                break

    def _pass_over(self, name: str, why: str) -> None:
        self.unchecked.append(Unchecked(aspect="read model", position=0, what=f"the table {name}", why=why))


def folded(events: Sequence[RecordedEvent], *, taken_every: int) -> Rows:
    """Fold one task's events, taking rows each time after so many; raises `LedgerError` where one cannot be."""
    course = Course(ALL)
    rows: dict[str, dict[Key, Row]] = {projection.name: {} for projection in ALL}
    for count, record in enumerate(events, 1):
        if faults := course.apply(record):
            raise LedgerError(f"the event at position {record.position} cannot be taken in: {faults[0].error}")
        if course.begun_anew:
            rows = {name: {} for name in rows}
        if count % taken_every == 0 or count == len(events):
            _take(course, rows)
    return rows


def _take(course: Course, rows: Mapping[str, dict[Key, Row]]) -> None:
    by_name = {projection.name: projection for projection in ALL}
    for name, taken, error in course.take():
        if error:
            raise LedgerError(f"the rows of {name} cannot be made: {error}")
        rows[name].update(_by_key(by_name[name], taken))


def _by_key(projection: Projection, rows: Sequence[Row]) -> dict[Key, Row]:
    return {tuple(row[key] for key in projection.keys): row for row in rows}


def _spelt(key: Key) -> str:
    # The task's name comes first, and is known.
    return " ".join(str(part) for part in key[1:])


async def live_rows(connection: Connection, task_id: TaskId, position: int) -> dict[str, Sequence[Row] | str]:
    """Give a task's rows of each read model's table, or why they cannot be held against events up to a position."""
    try:
        builds = {build.name: build for build in await load_builds(connection, "live")}
        found: dict[str, Sequence[Row] | str] = {}
        for projection in ALL:
            build = builds.get(projection.name)
            if build is None:
                found[projection.name] = "there is none yet: pw rebuild --all"
            elif build.version != projection.version:
                found[projection.name] = f"it is of version {build.version}: pw rebuild {projection.name}"
            elif build.position < position:
                found[projection.name] = f"it holds the ledger up to position {build.position}: pw rebuild --all"
            else:
                found[projection.name] = await _rows(connection, projection, table_of(build), task_id)
    except psycopg.Error as error:
        raise unreachable(error) from error
    return found


async def _rows(
    connection: Connection, projection: Projection, table: sql.Composable, task_id: TaskId
) -> Sequence[Row]:
    columns = sql.SQL(", ").join(map(sql.Identifier, projection.columns))
    query = sql.SQL("SELECT {} FROM {} WHERE task_id = %s").format(columns, table)
    cursor = connection.cursor(row_factory=dict_row)
    return await (await cursor.execute(query, (task_id,))).fetchall()
