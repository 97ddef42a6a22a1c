"""Every strategy on every real report: the simulated makespan beside what no plan can beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from domain.analysis.patterns import PatternRecognizer
from domain.plan import Plan
from domain.planning.decompose import decompose
from domain.planning.request import STRATEGIES, Request
from domain.planning.schedule import Job, simulate
from domain.readers.report import Report

WORKERS = (2, 4, 8, 16)


@dataclass(frozen=True)
class Row:
    """One strategy on one report, with one number of workers."""

    strategy: str
    workers: int
    subtasks: int
    #: Seconds, every subtask taking its median.
    makespan: float
    #: The longest chain of subtasks that wait for each other, or the work divided by the workers.
    lower_bound: float
    #: Share of the files that two or more subtasks touch.
    shared_files: float
    conflicts: float


def rows(report: Report, code_owners: str = "") -> Iterator[Row]:
    """Plan a report by every strategy for every number of workers; all problems but notes, for agents."""
    wanted = [index for index, problem in enumerate(report.problems) if problem.severity != "note"]
    groups = PatternRecognizer().recognise(report.problems, wanted, unsafe=False).groups
    for strategy in STRATEGIES:
        if strategy == "owner" and not code_owners:
            continue
        for workers in WORKERS:
            request = Request(strategy=strategy, workers=workers, workers_max=1, code_owners=code_owners)
            plan = decompose(report.problems, groups, request)
            yield _row(plan, strategy if strategy != "auto" else f"auto: {plan.strategy}", workers)


def _row(plan: Plan, strategy: str, workers: int) -> Row:
    jobs = [
        Job(
            seconds=subtask.effort.p50,
            files=subtask.scope.holds,
            depends_on=subtask.depends_on,
            priority=subtask.priority,
        )
        for subtask in plan.subtasks
    ]
    users = Counter(path for job in jobs for path in job.files)
    shared = sum(count > 1 for count in users.values())
    return Row(
        strategy=strategy,
        workers=workers,
        subtasks=len(jobs),
        makespan=simulate(jobs, workers).makespan_seconds,
        lower_bound=max(_critical_path(jobs), sum(job.seconds for job in jobs) / workers),
        shared_files=shared / max(len(users), 1),
        conflicts=plan.expected_conflicts,
    )


def _critical_path(jobs: list[Job]) -> float:
    ends: list[float] = []
    for job in jobs:
        ends.append(job.seconds + max((ends[earlier] for earlier in job.depends_on), default=0.0))
    return max(ends, default=0.0)
