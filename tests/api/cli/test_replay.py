"""`pw replay`: one command, on the ledger and on exported files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app
from domain.planning import decompose
from eventstore.transfer.export_reader import open_lines
from eventstore.transfer.importing import import_export
from projections.catch_up import catch_up
from tests.projections.corpus.read import FOLDER, recording

Pw = Callable[..., Result]

RUN, LOST = str(FOLDER / "run.ndjson"), str(FOLDER / "lost.ndjson")


@pytest.fixture
def pw() -> Pw:
    """Run `pw replay`, without a database unless one is named."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["replay", *arguments], env={"PW_DATABASE_URL": None, "PW_SERVER": None})

    return run


@pytest.fixture
def ledger_url(database_url: str) -> str:
    """A ledger that holds two recorded tasks, with read models."""
    for path in (RUN, LOST):
        with open_lines(Path(path)) as source:
            import_export(database_url, source)
    asyncio.run(catch_up(database_url))
    return database_url


def refused(ran: Result, code: int = 2) -> str:
    """Expect one line and no result."""
    assert (ran.exit_code, ran.stdout) == (code, ""), ran.output
    assert ran.stderr.startswith("pw: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr.strip()


# --- at -------------------------------------------------------------------------------------------------


def test_it_shows_how_a_task_stood(pw: Pw, ledger_url: str) -> None:
    task = recording("run")
    middle = task.events[len(task.events) // 2]
    ran = pw(task.task_id, "--at", str(middle.position), "--database-url", ledger_url)
    assert ran.exit_code == 0, ran.output
    assert f"{task.task_id} at position {middle.position}" in ran.stdout
    assert "Running then" in ran.stdout
    assert "Burn-down" in ran.stdout


def test_for_programs_it_gives_every_read_model_s_rows(pw: Pw, ledger_url: str) -> None:
    task = recording("run")
    ran = pw(task.task_id, "--at", "+1d", "-o", "json", "--database-url", ledger_url)
    state = json.loads(ran.stdout)
    assert state["position"] == task.events[-1].position
    assert state["task"]["status"] == "completed"
    assert [row["status"] for row in state["rows"]["progress"]] == ["completed"]
    assert {"subtask", "worker", "blocker", "gate", "burndown"} <= set(state["rows"])


def test_a_file_a_time_and_a_time_since_the_start_give_the_same(pw: Pw) -> None:
    events = recording("lost").events
    seconds = 3.0
    moment = (events[0].recorded_at + timedelta(seconds=seconds)).isoformat()
    by_time, since = (pw(LOST, "--at", text, "-o", "json").stdout for text in (moment, f"+{seconds:g}s"))
    assert by_time == since != ""


def test_between_two_moments_it_shows_what_changed(pw: Pw) -> None:
    events = recording("run").events
    first, last = events[8].position, events[-1].position
    ran = pw(RUN, "--at", str(first), "--diff", str(last), "-o", "json")
    changed = json.loads(ran.stdout)
    assert (changed["from_position"], changed["to_position"]) == (first, last)
    assert changed["changes"]["status"] == {"before": "running", "after": "completed"}
    shown = pw(RUN, "--at", str(last), "--diff", str(first))
    assert f"from position {first} to {last}" in shown.stdout


# --- check ----------------------------------------------------------------------------------------------


def test_a_task_that_would_go_the_same_way_is_clean_and_its_tables_are_too(pw: Pw, ledger_url: str) -> None:
    ran = pw(recording("run").task_id, "--check", "--database-url", ledger_url)
    assert ran.exit_code == 0, ran.output
    assert f"{recording('run').task_id}: as recorded; {len(recording('run').events)} events: " in ran.stdout
    assert "the table " not in ran.stdout


def test_a_folder_of_exports_is_checked_without_a_database(pw: Pw) -> None:
    ran = pw(str(FOLDER), "--check", "-o", "json")
    assert ran.exit_code == 0, ran.output
    assert [report["clean"] for report in json.loads(ran.stdout)] == [True] * 8


def test_a_difference_is_named_and_ends_with_1(pw: Pw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompose, "_reason", lambda _: "because")
    ran = pw(RUN, "--check")
    assert ran.exit_code == 1
    assert "first difference: plan at position 6, subtask #1 of round 1: reason" in ran.stdout


# --- speed ----------------------------------------------------------------------------------------------


def test_programs_get_a_line_for_each_event(pw: Pw) -> None:
    ran = pw(LOST, "--speed", "1000000", "-o", "json")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["position"] for line in lines] == [record.position for record in recording("lost").events]
    assert lines[0]["type"] == "task_submitted"


def test_people_get_the_report_at_the_end(pw: Pw) -> None:
    ran = pw(LOST, "--speed", "1000000")
    assert ran.exit_code == 0
    assert f"Task {recording('lost').task_id}" in ran.stdout


# --- compare --------------------------------------------------------------------------------------------


def test_two_runs_stand_beside_each_other(pw: Pw) -> None:
    ran = pw(RUN, "--compare", LOST, "-o", "json")
    compared = json.loads(ran.stdout)
    assert (compared["first"]["lost"], compared["second"]["lost"]) == (0, 1)
    assert not compared["same_input"]
    assert "they did not begin with the same output" in pw(RUN, "--compare", LOST).stdout


# --- what cannot work -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((RUN,), "say what to do with the task: --at, --check, --speed, --rerun, --compare or --what-if"),
        ((RUN, "--at", "1", "--check"), "--at and --check exclude each other"),
        ((RUN, "--diff", "1"), "--diff goes with --at, and nothing else: it names the second moment"),
        ((RUN, "--speed", "0"), "the speed is 0: say a number above 0, such as 60 for a minute in a second"),
        ((RUN, "--speed", "nan"), "the speed is nan: say a number above 0, such as 60 for a minute in a second"),
        ((RUN, "--check", "--", "-j", "2"), "options of pw run, behind --, go with --rerun alone"),
        ((RUN, "--check", "--server", "http://x"), "leave --server out"),
        ((RUN, "--at", "yesterday"), "'yesterday' is no moment: say a position (1817)"),
        ((str(FOLDER), "--at", "+1s"), "holds 8 tasks: only --check takes more than one"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(pw: Pw, arguments: tuple[str, ...], line: str) -> None:
    assert line in refused(pw(*arguments))


def test_before_a_task_began_there_is_nothing_to_show(pw: Pw) -> None:
    line = refused(pw(RUN, "--at", "2020-01-01T00:00:00Z"))
    assert "began at position 1, on 20" in line
    assert "2020-01-01 00:00:00 UTC is before that" in line


@pytest.mark.parametrize("mode", [("--at", "1"), ("--check",), ("--speed", "9"), ("--rerun",), ("--compare", "x")])
def test_a_task_that_is_not_there_is_named(pw: Pw, ledger_url: str, mode: tuple[str, ...]) -> None:
    line = refused(pw("nothing-0", *mode, "--database-url", ledger_url))
    assert line == "pw: the ledger has no task 'nothing-0'"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--tool", "ruff"), "a rerun begins with what was recorded: leave out --tool"),
        (("--nonsense",), "behind --: No such option: --nonsense"),
        (("--jobs", "0"), "behind --: Invalid value for '--jobs' / '-j': "),
    ],
)
def test_a_rerun_takes_no_other_input(pw: Pw, ledger_url: str, options: tuple[str, ...], line: str) -> None:
    assert line in refused(pw("last", "--rerun", "--database-url", ledger_url, "--", *options))


