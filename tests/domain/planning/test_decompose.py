"""From groups to subtasks: what is kept together, what is split, and what holds for every plan."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations, pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.group import Group
from domain.analysis.patterns import PatternRecognizer
from domain.effort import PriorsAlone, UnitKind, Work
from domain.plan import Effort, Plan, PlannedSubtask
from domain.planning.decompose import decompose
from domain.planning.request import STRATEGIES, Request, Strategy
from domain.problem import Applicability, Problem, Suggestion


class Scaled(PriorsAlone):
    """An estimator to which all work takes so much longer than the shipped priors of agents say."""

    def __init__(self, factor: float) -> None:
        super().__init__("agent")
        self.factor = factor

    def pace(self, unit: UnitKind, domain: str) -> float:
        return self.factor * super().pace(unit, domain)

    def effort(self, work: Work) -> Effort:
        shipped = super().effort(work)
        p50, p80, p95 = (self.factor * seconds for seconds in (shipped.p50, shipped.p80, shipped.p95))
        return msgspec.structs.replace(shipped, p50=p50, p80=p80, p95=p95)

    explained = effort


LAW = settings(deadline=None, max_examples=60)


def problem(
    path: str, message: str = "too long", *, code: str = "E1", offers: tuple[Suggestion, ...] = ()
) -> Problem:
    return Problem(tool="tool", message=message, path=path, code=code, suggestions=offers)


def offer(edit: str, trust: Applicability = "display") -> Suggestion:
    return Suggestion(message="try this", edit=edit, applicability=trust)


SAFE = (offer("", "safe"),)
IMPORT = (offer("use std::fmt;\n"),)


def automatic(path: str, *, code: str = "F401") -> Problem:
    return problem(path, "`os` imported but unused", code=code, offers=SAFE)


def groups_of(problems: list[Problem]) -> list[Group]:
    return PatternRecognizer().recognise(problems, range(len(problems)), unsafe=False).groups


def plan(problems: list[Problem], request: Request | None = None) -> Plan:
    return decompose(problems, groups_of(problems), request or Request())


def files(subtask: PlannedSubtask) -> set[str]:
    return set(subtask.scope.files)


# --- laws

paths = st.sampled_from(["a.py", "pkg/a.py", "pkg/b.py", "pkg/sub/c.py"])
codes = st.sampled_from(["E1", "E2", "E3", ""])


@st.composite
def observations(draw: st.DrawFn, *, causes: bool = True) -> list[Problem]:
    """Problems of all kinds, some of them hundreds of times, so that subtasks reach their largest size."""
    messages = ["cannot find `x`", "cannot find `y`"] if causes else []
    offers = [(), SAFE, (offer("&"),)] + ([IMPORT] if causes else [])
    kinds = st.builds(
        problem,
        paths | st.just(""),
        st.sampled_from([*messages, "too long", "line 3 is too long"]),
        code=codes,
        offers=st.sampled_from(offers),
    )
    drawn = draw(st.lists(st.tuples(kinds, st.sampled_from([1, 2, 400])), max_size=10))
    return [found for found, times in drawn for _ in range(times)]


@st.composite
def crowds(draw: st.DrawFn) -> list[Problem]:
    """Causes that meet in files with each other and with local edits, some too large to go together."""
    found: list[Problem] = []
    for name in draw(st.sets(st.sampled_from("xyz"), min_size=1)):
        for path in draw(st.sets(paths, min_size=2)):
            found += [problem(path, f"cannot find `{name}`")] * draw(st.sampled_from([1, 300]))
    for path in draw(st.sets(paths)):
        found += [problem(path, code="E2")] * draw(st.sampled_from([1, 100]))
    return found


def requests(*strategies: Strategy) -> st.SearchStrategy[Request]:
    return st.builds(
        Request,
        strategy=st.sampled_from(strategies),
        worker=st.sampled_from(["script", "agent"]),
        workers=st.none() | st.integers(1, 6),
        cores=st.none() | st.integers(1, 4),
        estimator=st.builds(Scaled, st.sampled_from([0.1, 1.0, 10.0])),
    )


any_request = requests(*STRATEGIES)
by_cause = requests("root-cause")


@LAW
@given(observations() | crowds(), any_request, st.integers(1, 3))
def test_every_targeted_problem_with_a_place_is_in_exactly_one_subtask(
    problems: list[Problem], request: Request, step: int
) -> None:
    targeted = range(0, len(problems), step)

    made = decompose(problems, PatternRecognizer().recognise(problems, targeted, unsafe=False).groups, request)

    taken = sorted(index for subtask in made.subtasks for index in subtask.problems)
    assert taken == [index for index in targeted if problems[index].path]
    assert list(made.left_out) == [index for index in targeted if not problems[index].path]


@LAW
@given(observations(), any_request)
def test_the_same_input_gives_the_same_plan(problems: list[Problem], request: Request) -> None:
    assert plan(problems, request).plan_hash == plan(list(problems), request).plan_hash


@LAW
@given(observations(), any_request)
def test_a_scope_is_what_its_problems_say(problems: list[Problem], request: Request) -> None:
    for subtask in plan(problems, request).subtasks:
        own = [problems[index] for index in subtask.problems]
        assert subtask.scope.files == tuple(sorted({found.path for found in own}))
        assert subtask.scope.codes == tuple(sorted({found.code for found in own}))


@LAW
@given(observations() | crowds(), any_request)
def test_the_codes_to_leave_alone_are_those_of_other_subtasks_in_the_same_files(
    problems: list[Problem], request: Request
) -> None:
    made = plan(problems, request)

    for subtask in made.subtasks:
        others = {
            problems[index].code
            for other in made.subtasks
            for index in other.problems
            if problems[index].path in files(subtask)
        }
        assert set(subtask.scope.excluded_codes) == others - set(subtask.scope.codes)


@LAW
@given(observations(), requests("file", "directory"))
def test_a_plan_by_place_never_gives_one_file_to_two_subtasks(problems: list[Problem], request: Request) -> None:
    for one, other in combinations(plan(problems, request).subtasks, 2):
        assert files(one).isdisjoint(files(other))


@LAW
@given(observations(causes=False), by_cause)
def test_without_causes_no_file_is_given_to_two_subtasks(problems: list[Problem], request: Request) -> None:
    made = plan(problems, request)

    for one, other in combinations(made.subtasks, 2):
        assert files(one).isdisjoint(files(other))
    assert all(subtask.depends_on == () for subtask in made.subtasks)


@LAW
@given(observations() | crowds(), by_cause)
def test_what_shares_a_file_with_a_cause_waits_for_it_or_keeps_out_of_its_way_or_is_a_cause_as_well(
    problems: list[Problem], request: Request
) -> None:
    causes = [set(group.problems) for group in groups_of(problems) if group.kind == "cause"]
    subtasks = plan(problems, request).subtasks
    waits_for: list[set[int]] = []
    for subtask in subtasks:
        waits_for.append({*subtask.depends_on, *(far for near in subtask.depends_on for far in waits_for[near])})

    def cures_a_cause(subtask: PlannedSubtask) -> bool:
        return any(not cause.isdisjoint(subtask.problems) for cause in causes)

    for (first, one), (second, other) in combinations(enumerate(subtasks), 2):
        if not files(one).isdisjoint(files(other)):
            apart = not one.scope.holds.isdisjoint(other.scope.holds)
            assert first in waits_for[second] or apart or (cures_a_cause(one) and cures_a_cause(other))


@LAW
@given(observations() | crowds(), by_cause)
def test_a_cause_is_never_split(problems: list[Problem], request: Request) -> None:
    made = plan(problems, request)

    for group in groups_of(problems):
        placed = {index for index in group.problems if problems[index].path}
        if group.kind == "cause" and placed:
            assert sum(placed <= set(subtask.problems) for subtask in made.subtasks) == 1


@LAW
@given(observations(), requests("code", "directory", "owner"))
def test_what_is_too_large_for_one_head_is_split_between_files_and_never_inside_of_one(
    problems: list[Problem], request: Request
) -> None:
    for one, other in combinations(plan(problems, request).subtasks, 2):
        for path in files(one) & files(other):
            assert own(one, path, problems).isdisjoint(own(other, path, problems))


def own(subtask: PlannedSubtask, path: str, problems: list[Problem]) -> set[str]:
    """Collect the codes that a subtask is given in a file."""
    return {problems[index].code for index in subtask.problems if problems[index].path == path}


@LAW
@given(observations() | crowds(), any_request)
def test_subtasks_are_numbered_by_urgency_and_depend_only_on_more_urgent_ones(
    problems: list[Problem], request: Request
) -> None:
    for number, subtask in enumerate(plan(problems, request).subtasks):
        assert subtask.priority == number
        assert all(earlier < number for earlier in subtask.depends_on)


@LAW
@given(observations(), any_request)
def test_the_recommendation_is_a_point_of_the_curve(problems: list[Problem], request: Request) -> None:
    made = plan(problems, request)

    assert [point.workers for point in made.curve] == list(range(1, len(made.curve) + 1))
    assert 1 <= made.recommended_workers <= len(made.curve) <= 16


@LAW
@given(observations() | crowds(), any_request)
def test_a_time_budget_that_nobody_gave_is_half_an_hour_or_what_the_estimate_may_need(
    problems: list[Problem], request: Request
) -> None:
    for subtask in plan(problems, request).subtasks:
        assert subtask.scope.time_budget_seconds == max(1800.0, round(subtask.effort.p95, 1))


@LAW
@given(observations() | crowds(), any_request, st.floats(0.1, 1e5))
def test_a_time_budget_that_was_given_holds_for_every_subtask_as_it_is(
    problems: list[Problem], request: Request, seconds: float
) -> None:
    given_one = msgspec.structs.replace(request, time_budget_seconds=seconds)

    assert {subtask.scope.time_budget_seconds for subtask in plan(problems, given_one).subtasks} <= {seconds}


_IN_ANOTHER_PROCESS = """
from domain.planning.decompose import decompose
from domain.planning.request import Request
from domain.analysis.patterns import PatternRecognizer
from domain.problem import Problem

