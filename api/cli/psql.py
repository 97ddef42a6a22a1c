"""`pw psql`: Postgres's own client on the ledger's database."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from api.cli.console import one_line_errors
from api.cli.options import DatabaseUrl
from domain.errors import ToolError
from eventstore.postgres.database import Role, open_database
from eventstore.postgres.folders import data_folder
from eventstore.postgres.programs import find_client


def psql(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Further arguments of psql, such as -c 'SELECT ...' or -f FILE.")
    ] = None,
    role: Annotated[
        Role, typer.Option(help="The analyst reads the views, the service the tables behind them.")
    ] = "pw_analyst",
    database_url: DatabaseUrl = None,
) -> None:
    """Open psql on the ledger: views in schema analytics, events (for the service) in ledger.event."""
    with one_line_errors(), open_database(database_url, data_folder(), role) as url:
        client = find_client()
        if client is None:
            raise ToolError("psql is not installed")
        ended = subprocess.run([str(client), url, *(arguments or [])], check=False)
    raise typer.Exit(ended.returncode)
