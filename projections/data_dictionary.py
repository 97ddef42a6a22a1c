"""The data dictionary: what each view and column of schema `analytics` means, from the comments in the database.

    python -m projections.data_dictionary > docs/data-dictionary.md

Uses the database that `PW_DATABASE_URL` names; else an embedded one in a temporary folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow

from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate
from projections.postmortem import Question, questions

_COLUMNS: LiteralString = """
    SELECT
        relname,
        coalesce(obj_description(pg_class.oid, 'pg_class'), ''),
        attname,
        format_type(atttypid, atttypmod),
        coalesce(col_description(pg_class.oid, attnum), '')
    FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'analytics'::regnamespace AND relkind = 'v' AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum
"""
#: As people and programs call them.
_TYPES = {"double precision": "float8", "timestamp with time zone": "timestamptz"}
_HEAD = """# Data dictionary

Every view of schema `analytics`, its columns and their types, and every question of the post-mortem. Made by
`make docs` from the comments in `sql/views` and the heads of the files in `sql/postmortem`; how to use them is in
[analytics.md](analytics.md). Times are seconds, moments have a time zone, shares are 0 to 1, money is US dollars."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a view; an empty meaning is a comment that is missing."""

    name: str
    type: str
    meaning: str


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A view of schema `analytics`."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


def views_of(connection: psycopg.Connection[TupleRow]) -> list[View]:
    """List the views by name; raises `psycopg.Error`."""
    columns: dict[tuple[str, str], list[Column]] = {}
    for view, about, name, kind, meaning in connection.execute(_COLUMNS):
        column = Column(name=name, type=_TYPES.get(str(kind), str(kind)), meaning=meaning)
        columns.setdefault((view, about), []).append(column)
    return [View(name=name, meaning=about, columns=tuple(found)) for (name, about), found in columns.items()]


def dictionary(views: Sequence[View], asked: Sequence[Question]) -> str:
    """Write views and questions as Markdown."""
    return "\n".join([_HEAD, *_views(views), *_questions(asked)]) + "\n"


def _views(views: Sequence[View]) -> Iterator[str]:
    for view in views:
        yield f"\n## analytics.{view.name}\n\n{view.meaning}\n\n| column | type | meaning |\n|---|---|---|"
        for column in view.columns:
            yield f"| `{column.name}` | {column.type} | {_cell(column.meaning)} |"


def _questions(asked: Sequence[Question]) -> Iterator[str]:
    yield "\n## Post-mortem\n\n| file in `sql/postmortem` | question |\n|---|---|"
    for question in asked:
        yield f"| `{question.file_name}` | {_cell(question.title)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


@contextmanager
def _database() -> Iterator[str]:
    if url := os.environ.get("PW_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="pw-docs-") as folder:
        # Root's server runs under another account.
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder)) as url:
            yield url


def main() -> None:
    """Write the data dictionary to standard output."""
    with _database() as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            sys.stdout.write(dictionary(views_of(connection), questions()))


if __name__ == "__main__":
    main()
