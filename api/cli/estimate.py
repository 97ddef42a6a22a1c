"""`pw estimate`: how long the work of a report will take, as the ledger has taught it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import DatabaseUrl, Output, OutputFormat, StrategyName, strategy_named
from api.cli.planning.given import Format, Pattern, ReportFile, Root, read_report
from api.cli.planning.splitting import WorkerName, Workers, code_owners_for, worker_kind_named
from api.cli.planning.targets import Code, Exclude, Include, Target, targeted
from api.cli.tables import make_table, span
from domain.analysis.co_change import CoChange
from domain.analysis.patterns import PatternRecognizer
from domain.counted import counted
from domain.errors import UsageError
from domain.estimation.features import Features
from domain.estimation.model import Model
from domain.estimation.scores import Quantiles
from domain.estimation.subtasks import SOMEBODY, siblings_in
from domain.experience import Experience, experience_of
from domain.expertise import Expertise
from domain.plan import Effort, Plan
from domain.planning.decompose import decompose as make_plan
from domain.planning.request import Request
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

if TYPE_CHECKING:
    from domain.estimation.whole import Whole

_SUBTASKS_MAX = 30
#: Reasons that are told.
_REASONS_MAX = 5


class EstimatedSubtask(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask of the plan, with its effort and why."""

    title: str
    files: int
    problems: int
    effort: Effort
    #: Who has shown to be best at such work; empty: nobody stands out.
    best_worker: str = ""


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """What `pw estimate -o json` says."""

    #: SHA-256 of the effort model, how far it had learnt the ledger, and from how many attempts.
    model: str
    position: int
    completions: int
    #: Share of the last 200 forecasts under P80; None while there are fewer. Whether that is no P80 any more.
    under_p80_lately: float | None
    alarm: bool
    whole: Whole | None
    recommended_workers: int
    recommendation: str
    subtasks: tuple[EstimatedSubtask, ...]


