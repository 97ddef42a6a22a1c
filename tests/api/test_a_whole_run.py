from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from conftest import Bench


def test_removes_all_problems_on_a_branch_and_leaves_the_checkout_alone(bench: Bench, fix_all: str) -> None:
    report = bench.run("--tool", "ruff", "--worker", fix_all)
    assert bench.tree(report["branch"]) == bench.fixed_tree()
    assert bench.tree("HEAD") == bench.tree(bench.base)
    assert bench.nothing_left_behind()


def test_sql_sees_the_run_when_it_is_over(bench: Bench, fix_all: str) -> None:
    report = bench.run("--tool", "ruff", "--worker", fix_all)
    with psycopg.connect(bench.url) as connection:
        rows = connection.execute("SELECT task_id, status, accepted FROM projection.progress").fetchall()
    assert rows == [(report["task_id"], "completed", len(report["subtasks"]))]


def test_ruff_fix_leaves_what_it_has_no_safe_fix_for_and_says_so(bench: Bench) -> None:
    report = bench.run("--tool", "ruff")
    assert report["before"] == {"F401": 12, "I001": 6, "E711": 6}
    assert report["after"] == {"E711": 6}
    assert report["reason"] == "6 problems are left, none of which ruff-fix has a fix for"


def test_tables_tell_people_the_outcome_and_the_branch(bench: Bench) -> None:
    ran = bench.pw("run", "--tool", "ruff")
    assert "completed" in ran.stdout
    assert "pw/repository-" in ran.stdout


def test_what_others_have_removed_is_given_to_no_worker(bench: Bench, run_git) -> None:
    # More than one subtask holds: as many as there are codes, all in the same files.
    for number in range(7, 65):
        source = (bench.repository / "pkg" / "m01.py").read_text()
        (bench.repository / "pkg" / f"m{number:02}.py").write_text(source)
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "two")
    source = "(BENCH / f'ran-{os.getpid()}').touch()\nfix()"
    report = bench.run("--tool", "ruff", "-j", "1", "--strategy", "code", "--worker", bench.worker(source))
    assert len(list(bench.folder.glob("ran-*"))) == 1
    assert report["after"] == {}
    assert len(report["subtasks"]) == report["accepted"] > 1
    assert report["rejected"] == 0
    notes = {subtask["note"] for subtask in report["subtasks"][1:]}
    assert notes == {"nothing was left to do: others had removed its problems"}
    assert run_git(bench.repository, "rev-list", "--count", f"main..{report['branch']}") == "1"


def test_apply_fast_forwards_the_checkout(bench: Bench) -> None:
    wanted = bench.fixed_tree()
    worker = ("--worker", "ruff-fix --unsafe-fixes", "-j", "2", "--strategy", "code")
    report = bench.run("--tool", "ruff", *worker, "--apply")
    assert bench.tree("main") == bench.tree(report["branch"]) == wanted
    assert bench.nothing_left_behind()


def test_apply_refuses_a_checkout_that_has_gone_another_way(bench: Bench, fix_all: str, run_git) -> None:
    gate = f"git -C {bench.repository} commit -q --allow-empty -m other"
    bench.environment |= {"EMAIL": "tester@example.org"}
    run_git(bench.repository, "config", "user.name", "Tester")
    line = bench.refused("--tool", "ruff", "--worker", fix_all, "--gate", gate, "--apply")
    assert "could not be applied" in line
    assert "git merge pw/repository-" in line


def test_one_worker_and_four_make_the_same_tree_of_a_commit_for_each_subtask(
    bench: Bench, fix_all: str, run_git
) -> None:
    alone, together = (bench.run("--tool", "ruff", "--worker", fix_all, "-j", jobs) for jobs in ("1", "4"))
    assert len(together["subtasks"]) == 4
    assert bench.tree(alone["branch"]) == bench.tree(together["branch"])
    trailers = "--format=%(trailers:key=Parallel-Workers-Subtask,valueonly)"
    named = run_git(bench.repository, "log", trailers, together["branch"]).split()
    assert sorted(named) == sorted(subtask["id"] for subtask in together["subtasks"])


