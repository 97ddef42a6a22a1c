"""`pw rebuild`: read models made anew from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api.cli.console import err, one_line_errors, out, print_json
from api.cli.ledger.bar import bar
from api.cli.options import DatabaseUrl, Output, OutputFormat
from domain.errors import UsageError
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

if TYPE_CHECKING:
    from projections.rebuild import Rebuilt

_T = TypeVar("_T")


def rebuild(
    names: Annotated[list[str] | None, typer.Argument(help="Read models, as pw projections lists them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many fold at once; default: one for each processor.")
    ] = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Make read models anew from the ledger, beside the old ones, while everything goes on."""
    # Only this verb and its sibling need these, and they take long to load.
    from projections.models import ALL, named
    from projections.problem_tables import NAME, rebuild_problems
    from projections.rebuild import rebuild as rebuild_events

    rebuilt: list[Rebuilt] = []
    with one_line_errors():
        if every and names:
            raise UsageError("say either read models or --all, not both")
        if not every and not names:
            raise UsageError("say which read models, or --all")
        projections = ALL if every else named(names or (), beside=(NAME,))
        with open_database(database_url, data_folder()) as url:
            if projections:
                with bar("folding") as on_progress:
                    rebuilding = rebuild_events(url, projections, processes=processes, on_progress=on_progress)
                    rebuilt += asyncio.run(_until_ended(rebuilding))
            if every or NAME in (names or ()):
                with bar("reading problems") as on_progress:
                    rebuilt.append(asyncio.run(rebuild_problems(url, on_progress=on_progress)))
        if output is Output.json:
            print_json(rebuilt)
        else:
            out.print("\n".join(map(_line, rebuilt)), soft_wrap=True)


async def _until_ended(work: Coroutine[Any, Any, _T]) -> _T:
    """Do work that takes a while to end where it is interrupted, and say so then."""
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        doing.cancel()
        err.print("ending what is under way")
        return await doing


def _line(one: Rebuilt) -> str:
    match one.differing_rows:
        case None:
            beside = "the old table was of another version or position"
        case 0:
            beside = "as the old table was"
        case rows:
            beside = f"{rows:,} rows differ from the old table"
    return f"{one.name} (version {one.version}): {one.rows:,} rows up to position {one.position:,}; {beside}"
