"""A regular expression of the user's own."""

from __future__ import annotations

import pytest

from domain.errors import ReportError, UnknownFormatError
from domain.problem import Problem, Range
from domain.readers.own_pattern import LINE_LENGTH_MAX
from domain.readers.reading import read
from domain.readers.report import Report

PATTERN = r"^(?P<severity>\w+) (?P<code>X\d+) (?P<path>[^:]+):(?P<line>\d+):(?P<column>\d+) (?P<message>.+)"


def read_own(data: bytes, pattern: str = PATTERN) -> Report:
    return read(data, format="regex", pattern=pattern)


def test_the_named_groups_are_the_problem() -> None:
    assert read_own(b"WARN X12 src/a.f90:3:7 implicit type\n").problems == (
        Problem(
            tool="regex",
            message="implicit type",
            path="src/a.f90",
            code="X12",
            severity="warning",
            range=Range(line=3, column=7),
        ),
    )


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("E", "error"),
        ("FATAL", "error"),
        ("critical", "error"),
        ("Warning", "warning"),
        ("info", "note"),
        ("x", "error"),
    ],
)
def test_the_severity_is_told_by_how_its_word_begins(word: str, severity: str) -> None:
    assert read_own(f"{word} X1 a:1:1 m\n".encode()).problems[0].severity == severity


def test_a_path_alone_is_enough_and_the_message_is_what_follows() -> None:
    (problem,) = read_own(b"a.txt:3: trailing space\n", r"^(?P<path>[^:]+):(?P<line>\d+)").problems

    assert (problem.path, problem.message) == ("a.txt", "trailing space")


def test_a_message_alone_is_enough() -> None:
    (problem,) = read_own(b"TODO: mend this\n", "TODO: (?P<message>.*)").problems

    assert (problem.message, problem.path, problem.range) == ("mend this", "", None)


def test_a_line_that_does_not_match_is_left_out() -> None:
    report = read_own(b"Checking 3 files\nE X1 a:1:1 m\n3 problems\n")

    assert (len(report.problems), report.damaged) == (1, ())


def test_an_input_in_which_no_line_matches_is_an_error() -> None:
    with pytest.raises(ReportError, match=r"read as regex: line 2: .*: Checking 3 files"):
        read_own(b"\nChecking 3 files\nall is well\n")


def test_silence_is_a_clean_report() -> None:
    assert read_own(b"").problems == ()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "needs a pattern"),
        ("(?P<path>", "not a regular expression: missing"),
        ("(?P<line>[0-9]+)", r"no group \(\?P<path>"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_in_one_line(pattern: str, reason: str) -> None:
    with pytest.raises(UnknownFormatError, match=reason) as caught:
        read_own(b"a:1\n", pattern)

    assert "\n" not in str(caught.value)


def test_a_line_that_is_too_long_is_damage() -> None:
    report = read_own(b"E X1 a:1:1 m\nE X1 a:1:1 " + b"m" * LINE_LENGTH_MAX + b"\n")

    assert [damage.line for damage in report.damaged] == [2]
    assert len(report.problems) == 1


def test_a_group_for_a_number_that_holds_something_else_is_damage() -> None:
    report = read_own(b"a:1 x\na:one x\n", r"(?P<path>\w+):(?P<line>\w+)")

    assert [(damage.line, damage.reason) for damage in report.damaged] == [(2, "the group line is no number: one")]
