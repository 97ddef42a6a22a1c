"""The way to the ledger's database: the one that the user names, or our own embedded one, migrated and ready.

Every message here is shown to people and written to logs. No password is in any of them: a URL is shown only
as `redacted_url` spells it, and one that cannot be read is not shown at all, because nobody can say where in
it the password is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from domain.errors import LedgerError
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate

_MAJOR_MIN = 15
_MAJOR_TESTED = 18
_CONNECT_SECONDS_MAX = 5


Role = Literal["pw_owner", "pw_service", "pw_analyst"]


@contextmanager
def open_database(url: str | None, folder: Path, role: Role = "pw_service") -> Iterator[str]:
    """Yield the libpq URL of a migrated database, at `url` or of the embedded server in `folder`.

    Connections made with it work in the given role (`sql/roles`): on the embedded server they log in as it, on
    another one they set it where the login is a member of it, and keep the login's own rights where it is not.
    The embedded server runs at least as long as the block. Raises `LedgerError` in one line, without the
    password, when the database cannot be reached, is older than Postgres 15, or cannot be migrated.
    """
    if url is None:
        with embedded_server(folder) as embedded_url:
            migrate(embedded_url)
            yield _logging_in_as(embedded_url, role)
    else:
        _check_reachable(url)
        migrate(url)
        yield _working_as(url, role)


def _logging_in_as(url: str, role: Role) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        if known != (True,):
            connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))
    return _spell({**_parameters(url), "user": role})


def _working_as(url: str, role: Role) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        # Grants are this database's: the role may be there for another database of the server.
        allowed = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s AND pg_has_role(oid, 'MEMBER')"
            " AND has_schema_privilege(oid, 'analytics', 'USAGE'))",
            {"role": role},
        ).fetchone()
    if allowed != (True,):
        return url
    parameters = _parameters(url)
    return _spell({**parameters, "options": f"{parameters.get('options', '')} -c role={role}".strip()})


def _spell(parameters: Mapping[str, str]) -> str:
    return f"postgresql:///?{urlencode(parameters, quote_via=quote)}"


def redacted_url(url: str) -> str:
    """Spell a libpq URL or connection string as `postgresql://host:port/database`, without user and password.

    Raises `LedgerError`, which does not repeat the URL, when it cannot be read.
    """
    parameters = _parameters(url)
    database = parameters.get("dbname", "")
    hosts = parameters.get("host") or parameters.get("hostaddr") or ""
    if not hosts or hosts.startswith(("/", "@")):
        return f"postgresql:///{database}" + (f"?host={hosts}" if hosts else "")
    names = hosts.split(",")
    ports = (parameters.get("port") or "5432").split(",")
    if len(ports) == 1:
        ports *= len(names)
    places = [f"{name}:{port}" for name, port in zip(names, ports, strict=False)]
    return f"postgresql://{','.join(places)}/{database}"


def connection_problem(error: Exception) -> str:
    """Return the reason of a failed connection in a few words, such as `connection refused`."""
    # Several addresses give several lines, the last attempt last, each with its reason behind "failed:".
    reasons = re.findall(r"(?:failed|bad): (?:FATAL: +)?(?!connection to server)([^\n]+)", str(error))
    reason = str(reasons[-1] if reasons else str(error).strip().partition("\n")[0])
    return reason[:1].lower() + reason[1:]


def check_version(server_version: int, shown_url: str) -> None:
    """Refuse a server that is too old; `server_version` as libpq gives it (150004 is 15.4)."""
    major = server_version // 10_000
    if major < _MAJOR_MIN:
        raise LedgerError(
            f"the database at {shown_url} is Postgres {major}: {_MAJOR_MIN} or later is needed"
            f" (tested with {_MAJOR_MIN} to {_MAJOR_TESTED})"
        )


def _check_reachable(url: str) -> None:
    shown = redacted_url(url)
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS_MAX) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        raise LedgerError(f"cannot reach the database at {shown}: {connection_problem(error)}") from error
    check_version(version, shown)


def _parameters(url: str) -> Mapping[str, str]:
    try:
        parsed = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parsed = {}
    parameters = {name: str(value) for name, value in parsed.items() if value is not None}
    # An unescaped "@" or ":" in a password moves a part of it into the host or the port.
    host, port = parameters.get("host", ""), parameters.get("port", "")
    if not parameters or "@" in host[1:] or re.fullmatch(r"[\d,]*", port) is None:
        # Not chained: libpq's own message quotes the part that it could not read.
        raise LedgerError(
            "the database URL cannot be read: it looks like postgresql://user:password@host:5432/name,"
            " with special characters of the password written as %40 and the like"
        )
    return parameters
