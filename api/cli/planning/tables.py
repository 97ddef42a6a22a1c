"""Tables for people: an analysis, a comparison, a plan."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.tables import make_table, plan_table, span
from domain.analysis.analyze import Analysis
from domain.comparison import Comparison
from domain.counted import counted
from domain.plan import Plan
from domain.problem import count_codes
from domain.readers.report import Report

_CODES_MAX = 15
_GROUPS_MAX = 20
_CASCADES_MAX = 10
_CONFLICTS_MAX = 5
_DAMAGE_MAX = 5


def analysis_tables(report: Report, analysis: Analysis, targeted: int) -> Iterator[RenderableType]:
    """Show a report and what those of its problems have in common that are asked for."""
    yield _summary(report)
    if not targeted:
        yield _nothing()
        return
    yield _codes(report)
    yield _groups(analysis)
    if analysis.cascades:
        yield _cascades(analysis)


def _summary(report: Report) -> Text:
    version = f" {report.tool_version}" if report.tool_version else ""
    files = len({problem.path for problem in report.problems if problem.path})
    found = f"{counted(len(report.problems), 'problem')} in {counted(files, 'file')}"
    lines = [f"{found}, from {report.tool}{version} (read as {report.format})"]
    if report.duplicates:
        lines.append(f"{report.duplicates:,} said again what an earlier one said")
    if report.replaced_bytes:
        lines.append(f"{report.replaced_bytes:,} byte sequences were not UTF-8 and were replaced")
    if report.damaged:
        lines.append(f"{counted(len(report.damaged), 'record')} could not be used:")
        lines += [f"  line {damage.line}: {damage.reason}" for damage in report.damaged[:_DAMAGE_MAX]]
    return Text("\n".join(lines))


def _nothing() -> Text:
    return Text("none of the problems is asked for", style="yellow")


def _codes(report: Report) -> Table:
    table = make_table("Codes", "code", "problems", "share", right=("problems", "share"), prose=("code",))
    counts = count_codes(report.problems)
    total = max(len(report.problems), 1)
    for code, count in list(counts.items())[:_CODES_MAX]:
        table.add_row(Text(code), f"{count:,}", f"{count / total:.1%}")
    if len(counts) > _CODES_MAX:
        rest = sum(list(counts.values())[_CODES_MAX:])
        table.add_row(f"and {len(counts) - _CODES_MAX} more", f"{rest:,}", f"{rest / total:.1%}")
    return table


def _groups(analysis: Analysis) -> Table:
    table = make_table(
        counted(len(analysis.groups), "group"),
        *("#", "cause", "domain", "kind", "problems", "files", "effort", "risk", "wave"),
        right=("#", "problems", "files", "effort", "risk", "wave"),
        prose=("cause",),
        spare=("wave", "risk", "kind", "domain"),
    )
    rows = zip(analysis.groups, analysis.complexities, analysis.waves, strict=True)
    for number, (group, complexity, wave) in enumerate(rows, start=1):
        if number > _GROUPS_MAX:
            table.add_row("...", f"and {len(analysis.groups) - _GROUPS_MAX:,} more")
            break
        table.add_row(
            *(str(number), Text(group.cause), group.domain, group.kind),
            *(f"{len(group.problems):,}", f"{len(group.files):,}", span(complexity.effort.p50)),
            *(f"{complexity.risk:.2f}", str(wave)),
        )
    return table


def _cascades(analysis: Analysis) -> Table:
    table = make_table(
        "Cascades: one root shows under several groups",
        *("root", "takes with it", "sure", "evidence"),
        right=("root", "sure"),
        prose=("evidence",),
    )
    for cascade in analysis.cascades[:_CASCADES_MAX]:
        named = ", ".join(f"#{number + 1}" for number in cascade.dependents[:6])
        more = f" +{len(cascade.dependents) - 6}" if len(cascade.dependents) > 6 else ""
        table.add_row(
            f"#{cascade.root + 1}",
            f"{named}{more}",
            f"{cascade.confidence:.0%}",
            Text("; ".join(cascade.evidence)),
        )
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Show what has become of an earlier report's problems."""
    table = make_table("Since the earlier report", "status", "problems", right=("problems",))
    for status, count in comparison.counts.items():
        table.add_row(status, f"{count:,}")
    return table


def plan_tables(report: Report, plan: Plan, targeted: int) -> Iterator[RenderableType]:
    """Show a plan with its reasons."""
    yield _summary(report)
    if not targeted:
        yield _nothing()
        return
    yield plan_table(plan)
    if plan.left_out:
        left_out = counted(len(plan.left_out), "problem")
        yield Text(f"in no subtask, for want of a file of the tree: {left_out}", style="yellow")
    if plan.outcomes:
        yield _strategies(plan)
    yield Text(f"strategy: {plan.strategy} ({plan.strategy_reason})")
    if plan.conflicts:
        yield _conflicts(plan)
    yield _phases(plan)
    yield _workers(plan)
    yield Text(f"recommended workers: {plan.recommended_workers} ({plan.recommendation})")
    yield Text(f"plan {plan.plan_hash}", style="dim")


def _strategies(plan: Plan) -> Table:
    table = make_table(
        "Strategies, by simulation",
        *("strategy", "subtasks", "takes", "conflicts if all ran at once"),
        right=("subtasks", "takes", "conflicts if all ran at once"),
        prose=("conflicts if all ran at once",),
    )
    for outcome in plan.outcomes:
        style = "bold" if outcome.strategy == plan.strategy else ""
        took = span(outcome.makespan_seconds)
        table.add_row(outcome.strategy, f"{outcome.subtasks:,}", took, f"{outcome.conflicts:.3g}", style=style)
    return table


def _conflicts(plan: Plan) -> Table:
    table = make_table(
        f"Conflicts if all ran at once: {plan.expected_conflicts:.3g} to be expected; lanes keep them apart",
        *("subtasks", "files", "risk", "why"),
        right=("files", "risk"),
        prose=("why",),
    )
    for pair in plan.conflicts[:_CONFLICTS_MAX]:
        who = f"{pair.first + 1} and {pair.second + 1}"
        table.add_row(who, f"{pair.files:,}", f"{pair.risk:.0%}", Text(pair.reason or "lines of common files"))
    return table


def _phases(plan: Plan) -> Table:
    table = make_table(
        "Phases",
        *("phase", "share", "problems", "effort", "what"),
        right=("share", "problems", "effort"),
        prose=("what",),
    )
    for phase in plan.phases:
        effort = span(phase.effort_seconds)
        table.add_row(phase.name, f"{phase.share:.0%}", f"{phase.problems:,}", effort, phase.meaning)
    return table


def _workers(plan: Plan) -> Table:
    table = make_table(
        "Workers, by simulation", "workers", "expected", "P80", "saves", right=("workers", "expected", "P80", "saves")
    )
    for point in plan.curve:
        style = "bold" if point.workers == plan.recommended_workers else ""
        saves = span(point.saves_seconds) if point.saves_seconds > 0 else "-"
        table.add_row(str(point.workers), span(point.makespan_seconds), span(point.p80_seconds), saves, style=style)
    return table
