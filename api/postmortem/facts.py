"""What the summary and the charts take from the answers: the few figures that say how a task went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from api.postmortem.document import Cell, Section
from projections.report import RunReport

Record = Mapping[str, Cell]


class Speedup(msgspec.Struct, frozen=True, kw_only=True):
    """How much faster it was than one worker, and how much faster so many workers could have been."""

    workers: int
    measured: float
    #: None where no ideal is known for that number of workers.
    ideal: float | None
    #: With any number of workers, where no two may hold a file at once; None where it was not simulated.
    planned: float | None


class Blockage(msgspec.Struct, frozen=True, kw_only=True):
    """What has cost most of the time in which workers were blocked."""

    subtask: int
    what: str
    seconds: float
    #: Of all blocked time, 0 to 1.
    share: float


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers' time went into, as shares of all of it, 0 to 1."""

    active: float
    blocked: float
    idle: float
    #: Of active time, what belongs to attempts that came to nothing.
    in_vain: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How many subtasks took no longer than their quantiles said, as shares; 0.5, 0.8 and 0.95 would be right."""

    subtasks: int
    within_p50: float
    within_p80: float
    within_p95: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """How a task went."""

    report: RunReport
    problems_before: int | None
    #: None where nobody has looked again.
    problems_after: int | None
    speedup: Speedup
    time: Time | None
    #: In US dollars; None: no worker has said.
    cost: float | None
    blockage: Blockage | None
    calibration: Calibration | None


def facts_of(report: RunReport, sections: Sequence[Section]) -> Facts:
    """Take the facts from a task's report and the answers about it; what was not asked is None."""
    records = {section.name: list(section.records()) for section in sections}
    return Facts(
        report=report,
        problems_before=sum(report.before.values()) if report.before else None,
        problems_after=sum(report.after.values()) if report.observations > 1 else None,
        speedup=speedup_of(
            records.get("how_much_faster_was_it", ()),
            records.get("how_would_other_numbers_of_workers_have_done", ()),
            report,
        ),
        time=_time(records.get("where_did_the_time_go", ())),
        cost=_cost(records.get("cost_per_problem", ())),
        blockage=_blockage(records.get("what_blocked_whom", ())),
        calibration=calibration_of(records.get("which_subtasks_were_misestimated", ())),
    )


def speedup_of(records: Sequence[Record], simulated: Sequence[Record], report: RunReport) -> Speedup:
    """Give the measured speed-up beside the ideal one of as many workers; the report's where the query has none."""
    planned = max((gain for one in simulated if (gain := number(one["speedup"])) is not None), default=None)
    measured = next((record for record in records if record["kind"] == "measured"), None)
    if measured is None or (speedup := number(measured["speedup"])) is None:
        return Speedup(workers=0, measured=report.speedup, ideal=None, planned=planned)
    workers = int(number(measured["workers"]) or 0)
    ideals = [record for record in records if record["kind"] == "ideal" and record["workers"] == workers]
    ideal = number(ideals[0]["speedup"]) if ideals else None
    return Speedup(workers=workers, measured=speedup, ideal=ideal, planned=planned)


def calibration_of(records: Sequence[Record]) -> Calibration | None:
    """Count how many subtasks took no longer than foretold; None where none has come to its end."""
    known = [record for record in records if number(record["actual_seconds"]) is not None]
    if not known:
        return None

    def within(quantile: str) -> float:
        kept = sum((number(one["actual_seconds"]) or 0.0) <= (number(one[quantile]) or 0.0) for one in known)
        return kept / len(known)

    return Calibration(
        subtasks=len(known),
        within_p50=within("p50_seconds"),
        within_p80=within("p80_seconds"),
        within_p95=within("p95_seconds"),
    )


def number(cell: Cell) -> float | None:
    """Give a cell as a number, None where it is none."""
    return float(cell) if isinstance(cell, int | float) else None


def _time(records: Sequence[Record]) -> Time | None:
    kinds = {str(record["kind"]): record for record in records}
    if "active" not in kinds or not (active := number(kinds["active"]["seconds"])):
        return None

    def share(kind: str) -> float:
        return number(kinds[kind]["share"]) or 0.0 if kind in kinds else 0.0

    in_vain = (number(kinds["active"].get("in_vain_seconds")) or 0.0) / active
    return Time(active=share("active"), blocked=share("blocked"), idle=share("idle"), in_vain=in_vain)


def _cost(records: Sequence[Record]) -> float | None:
    known = [cost for record in records if (cost := number(record["cost"])) is not None]
    return sum(known) if known else None


def _blockage(records: Sequence[Record]) -> Blockage | None:
    costs = [number(record["cost_seconds"]) or 0.0 for record in records]
    if not costs or max(costs) <= 0.0:
        return None
    worst = records[costs.index(max(costs))]
    return Blockage(
        subtask=int(number(worst["subtask"]) or 0),
        what=": ".join(str(worst[part]) for part in ("kind", "detail") if worst[part]),
        seconds=max(costs),
        share=max(costs) / sum(costs),
    )
