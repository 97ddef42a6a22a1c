"""`pw backtest`: how good the effort model's forecasts would have been, on the ledger's own history."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.console import one_line_errors, out, print_json
from api.cli.ledger.bar import bar
from api.cli.options import DatabaseUrl, Output, OutputFormat
from api.cli.tables import make_table, span
from domain.counted import counted
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

if TYPE_CHECKING:
    from domain.estimation.scores import Methods, Score
    from projections.backtest import Backtest

#: Signs that a bar of the reliability plot is long.
_BAR = 40
#: What a narrow terminal does without, as it says the least.
_SPARE = ("pinball 80", "under P95")


def backtest(
    at: Annotated[int | None, typer.Option(help="The history up to this position; default: all of it.")] = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Foretell each attempt of the ledger with what had ended before it, and hold that against what came."""
    from projections.backtest import backtest as run

    with one_line_errors():
        with open_database(database_url, data_folder()) as url, bar("foretelling") as on_progress:
            tested = asyncio.run(run(url, at=at, on_progress=on_progress))
        if output is Output.json:
            print_json(tested)
            return
        for one in _told(tested):
            out.print(one)


def _told(tested: Backtest) -> Iterator[RenderableType]:
    if tested.total is None:
        yield Text(
            f"the ledger has no measured attempt up to position {tested.position:,}"
            f" ({tested.cut_off:,} were cut off): nothing can be held against a forecast"
        )
        return
    attempts = counted(tested.attempts, "attempt")
    known = f"{attempts} up to position {tested.position:,}, cut off beside them: {tested.cut_off:,}"
    yield _methods(f"{known}: P50 and P80 beside what came", tested.total)
    yield _groups("by kind of work", "kind of work", tested.by_category)
    yield _groups("by how many attempts had ended before", "attempts before", tested.by_age)
    yield _reliability(tested)
    if tested.under_p80_lately is not None:
        said = f"of the last 200 attempts {tested.under_p80_lately:.0%} came in under P80"
        alarm = ": the work has changed, do not trust the estimates" if tested.alarm else ""
        yield Text(said + alarm, style="red" if tested.alarm else "")


def _methods(title: str, total: Methods) -> Table:
    columns = ("method", "mean error", "pinball 80", "under P80", "under P95", "skill")
    table = make_table(title, *columns, right=columns[1:], prose=columns[:1], spare=_SPARE)
    named = {
        "effort model": total.model,
        "usual of the kind of work": total.usual,
        "the plan, as recorded": total.planned,
        "the shipped prior alone": total.raw,
    }
    for name, score in named.items():
        table.add_row(name, *_row(score), f"{score.skill(total.usual):+.2f}")
    return table


def _groups(title: str, first: str, groups: dict[str, Methods]) -> Table:
    columns = (first, "attempts", "mean error", "pinball 80", "under P80", "under P95", "skill")
    table = make_table(title, *columns, right=columns[1:], prose=columns[:1], spare=_SPARE)
    for name, methods in groups.items():
        table.add_row(name, f"{methods.model.forecasts:,}", *_row(methods.model), f"{methods.skill:+.2f}")
    return table


def _row(score: Score) -> tuple[str, ...]:
    return (
        span(score.mae_seconds),
        span(score.pinball80),
        f"{score.under_p80:.0%}",
        f"{score.under_p95:.0%}",
    )


def _reliability(tested: Backtest) -> Table:
    table = make_table("share of attempts under each quantile (| is where it should be)", "quantile", "share", "")
    for one in tested.reliability:
        line = list("=" * round(one.share * _BAR) + " " * _BAR)[: _BAR + 1]
        line[round(one.quantile * _BAR)] = "|"
        table.add_row(f"P{one.quantile * 100:.0f}", f"{one.share:.0%}", Text("".join(line)))
    return table
