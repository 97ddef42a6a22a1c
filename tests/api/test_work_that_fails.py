from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Bench

ONE_TRY = ("--tool", "ruff", "-j", "1", "--attempts", "1")


def stalls(bench: Bench, source: str, *arguments: str) -> dict[str, Any]:
    """Run one worker of the test's own that comes to nothing, and expect the run to say so."""
    report = bench.run(*(arguments or ONE_TRY), "--worker", bench.worker(source), code=1)
    assert report["status"] == "stalled"
    assert report["after"] == report["before"]
    assert bench.tree(report["branch"]) == bench.tree(bench.base)
    assert bench.nothing_left_behind()
    assert bench.versions_have_no_gaps()
    return report


def test_every_refusal_says_why_and_the_next_attempt_starts_from_a_clean_tree(bench: Bench) -> None:
    source = """
if EPOCH == 1: fix(); Path('stray.txt').write_text('stray')
if EPOCH == 2: fix(); Path(FILES[0]).write_text('print(undefined)\\n')
if EPOCH == 4: Path(FILES[0]).write_text(Path(FILES[0]).read_text() + '# seen\\n')
"""
    report = stalls(bench, source, "--tool", "ruff", "-j", "1", "--attempts", "4")
    assert [
        (refused["gate"], refused["reason"].partition(" (")[0]) for refused in bench.payloads("subtask_rejected")
    ] == [
        ("scope", "changed outside its scope: stray.txt"),
        ("no new problems", "new: F821 x1"),
        ("effect", "no file was changed"),
        ("effect", "0 of 24 problems removed"),
    ]
    assert report["rejected"] == 4
    assert report["reason"].startswith("24 problems are left and no subtask of round 1 was accepted")


def test_a_worker_that_fails_is_tried_again_and_told_of_it_and_then_held(bench: Bench) -> None:
    source = "if EPOCH == 2: (BENCH / 'told').write_text(sys.stdin.read())\nsys.exit('out of ideas')"
    report = stalls(bench, source, "--tool", "ruff", "-j", "1", "--attempts", "2")
    assert [event["error"] for event in bench.payloads("failed")] == 2 * ["exit code 1: out of ideas"]
    assert (report["held"], report["subtasks"][0]["attempts"]) == (1, 2)
    assert "Attempt 1 by w1: exit code 1: out of ideas" in (bench.folder / "told").read_text()


def test_odd_workers_cost_their_attempt_and_not_the_run(bench: Bench) -> None:
    source = r"""
if EPOCH == 1:
    open(b'\xff.txt', 'w')
elif EPOCH == 2:
    os.kill(os.getpid(), signal.SIGRTMIN + 3)
elif EPOCH == 3:
    report('{"type": "progress", "completed": 1, "total": 2, "status": "a\u0000b"}')
    os.write(1, bytes(range(256)) + b'\n')
    sys.exit(3)
else:
    fix()
"""
    report = bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert (report["rejected"], report["lost"], report["subtasks"][0]["attempts"]) == (1, 1, 4)
    assert bench.payloads("failed")[0]["error"].startswith("exit code 3")
    assert report["after"] == {}


