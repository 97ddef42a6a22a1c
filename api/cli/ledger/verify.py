"""`pw ledger verify`: whether what is sealed is unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import out, print_json
from api.cli.ledger.connect import connected
from api.cli.options import DatabaseUrl, Output, OutputFormat
from domain.counted import counted
from domain.errors import LedgerError

if TYPE_CHECKING:
    from eventstore.sealing.verify import VerifyReport


def verify(
    since: Annotated[int, typer.Option(min=0, help="Take the seals up to this number as good.")] = 0,
    against: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A copy of the seals, from pw ledger seal --export."),
    ] = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Check every event against the seals; the exit code is 0 only where everything holds."""
    # Only the commands of this group need these.
    from api.cli.ledger.bar import bar
    from eventstore.sealing.seal_copies import read_copy
    from eventstore.sealing.verify import verify as verify_ledger

    with connected(database_url) as connection:
        copy = read_copy(against) if against is not None else []
        with bar("verifying") as on_progress:
            report = verify_ledger(connection, since=since, against=copy, on_progress=on_progress)
        if output is Output.json:
            print_json(report)
        else:
            out.print("\n".join(_lines(report)), soft_wrap=True)
        if report.first_fault is not None:
            raise LedgerError(f"{report.first_fault} ({report.faults:,} bad in all)")


def _lines(report: VerifyReport) -> list[str]:
    trusted = f" after seal {report.since:,}" if report.since else ""
    lines = [f"checked: {counted(report.seals, 'seal')}{trusted}, {counted(report.events, 'sealed event')}"]
    if report.archived:
        lines.append(f"archived: {counted(report.archived, 'event')}, of which the seals hold the hashes")
    lines.append(f"not sealed yet: {counted(report.unsealed, 'event')}")
    if report.compared:
        lines.append(f"compared with the copy: {counted(report.compared, 'seal')}")
    return lines
