"""Annotations of GitHub Actions."""

from __future__ import annotations

import pytest

from domain.problem import Problem, Range
from domain.readers.reading import read


def read_one(text: bytes) -> Problem:
    (problem,) = read(text, format="github").problems
    return problem


def test_an_annotation_is_a_problem() -> None:
    assert read_one(
        b"::error file=src/a.js,line=3,col=5,endLine=3,endColumn=9,title=quotes::Use double quotes.\n"
    ) == (
        Problem(
            tool="github",
            message="Use double quotes.",
            path="src/a.js",
            code="quotes",
            range=Range(line=3, column=5, end_line=3, end_column=9),
        )
    )


@pytest.mark.parametrize(("level", "severity"), [(b"error", "error"), (b"warning", "warning"), (b"notice", "note")])
def test_the_level_is_the_severity(level: bytes, severity: str) -> None:
    assert read_one(b"::" + level + b" file=a.js::Wrong\n").severity == severity


def test_escapes_are_undone_once_and_further_lines_are_related_texts() -> None:
    problem = read_one(b"::error file=a%2Cb.js,title=a%3Ab::at 100%25%0Asecond %250A line\n")

    assert (problem.path, problem.code, problem.message) == ("a,b.js", "a:b", "at 100%")
    assert problem.related == ("second %0A line",)


def test_a_title_in_words_is_a_related_text() -> None:
    problem = read_one(b"::error file=a.js,title=Bad quotes here::Use double quotes.\n")

    assert (problem.code, problem.related) == ("", ("Bad quotes here",))


def test_a_place_and_a_code_that_are_said_again_are_taken_off_the_message() -> None:
    problem = read_one(
        b"::error title=Ruff (F401),file=/r/a.py,line=1::a.py:1:8: F401 `os` is unused\n".replace(b"/r/", b"")
    )

    assert (problem.code, problem.message) == ("F401", "`os` is unused")


def test_an_annotation_without_properties_has_no_place() -> None:
    assert (read_one(b"::warning::Slow\n").message, read_one(b"::warning::Slow\n").path) == ("Slow", "")


def test_the_rest_of_the_log_is_left_out() -> None:
    report = read(b"::group::Lint\nRun eslint\n::error file=a.js,line=1::Wrong\n::endgroup::\n")

    assert (report.format, len(report.problems), report.damaged) == ("github", 1, ())


def test_a_line_that_is_no_number_is_damage() -> None:
    report = read(b"::error file=a.js,line=one::Wrong\n::error file=a.js,line=2::Wrong\n")

    assert [problem.range for problem in report.problems] == [Range(line=2)]
    assert [damage.line for damage in report.damaged] == [1]
