"""tsc's text, plain and pretty."""

from __future__ import annotations

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range
from domain.readers.reading import read

PLAIN = b"""\
src/shop.ts(2,7): error TS2322: Type 'Till' is not assignable to type 'Shop'.
  Property 'name' is missing in type 'Till'.
src/app/(admin)/page.tsx(5,19): error TS2307: Cannot find module './gone' or its corresponding type declarations.
"""
PRETTY = b"""\
\x1b[96msrc/shop.ts\x1b[0m:\x1b[93m2\x1b[0m:\x1b[93m7\x1b[0m - \x1b[91merror\x1b[0m\x1b[90m TS2322: \x1b[0mType \
'Till' is not assignable to type 'Shop'.
  Property 'name' is missing in type 'Till'.

\x1b[7m2\x1b[0m const shop: Shop = till;
\x1b[7m \x1b[0m \x1b[91m      ~~~~\x1b[0m

  \x1b[96msrc/types.ts\x1b[0m:\x1b[93m3\x1b[0m:\x1b[93m5\x1b[0m
    \x1b[7m3\x1b[0m     name: string;
    'name' is declared here.

src/app/(admin)/page.tsx:5:19 - error TS2307: Cannot find module './gone' or its corresponding type declarations.

5 import { q } from "./gone";
                    ~~~~~~~~

Found 2 errors in 2 files.
"""


def test_a_problem_has_its_place_and_the_further_lines_of_its_message_as_related_texts() -> None:
    problem, _ = read(PLAIN).problems

    assert problem == Problem(
        tool="tsc",
        message="Type 'Till' is not assignable to type 'Shop'.",
        path="src/shop.ts",
        code="TS2322",
        range=Range(line=2, column=7, column_unit="utf16"),
        related=("  Property 'name' is missing in type 'Till'.",),
    )


def test_a_path_may_hold_brackets() -> None:
    assert read(PLAIN).problems[1].path == "src/app/(admin)/page.tsx"


def test_the_pretty_form_gives_the_same_problems() -> None:
    assert read(PRETTY) == read(PLAIN)


def test_an_error_about_the_configuration_has_no_place() -> None:
    (problem,) = read(b"error TS5058: The specified path does not exist: 'gone.json'.\n").problems

    assert (problem.code, problem.path, problem.range) == ("TS5058", "", None)


def test_what_npm_says_when_it_starts_the_compiler_is_left_out() -> None:
    report = read(b"\n> shop@1.0.0 build\n> tsc --noEmit\n\n" + PLAIN + b"npm ERR! code ELIFECYCLE\n")

    assert (len(report.problems), report.damaged) == (2, ())


def test_a_record_that_is_cut_off_is_damage_and_its_further_lines_go_nowhere() -> None:
    report = read(PLAIN + b"src/shop.ts(9,1)\n  Property 'x' is missing.\n")

    assert [damage.line for damage in report.damaged] == [4]
    assert [len(problem.related) for problem in report.problems] == [1, 0]


def test_a_file_outside_of_the_tree_is_damage() -> None:
    report = read(PLAIN + b"../other/a.ts(1,1): error TS1005: ';' expected.\n")

    assert [(damage.line, damage.reason) for damage in report.damaged] == [(4, "../other/a.ts leads out of the tree")]


def test_an_input_without_a_line_of_tsc_is_an_error() -> None:
    with pytest.raises(ReportError, match=r"read as tsc: line 1: .*: Killed"):
        read(b"Killed\n", format="tsc")
