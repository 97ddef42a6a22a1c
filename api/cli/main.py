"""The `pw` command."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from api.cli.answer import answer
from api.cli.backtest import backtest
from api.cli.doctor import doctor
from api.cli.estimate import estimate
from api.cli.init import init
from api.cli.keys import app as keys
from api.cli.ledger.app import app as ledger
from api.cli.migrate import migrate
from api.cli.planning.analyze import analyze
from api.cli.planning.decompose import decompose
from api.cli.postmortem import postmortem
from api.cli.projections import projections
from api.cli.psql import psql
from api.cli.rebuild import rebuild
from api.cli.replay.command import replay
from api.cli.run import run
from api.cli.serve import serve
from api.cli.status import status, watch
from api.cli.submit import submit
from api.cli.train import train
from api.cli.work import work

app = typer.Typer(
    name="pw",
    help="Split an engineering task that is too big for one agent, and let parallel workers do it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(analyze)
app.command()(decompose)
app.command()(serve)
app.command()(submit)
app.command()(work)
app.command()(answer)
app.command()(status)
app.command()(watch)
app.command()(postmortem)
app.command()(estimate)
app.command()(train)
app.command()(backtest)
app.command()(projections)
app.command()(rebuild)
app.command()(replay)
app.command()(migrate)
app.command()(doctor)
app.command()(init)
app.command(context_settings={"ignore_unknown_options": True})(psql)
app.add_typer(keys)
app.add_typer(ledger)


@app.callback()
def options(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Take the options that stand before a verb."""
    # What it warns of is that a line is gone while an error that says so is on its way.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    if show_version:
        print(version("parallel-workers"))
        raise typer.Exit


def main() -> None:
    """Run the command and end the process with its exit code."""
    app()
