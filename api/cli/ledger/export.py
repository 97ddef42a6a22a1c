"""`pw ledger export`: copy tasks, or everything, into a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import err, one_line_errors, out
from api.cli.options import DatabaseUrl
from domain.counted import counted
from domain.errors import UsageError
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder


class Format(StrEnum):
    """How an export is written."""

    ndjson = "ndjson"
    parquet = "parquet"


def export(
    tasks: Annotated[list[str] | None, typer.Argument(help="Names of tasks, parts of them, or last.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything, with archives and seals.")] = False,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file; packed where it ends in .gz; - is standard output."),
    ] = ...,  # type: ignore[assignment]
    format: Annotated[Format, typer.Option(help="Lines of JSON, or a folder of Parquet files.")] = Format.ndjson,  # noqa: A002
    database_url: DatabaseUrl = None,
) -> None:
    """Copy tasks, or everything, into a file that pw ledger import takes in again; the ledger stays as it is."""
    # Only the commands of this group need these.
    from api.cli.ledger.bar import bar
    from eventstore.tasks import resolve_task
    from eventstore.transfer.bulk import bulk_connection
    from eventstore.transfer.export import snapshot, write_export

    with one_line_errors():
        if bool(tasks) == everything:
            raise UsageError("name the tasks to export, or say --all")
        if format is Format.parquet:
            from eventstore.transfer.parquet import write_parquet as write
        else:
            write = write_export
        with open_database(database_url, data_folder()) as url:
            with bulk_connection(url, "export") as connection:
                wanted = [resolve_task(connection, task) for task in tasks] if tasks else None
            with bar("exporting") as on_progress, snapshot(url, wanted) as source:
                end = write(source, output, on_progress)
        say = err if str(output) == "-" else out
        say.print(
            f"exported: {counted(end.events, 'event')}, {counted(end.artifacts, 'artifact')}, "
            f"{counted(end.archives, 'archive')} and {counted(end.seals, 'seal')}, "
            f"to position {source.header.last_position:,}, into {output}",
            soft_wrap=True,
            markup=False,
        )
