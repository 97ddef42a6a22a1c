"""pyright's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def record(**fields: Any) -> dict[str, Any]:
    place = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 9}}
    return {"file": "a.py", "severity": "error", "message": "wrong", "range": place, "rule": "reportX"} | fields


def output(*records: object) -> bytes:
    whole = {"version": "1.1.400", "time": "0", "generalDiagnostics": records, "summary": {"errorCount": 1}}
    return json.dumps(whole, indent=4).encode()


def read_one(**fields: Any) -> Problem:
    (problem,) = read(output(record(**fields))).problems
    return problem


def test_lines_and_characters_are_counted_from_zero(sample: Sample) -> None:
    report = read(sample("pyright-docutils.json"))

    assert (report.format, report.tool_version, len(report.problems)) == ("pyright", "1.1.414", 5)
    assert report.problems[0] == Problem(
        tool="pyright",
        code="reportOptionalMemberAccess",
        path="docutils/core.py",
        message='"parser" is not a known attribute of "None"',
        range=Range(line=96, column=28, end_line=96, end_column=34, column_unit="utf16"),
    )


def test_the_lines_below_the_first_explain_the_problem(sample: Sample) -> None:
    problem = read(sample("pyright-docutils.json")).problems[2]

    assert problem.message.startswith("Cannot a")
    assert "\n" not in problem.message
    assert problem.related[0].startswith("  ")


def test_problems_that_differ_in_their_explanation_are_two() -> None:
    report = read(output(record(message="wrong\n  a"), record(message="wrong\n  b")))

    assert (len(report.problems), report.duplicates) == (2, 0)


@pytest.mark.parametrize(
    ("stated", "expected"), [("error", "error"), ("warning", "warning"), ("information", "note")]
)
def test_information_is_a_note(stated: str, expected: str) -> None:
    assert read_one(severity=stated).severity == expected


def test_a_problem_without_rule_or_place_is_taken() -> None:
    whole = record()
    del whole["rule"], whole["range"]

    (problem,) = read(output(whole)).problems

    assert (problem.code, problem.range) == ("", None)


def test_a_broken_record_costs_only_itself_and_is_named_with_its_line() -> None:
    report = read(output(record(message="one"), {"file": "a.py"}, record(file="/etc/a.py"), record(message="two")))

    assert [problem.message for problem in report.problems] == ["one", "two"]
    assert [damage.line for damage in report.damaged] == [21, 24]


def test_an_output_that_was_cut_gives_its_complete_records() -> None:
    whole = output(record(message="one"), record(message="two"))

    report = read(whole[: whole.index(b'"two"')])

    assert [problem.message for problem in report.problems] == ["one"]
    assert [damage.line for damage in report.damaged] == [21]
    assert report.tool_version == "1.1.400"


def test_lines_for_people_may_stand_around_the_object() -> None:
    data = b"WARNING: there is a new pyright version available\n" + output(record()) + b"\n1 error\n"

    assert [problem.message for problem in read(data).problems] == ["wrong"]


def test_an_output_without_problems_is_clean() -> None:
    assert read(output()).problems == ()


def test_an_output_of_another_shape_is_an_error() -> None:
    with pytest.raises(ReportError, match="read as pyright: line 1: "):
        read(b'{"diagnostics": {}}', format="pyright")
