"""What pytest writes to the console."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range
from domain.readers.reading import read

Sample = Callable[[str], bytes]

SECTIONS = b"""\
============================= test session starts ==============================
collected 4 items / 1 error

tests/test_a.py F.FE                                                     [100%]

==================================== ERRORS ====================================
_______________________ ERROR collecting tests/test_c.py _______________________
E     File "/r/tests/test_c.py", line 4
E       def test_helper(:
E                       ^
E   SyntaxError: invalid syntax
_________________________ ERROR at setup of test_setup _________________________

    @pytest.fixture
    def broken():
>       raise KeyError("till")
E       KeyError: 'till'

tests/test_a.py:12: KeyError
=================================== FAILURES ===================================
__________________________ TestSale.test_sells[a - b] __________________________

    def test_sells(self, x):
>       assert x == "z", "long message"
E       AssertionError: a message that is longer than the line of the terminal
E       assert 'a - b' == 'z'
E         - z
E         + a - b

tests/test_a.py:7: AssertionError
_____________________________ TestSale.test_helper _____________________________

    def test_helper(self):
>       helper(3)

tests/test_a.py:9:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

n = 3

    def helper(n):
>       raise ValueError("bad: %d" % n)
E       ValueError: bad: 3

shop/till.py:3: ValueError
"""
SUMMARY = b"""\
=========================== short test summary info ============================
FAILED tests/test_a.py::TestSale::test_sells[a - b] - AssertionError: a mess...
FAILED tests/test_a.py::TestSale::test_helper - ValueError: bad: 3
ERROR tests/test_c.py
ERROR tests/test_a.py::test_setup - KeyError: 'till'
"""
END = b"==================== 2 failed, 1 passed, 2 errors in 0.76s =====================\n"


def test_a_failed_test_has_its_exception_as_code_and_its_own_file_as_place() -> None:
    (problem,) = (p for p in read(SECTIONS + SUMMARY + END).problems if p.code == "ValueError")

    assert (problem.tool, problem.message, problem.path) == ("pytest", "ValueError: bad: 3", "tests/test_a.py")
    assert problem.range == Range(line=9)
    assert problem.symbol == "tests.test_a.TestSale.test_helper"
    assert "shop/till.py:3: ValueError" in problem.related[0]


def test_the_summary_says_which_tests_failed() -> None:
    report = read(SECTIONS + SUMMARY + END, root="/r")

    assert [(problem.symbol, problem.code, problem.range and problem.range.line) for problem in report.problems] == [
        ("tests.test_a.TestSale.test_sells[a - b]", "AssertionError", 7),
        ("tests.test_a.TestSale.test_helper", "ValueError", 9),
        ("", "SyntaxError", 4),
        ("tests.test_a.test_setup", "KeyError", 12),
    ]
    assert report.damaged == ()


def test_a_message_that_the_summary_cuts_is_taken_from_the_section() -> None:
    (problem, *_) = read(SECTIONS + SUMMARY + END).problems

    assert problem.message == "AssertionError: a message that is longer than the line of the terminal"


def test_a_summary_alone_is_enough() -> None:
    report = read(b"FAILED tests/test_a.py::test_sells[a - b] - assert 1 == 2\n")

    assert [(p.path, p.code, p.message) for p in report.problems] == [
        ("tests/test_a.py", "AssertionError", "assert 1 == 2")
    ]


def test_sections_alone_are_enough() -> None:
    report = read(SECTIONS + END, root="/r")

    assert [(problem.path, problem.symbol) for problem in report.problems] == [
        ("tests/test_c.py", "tests/test_c.py"),
        ("tests/test_a.py", "test_setup"),
        ("tests/test_a.py", "TestSale.test_sells[a - b]"),
        ("shop/till.py", "TestSale.test_helper"),
    ]


def test_a_test_that_fails_and_then_breaks_in_its_teardown_is_two_problems() -> None:
    text = b"""\
=== ERRORS ===
___ ERROR at teardown of test_x ___
E   KeyError: 'till'

tests/test_a.py:9: KeyError
=== FAILURES ===
___ test_x ___
E   ValueError: x

tests/test_a.py:3: ValueError
=== short test summary info ===
FAILED tests/test_a.py::test_x
ERROR tests/test_a.py::test_x
"""
    assert [(p.code, p.range) for p in read(text).problems] == [
        ("ValueError", Range(line=3)),
        ("KeyError", Range(line=9)),
    ]


def test_what_the_summary_was_told_to_leave_out_is_taken_from_its_section() -> None:
    failures_only = b"\n".join(line for line in SUMMARY.splitlines() if not line.startswith(b"ERROR"))

    problems = read(SECTIONS + failures_only, root="/r").problems

    assert {problem.code for problem in problems} == {"AssertionError", "ValueError", "SyntaxError", "KeyError"}
    assert len(problems) == 4


def test_tests_of_one_name_in_two_files_get_the_section_of_their_own_file() -> None:
    sections = b"=== FAILURES ===\n" + b"".join(
        b"___ test_x ___\nE   ValueError: %b\n\ntests/test_%b.py:%d: ValueError\n" % (name, name, line)
        for name, line in ((b"a", 3), (b"b", 5))
    )
    listed = b"=== short test summary info ===\nFAILED tests/test_b.py::test_x\nFAILED tests/test_a.py::test_x\n"

    assert [(p.path, p.message, p.range) for p in read(sections + listed).problems] == [
        ("tests/test_b.py", "ValueError: b", Range(line=5)),
        ("tests/test_a.py", "ValueError: a", Range(line=3)),
    ]


def test_a_part_of_a_test_that_failed_is_a_problem_of_its_own() -> None:
    text = b"""\
=== short test summary info ===
SUBFAILED(i=0) tests/test_a.py::test_sub - assert 0 == 5
SUBFAILED(i=1) tests/test_a.py::test_sub - assert 1 == 5
"""
    assert [problem.symbol for problem in read(text).problems] == [
        "tests.test_a.test_sub (i=0)",
        "tests.test_a.test_sub (i=1)",
    ]


def test_a_conftest_that_cannot_be_imported_is_one_problem(sample: Sample) -> None:
    report = read(sample("pytest-pint-crash.txt"))

    assert [(p.code, p.path, p.range, p.message) for p in report.problems] == [
        (
            "AttributeError",
            "pint/numpy_func.py",
            Range(line=849),
            "AttributeError: module 'numpy' has no attribute 'cumproduct'",
        )
    ]
    assert report.damaged == ()


def test_an_error_of_pytest_itself_is_one_problem() -> None:
    text = b"""\
INTERNALERROR> Traceback (most recent call last):
INTERNALERROR>   File "/usr/lib/python3/site-packages/pluggy/_callers.py", line 77, in _multicall
INTERNALERROR>   File "/r/conftest.py", line 3, in pytest_collection_modifyitems
INTERNALERROR>     raise ValueError("no items")
INTERNALERROR> ValueError: no items

no tests ran in 0.01s
"""
    (problem,) = read(text, root="/r").problems

    assert problem == Problem(
        tool="pytest",
        message="ValueError: no items",
        path="conftest.py",
        code="ValueError",
        range=Range(line=3),
        related=problem.related,
    )


@pytest.mark.parametrize(
    "end", [b"====== 3 passed, 1 warning in 0.10s ======\n", b"3 passed in 62.01s (0:01:02)\n"], ids=["loud", "quiet"]
)
def test_a_run_that_ended_well_has_no_problems(end: bytes) -> None:
    assert read(b"...   [100%]\n" + end).problems == ()


def test_lines_of_a_captured_log_are_no_tests() -> None:
    logged = b"___ test_log ___\nE   ValueError: x\n------ Captured log call ------\nERROR    root:a.py:3 boom\n"

    report = read(b"=== FAILURES ===\n" + logged + b"FAILED to open a.py\n" + END, format="pytest")

    assert [problem.symbol for problem in report.problems] == ["test_log"]


def test_failures_that_no_line_names_are_not_taken_for_a_clean_run() -> None:
    with pytest.raises(ReportError, match="names no failure"):
        read(END)
