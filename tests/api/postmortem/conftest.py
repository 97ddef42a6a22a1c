"""A post-mortem that is written by hand: three workers, five subtasks, one of which was blocked and one refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from api.postmortem.cells import cell_of, kind_of
from api.postmortem.document import Column, Postmortem, Section
from api.postmortem.summary import figures_of, summary_of
from projections.report import RunReport

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

MakeDocument = Callable[..., Postmortem]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def section(number: int, name: str, columns: str, *rows: Sequence[object]) -> Section:
    cells = tuple(tuple(map(cell_of, row)) for row in rows)
    kinds = [kind_of(column, (row[place] for row in cells)) for place, column in enumerate(columns.split())]
    return Section(
        number=number,
        name=name,
        title=f"{name.replace('_', ' ').capitalize()}?",
        reading="How to read it.",
        columns=tuple(map(Column, columns.split(), kinds)),
        rows=cells,
    )


REPORT = RunReport(
    task_id="tree-1",
    status="completed",
    reason="",
    branch="pw/tree-1",
    head="c5",
    before={"E1": 500, "F2": 25},
    after={"F2": 3},
    observations=2,
    accepted=4,
    rejected=1,
    lost=0,
    held=1,
    conflicts=0,
    phases=1,
    wall_seconds=300.0,
    worker_seconds=700.0,
    worker_cpu_seconds=0.0,
    gate_seconds=12.0,
    speedup=2.33,
    speedup_basis="worker time over wall time, with up to 3 workers at once",
    subtasks=(),
)


def sections(title: str, detail: str) -> list[Section]:
    return [
        section(
            1, "where_did_the_time_go", "kind seconds share in_vain_seconds",
            ("active", 600.0, 0.6, 120.0), ("blocked", 240.0, 0.24, 0.0), ("idle", 100.0, 0.1, 0.0),
        ),
        section(
            3, "what_blocked_whom", "subtask kind detail worker_id opened_at freed_at cost_seconds cumulative_share",
            (2, "external_dependency", detail, "w2", at(60), at(240), 180.0, 0.75),
            (4, "scope_clarification", "which of both?", "w3", at(100), at(160), 60.0, 1.0),
        ),
        section(
            4, "which_subtasks_were_misestimated",
            "subtask title category p50_seconds p80_seconds p95_seconds actual_seconds log_ratio why",
            (1, title, "E1", 100.0, 150.0, 200.0, 90.0, -0.1, ""),
            (2, "two", "E1", 20.0, 30.0, 40.0, 60.0, 1.1, "blocked"),
            (3, "three", "F2", 10.0, 15.0, 20.0, 12.0, 0.2, ""),
            (4, "four", "F2", 10.0, 15.0, 20.0, 18.0, 0.6, ""),
            (5, "five", "F2", 10.0, 15.0, 20.0, None, None, ""),
        ),
        section(
            10, "how_much_faster_was_it", "workers kind makespan_seconds speedup",
            (3, "measured", 300.0, 2.33),
            (1, "ideal", 700.0, 1.0), (2, "ideal", 350.0, 2.0), (3, "ideal", 250.0, 2.8),
        ),
        section(
            13, "cost_per_problem", "domain problems cost cost_per_problem tokens",
            ("E1", 500, 1.5, 0.003, 1000), ("F2", 22, None, None, None),
        ),
        section(
            14, "how_would_other_numbers_of_workers_have_done", "workers makespan_seconds speedup utilisation",
            (1, 700.0, 1.0, 1.0), (2, 380.0, 1.84, 0.92), (4, 265.0, 2.64, 0.66),
        ),
        section(
            16, "timeline", "worker_id subtask title attempt from_at to_at state outcome",
            ("w1", 1, title, 1, at(0), at(90), "active", "accepted"),
            ("w1", 1, title, 1, at(90), at(95), "judged", "accepted"),
            ("w2", 2, "two", 1, at(0), at(60), "active", "rejected"),
            ("w2", 2, "two", 1, at(60), at(240), "blocked", "rejected"),
            ("w10", 3, "three", 1, at(0), at(12), "active", "accepted"),
            ("w10", 4, "four", 1, at(20), None, "active", None),
        ),
        section(
            17, "burndown",
            "at subtasks_left weight_left_seconds problems forecast_made_at forecast_p50_end forecast_p80_end"
            " forecast_p95_end",
            (at(0), 5, 150.0, 525, at(0), at(100), at(150), at(200)),
            (at(12), 4, 140.0, 525, at(30), at(120), at(160), at(220)),
            (at(95), 3, 40.0, 525, at(95), at(200), at(240), at(300)),
            (at(240), 2, 20.0, 525, at(240), at(290), at(310), at(330)),
            (at(300), 0, 0.0, 3, None, None, None, None),
        ),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def make_document() -> MakeDocument:
    """Make the post-mortem: `title` is the first subtask's, `detail` what blocked the second.

    `without` leaves answers empty; `so_far` is of a task that still runs.
    """

    def make(
        title: str = "one",
        *,
        detail: str = "the index is down",
        without: Sequence[str] = (),
        so_far: bool = False,
    ) -> Postmortem:
        answers = tuple(
            msgspec.structs.replace(one, rows=()) if one.name in without else one for one in sections(title, detail)
        )
        report = msgspec.structs.replace(REPORT, status="running") if so_far else REPORT
        return Postmortem(
            task_id="tree-1",
            status="running" if so_far else "completed",
            so_far=so_far,
            made_at=at(360),
            position=1234,
            figures=figures_of(report, answers),
            summary=summary_of(report, answers, so_far=so_far),
            sections=answers,
            report=report,
        )

    return make
