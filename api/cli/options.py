"""Options that several verbs of the command share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from domain.errors import UsageError
from domain.planning.request import STRATEGIES, Strategy


class Output(StrEnum):
    """For people or for programs."""

    table = "table"
    json = "json"


DatabaseUrl = Annotated[
    str | None, typer.Option(envvar="PW_DATABASE_URL", help="Postgres 15 or later; default: an embedded one.")
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]


def strategy_named(name: str) -> Strategy:
    """Give the strategy of a name; raises `UsageError` where there is none."""
    for strategy in STRATEGIES:
        if strategy == name:
            return strategy
    raise UsageError(f"unknown strategy {name!r}: {', '.join(STRATEGIES)}")
