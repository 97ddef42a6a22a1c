"""A problem's identity, what it is about, and who can mend it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.phase import Phase
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


def test_a_problem_tells_what_it_is_about_and_what_it_has_in_common_with_others() -> None:
    found = problem("no field `kind` on type `&Unit`", code="E0609")

    assert (found.template, found.slots, found.subject) == ("no field <> on type <>", ("kind", "&Unit"), "kind")


def test_a_problem_knows_its_phase_and_the_family_of_its_code() -> None:
    found = Problem(tool="cargo", code="E0412", message="cannot find type `Foo` in this scope")

    assert (found.phase, found.code_family) == (Phase.IMPORTS, "E0425")


def test_a_problem_keeps_its_loose_identity_in_another_file() -> None:
    before, after = problem(path="a.py"), problem(path="pkg/b.py")

    assert before.fingerprint != after.fingerprint
    assert before.loose_fingerprint == after.loose_fingerprint


def test_the_loose_identity_forgets_the_name_of_the_file_in_the_message() -> None:
    before = problem('Source file "pkg/a.py" found twice as "pkg.a"', path="pkg/a.py")
    after = problem('Source file "pkg/b.py" found twice as "pkg.b"', path="pkg/b.py")

    assert before.loose_fingerprint == after.loose_fingerprint


def failure(symbol: str, message: str, *, path: str = "tests/test_a.py") -> Problem:
    return Problem(tool="junit", message=message, path=path, symbol=symbol, code="AssertionError")


def test_a_failing_test_is_the_same_problem_whatever_it_says_and_wherever_it_stops() -> None:
    one = failure("tests.test_a.test_sum[1-2]", "assert 3 == 4")
    other = failure("tests.test_a.test_sum[1-2]", "assert 3 == 5", path="src/sums.py")

    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != failure("tests.test_a.test_sum[1-3]", "assert 3 == 4").fingerprint


def test_a_test_keeps_its_loose_identity_in_another_module() -> None:
    before = failure("tests.test_a.TestSum.test_sum[0.5-a]", "no")
    after = failure("tests.unit.test_b.TestSum.test_sum[0.5-a]", "no")

    assert before.fingerprint != after.fingerprint
    assert before.loose_fingerprint == after.loose_fingerprint


def test_a_symbol_that_was_looked_up_in_the_source_is_no_part_of_the_identity() -> None:
    known = msgspec.structs.replace(problem(), symbol="Class.method")

    assert known.fingerprint == problem().fingerprint


@given(st.integers(min_value=1, max_value=10**6), st.text(), st.text())
def test_lines_above_change_no_identity(inserted: int, message: str, path: str) -> None:
    before = problem(f"{message} on line 1", path=path, line=1)
    after = problem(f"{message} on line {1 + inserted}", path=path, line=1 + inserted)

    assert (before.fingerprint, before.loose_fingerprint) == (after.fingerprint, after.loose_fingerprint)


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
