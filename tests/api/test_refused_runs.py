from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from api.cli.main import app

if TYPE_CHECKING:
    from conftest import Bench


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what finds the problems"),
        (("--tool", "pylint"), "unknown tool 'pylint'"),
        (("--tool", "ruff", "--strategy", "luck"), "unknown strategy 'luck'"),
        (("--tool", "ruff", "--format", "xml"), "unknown format 'xml'"),
        (("--tool", "ruff", "--tool-command", "ruff check"), "exclude each other"),
        (("--tool-command", ""), "--tool-command is empty"),
        (("--tool", "ruff", "--worker", ""), "--worker is empty"),
        (("--tool", "ruff", "--worker", "'open"), "cannot split"),
        (("--tool", "mypy"), "say who does the work"),
        (("--tool-command", "ruff check ."), "say who does the work"),
        (("--tool-command", "ruff check .", "--worker", "ruff-fix"), "the tool's command must have {files} in it"),
        (("--resume", "last", "--worker", "other", "-j", "2"), "leave out --jobs, --worker"),
        (("--resume", "last", "--attempts", "9", "--strategy", "code"), "leave out --attempts, --strategy"),
    ],
)
def test_a_call_that_cannot_work_is_refused_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    # No database is named: such a call must not come that far.
    result = CliRunner().invoke(app, ["run", *arguments], env={"PW_DATABASE_URL": "nonsense"})
    assert result.exit_code == 2
    assert result.stderr.startswith("pw: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tool", "ruff", "--gate", "no-such-gate"), "the gate's command 'no-such-gate' is not installed"),
        (("--tool-command", "no-such-tool", "--worker", "true"), "the tool 'no-such-tool' is not installed"),
        (("--tool", "ruff", "--worker", "no-such-program {files}"), "the worker's command 'no-such-program' is not"),
        (("--problems", "no-such-report", "--tool", "ruff"), "no-such-report: No such file or directory"),
    ],
)
def test_what_is_missing_is_named_before_a_task_opens(bench: Bench, arguments: tuple[str, ...], said: str) -> None:
    assert said in bench.refused(*arguments)
    assert bench.events() == []


def test_a_folder_outside_any_repository_is_refused(bench: Bench) -> None:
    assert "is not inside a git checkout" in bench.refused("/", "--tool", "ruff")


def test_a_folder_that_does_not_exist_is_refused(bench: Bench) -> None:
    assert "No such file or directory" in bench.refused("no-such-folder", "--tool", "ruff")


def test_a_repository_without_a_commit_is_refused(bench: Bench, run_git) -> None:
    run_git(bench.folder, "init", "-q", "empty")
    assert "has no commit yet" in bench.refused(str(bench.folder / "empty"), "--tool", "ruff")


def test_uncommitted_changes_are_refused_and_kept(bench: Bench) -> None:
    changed = bench.repository / "pkg" / "m03.py"
    changed.write_text("import changed\n")
    assert "has uncommitted changes (pkg/m03.py)" in bench.refused("--tool", "ruff")
    assert changed.read_text() == "import changed\n"


def test_a_branch_in_the_way_is_named_before_a_task_opens(bench: Bench, run_git) -> None:
    run_git(bench.repository, "branch", "pw")
    assert "the branch pw stands in the way" in bench.refused("--tool", "ruff")
    assert bench.events() == []


def test_untracked_files_are_no_hindrance(bench: Bench) -> None:
    (bench.repository / "notes.txt").write_text("mine")
    bench.run("--tool", "ruff")
    assert (bench.repository / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(("report", "said"), [("", "the report is empty"), ("[{]", "no usable record")])
def test_a_report_without_a_usable_record_is_refused(bench: Bench, report: str, said: str) -> None:
    path = bench.folder / "report"
    path.write_text(report)
    assert said in bench.refused("--problems", str(path), "--tool", "ruff", "--format", "sarif")


def test_a_report_of_another_tree_is_refused(bench: Bench) -> None:
    path = bench.folder / "report"
    path.write_text(
        '[{"code": "F401", "filename": "/elsewhere/a.py", "message": "unused",'
        ' "location": {"row": 1, "column": 1}, "end_location": {"row": 1, "column": 2}}]'
    )
    line = bench.refused("--problems", str(path), "--tool", "ruff")
    assert f"/elsewhere/a.py lies outside the tree {bench.repository}" in line


def test_a_tool_that_fails_ends_the_run_with_what_it_said(bench: Bench) -> None:
    line = bench.refused("--tool", "ruff", "--tool-args", "--no-such-option")
    assert line.startswith("pw: ruff failed with exit code 2: ")
    assert bench.events() == []
    assert bench.nothing_left_behind()


def test_a_database_that_is_down_is_named_without_its_password(bench: Bench) -> None:
    bench.environment["PW_DATABASE_URL"] = "postgresql://me:secret@127.0.0.1:1/pw"
    line = bench.refused("--tool", "ruff")
    assert line == "pw: cannot reach the database at postgresql://127.0.0.1:1/pw: connection refused"


def test_a_data_folder_that_is_a_file_is_refused(bench: Bench) -> None:
    Path(bench.data).write_text("")
    assert "as data folder: not a folder" in bench.refused("--tool", "ruff")
