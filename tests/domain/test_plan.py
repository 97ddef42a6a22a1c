"""Scopes, and the hash that tells two plans apart."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.plan import Effort, Plan, PlannedSubtask, WorkerCurvePoint
from domain.scope import TaskScope

paths = st.sets(st.sampled_from(["a.py", "b.py", "pkg/a.py", "pkg/b.py", "pkg.py"]))


def scope(*files: str) -> TaskScope:
    return TaskScope(files=files, codes=("E1",))


def plan(title: str = "E1 in a.py") -> Plan:
    subtask = PlannedSubtask(
        title=title,
        reason="local edits",
        scope=scope("a.py"),
        problems=(0,),
        effort=Effort(p50=1.0, p80=2.0, p95=3.0),
        priority=0,
    )
    return Plan(
        strategy="file",
        subtasks=(subtask,),
        recommended_workers=1,
        recommendation="there is one subtask",
        curve=(WorkerCurvePoint(workers=1, makespan_seconds=1.5),),
    )


def test_a_scope_holds_its_files_by_their_whole_paths() -> None:
    assert scope("pkg/a.py").files_outside(["pkg/a.py", "a.py"]) == ("a.py",)


def test_a_folder_in_a_scope_does_not_stand_for_the_files_in_it() -> None:
    assert scope("pkg").files_outside(["pkg/a.py"]) == ("pkg/a.py",)


def test_the_files_outside_a_scope_are_listed_in_order() -> None:
    assert scope("a.py").files_outside(["c.py", "a.py", "b.py"]) == ("b.py", "c.py")


@given(paths, paths)
def test_a_file_is_either_in_the_scope_or_outside(allowed: set[str], changed: set[str]) -> None:
    assert set(scope(*allowed).files_outside(changed)) == changed - allowed


def test_equal_plans_have_one_hash() -> None:
    assert plan().plan_hash == plan().plan_hash
    assert len(plan().plan_hash) == 64


def test_any_difference_changes_the_hash() -> None:
    assert plan("E1 in a.py").plan_hash != plan("E2 in a.py").plan_hash


def test_a_plan_that_was_stored_as_json_keeps_its_hash() -> None:
    stored = msgspec.json.encode(plan())

    assert msgspec.json.decode(stored, type=Plan).plan_hash == plan().plan_hash
