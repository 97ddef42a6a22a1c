"""mypy's JSON lines and its text form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def json_line(**fields: Any) -> bytes:
    record = {
        "file": "a.py",
        "line": 3,
        "column": 4,
        "end_line": 3,
        "end_column": 9,
        "message": 'Name "x" is not defined',
        "hint": None,
        "code": "name-defined",
        "severity": "error",
    }
    return json.dumps(record | fields).encode() + b"\n"


def test_columns_of_json_are_counted_from_zero() -> None:
    assert read(json_line()).problems == (
        Problem(
            tool="mypy",
            code="name-defined",
            path="a.py",
            message='Name "x" is not defined',
            range=Range(line=3, column=5, end_line=3, end_column=10),
        ),
    )


def test_columns_of_text_are_counted_from_one_and_the_last_is_inside() -> None:
    assert read(b'a.py:3:5:3:9: error: Name "x" is not defined  [name-defined]\n') == read(json_line())


def test_text_without_columns_is_about_the_line() -> None:
    (problem,) = read(b'a.py:3: error: Name "x" is not defined  [name-defined]\n').problems

    assert problem.range == Range(line=3)


def test_a_column_that_mypy_does_not_know_is_the_start_of_the_line() -> None:
    (problem,) = read(json_line(column=-1, end_column=-1)).problems

    assert problem.range == Range(line=3, end_line=3)


def test_both_forms_of_one_run_tell_of_the_same_problems(sample: Sample) -> None:
    from_json, from_text = read(sample("mypy-networkx.jsonl")), read(sample("mypy-networkx.txt"))

    assert len(from_json.problems) == 30
    assert [(problem.fingerprint, problem.related) for problem in from_json.problems] == [
        (problem.fingerprint, problem.related) for problem in from_text.problems
    ]


def test_a_hint_gives_one_related_text_a_line() -> None:
    (problem,) = read(json_line(hint="Possible overload variants:\n    def f(a: int) -> int")).problems

    assert problem.related == ("Possible overload variants:", "    def f(a: int) -> int")


@pytest.mark.parametrize(
    "note",
    [
        b"a.py:3: note: Did you mean y?\n",
        json_line(severity="note", message="Did you mean y?", code="misc"),
    ],
)
def test_a_note_goes_to_the_problem_on_its_line(note: bytes) -> None:
    (problem,) = read(json_line() + note).problems

    assert problem.related == ("Did you mean y?",)


def test_a_note_without_a_problem_on_its_line_is_left_out() -> None:
    report = read(json_line() + b'a.py:4: note: Revealed type is "int"\n')

    assert [problem.related for problem in report.problems] == [()]
    assert report.damaged == ()


def test_a_problem_without_code_has_the_empty_code() -> None:
    assert read(b"a.py:3: error: Something\n").problems[0].code == ""
    assert read(json_line(code=None)).problems[0].code == ""


def test_a_message_may_end_in_brackets_that_are_no_code() -> None:
    (problem,) = read(b'a.py:3: error: Need type annotation for "x" (hint: "x: list[int]")\n').problems

    assert problem.message.endswith('list[int]")')
    assert problem.code == ""


def test_a_file_without_line_keeps_its_problem() -> None:
    (problem,) = read(b"gone.py: error: Cannot read file: No such file or directory\n").problems

    assert (problem.path, problem.range) == ("gone.py", None)


def test_wrapped_messages_and_excerpts_of_the_source_are_put_together() -> None:
    data = (
        b'a.py:1: error: Incompatible types in assignment (expression has type "str",\n'
        b'variable has type "int")  [assignment]\n'
        b'    x: int = "a"\n'
        b"             ^~~\n"
        b'a.py:4: error: Argument 1 to "f" has incompatible type "str"; expected "int" \n'
        b"[arg-type]\n"
        b"Found 2 errors in 1 file (checked 1 source file)\n"
    )

    report = read(data)

    assert [(problem.code, problem.message) for problem in report.problems] == [
        (
            "assignment",
            'Incompatible types in assignment (expression has type "str", variable has type "int")',
        ),
        ("arg-type", 'Argument 1 to "f" has incompatible type "str"; expected "int"'),
    ]
    assert report.damaged == ()


def test_a_line_of_something_else_is_damage() -> None:
    report = read(b"a.py:3: error: Bad  [misc]\nKilled\n")

    assert [(damage.line, damage.reason) for damage in report.damaged] == [(2, "not a line of mypy's output: Killed")]


def test_a_complaint_about_its_options_is_no_problem_of_the_code() -> None:
    with pytest.raises(ReportError, match="unrecognized arguments"):
        read(b"mypy: error: unrecognized arguments: --fast\n", format="mypy")


# As mypy writes them with TERM=xterm-256color, screen (and tmux, linux), and ansi.
ENDS_OF_COLOUR = [b"\x1b(B\x1b[m", b"\x1b[m\x0f", b"\x1b[0;10m"]


@pytest.mark.parametrize("end", ENDS_OF_COLOUR)
def test_colours_make_no_difference(end: bytes) -> None:
    data = (
        b'a.py:3:5: \x1b[1m\x1b[31merror:<> Name <>\x1b[1m"x"<> is not defined  <>\x1b[33m[name-defined]<>\n'
        b"\x1b[2;10m    print(x)<>\n"
        b"\x1b[31m          ^<>\n"
        b"<>\n"
        b"\x1b[1m\x1b[31mFound 1 error in 1 file (checked 1 source file)<>\n"
    )

    report = read(data.replace(b"<>", end))

    assert report == read(b'a.py:3:5: error: Name "x" is not defined  [name-defined]\n')


def test_a_place_in_colour_is_recognised() -> None:
    report = read(b"\x1b[1mfile.py\x1b[m:1: \x1b[31merror:\x1b[m text\n")

    assert [(problem.path, problem.message) for problem in report.problems] == [("file.py", "text")]
