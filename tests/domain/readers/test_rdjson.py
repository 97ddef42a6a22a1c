"""The Reviewdog Diagnostic Format, as one object and as lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def diagnostic(**fields: Any) -> dict[str, Any]:
    return {"message": "wrong", "location": {"path": "a.py", "range": {"start": {"line": 3}}}} | fields


def lines(*diagnostics: object) -> bytes:
    return "\n".join(map(json.dumps, diagnostics)).encode()


def result(*diagnostics: object, **fields: Any) -> bytes:
    return json.dumps({"diagnostics": diagnostics} | fields, indent=1).encode()


def test_a_diagnostic_becomes_a_problem_of_the_tool_that_is_named(sample: Sample) -> None:
    report = read(sample("rdjson-tool.json"))

    assert (report.format, report.tool) == ("rdjson", "super lint")
    assert report.problems[0] == Problem(
        tool="super lint",
        code="unused",
        path="src/cart.py",
        message="`total` is assigned and never used",
        range=Range(line=14, column=15, end_line=14, end_column=18, column_unit="byte"),
        suggestions=(Suggestion(message="`total` is assigned and never used", edit="_", applicability="unsafe"),),
        related=("declared here (src/cart.py:3)",),
    )


def test_the_result_s_severity_holds_where_a_diagnostic_has_none(sample: Sample) -> None:
    assert [problem.severity for problem in read(sample("rdjson-tool.json")).problems] == ["error", "warning"]


def test_lines_are_diagnostics_by_themselves(sample: Sample) -> None:
    report = read(sample("rdjsonl-tool.jsonl"))

    assert (report.format, report.tool) == ("rdjsonl", "shlint")
    assert [(problem.path, problem.code, problem.severity) for problem in report.problems] == [
        ("a.sh", "L1", "note"),
        ("b.sh", "", "warning"),
    ]


def test_a_range_without_columns_is_made_of_lines(sample: Sample) -> None:
    problem = read(sample("rdjsonl-tool.jsonl")).problems[1]

    assert problem.range == Range(line=7, end_line=9, column_unit="byte")


def test_a_place_may_be_a_whole_file() -> None:
    (problem,) = read(lines(diagnostic(location={"path": "a.py"})), format="rdjsonl").problems

    assert (problem.path, problem.range) == ("a.py", None)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("ERROR", "error"), (1, "error"), (2, "warning"), ("INFO", "note"), ("UNKNOWN_SEVERITY", "error"), (0, "error")],
)
def test_a_severity_is_a_name_or_its_number(stated: str | int, expected: str) -> None:
    (problem,) = read(lines(diagnostic(severity=stated))).problems

    assert problem.severity == expected


def test_a_broken_diagnostic_costs_only_itself_and_is_named_with_its_line() -> None:
    good, bad = diagnostic(), diagnostic(location={"path": "../a.py"})

    assert [damage.line for damage in read(lines(good, bad, good)).damaged] == [2]
    assert [damage.line for damage in read(result(good, bad, diagnostic(message="other"))).damaged] == [14]


def test_an_object_that_was_cut_gives_its_complete_diagnostics() -> None:
    whole = result(diagnostic(message="one"), diagnostic(message="two"))

    report = read(whole[: whole.index(b'"two"')])

    assert [problem.message for problem in report.problems] == ["one"]
    assert len(report.damaged) == 1


def test_a_result_without_diagnostics_is_clean() -> None:
    assert read(result(source={"name": "x"})).format == "rdjson"
    assert read(b"", format="rdjsonl").problems == ()