def estimate(
    report: ReportFile,
    report_format: Format = "auto",
    pattern: Pattern = None,
    root: Root = None,
    target: Target = "all",
    code: Code = None,
    include: Include = None,
    exclude: Exclude = None,
    strategy: StrategyName = "auto",
    worker: WorkerName = "agent",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Whose experience counts: a worker, or a program of pw run.")
    ] = "",
    workers: Workers = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Estimate the work of a report, with reasons; nothing is stored."""
    from projections.effort_models import current

    with one_line_errors():
        read = read_report(report, report_format, pattern, root)
        wanted = targeted(read.problems, target, code, include, exclude)
        if not wanted:
            raise UsageError(
                f"there is nothing to estimate: {counted(len(read.problems), 'problem')}, none of them asked for"
            )
        groups = PatternRecognizer().recognise(read.problems, wanted, unsafe=target == "fixable-unsafe").groups
        kind = worker_kind_named(worker)
        with open_database(database_url, data_folder()) as url:
            model = asyncio.run(current(url))
        experience = experience_of(model, CoChange())
        project = _repository(root or Path())
        estimator = experience.estimator(kind, task_id="", project=project, worker=by)
        request = Request(
            strategy=strategy_named(strategy),
            worker=kind,
            workers=workers,
            estimator=estimator,
            code_owners=code_owners_for(root or Path(), strategy),
            excluded_files=tuple(exclude or ()),
        )
        plan = make_plan(read.problems, groups, request)
        estimated = _estimated(plan, request, experience, model, project, by)
        if output is Output.json:
            print_json(estimated)
            return
        for one in _told(estimated):
            out.print(one)


def _repository(folder: Path) -> str:
    """Give the root of the repository that a folder is in, as the ledger names it; the folder where it is in none."""
    folder = folder.absolute()
    return next((str(one) for one in (folder, *folder.parents) if (one / ".git").exists()), str(folder))


def _estimated(
    plan: Plan, request: Request, experience: Experience, model: Model, project: str, by: str
) -> Estimated:
    from domain.estimation.whole import whole_of

    learner = experience.learner
    expertise = Expertise(learner)
    features = tuple(
        Features(
            category=subtask.effort.category,
            project=project,
            worker=by or SOMEBODY,
            decomposition=siblings_in("", subtask.effort.category),
            planned_seconds=subtask.effort.prior,
            problems=len(subtask.problems),
            files=len(subtask.scope.files),
        )
        for subtask in plan.subtasks
    )
    best = {category: expertise.best(category, project) for category in {one.category for one in features}}
    whole = None
    if plan.subtasks:
        workers = request.workers or plan.recommended_workers
        whole = whole_of(
            learner, model.sha256, plan, features, workers=workers, overhead_seconds=request.costs.overhead
        )
    return Estimated(
        model=model.sha256,
        position=model.position,
        completions=model.completions,
        under_p80_lately=learner.state.residuals.share_under_p80(),
        alarm=learner.state.residuals.alarm(),
        whole=whole,
        recommended_workers=plan.recommended_workers,
        recommendation=plan.recommendation,
        subtasks=tuple(
            EstimatedSubtask(
                title=subtask.title,
                files=len(subtask.scope.files),
                problems=len(subtask.problems),
                effort=subtask.effort,
                best_worker=shown[0] if (shown := best[subtask.effort.category]) else "",
            )
            for subtask in plan.subtasks
        ),
    )


# --- for people -----------------------------------------------------------------------------------------


def _told(estimated: Estimated) -> Iterator[RenderableType]:
    yield _subtasks(estimated)
    yield from _reasons(estimated)
    if (whole := estimated.whole) is not None:
        yield _whole(whole)
        yield Text(f"recommended workers: {estimated.recommended_workers} ({estimated.recommendation})")
    if best := sorted({one.best_worker for one in estimated.subtasks} - {""}):
        yield Text(f"best at such work so far: {', '.join(best[:5])}")
    yield Text(_source(estimated), style="red" if estimated.alarm else "")


def _subtasks(estimated: Estimated) -> Table:
    table = make_table(
        counted(len(estimated.subtasks), "subtask"),
        *("#", "what", "files", "problems", "P50", "P80", "P95"),
        right=("#", "files", "problems", "P50", "P80", "P95"),
        prose=("what",),
        spare=("files", "problems"),
    )
    for number, subtask in enumerate(estimated.subtasks[:_SUBTASKS_MAX], 1):
        effort = subtask.effort
        table.add_row(
            f"{number}",
            Text(subtask.title),
            f"{subtask.files:,}",
            f"{subtask.problems:,}",
            *(span(seconds) for seconds in (effort.p50, effort.p80, effort.p95)),
        )
    if len(estimated.subtasks) > _SUBTASKS_MAX:
        table.add_row("...", f"and {len(estimated.subtasks) - _SUBTASKS_MAX:,} more")
    return table


def _reasons(estimated: Estimated) -> Iterator[Text]:
    """Say why the first are what they are; the quantiles and how good forecasts are stand elsewhere."""
    for number, subtask in enumerate(estimated.subtasks[:_REASONS_MAX], 1):
        yield Text(f"#{number}: {subtask.effort.basis.partition(' -> ')[0]}", style="dim")
    if len(estimated.subtasks) > _REASONS_MAX:
        yield Text("more reasons: -o json", style="dim")


def _whole(whole: Whole) -> Table:
    table = make_table("the whole", "workers", "P50", "P80", "P95", right=("workers", "P50", "P80", "P95"))
    table.add_row("1", *_spelled(whole.alone))
    if whole.workers > 1:
        table.add_row(f"{whole.workers}", *_spelled(whole.together))
    return table


def _spelled(said: Quantiles) -> tuple[str, ...]:
    return span(said.p50), span(said.p80), span(said.p95)


def _source(estimated: Estimated) -> str:
    if not estimated.completions:
        return "the ledger has no attempt that has ended: this is what the prior that is shipped says"
    attempts = counted(estimated.completions, "attempt")
    known = f"model {estimated.model[:12]} knows {attempts} up to position {estimated.position:,}"
    if estimated.under_p80_lately is None:
        return f"{known}; too few to say how good its forecasts are"
    said = f"{known}; of the last 200 forecasts {estimated.under_p80_lately:.0%} came in under P80"
    return f"{said}: the work has changed, do not trust it" if estimated.alarm else said
