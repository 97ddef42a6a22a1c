"""One recorded task, checked: everything that follows from its input is made again, and held against the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.estimation.model import Model
from domain.events import TaskArchived
from projections.projection import Row
from projections.replay.check.findings import CheckReport
from projections.replay.check.rows import RowsCheck
from projections.replay.check.rules import Rules
from projections.replay.check.walk import Walk
from projections.replay.recording import Recording


def check(
    recording: Recording,
    rules: Rules,
    live: Mapping[str, Sequence[Row] | str] | None = None,
    models: Mapping[str, Model] | None = None,
) -> CheckReport:
    """Derive a task's looks, plans, decisions and rows again.

    `live` are the rows in the tables of read models, or why they cannot be compared; None where there is no database.
    `models` are models of efforts by SHA-256 that are not kept with the plan that was made with them.
    Raises `LedgerError` where an artifact is damaged, or an event cannot be taken in.
    """
    rows = RowsCheck(recording.events)
    rows.run(live or {})
    walk = Walk(recording, rules, models)
    if not isinstance(recording.events[0].event.body, TaskArchived):
        walk.run()
    mismatches = [*walk.mismatches, *rows.mismatches]
    return CheckReport(
        task_id=recording.task_id,
        events=len(recording.events),
        checked={**walk.checked, **rows.checked},
        # What is about no event comes last.
        mismatches=tuple(sorted(mismatches, key=lambda one: (not one.position, one.position))),
        unchecked=(*walk.unchecked, *rows.unchecked),
    )
