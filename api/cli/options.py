"""Options that several verbs of the command share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """For people or for programs."""

    table = "table"
    json = "json"


DatabaseUrl = Annotated[
    str | None, typer.Option(envvar="PW_DATABASE_URL", help="Postgres 15 or later; default: an embedded one.")
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]
