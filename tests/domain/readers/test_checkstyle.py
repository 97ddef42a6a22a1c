"""Checkstyle's XML."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def document(*errors: str, file: str = "a.js") -> bytes:
    return "\n".join(("<checkstyle>", f'<file name="{file}">', *errors, "</file>", "</checkstyle>")).encode()


def test_an_error_becomes_a_problem_whose_code_is_its_source(sample: Sample) -> None:
    report = read(sample("checkstyle.xml"))

    assert (report.format, report.damaged) == ("checkstyle", ())
    assert report.problems[0] == Problem(
        tool="checkstyle",
        code="com.puppycrawl.tools.checkstyle.checks.whitespace.WhitespaceAroundCheck",
        path="src/main/java/shop/Cart.java",
        message="'{' is not preceded with whitespace.",
        range=Range(line=12, column=9),
    )
    assert [problem.severity for problem in report.problems] == ["error", "warning", "note"]


def test_an_error_without_line_is_about_the_file() -> None:
    (problem,) = read(document('<error message="wrong"/>')).problems

    assert (problem.path, problem.range, problem.code) == ("a.js", None, "")


def test_a_file_that_the_linter_stumbled_over_is_a_problem() -> None:
    (problem,) = read(
        document("<exception><![CDATA[\nNullPointerException: x\n  at A.b(A.java:3)]]></exception>")
    ).problems

    assert (problem.code, problem.message, problem.related) == (
        "exception",
        "NullPointerException: x",
        ("  at A.b(A.java:3)",),
    )


@pytest.mark.parametrize("broken", ['<error line="three" message="x"/>', '<error line="3"/>'])
def test_a_broken_error_costs_only_itself(broken: str) -> None:
    report = read(document('<error line="1" message="one"/>', broken, '<error line="2" message="two"/>'))

    assert [problem.message for problem in report.problems] == ["one", "two"]
    assert [damage.line for damage in report.damaged] == [4]


def test_a_file_outside_the_tree_is_damage() -> None:
    with pytest.raises(ReportError, match=r"read as checkstyle: line 3: \.\./a\.js leads out of the tree"):
        read(document('<error line="1" message="one"/>', file="../a.js"))


def test_a_document_without_errors_is_clean() -> None:
    assert read(b"<checkstyle/>").problems == ()
