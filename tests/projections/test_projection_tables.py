"""The tables of a migration, the models, and what a rebuild makes are the same."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from domain import events as e
from projections.columns import type_of
from projections.course import Course
from projections.models import ALL
from projections.projection import Projection
from projections.rebuild import rebuild

every_model = pytest.mark.parametrize("projection", ALL, ids=lambda one: one.name)

_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attnotnull
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0
    ORDER BY attnum
"""


def columns_of(url: str, table: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(_COLUMNS, [table]).fetchall()


def shape_of(url: str) -> dict[str, Any]:
    """Give what readers and analysts see: views, their columns' types, comments and rights."""
    with psycopg.connect(url) as connection:
        views = connection.execute(
            """
            SELECT relname, pg_get_viewdef(oid), obj_description(oid), relacl::text,
                (
                    SELECT array_agg(col_description(oid, attnum) ORDER BY attnum)
                    FROM pg_attribute WHERE attrelid = oid
                )
            FROM pg_class WHERE relnamespace = 'projection'::regnamespace AND relkind = 'v'
            """
        ).fetchall()
        keys = connection.execute(
            """
            SELECT relname, pg_get_constraintdef(pg_constraint.oid), reloptions
            FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
            WHERE relnamespace = 'projection'::regnamespace AND contype = 'p'
            """
        ).fetchall()
    unnumbered = [tuple(re.sub(r"_\d+\b", "", str(value)) for value in row) for row in [*views, *keys]]
    return {"all": sorted(unnumbered)}


@every_model
def test_the_table_of_the_migration_is_that_of_the_model(database_url: str, projection: Projection) -> None:
    wanted = [
        (column.name, type_of(column).lower(), not column.nullable)
        for column in projection.table.__table__.columns  # type: ignore[attr-defined]
    ]
    assert columns_of(database_url, f"projection.{projection.name}_1") == wanted


@every_model
def test_every_key_begins_with_the_task(projection: Projection) -> None:
    assert projection.keys[0] == "task_id"


async def test_a_rebuild_changes_nothing_about_views_keys_comments_and_rights(database_url: str) -> None:
    before = shape_of(database_url)
    columns = {one.name: columns_of(database_url, f"projection.{one.name}_1") for one in ALL}
    await rebuild(database_url, ALL)
    assert shape_of(database_url) == before
    assert {one.name: columns_of(database_url, f"projection.{one.name}_2") for one in ALL} == columns


@every_model
def test_a_row_has_the_columns_of_its_table_in_their_order(projection: Projection, history: Any) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0)
    history.start(3, 1)
    history.add(4, e.Blocked(issue=e.ScopeClarification(question="which?")), subtask=1, epoch=1)
    history.add(4, e.BlockerOpened(number=1, policy="ask", detail="which?"), subtask=1, epoch=1)
    history.gate(5, 1, name="tests", passed=True)
    history.add(6, e.MilestoneReached(phase=1, percent=25))
    course = Course([projection])
    for record in history.recorded:
        assert course.apply(record) == []
    [(name, rows, error)] = course.take()
    assert (name, error) == (projection.name, "")
    assert rows
    assert all(list(row) == projection.columns for row in rows)
