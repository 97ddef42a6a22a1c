"""Groups by root cause: one edit, one name, or nothing in common but the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.group import Group
from domain.analysis.patterns import PatternRecognizer
from domain.phase import Phase
from domain.problem import Applicability, Problem, Suggestion

LAW = settings(deadline=None, max_examples=100)


def problem(
    message: str,
    path: str,
    *,
    code: str = "E1",
    offers: tuple[Suggestion, ...] = (),
    notes: tuple[str, ...] = (),
    tool: str = "rustc",
) -> Problem:
    return Problem(tool=tool, message=message, path=path, code=code, suggestions=offers, related=notes)


def offer(edit: str, trust: Applicability = "display") -> Suggestion:
    return Suggestion(message="try this", edit=edit, applicability=trust)


def group(problems: Sequence[Problem], targeted: Iterable[int] | None = None, *, unsafe: bool = False) -> list[Group]:
    wanted = range(len(problems)) if targeted is None else targeted
    return PatternRecognizer().recognise(problems, wanted, unsafe=unsafe).groups


IMPORT = offer("use std::fmt;\n")

observations = st.lists(
    st.builds(
        problem,
        st.sampled_from(["cannot find `x`", "cannot find `y`", "odd `x` and `z`", "lost semicolon", ""]),
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
            domain="names",
            phase=Phase.IMPORTS,
            template="failed to resolve: use of undeclared <>",
            evidence=("for 3 problems (2 E0405, 1 E0433) in 2 files the tool suggests the same edit",),
        )
    ]


def test_a_missing_import_is_one_edit_under_two_codes_also_in_one_file(
    sample: Callable[[str], Sequence[Problem]],
) -> None:
    (found,) = group(sample("rustc-missing-import.jsonl"))

    assert (found.kind, found.codes) == ("local", ("E0425", "E0433"))
    assert found.cause == "one edit mends them: use std::collections::HashMap;"


def test_the_same_text_put_at_different_types_is_not_one_edit() -> None:
    derive = "#[derive(Hash)]\n"
    offers = [Suggestion(message=f"consider annotating `{name}`", edit=derive) for name in ("Job", "Task")]
    problems = [problem("missing", path, offers=(offer,)) for offer in offers for path in ("a.rs", "b.rs")]

    assert [found.problems for found in group(problems)] == [(0, 1), (2, 3)]


def test_a_trait_that_a_type_lacks_is_one_cause_under_all_its_codes_though_each_place_could_be_patched() -> None:
    reason = "move occurs because `id` has type `JobId`, which does not implement the `Copy` trait"
    clone = offer(".clone()", "safe")
    problems = [
        problem("use of moved value: `id`", "a.rs", code="E0382", notes=(reason,), offers=(clone,)),
        problem("cannot move out of `*id`", "b.rs", code="E0507", notes=(reason,), offers=(clone,)),
        problem("the trait bound `JobId: Copy` is not satisfied", "c.rs", code="E0277"),
    ]

    (found,) = group(problems)

    assert (found.kind, found.cause, found.subject) == ("cause", "JobId is no Copy", "JobId")
    assert found.codes == ("E0277", "E0382", "E0507")
    assert found.evidence == (
        "3 problems (1 E0277, 1 E0382, 1 E0507) in 3 files blame JobId: use of moved value: `id`",
    )


def test_members_that_one_type_lacks_are_one_cause() -> None:
    problems = [
        problem("no field `mode` on type `&Unit`", "a.rs", code="E0609"),
        problem("no field `kind` on type `Unit`", "b.rs", code="E0609"),
        problem("no method named `run` found for struct `Unit` in the current scope", "b.rs", code="E0599"),
    ]

    (found,) = group(problems)

    assert (found.kind, found.cause, found.domain) == ("cause", "Unit lacks members that are used", "struct fields")


def test_a_changed_signature_is_one_cause_at_the_place_that_the_notes_show() -> None:
    note = "method defined here (src/config.rs:1930:46)"
    problems = [
        problem("this method takes 1 argument but 0 arguments were supplied", "a.rs", code="E0061", notes=(note,)),
        problem("mismatched types", "b.rs", code="E0308", notes=(note,)),
    ]

    (found,) = group(problems)

    assert (found.kind, found.defined_at) == ("cause", "src/config.rs:1930")


def test_a_trait_is_added_at_the_definition_and_a_renamed_member_at_every_place() -> None:
    trait = [problem("the trait bound `Job: Copy` is not satisfied", path) for path in ("a.rs", "b.rs")]
    member = [problem("no field `kind` on type `Job`", path) for path in ("a.rs", "b.rs")]

    assert [found.cure for found in group(trait)] == ["definition"]
    assert [found.cure for found in group(member)] == ["places"]


def test_a_module_that_is_missing_is_one_cause_even_where_the_tool_guesses_at_another_edit() -> None:
    guess = offer("use crate::config::Value;\n")
    problems = [
        problem("cannot find module or crate `toml` in this scope", "a.rs", code="E0433", offers=(guess,)),
        problem("unresolved import `toml`", "b.rs", code="E0432"),
    ]

    assert [(found.kind, found.cause) for found in group(problems)] == [("cause", "toml cannot be found")]


def test_a_name_that_each_file_has_to_cure_for_itself_is_no_cause() -> None:
    problems = [problem('"unicode" is not defined', path, code="F821", tool="ruff") for path in ("a.py", "b.py")]

    assert [found.kind for found in group(problems)] == ["local"]


def test_tests_that_fail_with_the_same_words_fail_for_the_same_reason() -> None:
    said = "only 0-dimensional arrays can be converted"
    problems = [problem(said, path, code="TypeError", tool="pytest") for path in ("test_a.py", "test_b.py")]

    (found,) = group(problems)

    assert (found.kind, found.phase) == ("cause", Phase.TESTS)


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

    assert [(found.cause, found.problems) for found in causes] == [("Job cannot be found", (0, 2))]


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

    assert [(found.kind, found.cause, found.files) for found in group(problems)] == [
        ("local", "E1 (local edit): unused <>", ("a.rs", "b.rs", "c.rs"))
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
    problems = [problem("odd use of `Job`\nand more", path) for path in ("a.rs", "b.rs")]

    assert [found.cause for found in group(problems)] == ["E1: odd use of `Job`"]


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

    groups = group(problems, targeted, unsafe=unsafe)

    assert sorted(index for found in groups for index in found.problems) == sorted(targeted)


@LAW
@given(observations, st.booleans())
def test_a_group_s_codes_and_files_are_those_of_its_problems(problems: list[Problem], unsafe: bool) -> None:
    for found in group(problems, unsafe=unsafe):
        assert set(found.codes) == {problems[index].code for index in found.problems}
        assert set(found.files) == {problems[index].path for index in found.problems if problems[index].path}


@LAW
@given(observations, st.booleans())
def test_exactly_what_the_tool_can_mend_is_automatic_where_no_type_lacks_a_trait(
    problems: list[Problem], unsafe: bool
) -> None:
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


@LAW
@given(observations, st.booleans())
def test_the_same_problems_give_the_same_groups_in_the_same_order(problems: list[Problem], unsafe: bool) -> None:
    assert group(problems, unsafe=unsafe) == group(list(problems), unsafe=unsafe)


@LAW
@given(observations, st.randoms(use_true_random=False))
def test_the_order_of_the_problems_changes_no_group(problems: list[Problem], random: Random) -> None:
    order = list(range(len(problems)))
    random.shuffle(order)

    before = {(found.kind, frozenset(found.problems)) for found in group(problems)}
    after = {
        (found.kind, frozenset(order[index] for index in found.problems))
        for found in group([problems[index] for index in order])
    }

    assert after == before


def test_a_type_with_several_arguments_is_named_in_full() -> None:
    pair = 'Cannot access attribute "x" for class "tuple[Values, list[str]]"'
    items = "no method named `iter` found for opaque type `impl Iterator<Item = &Job>` in the current scope"

    for message, named in ((pair, "tuple[Values, list[str]]"), (items, "Iterator<Item = &Job>")):
        (found,) = group([problem(message, "a.py"), problem(message, "b.py")])
        assert found.cause == f"{named} lacks members that are used"


def test_a_code_that_begins_the_message_is_said_once() -> None:
    failed = [problem("ValueError: no scalar", path, code="ValueError", tool="junit") for path in ("a.py", "b.py")]

    assert [found.cause for found in group(failed)] == ["ValueError: no scalar"]
    assert [found.cause for found in group(failed[:1])] == ["ValueError (local edit): no scalar"]
