"""Everything that analysts see is explained, and the page that says so is of today."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from projections.data_dictionary import View, dictionary, views_of
from projections.postmortem import questions

PAGE = Path(__file__).parents[2] / "docs/data-dictionary.md"

#: What every program that reads Postgres can show.
SIMPLE = {"text", "integer", "bigint", "float8", "timestamptz", "boolean", "jsonb"}


@pytest.fixture
def views(database_url: str) -> list[View]:
    with psycopg.connect(database_url) as connection:
        return views_of(connection)


def test_every_view_and_every_column_has_a_comment(views: list[View]) -> None:
    silent = [view.name for view in views if not view.meaning]
    silent += [f"{view.name}.{column.name}" for view in views for column in view.columns if not column.meaning]
    assert silent == []


def test_every_column_is_of_a_simple_type(views: list[View]) -> None:
    others = [
        f"{view.name}.{column.name}: {column.type}"
        for view in views
        for column in view.columns
        if column.type not in SIMPLE
    ]
    assert others == []


def test_every_view_names_its_task(views: list[View]) -> None:
    assert [view.name for view in views if view.columns[0].name != "task_id"] == ["event", "message"]


def test_the_page_is_what_the_comments_say(views: list[View]) -> None:
    assert PAGE.read_text(encoding="utf-8") == dictionary(views, questions()), "make docs"