def test_a_subdirectory_is_looked_at_alone(bench: Bench, fix_all: str, run_git) -> None:
    other = bench.repository / "other"
    other.mkdir()
    (other / "n.py").write_text("import os\n")
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "two")
    report = bench.run("other", "--tool", "ruff", "--worker", fix_all)
    assert report["before"] == {"F401": 1}
    assert run_git(bench.repository, "diff", "--name-only", "main", report["branch"]) == "other/n.py"


def test_a_tree_without_problems_is_done_at_once(bench: Bench, fix_all: str) -> None:
    report = bench.run("--tool", "ruff", "--tool-args", "--select W6", "--worker", fix_all)
    assert (report["status"], report["reason"], report["subtasks"]) == ("completed", "nothing is left", [])


def test_a_report_that_exists_already_is_the_first_observation(bench: Bench, fix_all: str) -> None:
    problems = bench.folder / "report"
    command = ["ruff", "check", "--no-cache", "--output-format", "sarif", "-o", str(problems), "--exit-zero"]
    subprocess.run(command, cwd=bench.repository, env=bench.environment, check=True)
    report = bench.run("--problems", str(problems), "--worker", fix_all)
    assert report["before"] == {"F401": 12, "I001": 6, "E711": 6}
    assert bench.tree(report["branch"]) == bench.fixed_tree()


def test_damaged_records_of_a_report_are_left_out_and_counted(bench: Bench, fix_all: str) -> None:
    command = ["ruff", "check", "--no-cache", "--output-format", "json-lines", "--exit-zero"]
    ruff = subprocess.run(command, cwd=bench.repository, env=bench.environment, capture_output=True, check=True)
    whole = ruff.stdout.decode().splitlines()
    cut = "\n".join([*whole[:-1], whole[-1][:40]])
    bench.run("--problems", "-", "--tool", "ruff", "--worker", fix_all, stdin=cut)
    first = bench.payloads("problems_observed")[0]
    assert (first["problems"], first["damaged"]) == (23, 1)


def test_a_tool_command_and_a_line_of_the_shell_of_the_users_own(bench: Bench, fix_all: str) -> None:
    command = "ruff check --no-cache --output-format sarif --select F401 {files}"
    report = bench.run("--tool-command", command, "--shell", "--worker", f"true && {fix_all}")
    assert report["before"] == {"F401": 12}
    assert report["after"] == {}


def test_a_tool_that_cannot_look_at_single_files_looks_at_all(bench: Bench, fix_all: str) -> None:
    command = "ruff check --no-cache --output-format json --exit-zero ."
    report = bench.run("--tool-command", command, "--worker", fix_all, "-j", "2")
    assert report["after"] == {}


def test_a_worker_is_told_its_brief_its_files_and_its_codes(bench: Bench) -> None:
    source = (
        "(BENCH / 'told').write_text('\\n'.join(sys.argv[1:])); (BENCH / 'brief').write_text(sys.stdin.read()); fix()"
    )
    command = f"{bench.worker(source)} {{brief}} {{codes}} {{files}}"
    report = bench.run("--tool", "ruff", "-j", "1", "--worker", command)
    path, codes, *files = (bench.folder / "told").read_text().splitlines()
    assert path.endswith("brief.md")
    assert codes == "E711,F401,I001"
    assert files == [f"pkg/m{number:02}.py" for number in range(1, 7)]
    brief = (bench.folder / "brief").read_text()
    assert brief.startswith("# #1 ")
    assert "pkg/m05.py" in brief
    assert report["after"] == {}


def test_unusual_names_of_files_and_packages(bench: Bench, run_git) -> None:
    for name in ("with space.py", "naïve-文件.py", "quote'\".py", "[x]*.py", "-x.py"):
        (bench.repository / name).write_text("import os\n")
    # As ours are called: the worker that is part of the product must not take these for them.
    for name in ("api", "domain", "sql", "eventstore", "projections"):
        (bench.repository / name).mkdir()
        (bench.repository / name / "__init__.py").write_text("raise RuntimeError\n")
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "two")
    report = bench.run("--tool", "ruff", "--worker", "ruff-fix --unsafe-fixes", "-j", "2")
    assert report["after"] == {}
    assert bench.tree(report["branch"]) == bench.fixed_tree()


