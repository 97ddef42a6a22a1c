"""`pw ledger export`, `import` and `archive`, and what `pw` says of an archived task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app as pw_app
from eventstore.postgres.migrations import migrate

Pw = Callable[..., Result]
_SUBMITTED = '{"repository": "/src", "base_commit": "a1", "branch": "pw/boto-1", "options": {}}'


@pytest.fixture
def finished(database_url: str, append_raw: Callable[..., list[int]]) -> str:
    """The URL of a ledger with a task that has ended and one that has not."""
    rows = [
        {"stream_id": "boto-1", "type": "task_submitted", "payload": _SUBMITTED},
        {"stream_id": "boto-1", "type": "task_completed"},
        {"stream_id": "salt-1", "type": "task_submitted", "payload": _SUBMITTED},
    ]
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, rows)
    return database_url


@pytest.fixture
def other_url(empty_database_url: str) -> str:
    migrate(empty_database_url)
    return empty_database_url


def pw(url: str, *arguments: object) -> Result:
    return CliRunner().invoke(pw_app, [*map(str, arguments), "--database-url", url])


def positions(url: str, task: str = "%") -> list[int]:
    query = "SELECT position FROM ledger.event WHERE task_id LIKE %s ORDER BY position"
    with psycopg.connect(url) as connection:
        return [position for (position,) in connection.execute(query, (task,))]


def refused(ran: Result, code: int) -> str:
    assert ran.exit_code == code, ran.output
    assert ran.stdout == ""
    assert ran.stderr.startswith("pw: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr.removeprefix("pw: ").rstrip("\n")


# --- export ---


def test_an_export_says_what_it_holds(finished: str, pw_ledger: Pw, tmp_path: Path) -> None:
    ran = pw_ledger("export", "--all", "-o", tmp_path / "all.ndjson")
    assert ran.exit_code == 0
    said = f"exported: 3 events, 0 artifacts, 0 archives and 0 seals, to position 3, into {tmp_path / 'all.ndjson'}\n"
    assert ran.stdout == said


@pytest.mark.parametrize("name", ["boto-1", "oto", "bo"])
def test_a_task_is_exported_by_any_part_of_its_name(finished: str, pw_ledger: Pw, tmp_path: Path, name: str) -> None:
    assert pw_ledger("export", name, "-o", tmp_path / "file").exit_code == 0
    assert json.loads((tmp_path / "file").read_text().splitlines()[0])["tasks"] == ["boto-1"]


def test_an_export_goes_to_standard_output_and_what_is_said_does_not(finished: str) -> None:
    command = [sys.executable, "-c", "from api.cli.main import main; main()", "ledger", "export", "--all", "-o", "-"]
    ran = subprocess.run([*command, "--database-url", finished], capture_output=True, check=True)
    assert {json.loads(line)["kind"] for line in ran.stdout.splitlines()} == {"export", "check", "event", "end"}
    assert ran.stderr.startswith(b"exported: 3 events")


def test_parquet_is_a_folder(finished: str, pw_ledger: Pw, other_url: str, tmp_path: Path) -> None:
    assert pw_ledger("export", "--all", "-o", tmp_path / "all", "--format", "parquet").exit_code == 0
    assert pw(other_url, "ledger", "import", tmp_path / "all").exit_code == 0
    assert positions(other_url) == [1, 2, 3]


@pytest.mark.parametrize("arguments", [[], ["boto-1", "--all"]])
def test_either_tasks_or_everything_is_exported(
    finished: str, pw_ledger: Pw, tmp_path: Path, arguments: list[str]
) -> None:
    ran = pw_ledger("export", *arguments, "-o", tmp_path / "file")
    assert refused(ran, 2) == "name the tasks to export, or say --all"


@pytest.mark.parametrize(
    ("task", "said"),
    [("gone", "the ledger has no task 'gone'"), ("t", "'t' may mean 2 tasks: salt-1, boto-1")],
)
def test_a_task_that_is_not_clear_is_refused(
    finished: str, pw_ledger: Pw, tmp_path: Path, task: str, said: str
) -> None:
    assert refused(pw_ledger("export", task, "-o", tmp_path / "file"), 2) == said


# --- import ---


def test_an_import_says_what_it_brought(finished: str, pw_ledger: Pw, other_url: str, tmp_path: Path) -> None:
    pw_ledger("export", "--all", "-o", tmp_path / "all.ndjson")
    ran = pw(other_url, "ledger", "import", tmp_path / "all.ndjson")
    brought = "imported: 3 events at the positions of the file, 0 artifacts and 0 seals; there already: 0 events\n"
    assert (ran.exit_code, ran.stdout) == (0, brought)
    again = pw(other_url, "ledger", "import", tmp_path / "all.ndjson", "-o", "json")
    assert json.loads(again.stdout)["events_known"] == 3


def test_a_damaged_file_is_one_line_that_says_how_to_go_on(
    finished: str, pw_ledger: Pw, other_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "all.ndjson"
    pw_ledger("export", "--all", "-o", path)
    path.write_bytes(path.read_bytes()[:-30])
    assert refused(pw(other_url, "ledger", "import", path), 1) == (
        f"{path} is cut off in line 7: its end is missing; what came before it is in, and importing again goes on"
        " there"
    )


def test_a_file_that_is_not_there_is_one_line(pw_ledger: Pw, tmp_path: Path) -> None:
    assert refused(pw_ledger("import", tmp_path / "gone"), 1) == f"{tmp_path / 'gone'}: No such file or directory"


def test_what_was_not_begun_cannot_be_abandoned(finished: str, pw_ledger: Pw, tmp_path: Path) -> None:
    pw_ledger("export", "--all", "-o", tmp_path / "all.ndjson")
    assert "is under way" in refused(pw_ledger("import", tmp_path / "all.ndjson", "--abandon"), 2)


# --- archive ---


def test_an_archived_task_is_said_to_be_in_its_file_and_comes_back(
    finished: str, pw_ledger: Pw, tmp_path: Path
) -> None:
    ran = pw_ledger("archive", "boto", "--to", tmp_path)
    file = tmp_path / "boto-1.ndjson.gz"
    assert (ran.exit_code, ran.stdout) == (0, f"archived: boto-1, 2 events and 0 artifacts, in {file}\n")
    assert positions(finished, "boto-1") == [4]

    status = pw(finished, "status", "boto")
    assert status.exit_code == 0
    assert status.stdout.startswith("boto-1 was archived on 20")
    assert status.stdout.endswith(" UTC into boto-1.ndjson.gz: pw ledger import brings it back\n")
    assert json.loads(pw(finished, "status", "boto", "-o", "json").stdout)["status"] == "archived"
    assert "boto-1.ndjson.gz is its export" in refused(pw_ledger("export", "boto-1", "-o", tmp_path / "again"), 1)
    assert "pw ledger import brings it back" in refused(pw(finished, "run", "--resume", "boto-1"), 1)

    assert pw_ledger("import", file).exit_code == 0
    assert positions(finished, "boto-1") == [1, 2, 4]
    assert json.loads(pw(finished, "status", "boto", "-o", "json").stdout)["status"] == "completed"
    assert pw_ledger("verify").exit_code == 0


def test_the_archive_is_told_to_programs(finished: str, pw_ledger: Pw, tmp_path: Path) -> None:
    told = json.loads(pw_ledger("archive", "boto-1", "--to", tmp_path, "-o", "json").stdout)
    assert (told["task_id"], told["file"]) == ("boto-1", str(tmp_path / "boto-1.ndjson.gz"))
    assert told["tombstone"]["events"] == 2


def test_a_running_task_is_refused(finished: str, pw_ledger: Pw, tmp_path: Path) -> None:
    said = refused(pw_ledger("archive", "salt-1", "--to", tmp_path), 1)
    assert said == "salt-1 is still running: only what is completed, cancelled or stalled can be archived"


def test_the_newest_task_is_never_an_archived_one(finished: str, pw_ledger: Pw, tmp_path: Path) -> None:
    pw_ledger("archive", "boto-1", "--to", tmp_path)
    assert json.loads(pw(finished, "status", "last", "-o", "json").stdout)["task_id"] == "salt-1"


@pytest.mark.parametrize("verb", ["export", "import", "archive"])
def test_every_command_says_what_it_does(pw_ledger: Pw, verb: str) -> None:
    ran = pw_ledger(verb, "--help")
    assert ran.exit_code == 0
    assert "--database-url" in ran.stdout
