"""The summary of a post-mortem: the same facts as figures and as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from api.postmortem.cells import spell, spell_seconds
from api.postmortem.document import Figure, Section
from api.postmortem.facts import Facts, facts_of
from domain.counted import counted
from projections.report import RunReport


def figures_of(report: RunReport, sections: Sequence[Section]) -> tuple[Figure, ...]:
    """Give the figures of the summary, those that there are."""
    facts = facts_of(report, sections)
    return (*_outcome(facts), *_time(facts), *_trouble(facts))


def _outcome(facts: Facts) -> Iterator[Figure]:
    report = facts.report
    yield Figure(name="status", title="Status", value=report.status, kind="text", note=report.reason)
    if facts.problems_before is not None:
        note = f"of {facts.problems_before:,} at the beginning, in {counted(len(report.before), 'code')}"
        yield Figure(name="problems", title="Problems left", value=facts.problems_after, kind="count", note=note)
    note = f"{report.held:,} held; attempts: {report.rejected:,} rejected, {report.lost:,} with a lost worker"
    yield Figure(name="accepted", title="Subtasks accepted", value=report.accepted, kind="count", note=note)


def _time(facts: Facts) -> Iterator[Figure]:
    report, speedup = facts.report, facts.speedup
    note = "without the time in which nobody ran the task"
    yield Figure(name="wall", title="Wall time", value=report.wall_seconds, kind="seconds", note=note)
    note = f"and {spell_seconds(report.gate_seconds)} of gates and merges"
    yield Figure(name="worker", title="Worker time", value=report.worker_seconds, kind="seconds", note=note)
    if not report.worker_seconds:
        yield Figure(
            name="speedup", title="Speed-up", value=None, kind="number", note="no work on it has been measured"
        )
        return
    note = counted(speedup.workers, "worker") if speedup.workers else report.speedup_basis
    if speedup.ideal is not None:
        note += f"; ideal: {speedup.ideal:.2f}"
    yield Figure(name="speedup", title="Speed-up", value=round(speedup.measured, 4), kind="number", note=note)


def _trouble(facts: Facts) -> Iterator[Figure]:
    note = "" if facts.cost is not None else "no worker has said"
    yield Figure(name="cost", title="Cost", value=facts.cost, kind="money", note=note)
    if (blockage := facts.blockage) is not None:
        note = f"#{blockage.subtask}, {blockage.what}; {blockage.share:.0%} of all blocked time"
        yield Figure(name="blockage", title="Worst blockage", value=blockage.seconds, kind="seconds", note=note)
    if (calibration := facts.calibration) is not None:
        note = f"of {calibration.subtasks:,} subtasks; 80% would be right"
        yield Figure(
            name="within_p80", title="Within the P80 estimate", value=calibration.within_p80, kind="share", note=note
        )


def summary_of(report: RunReport, sections: Sequence[Section], *, so_far: bool) -> tuple[str, ...]:
    """Say in sentences how the task went, or has gone so far."""
    facts = facts_of(report, sections)
    return (
        _said_of_outcome(facts, so_far=so_far),
        _said_of_speed(facts),
        *_said_of_time(facts),
        _said_of_cost(facts),
        _said_of_blockage(facts),
        _said_of_estimates(facts),
    )


def _said_of_outcome(facts: Facts, *, so_far: bool) -> str:
    report = facts.report
    reason = f" ({report.reason})" if report.reason else ""
    beginning = f"The task is {report.status}{reason}{': this is how far it is' if so_far else ''}. "
    work = f"{counted(report.accepted, 'subtask')} accepted, {report.held:,} held"
    if facts.problems_before is None:
        return f"{beginning}{work}."
    now = "nobody has looked again" if facts.problems_after is None else f"{facts.problems_after:,} now"
    return f"{beginning}{work}; {counted(facts.problems_before, 'problem')} before, {now}."


def _said_of_speed(facts: Facts) -> str:
    report, speedup = facts.report, facts.speedup
    if not report.worker_seconds:
        return f"It took {spell_seconds(report.wall_seconds)}; no work on it has been measured."
    times = (
        f"It took {spell_seconds(report.wall_seconds)} and {spell_seconds(report.worker_seconds)} of workers' time"
    )
    if not speedup.workers:
        return f"{times}: {speedup.measured:.2f} times as fast as one worker."
    with_workers = f"with {counted(speedup.workers, 'worker')} {speedup.measured:.2f} times as fast as with one"
    ideal = f", where {speedup.ideal:.2f} times was possible" if speedup.ideal is not None else ""
    return f"{times}: {with_workers}{ideal}.{_said_of_plan(facts)}"


def _said_of_plan(facts: Facts) -> str:
    """Say how fast the plan let the task be, where it is the plan that has kept workers waiting."""
    planned, ideal = facts.speedup.planned, facts.speedup.ideal
    if planned is None or ideal is None or planned >= ideal:
        return ""
    return f" Planned as it was, no number of workers would have been more than {planned:.2f} times as fast."


def _said_of_time(facts: Facts) -> Iterator[str]:
    if (time := facts.time) is not None:
        yield (
            f"Of the workers' time {time.active:.0%} was work, {time.in_vain:.0%} of which came to nothing;"
            f" {time.blocked:.0%} was spent blocked and {time.idle:.0%} without a subtask."
        )


def _said_of_cost(facts: Facts) -> str:
    return "What it cost is unknown." if facts.cost is None else f"It cost {spell(facts.cost, 'money')}."


def _said_of_blockage(facts: Facts) -> str:
    if (blockage := facts.blockage) is None:
        return "No worker was blocked."
    return (
        f"The worst blockage was that of #{blockage.subtask} ({blockage.what}): {spell_seconds(blockage.seconds)},"
        f" {blockage.share:.0%} of all blocked time."
    )


def _said_of_estimates(facts: Facts) -> str:
    if (calibration := facts.calibration) is None:
        return "No estimate can be held against what came yet."
    return (
        f"Of {counted(calibration.subtasks, 'estimate')} {calibration.within_p50:.0%} kept to P50,"
        f" {calibration.within_p80:.0%} to P80 and {calibration.within_p95:.0%} to P95"
        " (50%, 80% and 95% would be right)."
    )
