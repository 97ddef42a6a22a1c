"""ruff's own JSON, as an array and as lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import ReportError, UnknownFormatError
from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def record(**fields: Any) -> dict[str, Any]:
    return {
        "cell": None,
        "code": "F401",
        "end_location": {"row": 3, "column": 10},
        "filename": "a.py",
        "fix": None,
        "location": {"row": 3, "column": 8},
        "message": "`os` imported but unused",
    } | fields


def array(*records: object) -> bytes:
    return json.dumps(records, indent=2).encode()


def read_one(**fields: Any) -> Problem:
    (problem,) = read(array(record(**fields))).problems
    return problem


def test_a_record_becomes_a_problem(sample: Sample) -> None:
    assert read(sample("ruff-boto.jsonl")).problems[1] == Problem(
        tool="ruff",
        code="F401",
        path="boto/__init__.py",
        message="`sys` imported but unused",
        range=Range(line=34, column=8, end_line=34, end_column=11),
    )


def test_an_array_and_its_lines_give_the_same_report() -> None:
    records = [record(message=f"`{name}` imported but unused") for name in ("os", "re")]

    assert read(array(*records)) == read("\n".join(map(json.dumps, records)).encode())


def test_a_syntax_error_has_a_code_in_every_version(sample: Sample) -> None:
    assert read(sample("ruff-boto.jsonl")).problems[-1].code == "invalid-syntax"
    assert read_one(code=None).code == "invalid-syntax"


def test_a_fix_becomes_one_suggestion_of_all_its_edits() -> None:
    place = {"row": 1, "column": 1}
    edits = [{"content": text, "location": place, "end_location": place} for text in ("a", "b")]

    problem = read_one(fix={"applicability": "unsafe", "edits": edits, "message": "Mend it"})

    assert problem.suggestions == (Suggestion(message="Mend it", edit="ab", applicability="unsafe"),)


@pytest.mark.parametrize(
    ("stated", "expected"), [("safe", "safe"), ("unsafe", "unsafe"), ("display", "display"), ("novel", "display")]
)
def test_an_applicability_that_is_not_known_is_not_trusted(stated: str, expected: str) -> None:
    problem = read_one(fix={"applicability": stated, "edits": [], "message": "Mend it"})

    assert problem.suggestions[0].applicability == expected


def test_without_a_fix_there_is_no_suggestion(sample: Sample) -> None:
    assert read(sample("ruff-boto.jsonl")).problems[1].suggestions == ()


def test_absolute_names_become_relative_to_the_root() -> None:
    report = read(array(record(filename="/src/tree/pkg/a.py")), root="/src/tree")

    assert report.problems[0].path == "pkg/a.py"


def test_a_name_outside_the_tree_is_damage_with_its_line() -> None:
    report = read(array(record(), record(filename="/usr/lib/a.py")), root="/src/tree")

    assert [problem.path for problem in report.problems] == ["a.py"]
    (damage,) = report.damaged
    assert damage.line == 17
    assert damage.reason == "/usr/lib/a.py lies outside the tree /src/tree"


def test_cells_of_a_notebook_count_their_lines_apart() -> None:
    report = read(array(record(cell=1), record(cell=2)))

    assert report.duplicates == 0
    assert [problem.related for problem in report.problems] == [
        ("in cell 1 of the notebook",),
        ("in cell 2 of the notebook",),
    ]


def test_an_array_that_was_cut_gives_its_complete_records(sample: Sample) -> None:
    whole = sample("ruff-django.json")
    cut = whole[: whole.index(b'"RET506"')]

    report = read(cut)

    assert report.problems == read(whole).problems[:4]
    assert [damage.line for damage in report.damaged] == [cut[: cut.rindex(b"\n  {")].count(b"\n") + 2]


def test_reading_goes_on_after_a_record_that_is_no_json() -> None:
    data = array(record(message="one"), record(message="two"), record(message="three"))

    report = read(data.replace(b'"two"', b'"two'))

    assert [problem.message for problem in report.problems] == ["one", "three"]
    assert len(report.damaged) == 1


def test_a_record_of_another_shape_costs_only_itself() -> None:
    report = read(array(record(message="one"), {"hello": "world"}, 42, record(message="two")))

    assert [problem.message for problem in report.problems] == ["one", "two"]
    assert len(report.damaged) == 2


def test_a_record_of_another_shape_is_damage_with_its_own_line() -> None:
    data = json.dumps([record(), 3, 3, record(message="two"), None], indent=0).encode()

    lines = [number for number, line in enumerate(data.splitlines(), start=1) if line in (b"3,", b"null")]
    assert [damage.line for damage in read(data).damaged] == lines


def test_an_array_without_any_complete_record_is_an_error() -> None:
    with pytest.raises(ReportError, match="read as ruff: line 2: the record is cut"):
        read(array(record())[:60], format="ruff")


def test_what_ruff_says_to_people_is_not_damage() -> None:
    lines = json.dumps(record()).encode() + b"\nFound 1 error.\n[*] 1 fixable with the `--fix` option.\n"

    assert read(lines).damaged == ()
    assert read(b"warning: a setting is deprecated\n" + array(record())).damaged == ()
    assert read(b"All checks passed!\n", format="ruff").problems == ()


FULL = b"F401 [*] `os` imported but unused\n --> a.py:1:8\n  |\n1 | import os\n  |        ^^\n"
FULL_IN_COLOUR = (
    b"\x1b[1m\x1b[91mF401\x1b[0m [\x1b[1m\x1b[96m*\x1b[0m]\x1b[1m `os` imported but unused\x1b[0m\n"
    b" \x1b[1m\x1b[94m--> \x1b[0ma.py:1:8\n  \x1b[1m\x1b[94m|\x1b[0m\n"
)


@pytest.mark.parametrize(
    "shown",
    [
        FULL,
        FULL_IN_COLOUR,
        FULL.replace(b"\n", b"\r\n"),
        b"invalid-syntax: Expected a parameter or the end of the parameter list\n --> a.py:1:7\n  |\n",
        b"a.py:1:8: F401 [*] `os` imported but unused\n",
        b"a.py:\n  1:8 F401 [*] `os` imported but unused\n",
    ],
)
def test_what_ruff_shows_to_people_is_answered_with_the_option_that_helps(shown: bytes) -> None:
    with pytest.raises(UnknownFormatError, match=r"use ruff check --output-format json$"):
        read(shown)
