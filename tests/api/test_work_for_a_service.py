"""A service and the runners of `pw work`, each a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.client.address import Address
from api.client.client import Client
from api.schemas import Policy, ReviewRequest, TaskRequest

if TYPE_CHECKING:
    from conftest import Bench

#: A worker of one subtask waits to be let go; all others do their work.
WAITING = "if 'pkg/m01.py' in FILES: wait_to_be_let_go()\nfix()"


class Office:
    """A service on a socket, and commands that use it."""

    def __init__(self, bench: Bench, socket: Path) -> None:
        self.bench = bench
        self._socket = socket
        bench.environment["PW_SERVER"] = f"unix:{socket}"
        self.service = self.open()

    def open(self) -> subprocess.Popen[str]:
        """Start the service and wait until it serves."""
        self._socket.unlink(missing_ok=True)
        service = self.bench.start_pw("serve", "--uds", str(self._socket))
        assert service.stdout is not None
        assert service.stdout.readline() != "", service.communicate()[1]
        return service

    def submit(self, *arguments: str) -> dict[str, Any]:
        """Submit what ruff finds in the bench's repository."""
        command = ["ruff", "check", "--no-cache", "--output-format", "json", "--exit-zero"]
        ruff = subprocess.run(
            command, cwd=self.bench.repository, env=self.bench.environment, capture_output=True, text=True, check=True
        )
        return self.say("submit", "-", "-o", "json", *arguments, stdin=ruff.stdout)

    def say(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """Run `pw` to a good end and give the JSON that it prints."""
        ran = self.bench.pw(*arguments, stdin=stdin)
        assert ran.returncode == 0, ran.stderr
        said: dict[str, Any] = json.loads(ran.stdout)
        return said

    def hire(self, worker: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a runner that ends when there is no work."""
        return self.bench.start_pw("work", "--drain", "--exec", worker, *arguments)

    def report(self) -> dict[str, Any]:
        """Give the report of the newest task."""
        return self.say("status", "last", "-o", "json")


@pytest.fixture
def office(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    yield Office(bench, tmp_path_factory.mktemp("pw") / "api.sock")
    for process in bench.started:
        if process.poll() is None:
            process.terminate()


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for a good end and give what was said on the way."""
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return stderr


def test_two_runners_share_a_task_and_look_at_the_tree_in_the_end(office: Office, fix_all: str) -> None:
    bench = office.bench
    office.submit("--strategy", "file", "--workers", "4")
    runners = [office.hire(fix_all, "-j", "2", "--name", name) for name in ("ann", "bob")]
    said = [ended(runner) for runner in runners]
    report = office.report()
    assert (report["status"], report["reason"]) == ("completed", "nothing is left")
    assert bench.tree(report["branch"]) == bench.fixed_tree()
    assert bench.nothing_left_behind()
    assert bench.versions_have_no_gaps()
    assert len(bench.events("subtask_accepted")) == report["accepted"] == len(report["subtasks"])
    assert sum(lines.count("accepted") for lines in said) == report["accepted"]


def test_a_runner_that_is_asked_to_end_hands_back_what_it_holds(office: Office) -> None:
    bench = office.bench
    office.submit("--strategy", "file", "--workers", "2")
    first = office.hire(bench.worker(WAITING), "-j", "2")
    bench.wait_for("subtask_accepted")
    bench.until(bench.pids, "a worker that waits")
    first.send_signal(signal.SIGTERM)
    ended(first)
    assert bench.workers_are_gone()
    assert bench.nothing_left_behind()
    assert [released["reason"] for released in bench.payloads("subtask_released")] == ["its runner was stopped"]
    (bench.folder / "go").touch()
    ended(office.hire(bench.worker(WAITING)))
    report = office.report()
    assert (report["after"], report["rejected"], report["lost"]) == ({}, 0, 0)


def test_a_killed_runner_leaves_no_worker(office: Office) -> None:
    bench = office.bench
    office.submit()
    runner = office.hire(bench.worker("wait_to_be_let_go()"))
    bench.until(bench.pids, "a worker that waits")
    runner.kill()
    runner.communicate()
    bench.until(bench.workers_are_gone, "the end of the worker")


def test_a_service_that_is_killed_and_comes_back_costs_no_work(office: Office) -> None:
    bench = office.bench
    office.submit()
    runner = office.hire(bench.worker(WAITING))
    bench.until(bench.pids, "a worker that waits")
    office.service.kill()
    office.service.communicate()
    (bench.folder / "go").touch()
    office.open()
    ended(runner)
    report = office.report()
    assert (report["status"], report["after"], report["lost"]) == ("completed", {}, 0)
    assert all(subtask["attempts"] == 1 for subtask in report["subtasks"])


def test_an_answer_reaches_the_worker_that_waits_for_it(office: Office) -> None:
    bench = office.bench
    task = office.submit("--workers", "1")
    source = """
report('{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "which one?"}}')
answers = Path(os.environ["PW_ANSWERS"])
while not answers.read_text().endswith("\\n"):
    time.sleep(0.02)
(BENCH / "told").write_text(answers.read_text())
fix()
"""
    runner = office.hire(bench.worker(source))
    bench.wait_for("blocker_opened")
    [subtask] = {stream for stream, _, _ in bench.events("blocked")}
    said = office.say("answer", subtask, "the second", "-o", "json")
    assert (said["task_id"], said["status"]) == (task["id"], "running")
    ended(runner)
    assert json.loads((bench.folder / "told").read_text()) == {
        "number": 1,
        "action": "resume",
        "answer": "the second",
    }
    assert office.report()["after"] == {}


def test_a_blocked_worker_that_ends_leaves_its_subtask_parked_until_the_answer(office: Office) -> None:
    bench = office.bench
    office.submit("--workers", "1")
    source = """
if EPOCH == 1:
    report('{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "which one?"}}')
    sys.exit(1)
fix()
"""
    ended(office.hire(bench.worker(source)))
    [released] = bench.payloads("subtask_released")
    assert released["parked"]
    [subtask] = {stream for stream, _, _ in bench.events("blocked")}
    office.say("answer", subtask, "the second", "-o", "json")
    ended(office.hire(bench.worker(source)))
    report = office.report()
    assert (report["after"], report["rejected"], report["subtasks"][0]["attempts"]) == ({}, 0, 2)


def test_a_drain_waits_for_what_has_failed_and_is_to_be_tried_again(office: Office) -> None:
    bench = office.bench
    office.submit("--strategy", "file", "--workers", "2")
    ended(office.hire(bench.worker("if EPOCH == 1: sys.exit('not yet')\nfix()"), "-j", "2"))
    report = office.report()
    assert (report["status"], report["after"]) == ("completed", {})
    assert {subtask["attempts"] for subtask in report["subtasks"]} == {2}


def test_a_drain_that_ends_says_what_it_leaves_open(office: Office) -> None:
    bench = office.bench
    office.submit("--workers", "1")
    source = """
report('{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "which one?"}}')
sys.exit(1)
"""
    said = ended(office.hire(bench.worker(source)))
    assert said.splitlines()[-1] == "no more work for these workers; subtasks left open: 1"


async def test_a_task_whose_tree_is_not_here_is_left_to_others_and_the_rest_is_done(
    office: Office, fix_all: str
) -> None:
    bench = office.bench
    report = b"".join(b"m%d.py:1:1: F401 unused\n" % number for number in range(4))
    async with Client.open(Address.of(bench.environment["PW_SERVER"])) as client:
        request = TaskRequest(report="", format="flake8", policy=Policy(strategy="file", workers=4))
        elsewhere = await client.submit(request, report)
    office.submit("--workers", "1")
    said = ended(office.hire(fix_all, "-j", "2"))
    told = bench.pw("work", "--drain", "--exec", fix_all, "--task", elsewhere.id)
    why = "the task does not say where its tree is: give --repository or --dir"
    assert said.count(f"{elsewhere.id} is left to others: {why}") == 1
    assert (office.report()["status"], office.report()["after"]) == ("completed", {})
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1] == f"pw: {elsewhere.id} cannot be worked on from here: {why}"
    assert bench.events("failed") == []
    async with Client.open(Address.of(bench.environment["PW_SERVER"])) as client:
        assert (await client.task(elsewhere.id)).subtasks == elsewhere.subtasks


async def test_work_that_needs_a_review_is_merged_once_it_is_there(office: Office, fix_all: str) -> None:
    bench = office.bench
    office.submit("--workers", "1", "--reviews", "1")
    runner = office.hire(fix_all)
    bench.wait_for("review_requested")
    [(subtask, _, asked)] = bench.events("review_requested")
    assert office.report()["accepted"] == 0
    async with Client.open(Address.of(bench.environment["PW_SERVER"])) as client:
        verdict = await client.review(subtask, ReviewRequest(reviewer="eve", lease_epoch=1, approve=True))
    assert (asked["reviews"], verdict.outcome) == (1, "pending")
    ended(runner)
    report = office.report()
    assert bench.tree(report["branch"]) == bench.fixed_tree()
    assert len(bench.events("review_requested")) == 1


def test_work_in_a_checkout_of_its_own_is_merged_there(office: Office, fix_all: str, run_git) -> None:
    bench = office.bench
    clone = bench.folder / "own"
    run_git(bench.folder, "clone", "-q", str(bench.repository), str(clone))
    task = office.submit()
    ended(office.hire(fix_all, "--dir", str(clone)))
    assert run_git(clone, "rev-parse", f"{task['branch']}^{{tree}}") == bench.fixed_tree()
    assert not run_git(bench.repository, "branch", "--list", "pw/*")


def test_a_checkout_with_changes_of_the_users_is_not_worked_in(office: Office, fix_all: str) -> None:
    bench = office.bench
    (bench.repository / "notes.txt").write_text("mine")
    ran = bench.pw("work", "--exec", fix_all, "--dir", ".")
    assert ran.returncode == 2
    assert "has changes that are not committed" in ran.stderr
    assert (bench.repository / "notes.txt").read_text() == "mine"


def test_work_in_a_folder_without_git_is_checked_and_merged_nowhere(office: Office, fix_all: str, run_git) -> None:
    bench = office.bench
    folder = bench.folder / "plain"
    run_git(bench.folder, "clone", "-q", str(bench.repository), str(folder))
    subprocess.run(["rm", "-rf", str(folder / ".git")], check=True)
    office.submit("--workers", "1")
    ended(office.hire(fix_all, "--dir", str(folder)))
    assert [gate["gate"] for gate in bench.payloads("gate_evaluated")] == ["no new problems", "effect"]
    assert [accepted["commit"] for accepted in bench.payloads("subtask_accepted")] == [""]


def test_a_tree_that_is_elsewhere_on_this_machine_is_named(office: Office, fix_all: str, run_git) -> None:
    bench = office.bench
    clone = bench.folder / "clone-of-mine"
    run_git(bench.folder, "clone", "-q", str(bench.repository), str(clone))
    task = office.submit()
    ended(office.hire(fix_all, "--repository", str(clone)))
    assert run_git(clone, "rev-parse", f"{task['branch']}^{{tree}}") == bench.fixed_tree()
    assert office.report()["after"] == {}


def test_a_tree_that_one_runner_cannot_look_at_is_looked_at_by_the_next(office: Office, fix_all: str) -> None:
    bench = office.bench
    tool = bench.folder / "tool.sh"
    # Of single files it always speaks, of the whole tree only when it may.
    tool.write_text(
        '#!/bin/sh\n[ "$*" != . ] || [ -e "$BENCH/whole" ] || exit 3\n'
        'exec ruff check --no-cache --output-format json --exit-zero "$@"\n'
    )
    tool.chmod(0o755)
    office.submit("--tool-command", f"{tool} {{files}}", "--workers", "1")
    said = ended(office.hire(fix_all, "--name", "ann"))
    assert "could not be looked at: tool.sh failed with exit code 3" in said
    (bench.folder / "whole").touch()
    assert "looked at" in ended(office.hire(fix_all, "--name", "bob"))
    report = office.report()
    assert (report["status"], report["after"]) == ("completed", {})


def test_a_key_for_workers_is_all_that_a_runner_needs(office: Office, fix_all: str) -> None:
    bench = office.bench
    tokens = {
        role: office.say("keys", "create", role, "--role", role, "-o", "json")["token"]
        for role in ("planner", "worker")
    }
    bench.environment["PW_API_KEY"] = tokens["planner"]
    task = office.submit("--strategy", "file", "--workers", "2")
    bench.environment["PW_API_KEY"] = tokens["worker"]
    ended(office.hire(fix_all, "-j", "2"))
    refused = bench.pw("status", "last")
    bench.environment["PW_API_KEY"] = tokens["planner"]
    assert (office.report()["status"], office.report()["after"]) == ("completed", {})
    assert bench.tree(task["branch"]) == bench.fixed_tree()
    assert (refused.returncode, "may not do this" in refused.stderr) == (1, True)


def test_watch_follows_a_task_of_a_service_to_its_end(office: Office, fix_all: str) -> None:
    bench = office.bench
    office.submit()
    watching = bench.start_pw("watch", "last")
    ended(office.hire(fix_all))
    stdout, stderr = watching.communicate()
    assert watching.returncode == 0, stderr
    assert "completed" in stdout


def test_status_lists_the_tasks_of_a_service(office: Office) -> None:
    bench = office.bench
    task = office.submit()
    assert [listed["id"] for listed in json.loads(bench.pw("status", "-o", "json").stdout)] == [task["id"]]
    assert task["id"] in bench.pw("status").stdout


# --- calls that cannot work -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("work",), "say who does the work"),
        (("work", "--exec", "true", "--worker", "claude"), "say who does the work"),
        (("work", "--worker", "nobody"), "unknown worker 'nobody'"),
        (("work", "--exec", "true", "--dir", ".", "-j", "2"), "leave out --jobs"),
        (("work", "--exec", "true"), "say which service"),
        (("work", "--exec", "true", "--server", "nowhere"), "'nowhere' is no server"),
        (("answer", "tree-1.1", "yes", "--action", "guess"), "unknown action 'guess'"),
        (("submit", "report.json", "--target", "some"), "unknown target 'some'"),
        (("submit", "report.json", "--format", "xml"), "unknown format 'xml'"),
        (("submit", "report.json"), "say which service"),
    ],
)
def test_a_call_that_cannot_work_is_refused_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, [*arguments], env={"PW_SERVER": None})
    assert result.exit_code == 2
    assert result.stderr.startswith("pw: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
