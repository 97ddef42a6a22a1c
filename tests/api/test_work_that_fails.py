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


def test_work_outside_its_scope_is_refused(bench: Bench) -> None:
    report = stalls(bench, "fix(); Path('stray.txt').write_text('stray')")
    assert report["rejected"] == 1
    assert "changed outside its scope: stray.txt" in report["reason"]


def test_work_that_adds_a_problem_is_refused(bench: Bench) -> None:
    report = stalls(bench, "fix(); Path(FILES[0]).write_text('print(undefined)\\n')")
    assert report["rejected"] == 1
    assert "new: F821 x1" in report["reason"]


def test_a_worker_that_changes_nothing_stalls_the_run(bench: Bench) -> None:
    report = stalls(bench, "")
    assert report["reason"].startswith("24 problems are left and no subtask of round 1 was accepted")
    assert "no file was changed" in report["reason"]


def test_a_change_without_effect_stalls_the_run(bench: Bench) -> None:
    source = "for path in FILES: Path(path).write_text(Path(path).read_text() + '# seen\\n')"
    report = bench.run(*ONE_TRY, "--worker", bench.worker(source), code=1)
    assert "the accepted work of round 1 removed none of them" in report["reason"]


def test_a_worker_that_exits_with_1_is_tried_again_and_then_held(bench: Bench) -> None:
    report = stalls(bench, "sys.exit('out of ideas')", "--tool", "ruff", "-j", "1", "--attempts", "2")
    assert [event["error"] for event in bench.payloads("failed")] == 2 * ["exit code 1: out of ideas"]
    assert (report["held"], report["subtasks"][0]["attempts"]) == (1, 2)


def test_a_second_attempt_starts_from_a_clean_tree(bench: Bench) -> None:
    source = "if EPOCH == 1: Path('stray.txt').touch(); sys.exit(1)\nfix()"
    report = bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert report["after"] == {}


def test_a_second_attempt_is_told_of_the_first(bench: Bench) -> None:
    source = "if EPOCH == 1: sys.exit('cannot')\n(BENCH / 'told').write_text(sys.stdin.read()); fix()"
    bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert "Attempt 1 by w1: exit code 1: cannot" in (bench.folder / "told").read_text()


def test_a_failing_worker_does_not_stop_the_others(bench: Bench) -> None:
    source = "if 'pkg/m01.py' in FILES: sys.exit(1)\nfix()"
    report = bench.run("--tool", "ruff", "-j", "3", "--attempts", "1", "--worker", bench.worker(source), code=1)
    assert report["held"] > 0
    assert sum(report["after"].values()) < sum(report["before"].values())


def test_a_worker_that_is_killed_is_lost_and_its_subtask_handed_out_again(bench: Bench) -> None:
    source = "if EPOCH == 1: os.kill(os.getpid(), signal.SIGKILL)\nfix()"
    report = bench.run(*ONE_TRY, "--worker", bench.worker(source))
    assert report["lost"] == 1
    assert bench.payloads("lease_expired")[0]["reason"] == "the worker process was ended by SIGKILL"
    assert report["after"] == {}


def test_a_subtask_that_keeps_killing_its_workers_is_held(bench: Bench) -> None:
    report = stalls(bench, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert report["lost"] == 3
    assert "lost 3 workers, last: the worker process was ended by SIGSEGV" in report["reason"]


def test_a_late_write_of_a_child_that_was_left_behind_is_stopped(bench: Bench) -> None:
    child = "subprocess.Popen(['sleep', '600'])"
    source = f"child = {child}; (BENCH / f'pid-{{child.pid}}').write_text(str(child.pid)); fix()"
    bench.run("--tool", "ruff", "-j", "1", "--worker", bench.worker(source))
    assert len(bench.pids()) == 1
    assert bench.workers_are_gone()


def test_a_worker_command_that_does_not_exist_is_refused_before_anything_happens(bench: Bench) -> None:
    line = bench.refused("--tool", "ruff", "--worker", "no-such-program {files}")
    assert line == "pw: the worker's command 'no-such-program' is not installed (or not on PATH)"
    assert bench.events() == []


def test_output_that_is_not_text_does_no_harm(bench: Bench) -> None:
    report = stalls(bench, "os.write(1, bytes(range(256)) + b'\\n'); sys.exit(3)")
    assert "exit code 3" in report["reason"]


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


def test_reported_progress_is_in_the_ledger(bench: Bench) -> None:
    line = '{"type": "progress", "completed": 3, "total": 12, "status": "at m03"}'
    bench.run(*ONE_TRY, "--worker", bench.worker(f"report('{line}'); fix()"))
    assert bench.payloads("progress") == [{"completed": 3, "total": 12, "status": "at m03"}]


def test_a_blocked_worker_is_not_tried_again(bench: Bench) -> None:
    line = '{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "which one?"}}'
    report = stalls(bench, f"report('{line}'); sys.exit(1)", "--tool", "ruff", "-j", "1", "--attempts", "3")
    assert report["subtasks"][0]["attempts"] == 1
    assert "blocked: asks: which one?" in report["reason"]


def test_lines_that_are_no_messages_are_ignored(bench: Bench) -> None:
    lines = ["nonsense", "[]", "", '{"type": "started"}', '{"type": "progress"}', "\\udcff", '{"type": "completed"']
    report = bench.run(*ONE_TRY, "--worker", bench.worker(f"for line in {lines!r}: report(line)\nfix()"))
    assert report["after"] == {}


# --- the user's gates -----------------------------------------------------------------------------------


def test_a_gate_that_the_work_passes_is_recorded(bench: Bench, fix_all: str) -> None:
    bench.run("--tool", "ruff", "-j", "1", "--worker", fix_all, "--gate", "test -d pkg")
    gates = [gate for gate in bench.payloads("gate_evaluated") if gate["gate"] == "command"]
    assert [gate["passed"] for gate in gates] == [True]


def test_a_gate_that_the_work_fails_refuses_it(bench: Bench, fix_all: str) -> None:
    report = bench.run(*ONE_TRY, "--worker", fix_all, "--gate", "grep -q 'import os' pkg/m01.py", code=1)
    assert report["rejected"] == 1
    assert "command: grep -q 'import os' pkg/m01.py: exit 1" in report["reason"]


def test_a_gate_on_the_changed_files_is_given_them(bench: Bench, fix_all: str) -> None:
    gate = "python3 -c 'import sys; sys.exit(len(sys.argv) != 7)' {files}"
    assert bench.run(*ONE_TRY, "--worker", fix_all, "--gate", gate)["after"] == {}


def test_a_gate_that_the_untouched_tree_fails_ends_the_run_before_any_work(bench: Bench, fix_all: str) -> None:
    line = bench.refused("--tool", "ruff", "--worker", fix_all, "--gate", "test -e no-such-file")
    assert "a gate fails before anything has changed" in line
    assert bench.events("subtask_planned") == []
    assert bench.payloads("task_cancelled")[0]["reason"].startswith("a gate fails")
    assert bench.nothing_left_behind()
