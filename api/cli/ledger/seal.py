"""`pw ledger seal`: close what is settled, and keep a copy of the seals elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import out
from api.cli.ledger.connect import connected
from api.cli.options import DatabaseUrl
from domain.counted import counted


def seal(
    export: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Also write all seals to this file, a line of JSON each.")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Seal all events that are not sealed yet, so that a later change of any is found."""
    # Only the commands of this group need these.
    from api.cli.ledger.bar import bar
    from eventstore.sealing.seal_copies import write_copy
    from eventstore.sealing.seals import last_seal, read_seals
    from eventstore.sealing.seals import seal as seal_ledger

    with connected(database_url) as connection:
        with bar("sealing") as on_progress:
            made = seal_ledger(connection, on_progress=on_progress)
        events = counted(sum(new.count for new in made), "event")
        out.print(f"sealed now: {events} in {counted(len(made), 'seal')}", soft_wrap=True)
        last = last_seal(connection)
        if last.number:
            out.print(f"last seal: {last.number:,}, to position {last.last_position:,}, {last.hash}", soft_wrap=True)
        if export is not None:
            copy = list(read_seals(connection))
            write_copy(export, copy)
            out.print(f"copy: {counted(len(copy), 'seal')} in {export}", soft_wrap=True, markup=False)
