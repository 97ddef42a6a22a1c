"""What holds of every task's post-mortem, whatever has happened: on histories drawn by lot."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import psycopg
import pytest

from domain.ids import TaskId
from eventstore.ledger import Ledger
from projections.catch_up import catch_up
from projections.postmortem import answer, questions
from tests.projections.test_views_agree import Chance

Answers = dict[str, list[dict[str, Any]]]


async def answers_of(url: str, task: TaskId) -> Answers:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        given = [await answer(connection, question, task) for question in questions()]
    return {one.question.name: [dict(zip(one.columns, row, strict=True)) for row in one.rows] for one in given}


@pytest.mark.parametrize("seed", range(6))
async def test_the_answers_about_a_task_agree_with_each_other(database_url: str, ledger: Ledger, seed: int) -> None:
    chance = Chance(ledger, seed)
    async for _ in chance.steps():
        pass
    await catch_up(database_url)

    answers = await answers_of(database_url, chance.task)

    assert_parts_add_up(answers)
    assert_nothing_is_in_two_states_at_once(answers)
    assert_no_schedule_beats_what_is_possible(answers)


async def test_a_task_that_has_just_begun_has_answers(database_url: str, ledger: Ledger) -> None:
    chance = Chance(ledger, 1)
    steps = chance.steps()
    for _ in range(4):
        await anext(steps)
        await catch_up(database_url)
        answers = await answers_of(database_url, chance.task)
        assert answers["burndown"]


def assert_parts_add_up(answers: Answers) -> None:
    for name in ("where_did_the_time_go", "what_did_coordination_cost"):
        shares = [row["share"] for row in answers[name] if row["share"] is not None]
        assert sum(shares) == pytest.approx(1.0)
        assert min(shares) >= 0.0
    held = {"active", "blocked", "judged", "starting", "lost"}
    whole = sum(row["seconds"] for row in answers["where_did_the_time_go"] if row["kind"] in held)
    assert sum(row["seconds"] for row in answers["what_did_coordination_cost"]) == pytest.approx(whole, abs=0.01)
    shares = [row["cumulative_share"] for row in answers["what_blocked_whom"]]
    assert shares == sorted(shares)
    assert not shares or shares[-1] == pytest.approx(1.0)


def assert_nothing_is_in_two_states_at_once(answers: Answers) -> None:
    spans: dict[tuple[int, int], list[tuple[Any, Any]]] = {}
    for row in answers["timeline"]:
        spans.setdefault((row["subtask"], row["attempt"]), []).append((row["from_at"], row["to_at"]))
    for found in spans.values():
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(sorted(found)))
    path = answers["what_was_on_the_critical_path"]
    assert path
    assert all(earlier["to_at"] <= later["from_at"] for earlier, later in pairwise(path))
    assert [row["waited_for"] == "" for row in path] == [True] + [False] * (len(path) - 1)


def assert_no_schedule_beats_what_is_possible(answers: Answers) -> None:
    alone, *others = answers["how_would_other_numbers_of_workers_have_done"]
    assert alone["workers"] == 1
    for row in others:
        # Rounding of sums aside.
        assert row["speedup"] is None or row["speedup"] <= row["workers"] * (1 + 1e-9)
        assert row["utilisation"] is None or row["utilisation"] <= 1 + 1e-9
        assert row["makespan_seconds"] <= alone["makespan_seconds"] * (1 + 1e-9)
