"""The schema of the database: migrations run once each and in order, views follow their files.

`sql/migrations` holds plain SQL that yoyo applies, one transaction a file, and keeps book of in the schema
`migration`. yoyo splits a file with sqlparse, which knows dollar-quoted bodies. An applied file is known by
its name and is never edited.

`sql/views` holds everything in the schema `analytics`. Views keep no data, so they have no migrations:
whenever the files differ from those that made the schema, it is dropped and made again in one transaction, so
that readers see the old views or the new ones. The comment on the schema holds the digest of its files.
Grants on views belong into these files, too.

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

# "pwmigrat" in ASCII.
_LOCK_KEY = 0x7077_6D69_6772_6174
_BOOKKEEPING_SCHEMA = "migration"
_VIEWS_SCHEMA = "analytics"


def migrate(url: str) -> list[str]:
    """Bring the database at `url` up to date and return the names of the migrations that this call applied.

    Waits while another process migrates. Raises `LedgerError` naming the file that failed; what came before
    it stays applied, the file itself is rolled back.
    """
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            views = _files("views")
            if not _pending(connection) and _views_are(connection, _digest(views)):
                return []
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
            # Asked again: whoever held the lock before us may have done the work.
            applied = _apply_migrations(url) if _pending(connection) else []
            if not _views_are(connection, _digest(views)):
                _make_views(connection, views)
            return applied
    except psycopg.Error as error:
        raise LedgerError(f"cannot migrate the database: {_first_line(error)}") from error


def _files(folder: str) -> list[Traversable]:
    """Return the SQL files of a folder below `sql` in name order; a folder that is missing has none."""
    root = importlib.resources.files("sql").joinpath(folder)
    files = [file for file in root.iterdir() if file.name.endswith(".sql")] if root.is_dir() else []
    return sorted(files, key=lambda file: file.name)


def _pending(connection: psycopg.Connection) -> set[str]:
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
                raise LedgerError(f"migration {migration.id} failed: {_first_line(error)}") from error
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


def _views_are(connection: psycopg.Connection, digest: str) -> bool:
    query = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
    row = connection.execute(query, [_VIEWS_SCHEMA]).fetchone()
    found = re.search(r"definition ([0-9a-f]{64})$", row[0] or "") if row else None
    return found is not None and found[1] == digest


def _make_views(connection: psycopg.Connection, files: list[Traversable]) -> None:
    comment = f"Views for people and programs, made from the files in sql/views; definition {_digest(files)}"
    with connection.transaction():
        connection.execute(f"DROP SCHEMA IF EXISTS {_VIEWS_SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {_VIEWS_SCHEMA}")
        for file in files:
            try:
                connection.execute(file.read_text(encoding="utf-8"))
            except psycopg.Error as error:
                raise LedgerError(f"views in {file.name} failed: {_first_line(error)}") from error
        connection.execute(f"COMMENT ON SCHEMA {_VIEWS_SCHEMA} IS '{comment}'")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