problems = [
    Problem(tool="t", message=f"cannot find `{name}`", path=f"{place}.py", code=f"E{place % 3}")
    for name in "abcdef" for place in range(9)
]
groups = PatternRecognizer().recognise(problems, range(len(problems)), unsafe=False).groups
print(decompose(problems, groups, Request()).plan_hash)
"""


def test_a_plan_does_not_depend_on_the_process_that_makes_it() -> None:
    # Python orders sets of strings by a seed that is another one in each process.
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _IN_ANOTHER_PROCESS],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(hashes) == 1


# --- what is kept together


def test_a_cascade_that_one_edit_mends_is_one_subtask_under_both_its_codes() -> None:
    made = plan(
        [
            problem("a.rs", "cannot find trait `Display`", code="E0405", offers=IMPORT),
            problem("b.rs", "use of undeclared `fmt`", code="E0433", offers=IMPORT),
        ]
    )

    (subtask,) = made.subtasks
    assert subtask.scope.codes == ("E0405", "E0433")
    assert subtask.title == "one edit mends them: use std::fmt;"
    assert subtask.reason == "one cause in several files: cured once, by one worker, first"


def test_a_cause_takes_in_the_local_edits_of_its_files() -> None:
    made = plan(
        [
            problem("a.py", "cannot find `x`", code="E1"),
            problem("b.py", "cannot find `x`", code="E1"),
            problem("a.py", "too long", code="E2"),
            problem("c.py", "too long", code="E2"),
        ]
    )

    cause, rest = made.subtasks
    assert (cause.problems, rest.problems) == ((0, 1, 2), (3,))
    assert cause.reason == "one cause, with the local edits in 1 of the same files"
    assert rest.depends_on == ()


def test_local_edits_too_many_to_be_taken_in_wait_for_the_cause_in_their_file() -> None:
    cause = [problem(path, "cannot find `x`", code="E1") for path in ("a.py", "b.py")] * 250
    local = [problem("a.py", "too long", code="E2")] * 80

    first, second = plan(cause + local).subtasks

    assert first.scope.files == ("a.py", "b.py")
    assert first.scope.excluded_codes == ("E2",)
    assert second.scope.files == ("a.py",)
    assert second.depends_on == (0,)


def test_causes_that_meet_in_a_file_are_one_subtask() -> None:
    made = plan(
        [
            problem("a.py", "cannot find `x`"),
            problem("b.py", "cannot find `x`"),
            problem("b.py", "cannot find `y`"),
            problem("c.py", "cannot find `y`"),
        ]
    )

    (subtask,) = made.subtasks
    assert subtask.title == "x cannot be found (+1 more causes)"
    assert subtask.reason == "2 causes that meet in the same files or are small"


def test_causes_too_large_for_one_head_are_two_subtasks_neither_of_which_waits() -> None:
    # They share b.py, so they are never worked on at once; either may go first.
    large = [problem(path, "cannot find `x`") for path in ("a.py", "b.py")] * 250
    other = [problem(path, "cannot find `y`") for path in ("b.py", "c.py")] * 200

    first, second = plan(large + other).subtasks

    assert (first.scope.files, second.scope.files) == (("a.py", "b.py"), ("b.py", "c.py"))
    assert (first.depends_on, second.depends_on) == ((), ())


# --- what is split


def test_a_mechanical_code_is_split_by_file() -> None:
    problems = [automatic(f"{number:02}.py") for number in range(40)]

    made = plan(problems, Request(worker="script", workers=4))

    assert [len(subtask.scope.files) for subtask in made.subtasks] == [10, 10, 10, 10]
    assert {subtask.scope.codes for subtask in made.subtasks} == {("F401",)}


def test_what_was_measured_to_take_longer_is_split_further() -> None:
    problems = [automatic(f"{number:04}.py") for number in range(1600)]

    shipped = plan(problems, Request(worker="script", workers=1))
    slow = plan(problems, Request(worker="script", workers=1, estimator=Scaled(10.0)))

    # 97 s of work as shipped; a script's subtask is to take no more than two minutes.
    assert len(slow.subtasks) > len(shipped.subtasks)
    assert max(subtask.effort.p50 for subtask in slow.subtasks) <= 130.0


def test_what_was_measured_scales_a_subtask_s_estimate_once() -> None:
    shipped = plan([problem("a.py")]).subtasks[0].effort
    slow = plan([problem("a.py")], Request(estimator=Scaled(2.0))).subtasks[0].effort

    assert (slow.p50, slow.prior) == (2.0 * shipped.p50, shipped.p50)


class ErringTogether(PriorsAlone):
    """An estimator to which nearly all that is uncertain about subtasks is the same thing."""

    def shared(self, work: Work) -> float:
        return 0.99


def test_subtasks_that_err_together_do_not_make_up_for_each_other() -> None:
    problems = [automatic(f"{number:04}.py") for number in range(1600)]
    asked = Request(worker="script", workers=8, strategy="file")

    apart = plan(problems, asked).curve[7]
    together = plan(problems, msgspec.structs.replace(asked, estimator=ErringTogether("script"))).curve[7]

    assert together.p80_seconds / together.makespan_seconds > 1.1 * apart.p80_seconds / apart.makespan_seconds


class KnowingLittle(PriorsAlone):
    """An estimator of a young ledger: mostly a second, at times an hour or more."""

    def effort(self, work: Work) -> Effort:
        return Effort(p50=1.0, p80=60.0, p95=self.p95)

    def __init__(self, p95: float) -> None:
        super().__init__("agent")
        self.p95 = p95

    explained = effort


def alone(estimator: KnowingLittle, *, budget: float | None = None) -> float:
    request = Request(estimator=estimator, time_budget_seconds=budget)
    return plan([problem("a.py")], request).curve[0].makespan_seconds


def test_no_simulated_attempt_lasts_longer_than_its_time_budget() -> None:
    assert alone(KnowingLittle(36_000.0), budget=30.0) < 30.0
    # Where nobody gave one, the budget is P95: one in five lasts longer than P80, and none longer than that.
    assert 60.0 < alone(KnowingLittle(3_600.0)) < 0.2 * 3_600.0


def test_the_longest_in_twenty_count_in_what_a_plan_takes() -> None:
    assert alone(KnowingLittle(3_600.0)) > 2.0 * alone(KnowingLittle(120.0))


def test_loads_are_balanced_by_weight_not_by_number_of_files() -> None:
    heavy = [automatic("heavy.py")] * 1000
    light = [automatic(f"{number}.py") for number in range(9)]

    made = plan(heavy + light, Request(worker="script", workers=2))

    assert [len(subtask.scope.files) for subtask in made.subtasks] == [1, 9]


@pytest.mark.parametrize(
    ("strategy", "scopes"),
    [
        ("code", [("pkg/a.py", "pkg/b.py", "top.py"), ("pkg/a.py",)]),
        ("file", [("pkg/a.py",), ("pkg/b.py",), ("top.py",)]),
        ("directory", [("pkg/a.py", "pkg/b.py"), ("top.py",)]),
    ],
)
def test_a_strategy_says_what_is_never_split(strategy: Strategy, scopes: list[tuple[str, ...]]) -> None:
    problems = [
        automatic("pkg/a.py"),
        automatic("pkg/b.py"),
        automatic("top.py"),
        automatic("pkg/a.py", code="E2"),
    ]

    made = plan(problems, Request(strategy=strategy, worker="script", workers=4))

    assert [subtask.scope.files for subtask in made.subtasks] == scopes
    assert made.strategy == strategy


def test_by_code_each_subtask_is_told_to_leave_the_other_codes_alone() -> None:
    problems = [automatic("a.py", code="E1"), automatic("a.py", code="E2"), automatic("b.py", code="E3")]

    made = plan(problems, Request(strategy="code", worker="script", workers=3))

    assert {subtask.scope.codes: subtask.scope.excluded_codes for subtask in made.subtasks} == {
        ("E1",): ("E2",),
        ("E2",): ("E1",),
        ("E3",): (),
    }


def test_a_subtask_is_named_by_its_codes_and_the_folder_they_are_in() -> None:
    spread = [automatic(f"pkg/{number}.py", code=f"E{number}") for number in range(5)]

    (many,) = plan(spread, Request(worker="script", workers=1)).subtasks
    (one,) = plan([automatic("a.py")], Request(worker="script", workers=1)).subtasks

    assert many.title == "E0, E1, E2 +2 in 5 files of pkg"
    assert one.title == "F401 in a.py"


def test_nul_in_a_message_does_not_reach_a_title() -> None:
    (subtask,) = plan([problem(path, "cannot find `x\0`") for path in ("a.py", "b.py")]).subtasks

    assert subtask.title == "x? cannot be found"


# --- what is left out


def test_problems_without_a_path_are_left_out() -> None:
    made = plan([problem(""), problem("a.py"), problem("", "cannot find `x`")])

    assert [subtask.problems for subtask in made.subtasks] == [(1,)]
    assert made.left_out == (0, 2)


def test_nothing_to_do_gives_no_subtasks_for_one_worker() -> None:
    made = plan([])

    assert (made.subtasks, made.left_out, made.recommended_workers) == ((), (), 1)


# --- how many workers


def test_workers_that_keep_a_processor_busy_are_recommended_up_to_the_processors() -> None:
    problems = [automatic(f"{number}.py") for number in range(1600)]

    waiting = plan(problems, Request(worker="script"))
    busy = plan(problems, Request(worker="script", cores=2))

    assert busy.recommended_workers == 2
    assert waiting.recommended_workers > 2
    assert busy.recommendation.endswith("; the worker keeps a processor busy and there are 2")


def test_one_cause_is_work_for_one() -> None:
    made = plan([problem(f"{number}.py", "cannot find `x`") for number in range(30)])

    assert (made.recommended_workers, len(made.subtasks)) == (1, 1)


def test_the_number_of_workers_that_will_run_decides_the_split_not_the_recommendation() -> None:
    problems = [automatic(f"{number}.py") for number in range(64)]

    few = plan(problems, Request(worker="script", workers=2))
    many = plan(problems, Request(worker="script", workers=8))

    assert (len(few.subtasks), len(many.subtasks)) == (2, 8)
    assert few.recommended_workers == many.recommended_workers


def test_the_curve_falls_as_long_as_there_is_work_to_share() -> None:
    problems = [problem(f"{number}.py") for number in range(64)]

    times = [point.makespan_seconds for point in plan(problems).curve[:4]]

    assert times == sorted(times, reverse=True)


def test_the_recommendation_is_given_with_its_figures() -> None:
    made = plan([problem("a.py")])

    # 60 s to take it up, 20 s for the file, 15 s for the problem: the median, of which the mean is twice as much; and
    # 5 s for gates and merge.
    assert made.recommendation == "1 takes about 187 s by simulation (P80 254 s)"


def test_the_curve_says_what_each_further_worker_saves() -> None:
    points = plan([problem(f"{number}.py") for number in range(64)]).curve

    assert points[0].saves_seconds == 0.0
    for before, point in pairwise(points):
        assert point.saves_seconds == pytest.approx(before.makespan_seconds - point.makespan_seconds, abs=0.01)


def test_estimates_are_uncertain_and_so_is_the_time_that_a_plan_takes() -> None:
    for point in plan([problem(f"{number}.py") for number in range(64)]).curve:
        assert point.p80_seconds > point.makespan_seconds


# --- which strategy


def test_auto_keeps_a_cause_in_one_head() -> None:
    made = plan([problem(f"{number}.py", "cannot find `x`") for number in range(30)])

    assert (made.strategy, len(made.subtasks)) == ("root-cause", 1)
    assert [outcome.strategy for outcome in made.outcomes] == ["root-cause", "file", "directory", "code"]


def test_auto_says_what_it_weighed() -> None:
    problems = [automatic(f"{number}.py", code=code) for number in range(300) for code in ("E1", "E2")]

    made = plan(problems, Request(worker="script", workers=4))

    assert made.expected_conflicts == 0.0
    assert made.strategy_reason.startswith("as fast as any, and one cause stays in one head: on 4 workers ")
    assert "; file " in made.strategy_reason


def test_a_strategy_that_was_asked_for_is_not_weighed() -> None:
    made = plan([problem("a.py")], Request(strategy="file"))

    assert (made.strategy_reason, made.outcomes) == ("asked for", ())


def test_owners_are_weighed_where_there_are_any() -> None:
    made = plan([problem("a.py")], Request(code_owners="* @a\n"))

    assert [outcome.strategy for outcome in made.outcomes][-1] == "owner"


def test_by_owner_nobody_gets_files_of_two_owners() -> None:
    owners = "*.py @snake\n*.rs @crab\n"
    problems = [problem(f"{number}.{ending}") for number in range(9) for ending in ("py", "rs", "c")]

    made = plan(problems, Request(strategy="owner", workers=2, code_owners=owners))

    assert {frozenset(path[-2:] for path in files(subtask)) for subtask in made.subtasks} == {
        frozenset({"py"}),
        frozenset({"rs"}),
        frozenset({".c"}),
    }
    assert any("of @crab" in subtask.reason for subtask in made.subtasks)


def test_by_code_shared_files_put_subtasks_into_one_lane() -> None:
    problems = [problem("a.py", code="E1"), problem("a.py", code="E2")] * 40

    made = plan(problems, Request(strategy="code", workers=2))

    assert [subtask.lane for subtask in made.subtasks] == [1, 1]
    assert [(pair.first, pair.second, pair.files) for pair in made.conflicts] == [(0, 1, 1)]


def test_what_is_asked_of_all_work_is_in_every_scope() -> None:
    made = plan(
        [problem("a.py"), problem("b.py")],
        Request(excluded_files=("*.lock",), constraints=("keep the public API",), quality=("tests pass",)),
    )

    for subtask in made.subtasks:
        assert subtask.scope.excluded_files == ("*.lock",)
        assert subtask.scope.constraints == ("keep the public API",)
        assert subtask.scope.quality == ("tests pass",)


# --- phases


def test_every_grouped_problem_is_in_one_phase() -> None:
    problems = [
        *(automatic(f"{number}.py") for number in range(6)),
        *(problem(f"{number}.py", "cannot find `x`") for number in range(3)),
        msgspec.structs.replace(problem("a.py"), severity="warning"),
    ]

    phases = plan(problems).phases

    assert [(phase.name, phase.problems, phase.share) for phase in phases] == [
        ("quick wins", 6, 0.6),
        ("complex", 3, 0.3),
        ("clean-up", 1, 0.1),
    ]
