"""`pw ledger archive`: move a finished task out of the ledger into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import DatabaseUrl, Output, OutputFormat
from domain.counted import counted
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder


def archive(
    task: Annotated[str, typer.Argument(help="A task's name, a part of it, or last.")],
    to: Annotated[Path, typer.Option("--to", help="The folder that gets the file.")],
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Move a finished task into a file, and keep in the ledger where it is; pw ledger import brings it back."""
    # Only the commands of this group need these.
    from api.cli.ledger.bar import bar
    from eventstore.clock import SystemClock
    from eventstore.transfer.archive import archive_task

    with one_line_errors(), open_database(database_url, data_folder(), role="pw_owner") as url:
        with bar("archiving") as on_progress:
            task_id, path, tombstone = archive_task(url, task, to, SystemClock(), on_progress)
        if output is Output.json:
            print_json({"task_id": task_id, "file": str(path), "tombstone": tombstone})
        else:
            out.print(
                f"archived: {task_id}, {counted(tombstone.events, 'event')} and "
                f"{counted(tombstone.artifacts, 'artifact')}, in {path}",
                soft_wrap=True,
                markup=False,
            )
