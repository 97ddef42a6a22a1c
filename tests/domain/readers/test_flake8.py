"""flake8's default text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range, count_codes
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def test_a_line_is_a_problem(sample: Sample) -> None:
    assert read(sample("flake8-boto.txt")).problems[0] == Problem(
        tool="flake8",
        message="'sys' imported but unused",
        path="boto/__init__.py",
        code="F401",
        range=Range(line=34, column=1),
    )


def test_each_line_is_taken(sample: Sample) -> None:
    report = read(sample("flake8-boto.txt"))

    assert len(report.problems) == 19
    assert count_codes(report.problems)["E701"] == 2
    assert report.damaged == ()


def test_the_codes_with_w_are_warnings(sample: Sample) -> None:
    problems = read(sample("flake8-boto.txt")).problems

    assert {problem.code for problem in problems if problem.severity == "warning"} == {"W191", "W605"}


def test_a_file_that_cannot_be_read_has_no_line() -> None:
    (problem,) = read(b"gone.py:0:1: E902 FileNotFoundError: [Errno 2] No such file: 'gone.py'\n").problems

    assert (problem.path, problem.range) == ("gone.py", None)


def test_excerpts_and_counts_are_left_out() -> None:
    report = read(b"a.py:3:12: F821 undefined name 'nme'\n    return nme\n           ^\n1\n")

    assert (len(report.problems), report.damaged) == (1, ())


def test_the_letter_of_a_drive_belongs_to_the_path() -> None:
    (problem,) = read(b"C:\\shop\\till.py:3:12: F821 undefined name 'nme'\n", root="C:/shop").problems

    assert problem.path == "till.py"


def test_a_record_that_is_cut_off_is_damage() -> None:
    report = read(b"a.py:3:12: F821 undefined name 'nme'\na.py:4:1\n")

    assert [(damage.line, damage.reason) for damage in report.damaged] == [(2, "not a line of this format: a.py:4:1")]


def test_an_input_without_a_line_of_flake8_is_an_error() -> None:
    with pytest.raises(ReportError, match=r"read as flake8: line 1: .*: command not found"):
        read(b"command not found\nflake8\n", format="flake8")