def test_a_rerun_begins_with_what_a_file_holds_as_well(pw: Pw, database_url: str, tmp_path: Path) -> None:
    line = refused(pw(LOST, "--rerun", "--database-url", database_url))
    assert recording("lost").task_id in line
    assert "add --server" in line or "is not here" in line


def test_what_a_service_handed_out_is_no_run_to_be_run_again(pw: Pw, ledger_url: str, tmp_path: Path) -> None:
    line = refused(pw(recording("lost").task_id, "--rerun", "--database-url", ledger_url))
    assert "add --server" in line or "is not here" in line


_WHAT_IF = ("--what-if", "workers=4")


@pytest.mark.parametrize(
    "mode", [("--at", "+1s"), ("--check",), ("--speed", "9"), ("--rerun",), ("--compare", LOST), _WHAT_IF]
)
def test_a_path_that_leads_to_no_export_is_said_to(
    pw: Pw, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: tuple[str, ...]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    options = (*mode, "--database-url", database_url)
    for missing in ("x/mid5.ndjson", "mid5.ndjson.gz", f"{tmp_path}/nothing"):
        assert refused(pw(missing, *options)) == f"pw: there is no file {missing}"
    for empty in ("empty", "./empty", f"{tmp_path}/empty"):
        assert refused(pw(empty, *options)) == f"pw: the folder {empty} holds no exported file (.ndjson, .ndjson.gz)"


@pytest.mark.parametrize("mode", [("--at", "+1s"), ("--check",), ("--rerun",), _WHAT_IF])
def test_of_an_archived_task_it_names_the_file(
    pw: Pw, ledger_url: str, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    task = recording("run").task_id
    archived = CliRunner().invoke(
        app, ["ledger", "archive", task, "--to", str(tmp_path), "--database-url", ledger_url]
    )
    assert archived.exit_code == 0, archived.output
    line = refused(pw(task, *mode, "--database-url", ledger_url), code=1)
    assert line.startswith(f"pw: {task} was archived into ")
    [file] = tmp_path.iterdir()
    assert pw(str(file), "--check").exit_code == 0