def test_two_runs_at_once_do_not_disturb_each_other(bench: Bench, fix_all: str) -> None:
    runs = [bench.start("--tool", "ruff", "--worker", fix_all, "-j", "2") for _ in range(2)]
    reports = [json.loads(run.communicate()[0]) for run in runs]
    assert [bench.tree(report["branch"]) for report in reports] == 2 * [bench.fixed_tree()]
    assert bench.nothing_left_behind()


def test_every_step_is_in_the_ledger(bench: Bench, fix_all: str) -> None:
    bench.run("--tool", "ruff", "--worker", fix_all, "-j", "1")
    # Forecasts are written down by the clock: a run that takes its time has some.
    happened = [(stream, name) for stream, name, _ in bench.events() if name != "task_forecast"]
    task = [name for stream, name in happened if "." not in stream]
    subtask = [name for stream, name in happened if "." in stream]
    assert task == [
        "task_submitted", "problems_observed", "task_analyzed", "task_decomposed", "phase_started",
        *4 * ["milestone_reached"], "problems_observed", "task_synthesized", "task_completed",
    ]  # fmt: skip
    assert subtask == [
        "subtask_planned", "subtask_ready", "subtask_claimed", "started", "completed",
        *4 * ["gate_evaluated"], "subtask_accepted",
    ]  # fmt: skip
    assert [gate["gate"] for gate in bench.payloads("gate_evaluated")] == [
        "scope",
        "no new problems",
        "effect",
        "merge",
    ]
    assert bench.versions_have_no_gaps()


def test_the_report_says_what_the_run_cost_and_can_be_had_again(bench: Bench) -> None:
    ran = bench.pw("run", "--tool", "ruff", "-o", "json")
    report = json.loads(ran.stdout)
    wanted = "task_id branch before after accepted rejected wall_seconds worker_seconds speedup"
    assert set(wanted.split()) <= set(report)
    assert ran.stderr == ""
    assert report["branch"] == f"pw/{report['task_id']}"
    assert report["speedup"] == pytest.approx(report["worker_seconds"] / report["wall_seconds"], abs=0.01)
    before = bench.events()
    assert bench.run("--resume", "last") == report
    assert json.loads(bench.pw("status", "last", "-o", "json").stdout) == report
    assert bench.events() == before


def test_a_file_that_no_worker_can_be_given_is_left_and_counted(bench: Bench, run_git) -> None:
    (bench.repository / "a\nb.py").write_text("import os\n")
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "two")
    report = bench.run("--tool", "ruff", "--worker", "ruff-fix --unsafe-fixes")
    assert (report["status"], report["after"]) == ("completed", {"F401": 1})
    assert "in files that no worker can be given" in report["reason"]


def test_a_cause_is_cured_at_its_definition_though_it_shows_elsewhere(bench: Bench, run_git) -> None:
    (bench.repository / "defs.py").write_text("present = 1\n")
    for name in ("one", "two"):
        (bench.repository / f"{name}.py").write_text("from defs import missing\n")
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "a name is used that nobody defines")
    tool = bench.folder / "tool.py"
    tool.write_text(
        "from pathlib import Path\n"
        "if 'missing' not in Path('defs.py').read_text():\n"
        "    for name in ('one', 'two'):\n"
        '        print(f\'{name}.py:1: error: Module "defs" has no attribute "missing"  [attr-defined]\')\n'
        "else:\n"
        "    print('Success: no issues found in 3 source files')\n"
    )
    worker = bench.worker("Path('defs.py').write_text('present = 1\\nmissing = 2\\n')")

    report = bench.run(
        "--tool-command", f"{sys.executable} {tool}", "--format", "mypy", "--worker", worker, "-j", "2"
    )

    assert (report["before"], report["after"]) == ({"attr-defined": 2}, {})
    [scope] = [planned["scope"] for planned in bench.payloads("subtask_planned")]
    assert (scope["files"], scope["included_files"][0]) == (["one.py", "two.py"], "*.py")
    assert [accepted["files"] for accepted in bench.payloads("subtask_accepted")] == [["defs.py"]]
