"""Scopes: what a worker may touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.problem import Problem
from domain.scope import TaskScope, matches

paths = st.sampled_from(["a.py", "b.py", "pkg/a.py", "pkg/b.py", "pkg.py"])


def scope(*files: str, included: tuple[str, ...] = (), excluded: tuple[str, ...] = ()) -> TaskScope:
    return TaskScope(files=files, codes=("E1",), included_files=included, excluded_files=excluded)


def problem(path: str, code: str = "E1") -> Problem:
    return Problem(tool="tool", message="wrong", path=path, code=code)


def test_a_scope_holds_the_files_that_it_names() -> None:
    assert scope("a.py", "pkg/b.py").contains_file("pkg/b.py")
    assert not scope("a.py", "pkg/b.py").contains_file("b.py")


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("*.lock", "deep/down/uv.lock", "uv.lock.txt"),
        ("/src/", "src/a.py", "lib/src/a.py"),
        ("docs/**/*.md", "docs/a/b.md", "a/docs/b.md"),
        ("gen_?.py", "pkg/gen_1.py", "gen_10.py"),
    ],
)
def test_patterns_are_those_of_gitignore(pattern: str, inside: str, outside: str) -> None:
    assert matches((pattern,), inside)
    assert not matches((pattern,), outside)


def test_of_several_patterns_the_last_that_matches_decides() -> None:
    assert not matches(("gen/*", "!gen/keep.py"), "gen/keep.py")


def test_further_files_may_be_included_by_a_pattern() -> None:
    assert scope("a.py", included=("*.lock",)).contains_file("uv.lock")


def test_an_excluded_file_stays_out_whatever_else_is_said() -> None:
    kept_out = scope("a.py", included=("*.py",), excluded=("a.py",))

    assert not kept_out.contains_file("a.py")
    assert kept_out.contains_file("b.py")


def test_a_problem_belongs_to_a_scope_by_its_code_and_its_file() -> None:
    assert scope("a.py").contains_problem(problem("a.py"))
    assert not scope("a.py").contains_problem(problem("a.py", code="E2"))
    assert not scope("a.py").contains_problem(problem("b.py"))


@given(st.sets(paths), st.lists(paths))
def test_what_lies_outside_is_what_is_not_contained(files: set[str], changed: list[str]) -> None:
    asked = scope(*files)

    assert list(asked.files_outside(changed)) == sorted(path for path in changed if not asked.contains_file(path))
