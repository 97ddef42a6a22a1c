"""gcc's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.problem import Problem, Range, Suggestion, count_codes
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def point(line: int, byte_column: int, file: str = "a.c") -> dict[str, Any]:
    return {"file": file, "line": line, "column": byte_column + 7, "byte-column": byte_column}


def diagnostic(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "warning",
        "locations": [{"caret": point(3, 5), "finish": point(3, 8)}],
        "column-origin": 1,
        "option": "-Wunused",
        "children": [],
        "message": "unused 'x'",
    } | fields


def unit(*diagnostics: object) -> bytes:
    return json.dumps(diagnostics).encode() + b"\n"


def read_one(**fields: Any) -> Problem:
    (problem,) = read(unit(diagnostic(**fields))).problems
    return problem


def test_columns_are_counted_in_bytes_and_the_last_is_inside(sample: Sample) -> None:
    problem = read(sample("gcc-uwsgi.jsonl")).problems[1]

    assert problem == Problem(
        tool="gcc",
        code="-Wconversion",
        path="plugins/transformation_toupper/toupper.c",
        message="conversion from ‘int’ to ‘char’ may change value",  # noqa: RUF001
        severity="warning",
        range=Range(line=6, column=23, end_line=6, end_column=30, column_unit="byte"),
    )


def test_a_range_starts_where_gcc_underlines_and_not_at_its_caret() -> None:
    location = {"start": point(3, 2), "caret": point(3, 5), "finish": point(3, 8)}

    assert read_one(locations=[location]).range == Range(
        line=3, column=2, end_line=3, end_column=9, column_unit="byte"
    )


def test_older_versions_know_one_kind_of_column() -> None:
    assert read_one(locations=[{"caret": {"file": "a.c", "line": 3, "column": 5}}]).range == Range(
        line=3, column=5, column_unit="byte"
    )


def test_without_an_option_the_kind_is_the_code(sample: Sample) -> None:
    problems = read(sample("gcc-uwsgi.jsonl")).problems

    assert {code: count for code, count in count_codes(problems).items() if not code.startswith("-W")} == {
        "error": 3,
        "warning": 2,
        "fatal error": 1,
        "note": 1,
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("error", "error"), ("fatal error", "error"), ("sorry, unimplemented", "error"), ("note", "note")],
)
def test_kinds_have_a_severity(kind: str, expected: str) -> None:
    assert read_one(kind=kind).severity == expected


def test_what_is_said_of_a_header_in_every_unit_is_one_problem(sample: Sample) -> None:
    report = read(sample("gcc-uwsgi.jsonl"))

    missing = [problem.path for problem in report.problems if problem.code == "fatal error"]
    assert missing == ["plugins/python/uwsgi_python.h"]
    assert report.duplicates == 1


def test_children_and_labels_are_related() -> None:
    problem = read_one(
        locations=[{"caret": point(3, 5), "label": "int"}],
        children=[
            {"kind": "note", "message": "declared here", "locations": [{"caret": point(1, 2)}]},
            {"kind": "note", "message": "by itself", "locations": []},
        ],
    )

    assert problem.related == ("int (a.c:3:5)", "declared here (a.c:1:2)", "by itself")


def test_fixits_are_together_one_edit() -> None:
    fixits = [
        {"start": point(3, 5), "next": point(3, 5), "string": "("},
        {"start": point(3, 9), "next": point(3, 9), "string": ")"},
    ]

    assert read_one(fixits=fixits).suggestions == (
        Suggestion(message="unused 'x'", edit="()", applicability="unsafe"),
    )


def test_lines_between_the_arrays_are_talk() -> None:
    data = b"gcc -c a.c\n" + unit(diagnostic()) + b"compilation terminated.\n" + unit(diagnostic(message="other"))

    report = read(data)

    assert (len(report.problems), report.damaged) == (2, ())


def test_units_without_problems_are_clean() -> None:
    report = read(b"[]\n[]\n")

    assert (report.format, report.problems) == ("gcc", ())


def test_a_file_outside_the_tree_is_damage_with_its_line() -> None:
    header = diagnostic(locations=[{"caret": point(1, 1, "/usr/include/x.h")}])

    report = read(unit(diagnostic()) + unit(header), root="/src/tree")

    assert len(report.problems) == 1
    assert [damage.line for damage in report.damaged] == [2]


def test_a_unit_that_was_cut_gives_its_complete_records() -> None:
    note = {"kind": "note", "message": "declared here", "locations": []}
    cut = unit(diagnostic(message="one"), diagnostic(message="two", option=None, children=[note]))[:-20]

    report = read(cut + b"\n" + unit(diagnostic(message="three")))

    assert [problem.message for problem in report.problems] == ["one", "three"]
    assert [damage.line for damage in report.damaged] == [1]
