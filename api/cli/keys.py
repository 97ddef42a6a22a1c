"""The command group `pw keys`: who may call the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar, get_args

import msgspec
import typer
from rich.table import Table

from api.auth.keys import Key, Keys
from api.auth.principal import Role
from api.cli.console import err, one_line_errors, out, print_json
from api.cli.options import DatabaseUrl, Output, OutputFormat
from domain.errors import UsageError
from eventstore.clock import SystemClock
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder

app = typer.Typer(name="keys", help="Say who may call the service, and in which role.", no_args_is_help=True)

_ROLES: tuple[Role, ...] = get_args(Role)
_T = TypeVar("_T")


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made, for programs."""

    key_id: str
    name: str
    role: Role
    expires_at: datetime | None
    #: Shown once.
    token: str


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for people.")],
    role: Annotated[str, typer.Option(help=f"What it may do: {', '.join(_ROLES)}.")] = "worker",
    days: Annotated[float | None, typer.Option(min=0.001, help="How long it is good; default: for ever.")] = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print its token, which cannot be shown again."""
    with one_line_errors():
        expires_at = SystemClock().now() + timedelta(days=days) if days is not None else None
        wanted = _role(role)
        key, token = _with_keys(database_url, lambda keys: keys.create(name, wanted, expires_at=expires_at))
        if output is Output.json:
            print_json(NewKey(key_id=key.key_id, name=name, role=wanted, expires_at=expires_at, token=str(token)))
        else:
            err.print(f"key {key.key_id} for {name} ({role}); keep the token, it is not shown again:", markup=False)
            print(token)


@app.command("list")
def list_keys(output: OutputFormat = Output.table, database_url: DatabaseUrl = None) -> None:
    """List all keys, also those that are no good any more."""
    with one_line_errors():
        keys = _with_keys(database_url, Keys.list_all)
        if output is Output.json:
            print_json(keys)
        else:
            out.print(_table(keys))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `pw keys list` shows it.")],
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """End a key for good; servers refuse it within seconds."""
    with one_line_errors():
        key = _with_keys(database_url, lambda keys: keys.revoke(key_id))
        if output is Output.json:
            print_json(key)
        else:
            out.print(f"key {key.key_id} of {key.name} opens nothing any more", markup=False)


def _with_keys(database_url: str | None, do: Callable[[Keys], Awaitable[_T]]) -> _T:
    async def run(url: str) -> _T:
        async with Keys.open(url, SystemClock()) as keys:
            return await do(keys)

    with open_database(database_url, data_folder()) as url:
        return asyncio.run(run(url))


def _role(name: str) -> Role:
    for role in _ROLES:
        if role == name:
            return role
    raise UsageError(f"unknown role {name!r}: {', '.join(_ROLES)}")


def _table(keys: list[Key]) -> Table:
    now = SystemClock().now()
    table = Table("key", "name", "role", "made", "state")
    for key in keys:
        if key.is_good(now):
            state = f"good until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "good"
        else:
            state = "revoked" if key.revoked_at else "expired"
        table.add_row(key.key_id, key.name, key.role, f"{key.created_at:%Y-%m-%d %H:%M}", state)
    return table
