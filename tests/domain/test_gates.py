"""What a completed attempt must pass."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import gates
from domain.events import GateEvaluated
from domain.problem import Problem, Range
from domain.scope import TaskScope

LAW = settings(deadline=None, max_examples=100)

problems = st.builds(
    Problem,
    tool=st.just("mypy"),
    message=st.sampled_from(["`a` is missing", "`b` is missing", "too long"]),
    path=st.sampled_from(["a.py", "b.py"]),
    code=st.sampled_from(["E1", "E2", ""]),
)
observations = st.lists(problems, max_size=8)


def problem(message: str = "`a` is missing", *, path: str = "a.py", code: str = "E1", line: int = 1) -> Problem:
    return Problem(tool="mypy", message=message, path=path, code=code, range=Range(line=line))


SCOPE = TaskScope(files=("a.py", "b.py"), codes=("E1",))


# --- scope


def test_a_diff_inside_its_scope_passes() -> None:
    gate = gates.scope_gate(SCOPE, ["b.py", "a.py"])

    assert (gate.passed, gate.score, gate.detail) == (True, 1.0, "2 files changed")


def test_a_diff_outside_its_scope_is_refused_by_name() -> None:
    gate = gates.scope_gate(SCOPE, ["a.py", "b.py", "z.py", "c.py"])

    assert (gate.passed, gate.score, gate.detail) == (False, 0.5, "changed outside its scope: c.py, z.py")


def test_of_many_files_outside_three_are_named() -> None:
    gate = gates.scope_gate(SCOPE, [f"{number}.py" for number in range(5)])

    assert gate.detail == "changed outside its scope: 0.py, 1.py, 2.py and 2 more"


def test_a_diff_without_files_is_inside_every_scope() -> None:
    assert gates.scope_gate(SCOPE, []).passed


def test_one_file_is_one_file() -> None:
    assert gates.scope_gate(SCOPE, ["a.py"]).detail == "1 file changed"


def test_files_that_are_deleted_are_named() -> None:
    gate = gates.scope_gate(SCOPE, ["a.py", "b.py"], deleted=["b.py"])

    assert (gate.passed, gate.score, gate.detail) == (True, 1.0, "2 files changed; 1 of them deleted: b.py")


def test_a_link_that_leads_out_of_the_tree_is_refused_by_name() -> None:
    gate = gates.scope_gate(SCOPE, ["a.py", "b.py"], leading_out=["b.py"])

    assert (gate.passed, gate.score, gate.detail) == (False, 0.5, "became a link that leads out of the tree: b.py")


def test_a_link_that_is_itself_outside_the_scope_counts_once() -> None:
    gate = gates.scope_gate(SCOPE, ["a.py", "z.py"], leading_out=["z.py"])

    assert (gate.passed, gate.score) == (False, 0.5)


# --- no new problems


def test_a_problem_that_only_moved_is_not_new() -> None:
    assert gates.new_problems([problem(line=3)], [problem(line=30)]) == []


def test_one_more_of_the_same_is_new() -> None:
    assert gates.new_problems([problem()], [problem(), problem(line=9)]) == [problem(line=9)]


def test_fewer_problems_pass() -> None:
    gate = gates.no_new_problems_gate([problem("one"), problem("two")], [problem("two")])

    assert (gate.passed, gate.score, gate.detail) == (True, 1.0, "2 problems before, 1 after")


def test_a_new_problem_is_refused_however_many_others_are_gone() -> None:
    before = [problem("one"), problem("two"), problem("three"), problem("four")]

    gate = gates.no_new_problems_gate(before, [problem("five", code="E2")])

    assert (gate.passed, gate.score) == (False, 0.75)
    assert gate.detail == "new: E2 x1 (first: a.py: five)"


def test_a_reworded_message_is_forgiven() -> None:
    before = [problem("expected `A` or `B`")]

    assert gates.no_new_problems_gate(before, [problem("expected `A`, `B` or `C`")]).passed


def test_one_lost_problem_forgives_one_new_one_and_no_more() -> None:
    gate = gates.no_new_problems_gate([problem("old")], [problem("new"), problem("newer")])

    assert not gate.passed
    assert gate.detail == "new: E1 x1 (first: a.py: newer)"


@pytest.mark.parametrize("elsewhere", [problem("new", path="b.py"), problem("new", code="E2")])
def test_a_problem_lost_in_another_file_or_of_another_code_forgives_nothing(elsewhere: Problem) -> None:
    assert not gates.no_new_problems_gate([problem("old")], [elsewhere]).passed


def test_a_code_that_may_be_unmasked_may_rise() -> None:
    after = [problem("was hidden", code="E2")]

    assert not gates.no_new_problems_gate([problem()], after).passed
    assert gates.no_new_problems_gate([problem()], after, unmasked_allowed=frozenset({"E2"})).passed


@LAW
@given(observations, st.data())
def test_any_part_of_what_was_known_passes(before: list[Problem], data: st.DataObject) -> None:
    left = [known for known in data.draw(st.permutations(before)) if data.draw(st.booleans())]

    assert gates.new_problems(before, left) == []
    assert gates.no_new_problems_gate(before, left).passed


@LAW
@given(observations, observations)
def test_a_fingerprint_never_seen_in_a_file_that_lost_nothing_is_refused(
    before: list[Problem], beside: list[Problem]
) -> None:
    new = problem("never seen", path="c.py")

    assert not gates.no_new_problems_gate(before, [*before, new]).passed
    assert not gates.no_new_problems_gate(before, [*beside, new]).passed


@LAW
@given(observations, observations)
def test_what_passes_has_no_more_problems_of_a_code_in_any_file(before: list[Problem], after: list[Problem]) -> None:
    def counts(observed: list[Problem]) -> dict[tuple[str, str], int]:
        places = [(found.path, found.code) for found in observed]
        return {place: places.count(place) for place in places}

    known = counts(before)
    expected = all(count <= known.get(place, 0) for place, count in counts(after).items())
    assert gates.no_new_problems_gate(before, after).passed == expected


@LAW
@given(observations, observations)
def test_every_score_is_a_share(before: list[Problem], after: list[Problem]) -> None:
    assert 0.0 <= gates.no_new_problems_gate(before, after).score <= 1.0


@LAW
@given(observations, observations)
def test_what_is_new_and_what_is_gone_account_for_the_difference(before: list[Problem], after: list[Problem]) -> None:
    new, gone = gates.new_problems(before, after), gates.new_problems(after, before)

    assert len(before) - len(gone) + len(new) == len(after)


# --- effect, commands, merges


def test_a_worker_that_says_done_and_did_nothing_is_refused() -> None:
    gate = gates.effect_gate(changed=0, before=4, after=4)

    assert (gate.passed, gate.detail) == (False, "no file was changed")


def test_a_worker_that_made_the_problems_fewer_has_had_an_effect() -> None:
    gate = gates.effect_gate(changed=1, before=4, after=1)

    assert (gate.passed, gate.score, gate.detail) == (True, 1.0, "3 of 4 problems removed")


def test_who_finds_its_problems_gone_need_not_change_anything() -> None:
    gate = gates.effect_gate(changed=0, before=4, after=4, emptied=True)

    assert (gate.passed, gate.detail) == (True, "others had removed its problems")
    assert not gates.effect_gate(changed=1, before=4, after=4, emptied=True).passed


@pytest.mark.parametrize("after", [4, 5])
def test_a_change_that_makes_no_problem_go_is_no_effect(after: int) -> None:
    gate = gates.effect_gate(changed=1, before=4, after=after)

    assert (gate.passed, gate.score, gate.detail) == (False, 0.0, "0 of 4 problems removed")


def test_a_change_is_an_effect_where_mending_may_bring_other_problems_to_light() -> None:
    gate = gates.effect_gate(changed=1, before=4, after=5, unmasks=True)

    assert (gate.passed, gate.score, gate.detail) == (True, 1.0, "0 of 4 problems removed")


def test_where_problems_may_come_to_light_doing_nothing_is_still_no_effect() -> None:
    assert not gates.effect_gate(changed=0, before=4, after=4, unmasks=True).passed


def test_problems_that_went_without_a_change_here_count_as_an_effect() -> None:
    assert gates.effect_gate(changed=0, before=4, after=3).passed


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_an_effect_is_all_or_nothing(changed: int, before: int, after: int, unmasks: bool) -> None:
    gate = gates.effect_gate(changed=changed, before=before, after=after, unmasks=unmasks)

    assert gate.score == (1.0 if gate.passed else 0.0)


def test_a_command_passes_with_exit_code_0() -> None:
    gate = gates.command_gate("make check", 0, "warning: slow\n", 1.23456)

    assert (gate.passed, gate.score, gate.detail, gate.seconds) == (True, 1.0, "make check: exit 0", 1.235)


def test_a_command_that_fails_is_quoted_with_its_last_words() -> None:
    gate = gates.command_gate("make check", 2, "one\nmake: *** [check] Error 1\n \n", 0.0)

    assert (gate.passed, gate.score) == (False, 0.0)
    assert gate.detail == "make check: exit 2: make: *** [check] Error 1"


def test_a_conflict_shows_a_hidden_dependency() -> None:
    gate = gates.merge_gate(["a.py", "b.py"])

    assert (gate.passed, gate.score, gate.detail) == (False, 0.0, "hidden dependency, conflict in a.py, b.py")


def test_a_merge_without_conflicts_passes() -> None:
    assert gates.merge_gate([]) == GateEvaluated(gate="merge", passed=True, score=1.0)


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_command_is_known_by_what_was_run_too(exit_code: int) -> None:
    gate = gates.command_gate("sh -c 'exit 3': exit", exit_code, "it ended: exit 0", 0.0)

    assert gates.results([gate]) == {"command": not exit_code, "sh -c 'exit 3': exit": not exit_code}


def test_gates_are_told_apart_by_name() -> None:
    verdicts = [
        gates.scope_gate(SCOPE, []),
        gates.no_new_problems_gate([], []),
        gates.effect_gate(changed=1, before=0, after=0),
        gates.command_gate("true", 0, "", 0.0),
        gates.merge_gate([]),
    ]

    assert [verdict.gate for verdict in verdicts] == ["scope", "no new problems", "effect", "command", "merge"]
    assert all(verdict.blocking for verdict in verdicts)


def test_a_message_of_many_lines_is_told_by_its_first() -> None:
    gate = gates.no_new_problems_gate([], [problem("first\nsecond")])

    assert gate.detail == "new: E1 x1 (first: a.py: first)"


@pytest.mark.parametrize("message", ["", "\nsecond"])
def test_a_message_that_begins_with_nothing_is_told_as_nothing(message: str) -> None:
    gate = gates.no_new_problems_gate([], [problem(message)])

    assert (gate.passed, gate.detail) == (False, "new: E1 x1 (first: a.py: )")


def test_a_problem_without_a_code_is_named_by_its_tool() -> None:
    nameless = msgspec.structs.replace(problem("odd"), code="")

    assert gates.no_new_problems_gate([], [nameless]).detail == "new: mypy x1 (first: a.py: odd)"
