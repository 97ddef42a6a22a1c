"""pylint's default text."""

from __future__ import annotations

from domain.problem import Problem, Range
from domain.readers.reading import read

TEXT = b"""\
************* Module shop
shop.py:3:11: E0602: Undefined variable 'nme' (undefined-variable)
shop.py:1:0: C0114: Missing module docstring (missing-module-docstring)
shop.py:1:0: I0021: Useless suppression of 'unused-import' (useless-suppression)

-----------------------------------
Your code has been rated at 0.00/10

"""


def test_columns_are_counted_from_zero_and_the_symbolic_name_is_a_related_text() -> None:
    assert read(TEXT).problems[0] == Problem(
        tool="pylint",
        message="Undefined variable 'nme'",
        path="shop.py",
        code="E0602",
        range=Range(line=3, column=12),
        related=("undefined-variable",),
    )


def test_the_first_letter_of_the_code_tells_the_severity() -> None:
    assert [problem.severity for problem in read(TEXT).problems] == ["error", "warning", "note"]


def test_the_names_of_modules_and_the_rating_are_left_out() -> None:
    assert read(TEXT).damaged == ()


def test_the_rating_alone_is_a_clean_report() -> None:
    assert read(b"\n-----------------------------------\nYour code has been rated at 10.00/10\n").problems == ()


def test_a_message_of_several_lines_ends_with_its_symbolic_name() -> None:
    text = b"""\
shop.py:1:0: R0801: Similar lines in 2 files
==shop:[1:3]
==till:[3:5]
import os
import sys (duplicate-code)
shop.py:4:0: C0115: Missing class docstring (missing-class-docstring)
"""
    first, second = read(text).problems

    assert first.message == "Similar lines in 2 files"
    assert first.related == ("==shop:[1:3]", "==till:[3:5]", "import os", "import sys", "duplicate-code")
    assert second.related == ("missing-class-docstring",)


def test_a_path_outside_of_the_tree_is_damage() -> None:
    report = read(TEXT + b"/elsewhere/a.py:1:0: C0114: Missing module docstring (missing-module-docstring)\n")

    assert len(report.problems) == 3
    assert [damage.line for damage in report.damaged] == [9]
