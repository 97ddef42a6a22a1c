"""`pw projections`: how the read models stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from rich.table import Table

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import DatabaseUrl, Output, OutputFormat
from api.cli.tables import make_table
from eventstore.postgres.connection import unreachable
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

if TYPE_CHECKING:
    from projections.listing import Standing


def projections(output: OutputFormat = Output.table, database_url: DatabaseUrl = None) -> None:
    """List the read models: version, position, how far they are behind, and what they could not take in."""
    # Only this verb and its sibling need these, and they take long to load.
    from projections.listing import standings

    with one_line_errors(), open_database(database_url, data_folder()) as url:
        try:
            with psycopg.connect(url, autocommit=True, application_name="pw projections") as connection:
                found = standings(connection)
        except psycopg.Error as error:
            raise unreachable(error) from error
        _show(found, output)


def _show(found: list[Standing], output: Output) -> None:
    if output is Output.json:
        print_json(found)
        return
    out.print(_table(found))
    for standing in found:
        if standing.version != standing.version_wanted:
            out.print(f"{standing.name} is to be made anew: pw rebuild {standing.name}", soft_wrap=True)
        for text in standing.set_aside_first:
            out.print(f"{standing.name} has set aside {text}", soft_wrap=True)


def _table(found: list[Standing]) -> Table:
    figures = ("version", "position", "behind", "seconds", "set aside")
    table = make_table("", "read model", *figures, right=figures, spare=("version", "seconds"))
    for one in found:
        table.add_row(
            one.name,
            f"{one.version}",
            f"{one.position:,}",
            f"{one.lag_events:,}",
            f"{one.lag_seconds:,.1f}",
            f"{one.set_aside:,}" if one.set_aside else "",
        )
    return table
