"""The schema of the database: migrations run once each and in order, views follow their files.

`sql/migrations` holds plain SQL that yoyo applies, one transaction a file, and keeps book of in the schema
`migration`. yoyo splits a file with sqlparse, which knows dollar-quoted bodies. An applied file is known by
its name and is never edited.

`sql/functions`, `sql/views` and `sql/roles` hold definitions: what keeps no data and needs no migrations.
Whenever these files differ from those that made them, or a migration was applied, all are made again in one
transaction, so that readers see the old ones or the new ones: functions are replaced, the schema `analytics`
is dropped and made anew, roles and grants are put in place. The comment on `analytics` holds the digest of the
files. Where the user may not create roles, everything else is made and a warning is logged: the service then
works with the rights of whoever it logs in as.

Any number of processes may do this at once. A session advisory lock lets one in; the server drops it with the
connection, so that a kill -9 leaves nothing behind. yoyo's own lock is a row that would: yoyo takes it by
itself while it makes its tables, and a row that is there while we hold our lock is a dead process's, so it is
broken. When nothing is pending, nothing is locked and yoyo is not even imported.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import logging
import re
from importlib.resources.abc import Traversable
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from domain.errors import LedgerError
from eventstore.postgres.connection import first_line

# "pwmigrat" in ASCII.
_LOCK_KEY = 0x7077_6D69_6772_6174
_BOOKKEEPING_SCHEMA = "migration"
_VIEWS_SCHEMA = "analytics"
#: Folders of what is made again whenever it changes, in the order of their making.
_DEFINITIONS = ("functions", "views", "roles")

_LOG = logging.getLogger(__name__)


def migrate(url: str) -> list[str]:
    """Bring the database at `url` up to date and return the names of the migrations that this call applied.

    Waits while another process migrates. Raises `LedgerError` naming the file that failed; what came before
    it stays applied, the file itself is rolled back.
    """
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            digest = _digest([file for folder in _DEFINITIONS for file in _files(folder)])
            if not pending_migrations(connection) and _defined_by(connection, digest):
                return []
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
            # Asked again: whoever held the lock before us may have done the work.
            applied = _apply_migrations(url) if pending_migrations(connection) else []
            if applied or not _defined_by(connection, digest):
                _define(connection, digest)
            return applied
    except psycopg.Error as error:
        raise LedgerError(f"cannot migrate the database: {first_line(error)}") from error


def _files(folder: str) -> list[Traversable]:
    """Return the SQL files of a folder below `sql` in name order; a folder that is missing has none."""
    root = importlib.resources.files("sql").joinpath(folder)
    files = [file for file in root.iterdir() if file.name.endswith(".sql")] if root.is_dir() else []
    return sorted(files, key=lambda file: file.name)


def pending_migrations(connection: psycopg.Connection) -> set[str]:
    """Name the migrations that the database does not have yet."""
    names = {file.name.removesuffix(".sql") for file in _files("migrations")}
    names = {name for name in names if not name.endswith(".rollback")}
    known = connection.execute("SELECT to_regclass('migration._yoyo_migration') IS NOT NULL").fetchone()
    if known != (True,):
        return names
    return names - {row[0] for row in connection.execute("SELECT migration_id FROM migration._yoyo_migration")}


def _apply_migrations(url: str) -> list[str]:
    # Imported here: this takes longer than all the rest of a call with nothing to do.
    import yoyo

    # Its messages are for its own command; what goes wrong arrives as an exception.
    logging.getLogger("yoyo").setLevel(logging.CRITICAL)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_BOOKKEEPING_SCHEMA}")
    with yoyo.get_backend(_yoyo_url(url)) as backend:
        backend.break_lock()
        applied: list[str] = []
        for migration in backend.to_apply(yoyo.read_migrations("package:sql:migrations")):
            try:
                backend.apply_one(migration)
            except psycopg.Error as error:
                raise LedgerError(f"migration {migration.id} failed: {first_line(error)}") from error
            applied.append(migration.id)
        return applied


def _yoyo_url(url: str) -> str:
    """Spell a libpq URL or connection string in the form that yoyo passes on whole: all in the query."""
    parameters = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    return f"postgresql+psycopg:///?{urlencode(parameters | {'schema': _BOOKKEEPING_SCHEMA})}"


def _digest(files: list[Traversable]) -> str:
    # Lengths keep a text that moves from one file to the next from giving the same digest.
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _defined_by(connection: psycopg.Connection, digest: str) -> bool:
    query = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
    row = connection.execute(query, [_VIEWS_SCHEMA]).fetchone()
    found = re.search(r"definition ([0-9a-f]{64})$", row[0] or "") if row else None
    return found is not None and found[1] == digest


def _define(connection: psycopg.Connection, digest: str) -> None:
    comment = f"Views for people and programs, made from the files in sql/views; definition {digest}"
    with connection.transaction():
        _run_files(connection, "functions")
        connection.execute(f"DROP SCHEMA IF EXISTS {_VIEWS_SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {_VIEWS_SCHEMA}")
        _run_files(connection, "views")
        connection.execute(f"COMMENT ON SCHEMA {_VIEWS_SCHEMA} IS '{comment}'")
        try:
            with connection.transaction():
                _run_files(connection, "roles")
        except psycopg.errors.InsufficientPrivilege as error:
            _LOG.warning("the roles pw_owner, pw_service and pw_analyst are not in place: %s", first_line(error))


def _run_files(connection: psycopg.Connection, folder: str) -> None:
    for file in _files(folder):
        try:
            connection.execute(file.read_text(encoding="utf-8"))
        except psycopg.errors.InsufficientPrivilege:
            raise
        except psycopg.Error as error:
            raise LedgerError(f"{folder} in {file.name} failed: {first_line(error)}") from error