def test_a_worktree_that_a_worker_has_broken_is_not_taken_for_the_repository_around_it(bench: Bench, run_git) -> None:
    (bench.repository / ".git" / "info" / "exclude").write_text("/.pw\n")
    (bench.repository / "notes.txt").write_text("mine")
    bench.environment["PW_DATA_DIR"] = str(bench.repository / ".pw")
    source = "if EPOCH == 1: os.remove('.git'); sys.exit(1)\nfix()"
    report = bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert report["after"] == {}
    assert (bench.repository / "notes.txt").read_text() == "mine"
    assert run_git(bench.repository, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_a_run_whose_repository_git_refuses_is_paused_and_costs_the_subtask_nothing(bench: Bench) -> None:
    config = bench.repository / ".git" / "config"
    kept = config.read_text()
    source = f"if EPOCH == 1: open({str(config)!r}, 'w').write('['); sys.exit('oh')\nfix()"
    ran = bench.pw("run", "--tool", "ruff", "-j", "1", "--attempts", "2", "--worker", bench.worker(source))
    config.write_text(kept)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("pw: git worktree failed: ")
    [paused] = bench.payloads("task_paused")
    assert paused["reason"].startswith("git worktree failed: ")
    assert bench.run("--resume", "last")["after"] == {}
    assert [failed["error"] for failed in bench.payloads("failed")] == ["exit code 1: oh"]


def test_work_that_deletes_all_files_of_its_scope_is_not_held_to_the_whole_tree(bench: Bench) -> None:
    source = "for path in FILES: os.remove(path)"
    assert bench.run("--tool", "ruff", "-j", "2", "--worker", bench.worker(source))["after"] == {}


def test_a_failing_worker_does_not_stop_the_others(bench: Bench) -> None:
    source = "if 'pkg/m01.py' in FILES: sys.exit(1)\nfix()"
    report = bench.run("--tool", "ruff", "-j", "3", "--attempts", "1", "--worker", bench.worker(source), code=1)
    assert report["held"] > 0
    assert sum(report["after"].values()) < sum(report["before"].values())


def test_a_subtask_that_keeps_killing_its_workers_is_held(bench: Bench) -> None:
    report = stalls(bench, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert report["lost"] == 3
    assert "lost 3 workers, last: the worker process was ended by SIGSEGV" in report["reason"]


def test_a_worker_that_commits_by_itself_is_taken_all_the_same(bench: Bench) -> None:
    source = "fix(); subprocess.run('git -c user.name=w -c user.email=w@x commit -qam own', shell=True, check=True)"
    report = bench.run("--tool", "ruff", "-j", "2", "--worker", bench.worker(source))
    assert bench.tree(report["branch"]) == bench.fixed_tree()


def test_a_stalled_task_can_be_taken_up_when_its_cause_is_gone(bench: Bench) -> None:
    source = "if not (BENCH / 'up').exists(): sys.exit('service is down')\nfix()"
    assert bench.run(*ONE_TRY, "--worker", bench.worker(source), code=1)["status"] == "stalled"
    (bench.folder / "up").touch()
    assert bench.run("--resume", "last")["after"] == {}


# --- what workers report --------------------------------------------------------------------------------


def test_what_a_worker_reports_is_in_the_ledger_and_what_it_did_in_the_commit(bench: Bench, run_git) -> None:
    lines = [
        "nonsense", "[]", "", '{"type": "started"}', '{"type": "progress"}', "\\udcff",
        '{"type": "progress", "completed": 3, "total": 12, "status": "at m03"}',
        '{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "which one?"}}',
        '{"type": "completed", "summary": "took the imports out", "usage": {"model": "m", "tokens_in": 9000}}',
        '{"type": "completed"',
    ]  # fmt: skip
    report = bench.run(*ONE_TRY, "--worker", bench.worker(f"for line in {lines!r}: report(line)\nfix()"))
    assert bench.payloads("progress") == [{"completed": 3, "total": 12, "status": "at m03"}]
    assert [blocked["issue"]["question"] for blocked in bench.payloads("blocked")] == ["which one?"]
    # What it did not say stays unknown.
    assert [completed["usage"] for completed in bench.payloads("completed")] == [{"model": "m", "tokens_in": 9000}]
    assert "took the imports out" in run_git(bench.repository, "log", "-1", "--format=%B", report["branch"])


# --- the user's gates -----------------------------------------------------------------------------------


def test_gates_that_the_work_passes_are_recorded_and_given_the_changed_files(bench: Bench, fix_all: str) -> None:
    on_files = "python3 -c 'import sys; sys.exit(len(sys.argv) not in (1, 7))' {files}"
    report = bench.run(*ONE_TRY, "--worker", fix_all, "--gate", "test -d pkg", "--gate", on_files)
    gates = [gate for gate in bench.payloads("gate_evaluated") if gate["gate"] == "command"]
    assert [gate["passed"] for gate in gates] == [True, True]
    assert report["after"] == {}


def test_a_gate_that_the_work_fails_refuses_it(bench: Bench, fix_all: str) -> None:
    report = bench.run(*ONE_TRY, "--worker", fix_all, "--gate", "grep -q 'import os' pkg/m01.py", code=1)
    assert report["rejected"] == 1
    assert "command: grep -q 'import os' pkg/m01.py: exit 1" in report["reason"]


def test_a_gate_that_the_untouched_tree_fails_ends_the_run_before_any_work(bench: Bench, fix_all: str) -> None:
    line = bench.refused("--tool", "ruff", "--worker", fix_all, "--gate", "test -e no-such-file")
    assert "a gate fails before anything has changed" in line
    assert bench.events() == []
    assert bench.nothing_left_behind()
