"""`pw train`: effort models made from the ledger, kept, and chosen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import psycopg
import typer
from rich.table import Table

from api.cli.console import one_line_errors, out, print_json
from api.cli.ledger.bar import bar
from api.cli.options import DatabaseUrl, Output, OutputFormat
from api.cli.tables import make_table
from domain.counted import counted
from domain.errors import UsageError
from eventstore.clock import SystemClock
from eventstore.postgres.connection import connect, unreachable
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

if TYPE_CHECKING:
    from projections.effort_models import KeptModel, Trained


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `-o json` says of a training."""

    trained: Trained
    seconds: float


def train(
    at: Annotated[int | None, typer.Option(help="Learn the ledger up to this position; default: all of it.")] = None,
    every: Annotated[bool, typer.Option("--list", help="List the models that are kept, and train none.")] = False,
    use: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Make all estimates with this model, whatever comes after it."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Let go of that model: follow the ledger again.")] = False,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Make an effort model of what the ledger holds, and keep it; services follow the ledger by themselves."""
    with one_line_errors():
        if sum((at is not None, every, use is not None, follow)) > 1:
            raise UsageError("--at, --list, --use and --follow exclude each other")
        with open_database(database_url, data_folder()) as url:
            if every:
                _show(asyncio.run(_listed(url)), output)
            elif use is not None or follow:
                _show(asyncio.run(_chosen(url, use)), output)
            else:
                _train(url, at, output)


def _train(url: str, at: int | None, output: Output) -> None:
    from projections.effort_models import train as train_model

    began = time.perf_counter()
    with bar("learning") as on_progress:
        trained = asyncio.run(train_model(url, SystemClock().now(), at=at, on_progress=on_progress))
    took = time.perf_counter() - began
    if output is Output.json:
        print_json(_Report(trained=trained, seconds=round(took, 3)))
    else:
        out.print(_told(trained, took), soft_wrap=True)


def _told(trained: Trained, seconds: float) -> str:
    known = f"{counted(trained.completions, 'attempt')} up to position {trained.position:,}"
    lines = [f"model {trained.sha256[:12]} knows {known} (SHA-256 {trained.sha256})"]
    if not trained.completions:
        lines.append("the ledger has no attempt that has ended: estimates are those of the prior that is shipped")
    elif trained.before == trained.sha256:
        lines.append("nothing was new since it was made last")
    else:
        since = f"since {trained.before[:12]}" if trained.before else "beside the prior that is shipped"
        lines.append(f"{trained.learnt:,} of them are new {since}; learnt in {seconds:.1f} s")
    if trained.pinned and trained.pinned != trained.sha256:
        lines.append(
            f"estimates are made with {trained.pinned[:12]}, which is pinned: pw train --use {trained.sha256[:12]}"
            " changes that, pw train --follow lets go of it"
        )
    return "\n".join(lines)


async def _listed(url: str) -> list[KeptModel]:
    from projections.effort_models import listing

    try:
        async with await connect(url, "pw train") as connection:
            return await listing(connection)
    except psycopg.Error as error:
        raise unreachable(error) from error


async def _chosen(url: str, name: str | None) -> list[KeptModel]:
    from projections.effort_models import listing, pin, unpin

    try:
        async with await connect(url, "pw train") as connection:
            if name is not None:
                await pin(connection, name, SystemClock().now())
            else:
                await unpin(connection)
            return await listing(connection)
    except psycopg.Error as error:
        raise unreachable(error) from error


def _show(models: list[KeptModel], output: Output) -> None:
    if output is Output.json:
        print_json(models)
        return
    if not models:
        out.print("no effort model is kept yet: pw train makes one; the prior that is shipped speaks until then")
        return
    out.print(_table(models))
    if not any(model.pinned for model in models):
        out.print("none is pinned: services follow the ledger from the one that knows most")


def _table(models: list[KeptModel]) -> Table:
    table = make_table(
        "",
        "model",
        "position",
        "attempts",
        "bytes",
        "made",
        "by",
        "",
        right=("position", "attempts", "bytes"),
        spare=("bytes", "by"),
    )
    for model in models:
        table.add_row(
            model.sha256[:12],
            f"{model.position:,}",
            f"{model.completions:,}",
            f"{model.bytes:,}",
            f"{model.made_at:%Y-%m-%d %H:%M}",
            "pw train" if model.asked_for else "a service",
            "pinned" if model.pinned else "",
        )
    return table
