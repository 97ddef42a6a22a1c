"""`pw ledger import`: take an exported file in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import DatabaseUrl, Output, OutputFormat
from domain.counted import counted
from domain.errors import LedgerError
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

if TYPE_CHECKING:
    from eventstore.transfer.importing import Imported


def import_(
    file: Annotated[Path, typer.Argument(help="An exported file or folder; - is standard input.")],
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up an import of this file that will never be finished.")
    ] = False,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Take in what the ledger does not hold yet; an import that was cut off goes on where it was."""
    # Only the commands of this group need these.
    from api.cli.ledger.bar import bar
    from eventstore.transfer.export_files import open_export
    from eventstore.transfer.importing import abandon_import, import_export

    with one_line_errors(), open_export(file) as source:
        with open_database(database_url, data_folder(), role="pw_owner") as url:
            if abandon:
                abandon_import(url, source.header)
                out.print("abandoned: what was imported stays, and readers no longer wait for the rest")
                return
            try:
                with bar("importing") as on_progress:
                    imported = import_export(url, source, on_progress)
            except LedgerError as error:
                raise LedgerError(f"{error}; what came before it is in, and importing again goes on there") from error
        if output is Output.json:
            print_json(imported)
        else:
            out.print(_line(imported), soft_wrap=True)


def _line(imported: Imported) -> str:
    positions = " at the positions of the file" if imported.keeps_positions else ""
    return (
        f"imported: {counted(imported.events, 'event')}{positions}, {counted(imported.artifacts, 'artifact')} and "
        f"{counted(imported.seals, 'seal')}; there already: {counted(imported.events_known, 'event')}"
    )
