"""Tests of faults that are not mended yet: not collected; each moves to the file of its subject once it passes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench

ONE_TRY = ("--tool", "ruff", "-j", "1", "--attempts", "1")


def test_a_branch_that_a_worker_has_checked_out_stays_where_it_was(bench: Bench, run_git) -> None:
    precious = run_git(bench.repository, "commit-tree", bench.tree("HEAD"), "-p", "HEAD", "-m", "precious")
    run_git(bench.repository, "branch", "feature", precious)
    source = "if EPOCH == 1: subprocess.run(['git', 'checkout', '-q', 'feature'], check=True); sys.exit(1)\nfix()"
    bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert run_git(bench.repository, "rev-parse", "feature") == precious


def test_a_repository_around_the_data_folder_is_not_taken_for_a_worktree(bench: Bench, run_git) -> None:
    (bench.repository / ".git" / "info" / "exclude").write_text("/.pw\n")
    (bench.repository / "notes.txt").write_text("mine")
    bench.environment["PW_DATA_DIR"] = str(bench.repository / ".pw")
    source = "if EPOCH == 1: os.remove('.git'); sys.exit(1)\nfix()"
    report = bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert report["after"] == {}
    assert (bench.repository / "notes.txt").read_text() == "mine"
    assert run_git(bench.repository, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_a_worktree_of_the_users_that_is_away_is_not_forgotten(bench: Bench, run_git) -> None:
    run_git(bench.repository, "worktree", "add", "-q", "-b", "other", str(bench.folder / "disk"))
    (bench.folder / "disk").rename(bench.folder / "away")
    bench.run("--tool", "ruff")
    (bench.folder / "away").rename(bench.folder / "disk")
    assert run_git(bench.folder / "disk", "status", "--porcelain") == ""


@pytest.mark.parametrize("form", ["ruff", "mypy"])
def test_a_tool_that_fails_in_silence_has_not_found_the_tree_clean(bench: Bench, form: str) -> None:
    command = "ruff check --no-such-option {files}"
    line = bench.refused("--tool-command", command, "--format", form, "--worker", "true")
    assert "exit 2" in line


def test_a_repository_that_a_worker_made_is_gone_before_the_next_attempt(bench: Bench) -> None:
    source = (
        "if EPOCH == 1: subprocess.run('git init -q sub && touch sub/x', shell=True, check=True); sys.exit(1)\nfix()"
    )
    assert bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))["after"] == {}


@pytest.mark.parametrize(
    "source",
    [
        "open(b'\\xff.txt', 'w')",
        "os.kill(os.getpid(), signal.SIGRTMIN + 3)",
        r"""report('{"type": "progress", "completed": 1, "total": 2, "status": "a\\u0000b"}'); sys.exit(1)""",
    ],
    ids=["a file name that is not UTF-8", "a signal without a name", "a NUL in a report"],
)
def test_an_odd_worker_costs_its_attempt_and_not_the_run(bench: Bench, source: str) -> None:
    report = bench.run(
        "--tool", "ruff", "-j", "1", "--worker", bench.worker(f"if EPOCH == 1:\n    {source}\nelse: fix()")
    )
    assert report["after"] == {}


def test_a_nul_that_a_gate_prints_does_not_end_the_run(bench: Bench, fix_all: str) -> None:
    gate = 'sh -c \'printf "a\\000b"; test -z "$1"\' gate {files}'
    assert bench.run(*ONE_TRY, "--worker", fix_all, "--gate", gate, code=1)["rejected"] == 1


def test_work_that_deletes_all_files_of_its_scope_is_not_held_to_the_whole_tree(bench: Bench) -> None:
    source = "for path in FILES: os.remove(path)"
    assert bench.run("--tool", "ruff", "-j", "2", "--worker", bench.worker(source))["after"] == {}


@pytest.mark.parametrize("name", ["-x.py", "a\nb.py"])
def test_file_names_that_look_like_something_else(bench: Bench, run_git, name: str) -> None:
    (bench.repository / name).write_text("import os\n")
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "two")
    report = bench.run("--tool", "ruff", "--worker", "ruff-fix --unsafe-fixes")
    assert report["after"] == {}


def test_ruff_fix_keeps_to_its_files_where_the_command_names_a_folder(bench: Bench) -> None:
    report = bench.run("--tool-command", "ruff check --no-cache --output-format json .", "-j", "2")
    assert report["after"] == {"E711": 6}


def test_a_child_that_a_gate_leaves_behind_does_not_hold_up_the_run(bench: Bench, fix_all: str) -> None:
    report = bench.run("--tool", "ruff", "--worker", fix_all, "--gate", "sh -c 'sleep 30 & exit 0'")
    assert report["wall_seconds"] < 30


def test_a_gate_does_not_outlive_a_killed_run(bench: Bench, fix_all: str, wait_until) -> None:
    gate = f"sh -c 'test -z \"$1\" || {{ echo $$ > {bench.folder}/pid-gate; exec sleep 600; }}' gate {{files}}"
    run = bench.start("--tool", "ruff", "-j", "1", "--worker", fix_all, "--gate", gate)
    wait_until(bench.pids, "the gate")
    run.send_signal(signal.SIGKILL)
    run.communicate()
    wait_until(bench.workers_are_gone, "the end of the gate")


def test_a_hang_up_is_an_interruption(bench: Bench) -> None:
    run = bench.start("--tool", "ruff", "-j", "1", "--worker", bench.worker("wait_to_be_let_go()"))
    bench.wait_for("started")
    run.send_signal(signal.SIGHUP)
    run.communicate()
    assert bench.nothing_left_behind()
    assert bench.payloads("task_paused") != []


def test_a_reported_summary_is_in_the_commit(bench: Bench, run_git) -> None:
    line = '{"type": "completed", "summary": "took the imports out"}'
    report = bench.run(*ONE_TRY, "--worker", bench.worker(f"fix(); report('{line}')"))
    assert "took the imports out" in run_git(bench.repository, "log", "-1", "--format=%B", report["branch"])


def test_work_that_reports_to_have_failed_is_not_taken(bench: Bench) -> None:
    line = '{"type": "failed", "error": "I broke it"}'
    report = bench.run(*ONE_TRY, "--worker", bench.worker(f"fix(); report('{line}')"), code=1)
    assert "I broke it" in report["reason"]


def test_a_branch_in_the_way_is_named_before_a_task_opens(bench: Bench, run_git) -> None:
    run_git(bench.repository, "branch", "pw")
    assert "branch pw" in bench.refused("--tool", "ruff")
    assert bench.events() == []


def test_options_that_a_resumed_run_would_not_heed_are_refused(bench: Bench) -> None:
    assert "--worker" in bench.refused("--resume", "last", "--worker", "other", code=2)
