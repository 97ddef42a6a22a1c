"""`pw decompose`: how a report would be split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Pw = Callable[..., Result]
PwJson = Callable[..., dict[str, Any]]


def test_every_problem_is_in_one_subtask(pw_json: PwJson, samples: Path) -> None:
    plan = pw_json("decompose", samples / "flake8-boto.txt")

    taken = sorted(index for subtask in plan["subtasks"] for index in subtask["problems"])
    assert taken == list(range(plan["problems"]))
    assert plan["left_out"] == []


def test_a_subtask_says_what_where_how_long_and_after_what(pw_json: PwJson, samples: Path) -> None:
    plan = pw_json("decompose", samples / "cargo-derive.jsonl")

    assert plan["schema"] == "parallel-workers/plan/1"
    for number, subtask in enumerate(plan["subtasks"], start=1):
        assert subtask["id"] == number
        assert subtask["title"]
        assert subtask["codes"]
        assert subtask["files"]
        assert subtask["effort"]["p50"] <= subtask["effort"]["p80"] <= subtask["effort"]["p95"]
        assert subtask["wave"] >= 1
        assert all(earlier < number for earlier in subtask["depends_on"])


def test_the_same_report_gives_the_same_plan_and_hash(pw_json: PwJson, samples: Path) -> None:
    report = samples / "ruff-boto.jsonl"

    first, second = (pw_json("decompose", report) for _ in range(2))

    assert first == second
    assert len(first["plan_hash"]) == 64


def test_the_number_of_workers_is_recommended_with_what_each_saves(pw_json: PwJson, samples: Path) -> None:
    plan = pw_json("decompose", samples / "flake8-boto.txt")

    assert 1 <= plan["recommended_workers"] <= len(plan["workers"])
    assert [point["workers"] for point in plan["workers"]] == list(range(1, len(plan["workers"]) + 1))
    assert {"makespan_seconds", "p80_seconds", "saves_seconds"} <= plan["workers"][0].keys()


@pytest.mark.parametrize("strategy", ["root-cause", "code", "file", "directory"])
def test_a_strategy_may_be_asked_for(strategy: str, pw_json: PwJson, samples: Path) -> None:
    plan = pw_json("decompose", samples / "flake8-boto.txt", "--strategy", strategy)

    assert (plan["strategy"], plan["strategy_reason"]) == (strategy, "asked for")


def test_owners_are_read_from_the_tree(pw_json: PwJson, tmp_path: Path) -> None:
    (tmp_path / "CODEOWNERS").write_text("/web/ @front\n/core/ @back\n")
    report = b"web/a.py:1:1: F401 'os' imported but unused\ncore/b.py:1:1: F401 'os' imported but unused\n"

    plan = pw_json("decompose", "-", "--strategy", "owner", "--root", tmp_path, given=report)

    assert [subtask["files"] for subtask in plan["subtasks"]] == [["core/b.py"], ["web/a.py"]]


def test_without_owners_the_strategy_owner_is_refused(pw: Pw, tmp_path: Path, samples: Path) -> None:
    result = pw("decompose", samples / "flake8-boto.txt", "--strategy", "owner", "--root", tmp_path)

    assert result.exit_code != 0
    assert result.stderr.startswith("pw: the strategy owner needs a CODEOWNERS file; ")


def test_imports_of_the_tree_order_the_work(pw_json: PwJson, tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text("def broken(:\n")
    (tmp_path / "user.py").write_text("import base\n")
    report = b"base.py:1: error: invalid syntax  [syntax]\n"
    report += b'user.py:1: error: Module has no attribute "x"  [attr-defined]\n' * 1
    arguments = ("decompose", "-", "--strategy", "file", "--workers", "2", "--root", tmp_path)

    known = pw_json(*arguments, "--imports", given=report)["subtasks"]
    unknown = pw_json(*arguments, given=report)["subtasks"]

    assert [subtask["files"] for subtask in known] == [["base.py"], ["user.py"]]
    assert [subtask["depends_on"] for subtask in known] == [[], [1]]
    assert [subtask["depends_on"] for subtask in unknown] == [[], []]


def test_people_see_tables_with_reasons(pw: Pw, samples: Path) -> None:
    result = pw("decompose", samples / "flake8-boto.txt", "-j", "4")

    assert result.exit_code == 0
    for heading in ("subtasks (", "Strategies, by simulation", "Phases", "Workers, by simulation", "recommended"):
        assert heading in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategy", "luck"), "pw: unknown strategy 'luck': auto, root-cause, "),
        (("--worker", "robot"), "pw: unknown worker 'robot': script, agent"),
        (("--target", "some"), "pw: unknown target 'some': all, fixable, fixable-unsafe"),
        (("--exclude", "!"), "pw: not a pattern of gitignore: "),
        (("--imports", "--root", "/nowhere"), "pw: --imports reads the sources at --root, and /nowhere is no folder"),
    ],
)
def test_what_cannot_be_is_refused_with_one_line(
    arguments: tuple[str, ...], said: str, pw: Pw, samples: Path
) -> None:
    result = pw("decompose", samples / "flake8-boto.txt", *arguments)

    assert result.exit_code != 0
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


def test_where_no_problem_is_asked_for_people_are_told(pw: Pw, samples: Path) -> None:
    result = pw("decompose", samples / "flake8-boto.txt", "--include", "nothing-like-this")

    assert result.exit_code == 0
    assert "problems is asked for" in result.stdout


def test_owners_that_cannot_be_read_are_no_reason_to_refuse_a_plan(pw_json: PwJson, tmp_path: Path) -> None:
    (tmp_path / "CODEOWNERS").write_text("[ab @x\n")
    report = b"a.py:1:1: F401 'os' imported but unused\n"

    plan = pw_json("decompose", "-", "--root", tmp_path, given=report)

    assert "owner" not in [outcome["strategy"] for outcome in plan["strategies"]]
