"""go vet's JSON and its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read


def package(*found: dict[str, Any], analyzer: str = "printf") -> bytes:
    name = "example.com/shop"
    return f"# {name}\n{json.dumps({name: {analyzer: list(found)}}, indent=chr(9))}\n".encode()


def finding(posn: str = "/r/till.go:9:2", **fields: Any) -> dict[str, Any]:
    return {"posn": posn, "message": "unreachable code", **fields}


def test_a_finding_has_its_analyzer_as_code_and_a_column_in_bytes() -> None:
    assert read(package(finding()), root="/r").problems == (
        Problem(
            tool="go-vet",
            message="unreachable code",
            path="till.go",
            code="printf",
            range=Range(line=9, column=2, column_unit="byte"),
        ),
    )


def test_newer_versions_tell_the_end_and_offer_an_edit() -> None:
    edits = [{"filename": "/r/till.go", "start": 7, "end": 9, "new": '"%s", '}]
    fix = {"message": "Insert format", "edits": edits}

    (problem,) = read(package(finding(end="/r/till.go:9:12", suggested_fixes=[fix])), root="/r").problems

    assert problem.range == Range(line=9, column=2, end_line=9, end_column=12, column_unit="byte")
    assert problem.suggestions == (Suggestion(message="Insert format", edit='"%s", ', applicability="unsafe"),)


def test_related_places_are_related_texts() -> None:
    related = [{"posn": "/r/a.go:1:2", "message": "declared here"}]

    assert read(package(finding(related=related)), root="/r").problems[0].related == ("declared here (/r/a.go:1:2)",)


def test_packages_without_findings_are_a_clean_report() -> None:
    assert read(b"# example.com/shop\n{}\n# example.com/shop/api\n{}\n").problems == ()


def test_an_analyzer_that_could_not_look_is_a_problem_without_a_place() -> None:
    text = b'# example.com/shop\n{"example.com/shop": {"nilness": {"error": "analysis skipped"}}}\n'

    (problem,) = read(text).problems

    assert (problem.message, problem.code, problem.path) == ("analysis skipped", "nilness", "")


def test_a_file_outside_of_the_tree_is_damage_with_its_line() -> None:
    report = read(package(finding(), finding("/elsewhere/a.go:1:1")), root="/r")

    assert len(report.problems) == 1
    assert [damage.line for damage in report.damaged] == [10]


def test_a_package_that_is_cut_off_costs_only_itself() -> None:
    report = read(package(finding())[:-20] + b"\n" + package(finding("/r/a.go:1:1")), root="/r")

    assert [problem.path for problem in report.problems] == ["a.go"]
    assert [damage.line for damage in report.damaged] == [2]


def test_text_has_no_analyzer() -> None:
    report = read(b"# example.com/shop\nvet: ./till.go:5:2: undefined: sell\n./a.go:7: unreachable code\n")

    assert [(problem.path, problem.code, problem.message) for problem in report.problems] == [
        ("till.go", "", "undefined: sell"),
        ("a.go", "", "unreachable code"),
    ]


def test_further_lines_of_a_message_are_related_texts() -> None:
    text = b"# shop\n./a.go:7:9: not enough arguments in call to sell\n\thave ()\n\twant (int)\nexit status 1\n"

    report = read(text)

    assert report.problems[0].related == ("have ()", "want (int)")
    assert report.damaged == ()


def test_an_input_without_a_line_of_go_is_an_error() -> None:
    with pytest.raises(ReportError, match="read as go-vet: line 1"):
        read(b"go: command not found\n", format="go-vet")
