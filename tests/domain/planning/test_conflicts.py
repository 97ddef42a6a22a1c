"""Predicted conflicts: lines that touch, and what git makes of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.planning.conflicts import predict
from domain.problem import Problem, Range


def problem(path: str, line: int, end_line: int | None = None) -> Problem:
    return Problem(tool="tool", message="wrong", path=path, range=Range(line=line, end_line=end_line))


def risk(*problems: Problem) -> float:
    """Give the risk between two subtasks that have the first and the other problems."""
    pairs, _ = predict(problems, [(0,), tuple(range(1, len(problems)))])
    return pairs[0].risk if pairs else 0.0


def test_subtasks_without_a_common_file_are_no_pair() -> None:
    assert predict([problem("a.py", 1), problem("b.py", 1)], [(0,), (1,)]) == ((), 0.0)


def test_lines_beside_each_other_are_a_risk_and_lines_far_apart_hardly_one() -> None:
    assert risk(problem("a.py", 10), problem("a.py", 11)) == pytest.approx(0.5, abs=0.01)
    assert risk(problem("a.py", 10), problem("a.py", 12)) < 0.01


def test_a_problem_reaches_to_its_last_line() -> None:
    assert risk(problem("a.py", 10, 20), problem("a.py", 21)) == pytest.approx(0.5, abs=0.01)


def test_each_place_that_touches_adds_to_the_risk() -> None:
    once = risk(problem("a.py", 10), problem("a.py", 10))
    twice = risk(problem("a.py", 10), problem("a.py", 9), problem("a.py", 11))

    assert once < twice < 1.0


def test_the_expected_number_is_the_sum_over_all_pairs() -> None:
    problems = [problem("a.py", 1), problem("a.py", 1), problem("a.py", 1)]

    pairs, expected = predict(problems, [(0,), (1,), (2,)])

    assert [(pair.first, pair.second, pair.files) for pair in pairs] == [(0, 1, 1), (0, 2, 1), (1, 2, 1)]
    assert expected == pytest.approx(sum(pair.risk for pair in pairs))


places = st.builds(problem, st.sampled_from(["a.py", "b.py"]), st.integers(1, 30))


@given(st.lists(st.tuples(places, st.integers(0, 3)), max_size=20), st.permutations(range(4)))
def test_the_names_of_subtasks_do_not_matter(held: list[tuple[Problem, int]], names: list[int]) -> None:
    problems = [found for found, _ in held]

    def expected(name: dict[int, int]) -> float:
        members = [tuple(i for i, (_, who) in enumerate(held) if name[who] == number) for number in range(4)]
        return predict(problems, members)[1]

    assert expected({n: n for n in range(4)}) == pytest.approx(expected(dict(enumerate(names))))


def test_git_conflicts_where_lines_touch_and_merges_where_they_do_not(tmp_path: Path) -> None:
    def git(*arguments: str) -> int:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, capture_output=True, check=False
        ).returncode

    def merges(other_line: int) -> bool:
        lines = [f"line {number}" for number in range(1, 21)]
        file = tmp_path / "a.txt"
        git("init", "--quiet", "--initial-branch", "main")
        file.write_text("\n".join(lines))
        git("add", "--all")
        git("commit", "--quiet", "--allow-empty", "--message", "base")
        for branch, line in (("one", 10), ("other", other_line)):
            git("checkout", "--quiet", "-B", branch, "main")
            file.write_text("\n".join("mended" if n == line else text for n, text in enumerate(lines, 1)))
            git("commit", "--quiet", "--all", "--message", branch)
        merged = git("merge", "--quiet", "--no-edit", "one") == 0
        git("merge", "--abort")
        git("checkout", "--quiet", "--force", "main")
        return merged

    assert not merges(11)
    assert merges(12)
