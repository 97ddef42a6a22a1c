"""Cascades: one root, what hangs on it, and what shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.cascades import Cascade
from domain.analysis.group import Group
from domain.analysis.patterns import PatternRecognizer, Patterns
from domain.problem import Problem, Range

LAW = settings(deadline=None, max_examples=100)


def problem(
    message: str, path: str, line: int = 1, *, code: str = "E1", tool: str = "rustc", notes: tuple[str, ...] = ()
) -> Problem:
    return Problem(tool=tool, message=message, path=path, code=code, range=Range(line=line), related=notes)


def recognise(problems: Sequence[Problem]) -> Patterns:
    return PatternRecognizer().recognise(problems, range(len(problems)), unsafe=False)


def the_cascade(problems: Sequence[Problem]) -> tuple[Group, list[Group], Cascade]:
    patterns = recognise(problems)
    (cascade,) = patterns.cascades
    return patterns.groups[cascade.root], [patterns.groups[number] for number in cascade.dependents], cascade


def test_a_struct_that_is_defined_twice_takes_the_uses_of_its_lost_fields_with_it(
    sample: Callable[[str], Sequence[Problem]],
) -> None:
    root, dependents, cascade = the_cascade(sample("rustc-defined-twice.jsonl"))

    assert (root.cause, root.codes) == ("Job is defined more than once", ("E0119", "E0428"))
    assert [group.codes for group in dependents] == [("E0560", "E0609")]
    assert cascade.evidence == ("4 of 4 under E0560, E0609 name Job",)
    assert cascade.confidence == 0.8


def test_what_a_module_that_is_missing_makes_unknown_hangs_on_it() -> None:
    tsc = [
        problem("Cannot find module 'chai' or its type declarations.", "a.ts", code="TS2307", tool="tsc"),
        problem("Parameter 'x' implicitly has an 'any' type.", "a.ts", 5, code="TS7006", tool="tsc"),
        problem("Parameter 'y' implicitly has an 'any' type.", "a.ts", 9, code="TS7006", tool="tsc"),
        *(problem("Type 'A' is not assignable to type 'B'.", f"{n}.ts", code="TS2322", tool="tsc") for n in range(9)),
    ]

    root, dependents, cascade = the_cascade(tsc)

    assert root.subject == "chai"
    assert [group.codes for group in dependents] == [("TS7006",)]
    assert cascade.evidence == ("2 of 2 under TS7006 lie where the root hides what is true",)


def test_what_a_parser_says_after_its_first_error_hangs_on_it() -> None:
    gcc = [
        problem("expected ';' before 'int'", "a.c", 10, code="error", tool="gcc"),
        problem("'total' undeclared (first use in this function)", "a.c", 12, code="error", tool="gcc"),
        problem("'count' undeclared (first use in this function)", "b.c", 3, code="error", tool="gcc"),
        *(problem("too few arguments to function 'run'", f"{n}.c", code="error", tool="gcc") for n in range(9)),
    ]

    after = the_cascade([gcc[0], gcc[1], *gcc[3:]])
    before = recognise([gcc[0], gcc[2], *gcc[3:]])

    assert [group.problems for group in after[1]] == [(1,)]
    assert before.cascades == []


@pytest.mark.parametrize(
    ("where", "note"),
    [
        ("tests/conftest.py", "while loading conftest 'tests/conftest.py'"),
        ("src/job.h", "In file included from src/job.h:7"),
    ],
)
def test_what_comes_by_way_of_a_broken_file_hangs_on_it(where: str, note: str) -> None:
    problems = [
        problem("name 'unicode' is not defined", where, 7, code="NameError", tool="pytest"),
        problem("collection failed", "tests/test_a.py", code="Error", tool="pytest", notes=(note,)),
        problem("collection failed", "tests/test_b.py", code="Error", tool="pytest", notes=(note,)),
    ]

    root, dependents, _ = the_cascade(problems)

    assert root.files == (where,)
    assert [group.problems for group in dependents] == [(1, 2)]


def test_a_note_that_points_at_the_line_of_another_problem_hangs_on_it() -> None:
    problems = [
        problem("cannot find type `Job` in this scope", "src/job.rs", 3, code="E0412"),
        problem("mismatched types", "src/a.rs", code="E0308", notes=("function defined here (src/job.rs:3:8)",)),
    ]

    _, dependents, cascade = the_cascade(problems)

    assert [group.codes for group in dependents] == [("E0308",)]
    assert cascade.confidence == 0.95


def test_a_call_is_untyped_because_its_definition_is() -> None:
    problems = [
        problem("Function is missing a type annotation", "a.py", code="no-untyped-def", tool="mypy"),
        problem('Call to untyped function "run" in typed context', "b.py", code="no-untyped-call", tool="mypy"),
        problem('Call to untyped function "run" in typed context', "c.py", code="no-untyped-call", tool="mypy"),
    ]

    root, dependents, cascade = the_cascade(problems)

    assert root.codes == ("no-untyped-def",)
    assert [group.cause for group in dependents] == ["run has no annotations"]
    assert cascade.evidence == ("2 under no-untyped-call: a call is untyped because its definition is",)


def test_problems_with_nothing_in_common_are_no_cascade() -> None:
    problems = [
        problem("cannot find type `Job` in this scope", "a.rs", code="E0412"),
        problem("mismatched types", "b.rs", code="E0308"),
    ]

    assert recognise(problems).cascades == []


def test_style_hangs_on_nothing() -> None:
    problems = [
        problem("invalid syntax", "a.py", 1, code="invalid-syntax", tool="ruff"),
        problem("Line too long (120 > 100)", "a.py", 9, code="E501", tool="ruff"),
    ]

    assert recognise(problems).cascades == []


observations = st.lists(
    st.builds(
        problem,
        st.sampled_from(
            [
                "the name `Job` is defined multiple times",
                "cannot find type `Task` in this scope",
                "no field `title` on type `&Job`",
                "the trait bound `Task: Copy` is not satisfied",
                "expected `;`, found `}`",
                "mismatched types",
            ]
        ),
        st.sampled_from(["a.rs", "b.rs", "c.rs", ""]),
        st.integers(1, 30),
        code=st.sampled_from(["E0428", "E0412", "E0609", "E0277", ""]),
        notes=st.sampled_from([(), ("`Job` declared here (a.rs:3:1)",), ("expected `Task`, found `Job`",)]),
    ),
    max_size=16,
)


@LAW
@given(observations)
def test_a_group_hangs_on_one_root_at_most_and_never_on_itself(problems: list[Problem]) -> None:
    cascades = recognise(problems).cascades
    dependents = [number for cascade in cascades for number in cascade.dependents]

    assert len(set(dependents)) == len(dependents)
    assert all(cascade.root not in cascade.dependents for cascade in cascades)


@LAW
@given(observations)
def test_there_are_no_circles(problems: list[Problem]) -> None:
    root_of = {number: cascade.root for cascade in recognise(problems).cascades for number in cascade.dependents}

    for start in root_of:
        seen, number = {start}, start
        while (number := root_of.get(number, -1)) >= 0:
            assert number not in seen
            seen.add(number)


@LAW
@given(observations)
def test_a_cascade_is_likelier_than_not_and_says_why(problems: list[Problem]) -> None:
    for cascade in recognise(problems).cascades:
        assert 0.5 <= cascade.confidence <= 1.0
        assert cascade.evidence
        assert list(cascade.dependents) == sorted(cascade.dependents)
