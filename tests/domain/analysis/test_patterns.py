"""Groups by root cause: one edit, one name, or nothing in common but the rule."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.patterns import Group, group_problems
from domain.problem import Applicability, Problem, Suggestion

LAW = settings(deadline=None, max_examples=100)


def problem(message: str, path: str, *, code: str = "E1", offers: tuple[Suggestion, ...] = ()) -> Problem:
    return Problem(tool="rustc", message=message, path=path, code=code, suggestions=offers)


def offer(edit: str, trust: Applicability = "display") -> Suggestion:
    return Suggestion(message="try this", edit=edit, applicability=trust)


def group(problems: list[Problem], *, unsafe: bool = False) -> list[Group]:
    return group_problems(problems, range(len(problems)), unsafe=unsafe)


IMPORT = offer("use std::fmt;\n")

observations = st.lists(
    st.builds(
        problem,
        st.sampled_from(["cannot find `x`", "cannot find `y`", "unused `x` and `z`", "missing semicolon", ""]),
        st.sampled_from(["", "a.rs", "b.rs", "c.rs"]),
        code=st.sampled_from(["E1", "E2", ""]),
        offers=st.sampled_from([(), (IMPORT,), (offer("x"),), (offer("y", "safe"),), (offer("z", "unsafe"),)]),
    ),
    max_size=12,
)


def test_a_cascade_that_one_edit_mends_is_one_cause_under_all_its_codes() -> None:
    problems = [
        problem("failed to resolve: use of undeclared `fmt`", "src/b.rs", code="E0433", offers=(IMPORT,)),
        problem("cannot find trait `Display` in this scope", "src/a.rs", code="E0405", offers=(IMPORT,)),
        problem("cannot find trait `Debug` in this scope", "src/a.rs", code="E0405", offers=(IMPORT,)),
    ]

    assert group(problems) == [
        Group(
            kind="cause",
            cause="one edit mends them: use std::fmt;",
            codes=("E0405", "E0433"),
            files=("src/a.rs", "src/b.rs"),
            problems=(0, 1, 2),
        )
    ]


def test_an_edit_that_is_less_than_a_statement_joins_nothing() -> None:
    problems = [
        problem("expected `u8`", "a.rs", code="E1", offers=(offer("&"),)),
        problem("expected `i8`", "b.rs", code="E2", offers=(offer("&"),)),
    ]

    assert [found.kind for found in group(problems)] == ["local", "local"]


def test_one_name_in_several_files_is_one_cause() -> None:
    problems = [
        problem("cannot find type `Job`", "a.rs"),
        problem("cannot find type `Task`", "a.rs"),
        problem("cannot find type `Job`", "b.rs"),
    ]

    causes = [found for found in group(problems) if found.kind == "cause"]

    assert [(found.cause, found.problems) for found in causes] == [("E1: cannot find type `Job`", (0, 2))]


def test_one_name_in_one_file_is_a_local_edit() -> None:
    problems = [problem("cannot find type `Job`", "a.rs"), problem("cannot find type `Job`", "a.rs")]

    assert [(found.kind, found.problems) for found in group(problems)] == [("local", (0, 1))]


def test_a_name_for_which_the_tool_has_an_edit_at_the_place_is_a_local_edit() -> None:
    problems = [problem("unused import `os`", path, offers=(offer(""),)) for path in ("a.py", "b.py")]

    assert [found.kind for found in group(problems)] == ["local"]


def test_a_problem_without_a_path_is_no_second_file() -> None:
    problems = [problem("cannot find type `Job`", "a.rs"), problem("cannot find type `Job`", "")]

    assert [(found.kind, found.files, found.problems) for found in group(problems)] == [("local", ("a.rs",), (0, 1))]


def test_a_cause_in_several_files_takes_in_a_problem_without_a_path_but_no_file_for_it() -> None:
    problems = [problem("cannot find type `Job`", path) for path in ("a.rs", "", "b.rs")]

    assert [(found.kind, found.files, found.problems) for found in group(problems)] == [
        ("cause", ("a.rs", "b.rs"), (0, 1, 2))
    ]


def test_local_edits_of_one_rule_are_one_group_whatever_names_they_quote() -> None:
    problems = [problem("unused `x`", "a.rs"), problem("unused `y`", "b.rs"), problem("unused `z`", "c.rs")]

    assert group(problems) == [
        Group(
            kind="local",
            cause="E1 (local edit): unused <>",
            codes=("E1",),
            files=("a.rs", "b.rs", "c.rs"),
            problems=(0, 1, 2),
        )
    ]


def test_what_the_tool_can_mend_itself_is_automatic_even_where_one_name_shows_in_several_files() -> None:
    problems = [problem("unused `os`", path, offers=(offer("", "safe"),)) for path in ("a.py", "b.py")]

    assert [(found.kind, found.cause) for found in group(problems)] == [
        ("automatic", "E1 (automatic fix): unused <>"),
    ]


def test_unsafe_edits_are_automatic_only_when_asked_for() -> None:
    problems = [problem("use of assert", "a.py", offers=(offer("raise", "unsafe"),))]

    assert [found.kind for found in group(problems)] == ["local"]
    assert [found.kind for found in group(problems, unsafe=True)] == ["automatic"]


def test_the_largest_group_comes_first() -> None:
    problems = [problem("missing one", "a.rs"), problem("missing two", "a.rs"), problem("missing two", "b.rs")]

    assert [len(found.problems) for found in group(problems)] == [2, 1]


def test_a_problem_without_a_code_says_so() -> None:
    assert group([problem("odd", "a.rs", code="")])[0].cause == "no code (local edit): odd"


def test_a_message_of_many_lines_is_told_by_its_first() -> None:
    assert group([problem("odd\nand more", "a.rs")])[0].cause == "E1 (local edit): odd"


def test_a_cause_whose_message_has_many_lines_is_told_by_its_first() -> None:
    problems = [problem("cannot find `Job`\nand more", path) for path in ("a.rs", "b.rs")]

    assert [found.cause for found in group(problems)] == ["E1: cannot find `Job`"]


def test_a_nul_in_a_message_does_not_reach_the_cause() -> None:
    assert group([problem("odd\0", "a.rs")])[0].cause == "E1 (local edit): odd?"


def test_nothing_gives_no_groups() -> None:
    assert group([]) == []


@LAW
@given(observations, st.booleans(), st.data())
def test_every_targeted_problem_is_in_exactly_one_group(
    problems: list[Problem], unsafe: bool, data: st.DataObject
) -> None:
    targeted = data.draw(st.lists(st.sampled_from(range(len(problems))), unique=True)) if problems else []

    groups = group_problems(problems, targeted, unsafe=unsafe)

    assert sorted(index for found in groups for index in found.problems) == sorted(targeted)


@LAW
@given(observations, st.booleans())
def test_a_group_s_codes_and_files_are_those_of_its_problems(problems: list[Problem], unsafe: bool) -> None:
    for found in group(problems, unsafe=unsafe):
        assert set(found.codes) == {problems[index].code for index in found.problems}
        assert set(found.files) == {problems[index].path for index in found.problems if problems[index].path}


@LAW
@given(observations, st.booleans())
def test_exactly_what_the_tool_can_mend_is_automatic(problems: list[Problem], unsafe: bool) -> None:
    for found in group(problems, unsafe=unsafe):
        fixable = {problems[index].fixable(unsafe=unsafe) for index in found.problems}
        assert fixable == {found.kind == "automatic"}


@LAW
@given(observations, st.booleans())
def test_problems_in_several_files_that_one_edit_mends_are_a_cause_of_their_own(
    problems: list[Problem], unsafe: bool
) -> None:
    mended = {index for index, found in enumerate(problems) if found.suggestions == (IMPORT,)}

    holders = [found for found in group(problems, unsafe=unsafe) if not mended.isdisjoint(found.problems)]

    if len({problems[index].path for index in mended if problems[index].path}) > 1:
        assert [(found.kind, set(found.problems)) for found in holders] == [("cause", mended)]
    else:
        assert all(found.kind == "local" for found in holders)
