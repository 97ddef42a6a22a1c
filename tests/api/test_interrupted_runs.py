from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from conftest import Bench

#: Two workers, one of which has ended when the other, and all after it, wait.
WAITING = "if 'pkg/m01.py' in FILES: wait_to_be_let_go()\nfix()"


@pytest.fixture
def held_run(bench: Bench) -> subprocess.Popen[str]:
    """A run in which one subtask is accepted and the worker of another waits to be let go."""
    run = bench.start("--tool", "ruff", "-j", "2", "--worker", bench.worker(WAITING))
    bench.wait_for("subtask_accepted")
    return run


def resume(bench: Bench) -> None:
    (bench.folder / "go").touch()
    report = bench.run("--resume", "last")
    assert report["after"] == {}
    assert bench.tree(report["branch"]) == bench.fixed_tree()
    assert bench.nothing_left_behind()
    assert bench.versions_have_no_gaps()


def test_an_interrupted_run_says_how_to_go_on_and_leaves_nothing_running(
    bench: Bench, held_run: subprocess.Popen[str]
) -> None:
    task = bench.events("task_submitted")[0][0]
    held_run.send_signal(signal.SIGINT)
    stdout, stderr = held_run.communicate()
    assert (held_run.returncode, stdout) == (130, "")
    assert stderr == f"pw: interrupted; nothing is lost: pw run --resume {task}\n"
    assert bench.workers_are_gone()
    assert bench.nothing_left_behind()
    # A forecast may be written down at any moment, also between the last release and the pause.
    happened = [name for _, name, _ in bench.events() if name != "task_forecast"]
    assert happened[-3:] == ["subtask_released", "subtask_ready", "task_paused"]
    resume(bench)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_asked_to_end_is_interrupted(
    bench: Bench, held_run: subprocess.Popen[str], number: int
) -> None:
    held_run.send_signal(number)
    held_run.communicate()
    assert held_run.returncode == 130
    assert bench.workers_are_gone()
    assert bench.nothing_left_behind()
    assert len(bench.payloads("task_paused")) == 1


def test_a_killed_run_leaves_no_worker_and_is_taken_up_where_the_ledger_has_it(
    bench: Bench,
    held_run: subprocess.Popen[str],
    wait_until: Callable[..., object],
    run_git: Callable[..., str],
) -> None:
    wait_until(bench.pids, "a worker that waits")
    assert not bench.workers_are_gone()
    held_run.send_signal(signal.SIGKILL)
    held_run.communicate()
    wait_until(bench.workers_are_gone, "the end of the workers")
    # As if it had been killed between the append and the move of the branch.
    branch = bench.payloads("task_submitted")[0]["branch"]
    run_git(bench.repository, "update-ref", f"refs/heads/{branch}", bench.base)
    accepted = bench.events("subtask_accepted")
    resume(bench)
    assert bench.events("subtask_accepted")[: len(accepted)] == accepted
    assert bench.payloads("lease_expired")[0]["reason"].endswith("is gone")


def test_a_task_that_is_being_run_cannot_be_resumed_beside_it(bench: Bench, held_run: subprocess.Popen[str]) -> None:
    task = bench.events("task_submitted")[0][0]
    assert bench.refused("--resume", "last") == f"pw: {task} is being run by another pw just now"
    (bench.folder / "go").touch()
    report = json.loads(held_run.communicate()[0])
    assert report["after"] == {}


def test_a_task_that_nobody_knows_cannot_be_resumed(bench: Bench) -> None:
    assert bench.refused("--resume", "nothing", code=2) == "pw: the ledger has no task 'nothing'"
