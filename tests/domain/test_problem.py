"""A problem's identity, what it is about, and who can mend it."""

from __future__ import annotations

import msgspec
import pytest

from domain.problem import Applicability, Problem, Range, Suggestion, count_codes


def problem(
    message: str = "`os` imported but unused", *, path: str = "a.py", code: str = "F401", line: int = 1
) -> Problem:
    return Problem(tool="ruff", message=message, path=path, code=code, range=Range(line=line))


def offering(*trust: Applicability) -> Problem:
    offers = tuple(Suggestion(message="remove it", applicability=applicability) for applicability in trust)
    return msgspec.structs.replace(problem(), suggestions=offers)


def test_a_moved_problem_keeps_its_identity() -> None:
    assert problem(line=10).fingerprint == problem(line=900).fingerprint


def test_a_line_number_in_the_message_is_no_part_of_the_identity() -> None:
    before = problem('Name "x" already defined on line 12')
    after = problem('Name "x" already defined on line 13')

    assert before.fingerprint == after.fingerprint


def test_other_numbers_of_the_message_are_part_of_the_identity() -> None:
    assert problem("Line too long (91 > 88)").fingerprint != problem("Line too long (92 > 88)").fingerprint


@pytest.mark.parametrize(
    "other",
    [problem("`re` imported but unused"), problem(path="b.py"), problem(code="F811"), Problem(tool="x", message="")],
)
def test_tool_code_file_and_message_make_the_identity(other: Problem) -> None:
    assert problem().fingerprint != other.fingerprint


def test_the_identity_is_16_digits_that_never_change() -> None:
    # Stored ledgers hold it: a change of the rule would make every known problem a new one.
    assert problem().fingerprint == "365a6f5d76255a7f"


def test_text_that_is_not_unicode_has_an_identity() -> None:
    assert len(problem("caf\udce9").fingerprint) == 16


def test_a_problem_is_about_the_first_name_it_quotes() -> None:
    found = problem("expected `u8`, found `u16`")

    assert (found.subject, found.template) == ("u8", "expected <>, found <>")
    assert problem("Missing docstring").subject == ""


@pytest.mark.parametrize(
    ("trust", "safely", "unsafely"),
    [
        ((), False, False),
        (("display",), False, False),
        (("unsafe",), False, True),
        (("safe",), True, True),
        (("display", "safe"), True, True),
    ],
)
def test_an_edit_makes_a_problem_fixable_as_far_as_the_tool_trusts_it(
    trust: tuple[Applicability, ...], safely: bool, unsafely: bool
) -> None:
    found = offering(*trust)

    assert (found.fixable(unsafe=False), found.fixable(unsafe=True)) == (safely, unsafely)


def test_codes_are_counted_the_most_frequent_first() -> None:
    codes = ["E2", "", "E1", "E3", "E3", ""]

    counts = count_codes(problem(code=code) for code in codes)

    assert list(counts.items()) == [("(none)", 2), ("E3", 2), ("E1", 1), ("E2", 1)]


def test_a_problem_survives_json() -> None:
    found = offering("safe", "display")

    assert msgspec.json.decode(msgspec.json.encode(found), type=Problem) == found
