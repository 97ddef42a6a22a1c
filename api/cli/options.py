"""Options that several verbs of the command share."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from api.client.address import Address
from domain.errors import UsageError
from domain.planning.request import STRATEGIES, Strategy


class Output(StrEnum):
    """For people or for programs."""

    table = "table"
    json = "json"


DatabaseUrl = Annotated[
    str | None, typer.Option(envvar="PW_DATABASE_URL", help="Postgres 15 or later; default: an embedded one.")
]
ServerUrl = Annotated[
    str | None,
    typer.Option("--server", envvar="PW_SERVER", help="A service: http://HOST:PORT, https://HOST or unix:/PATH."),
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]
StrategyName = Annotated[str, typer.Option("--strategy", help=f"How to split: {', '.join(STRATEGIES)}.")]


def strategy_named(name: str) -> Strategy:
    """Give the strategy of a name; raises `UsageError` where there is none."""
    for strategy in STRATEGIES:
        if strategy == name:
            return strategy
    raise UsageError(f"unknown strategy {name!r}: {', '.join(STRATEGIES)}")


def address_of(server: str | None) -> Address:
    """Give the address of the service that was named, with the key of `PW_API_KEY`.

    Raises `UsageError` where none was.
    """
    if not server:
        raise UsageError("say which service: --server or PW_SERVER")
    return Address.of(server, os.environ.get("PW_API_KEY", ""))
