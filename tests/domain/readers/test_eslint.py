"""ESLint's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def message(**fields: Any) -> dict[str, Any]:
    return {"ruleId": "no-var", "severity": 2, "message": "Unexpected var.", "line": 3, "column": 1} | fields


def output(*messages: object, **fields: Any) -> bytes:
    return json.dumps([{"filePath": "a.js", "messages": messages} | fields]).encode()


def read_one(**fields: Any) -> Problem:
    (problem,) = read(output(message(**fields))).problems
    return problem


def test_a_message_becomes_a_problem(sample: Sample) -> None:
    report = read(sample("eslint-phaser.json"))

    assert (report.format, len(report.problems), report.damaged) == ("eslint", 9, ())
    assert report.problems[1] == Problem(
        tool="eslint",
        code="quotes",
        path="src/scale/events/ENTER_FULLSCREEN_EVENT.js",
        message="Strings must use doublequote.",
        range=Range(line=13, column=18, end_line=13, end_column=35, column_unit="utf16"),
        suggestions=(
            Suggestion(message="Strings must use doublequote.", edit='"enterfullscreen"', applicability="safe"),
        ),
    )


@pytest.mark.parametrize(("severity", "expected"), [(1, "warning"), (2, "error")])
def test_severities_are_numbers(severity: int, expected: str) -> None:
    assert read_one(severity=severity).severity == expected


def test_a_file_that_cannot_be_parsed_has_a_code() -> None:
    assert read_one(ruleId=None, fatal=True, message="Parsing error: Unexpected token").code == "parse-error"


def test_what_eslint_says_of_its_own_work_is_no_parse_error() -> None:
    problem = read_one(ruleId=None, severity=1, line=None, column=None, message="File ignored by default.")

    assert (problem.code, problem.severity, problem.range) == ("", "warning", None)


def test_a_suggestion_is_only_shown() -> None:
    problem = read_one(suggestions=[{"desc": "Use let.", "fix": {"range": [0, 3], "text": "let"}, "messageId": "x"}])

    assert problem.suggestions == (Suggestion(message="Use let.", edit="let", applicability="display"),)


def test_absolute_names_become_relative_to_the_root() -> None:
    report = read(output(message(), filePath="/src/tree/lib/a.js"), root="/src/tree")

    assert report.problems[0].path == "lib/a.js"


def test_a_broken_file_costs_only_itself() -> None:
    files = [
        {"filePath": "a.js", "messages": [message()]},
        {"filePath": "/elsewhere/b.js", "messages": [message()]},
        {"filePath": "c.js", "messages": "none"},
        {"filePath": "d.js", "messages": [message()]},
    ]

    report = read(json.dumps(files, indent=1).encode())

    assert [problem.path for problem in report.problems] == ["a.js", "d.js"]
    assert [damage.line for damage in report.damaged] == [14, 26]


def test_a_broken_message_costs_only_itself() -> None:
    report = read(output(message(message="one"), {"ruleId": "x"}, message(message="two")))

    assert [problem.message for problem in report.problems] == ["one", "two"]
    (damage,) = report.damaged
    assert damage.reason.startswith("a.js: Object missing required field")


def test_an_array_that_was_cut_gives_its_complete_files(sample: Sample) -> None:
    whole = sample("eslint-phaser.json")

    report = read(whole[: whole.rindex(b'"filePath"') + 40])

    assert report.problems == read(whole).problems[:2]
    assert len(report.damaged) == 1


def test_lines_of_a_package_manager_may_stand_before_the_array() -> None:
    data = b"\n> app@1.0.0 lint\n> eslint -f json .\n\n" + output(message())

    assert len(read(data).problems) == 1


def test_files_without_messages_are_clean() -> None:
    report = read(output())

    assert (report.format, report.problems, report.damaged) == ("eslint", (), ())
