"""What becomes of a problem, observation by observation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import dict_row

from domain.problem import Problem, Range
from eventstore.ledger import Ledger
from projections.catch_up import catch_up
from projections.problem_lives import ProblemLives
from tests.projections.conftest import History
from tests.projections.incident import TASK, store_incident

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def problem(name: str = "os", path: str = "a.py", line: int = 1) -> Problem:
    return Problem(
        tool="ruff", code="F401", message=f"`{name}` imported but unused", path=path, range=Range(line=line)
    )


def lives_of(*observations: list[Problem]) -> ProblemLives:
    lives = ProblemLives()
    for number, problems in enumerate(observations):
        lives.observe(problems, number + 1, START + timedelta(seconds=number))
    return lives


def what(lives: ProblemLives) -> list[list[tuple[int, str]]]:
    return [[(entry["observation"], entry["what"]) for entry in life.course] for life in lives.lives]


def test_a_problem_that_stays_has_nothing_to_tell_but_its_beginning() -> None:
    lives = lives_of([problem(line=3)], [problem(line=30)])
    assert what(lives) == [[(1, "new")]]
    [life] = lives.lives
    assert (life.first_seen, life.last_seen, life.problem.range) == (1, 2, Range(line=30))


def test_a_problem_that_is_back_goes_on_under_its_number() -> None:
    lives = lives_of([problem("os"), problem("re")], [problem("re")], [problem("os"), problem("re")])
    assert what(lives) == [[(1, "new"), (2, "resolved"), (3, "regressed")], [(1, "new")]]
    assert lives.lives[0].resolved_at is None


def test_a_problem_that_is_gone_knows_since_when() -> None:
    [life] = lives_of([problem()], []).lives
    assert (life.present, life.resolved_at, life.last_seen) == (False, START + timedelta(seconds=1), 1)


def test_a_problem_of_a_renamed_file_has_moved() -> None:
    lives = lives_of([problem(path="a.py")], [problem(path="b.py")])
    assert what(lives) == [[(1, "new"), (2, "moved")]]
    assert lives.lives[0].problem.path == "b.py"


def test_what_was_hidden_knows_by_what() -> None:
    syntax = Problem(tool="ruff", code="invalid-syntax", message="Expected a statement", path="a.py")
    lives = lives_of([syntax], [problem()])
    assert what(lives) == [[(1, "new"), (2, "resolved")], [(2, "unmasked")]]
    assert lives.lives[1].hidden_by == 1


def test_problems_that_are_alike_are_each_counted() -> None:
    lives = lives_of([problem(line=1), problem(line=2), problem(line=3)], [problem(line=1)], [problem(), problem()])
    assert len(lives.lives) == 3
    assert sorted(len(course) for course in what(lives)) == [1, 2, 3]


def test_a_subtask_is_noted_with_the_problems_that_it_was_planned_for() -> None:
    lives = lives_of([problem("os"), problem("re")])
    lives.plan(7, 1, (1,))
    assert [life.subtasks for life in lives.lives] == [[], [7]]


def test_what_postgres_cannot_keep_is_replaced() -> None:
    odd = Problem(tool="ruff", code="F401", message="half a \ud83d and a \0", path="a.py")
    [life] = lives_of([odd]).lives
    assert life.row("tree-1")["message"] == "half a ? and a \N{REPLACEMENT CHARACTER}"


# --- in the database --------------------------------------------------------------------------------------


def rows_of(url: str, query: str) -> list[dict[str, object]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type, unused-ignore]


async def test_problems_are_read_again_from_the_raw_output(database_url: str) -> None:
    await store_incident(database_url)
    rows = rows_of(
        database_url,
        "SELECT problem, code, path, came_as, status, regressions, subtask FROM analytics.problem ORDER BY problem",
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "I001", "a.py", "new", "resolved", 1, 7),
        (2, "I001", "a.py", "new", "resolved", 0, 1),
        (3, "I001", "b.py", "new", "resolved", 0, 2),
        (4, "E501", "c.py", "new", "resolved", 0, 3),
        (5, "E501", "c.py", "new", "resolved", 0, 3),
        (6, "E501", "c.py", "new", "resolved", 0, 3),
        (7, "E501", "d.py", "new", "resolved", 0, 4),
        (8, "invalid-syntax", "f.py", "new", "resolved", 0, 5),
        (9, "I001", "f.py", "unmasked", "resolved", 0, 6),
    ]


async def test_catching_up_again_changes_nothing(database_url: str) -> None:
    await store_incident(database_url)
    before = rows_of(database_url, "SELECT * FROM projection.problem_life ORDER BY problem")
    await catch_up(database_url)
    assert rows_of(database_url, "SELECT * FROM projection.problem_life ORDER BY problem") == before
    assert {row["task_id"] for row in before} == {TASK}


async def test_output_that_is_missing_is_set_aside_and_everything_else_goes_on(
    database_url: str, ledger: Ledger, history: History
) -> None:
    history.observe(1, {"E1": 3})
    await ledger.append(history.events)
    await store_incident(database_url)
    aside = rows_of(database_url, "SELECT name, task_id, error FROM projection.set_aside")
    assert [(row["name"], row["task_id"]) for row in aside] == [("problem", "tree-1")]
    assert "holds no artifact" in str(aside[0]["error"])
    assert len(rows_of(database_url, "SELECT 1 FROM analytics.problem")) == 9


async def test_a_new_observation_is_taken_in_by_the_next_catching_up(
    database_url: str, ledger: Ledger, history: History
) -> None:
    await ledger.append(history.events)
    await catch_up(database_url)
    assert rows_of(database_url, "SELECT position FROM projection.problem_place") == [{"position": 1}]
    await store_incident(database_url)
    assert len(rows_of(database_url, "SELECT 1 FROM analytics.problem")) == 9
