"""`pw projections` and `pw rebuild`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app
from projections.models import ALL
from projections.runner import Runner

Pw = Callable[..., Result]
_SUBMITTED = '{"repository": "/tree", "base_commit": "c0", "branch": "pw/tree", "options": {}}'


@pytest.fixture
def pw(database_url: str) -> Pw:
    """Run a command on the test's database."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--database-url", database_url])

    return run


@pytest.fixture
def events(database_url: str, append_raw: Callable[..., list[int]]) -> list[int]:
    """A task, and an event of a subtask that it does not have."""
    rows = [
        {"stream_id": "tree", "type": "task_submitted", "payload": _SUBMITTED},
        {"stream_id": "tree.1", "type": "started"},
    ]
    with psycopg.connect(database_url, autocommit=True) as connection:
        return append_raw(connection, rows)


def test_it_lists_every_read_model_with_how_far_it_is_behind(pw: Pw, events: list[int]) -> None:
    ran = pw("projections", "-o", "json")
    assert ran.exit_code == 0
    found = json.loads(ran.stdout)
    assert [one["name"] for one in found] == sorted([*(projection.name for projection in ALL), "problem"])
    assert {(one["position"], one["lag_events"]) for one in found} == {(0, len(events))}
    assert all(one["lag_seconds"] > 0 for one in found)


def test_a_rebuild_says_what_has_become_of_each(pw: Pw) -> None:
    ran = pw("rebuild", "subtask", "worker", "problem")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "subtask (version 1): 0 rows up to position 0; as the old table was",
        "worker (version 1): 0 rows up to position 0; as the old table was",
        "problem (version 1): 0 rows up to position 0; as the old table was",
    ]


def test_the_problems_alone_are_rebuilt(pw: Pw) -> None:
    ran = pw("rebuild", "problem")
    assert ran.stdout == "problem (version 1): 0 rows up to position 0; as the old table was\n"


def test_all_are_rebuilt_for_programs(pw: Pw) -> None:
    ran = pw("rebuild", "--all", "-o", "json")
    assert ran.exit_code == 0
    assert {one["name"] for one in json.loads(ran.stdout)} == {*(projection.name for projection in ALL), "problem"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "pw: there is no read model 'nonsense': there are blocker, burndown, "),
        (["problem", "nonsense"], "pw: there is no read model 'nonsense': there are blocker, burndown, "),
        ([], "pw: say which read models, or --all\n"),
        (["subtask", "--all"], "pw: say either read models or --all, not both\n"),
    ],
    ids=["unknown", "one of two unknown", "none", "both"],
)
def test_a_call_that_cannot_work_is_one_line(pw: Pw, arguments: list[str], message: str) -> None:
    ran = pw("rebuild", *arguments)
    assert ran.exit_code == 2
    assert ran.stderr.startswith(message)
    assert ran.stderr.count("\n") == 1


def test_what_can_be_rebuilt_is_all_named_where_something_cannot(pw: Pw) -> None:
    assert ", plan, problem, progress, " in pw("rebuild", "nonsense").stderr


def test_an_event_that_cannot_be_taken_in_is_one_line_of_a_rebuild(pw: Pw, events: list[int]) -> None:
    ran = pw("rebuild", "--all")
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"pw: the read models are as they were: blocker cannot take in the event of tree at position {events[-1]}:"
        " ValueError: the first event of tree.1 is Started\n"
    )


def test_a_line_that_is_gone_is_said_by_the_error_and_not_by_the_driver_before_it(pw: Pw) -> None:
    driver = logging.getLogger("psycopg")
    driver.setLevel(logging.NOTSET)
    pw("projections")
    assert not driver.isEnabledFor(logging.WARNING)
    assert driver.isEnabledFor(logging.ERROR)


async def test_what_was_set_aside_is_told(pw: Pw, database_url: str, events: list[int]) -> None:
    await Runner(database_url, ALL).catch_up()
    ran = pw("projections")
    assert ran.exit_code == 0
    told = f"has set aside tree at {events[-1]}: ValueError: the first event of tree.1 is Started"
    assert [line for line in ran.stdout.splitlines() if told in line] == [f"{one.name} {told}" for one in ALL]


async def test_a_stale_version_is_told_with_what_to_do(pw: Pw, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE projection.build SET version = 0 WHERE name = 'worker'")
    ran = pw("projections")
    assert "worker is to be made anew: pw rebuild worker\n" in ran.stdout
