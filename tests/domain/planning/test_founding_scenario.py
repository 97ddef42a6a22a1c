"""The scenario that the product was thought of for: 525 compiler errors and eight workers.

The story told of it claims to have been 48 times as fast. Its own record says otherwise: 16.75 hours of work in at
least 5.5 hours of wall time, which is 3.05 at most. The errors themselves are not recorded, so these have the shape
of a real list of as many: a half-migrated source tree of cargo 0.66, 525 errors under 15 codes in 75 files, of which
four in five come from few causes (types that lost their `Copy`, crates that are not there, members that moved).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.analysis.patterns import PatternRecognizer
from domain.plan import Plan
from domain.planning.decompose import decompose
from domain.planning.request import Request, Strategy
from domain.planning.schedule import Job, simulate
from domain.problem import Problem, Range

CLAIMED = 48.0
#: 16.75 hours of work, and what they took at the least.
RECORDED = 16.75 / 5.5

_NO_COPY = "move occurs because the value has type `{}`, which does not implement the `Copy` trait"

#: Code, message, number of problems, number of files.
_CAUSES = (
    ("E0507", "cannot move out of `self.kind` which is behind a shared reference", 86, 22),
    ("E0507", "cannot move out of `self.source_id` which is behind a shared reference", 84, 22),
    ("E0433", "failed to resolve: use of undeclared crate or module `gix`", 51, 3),
    ("E0433", "failed to resolve: use of undeclared crate or module `toml`", 38, 8),
    ("E0432", "unresolved import `tracing`", 33, 12),
    ("E0599", "no method named `is_crates_io` found for struct `SourceId` in the current scope", 24, 10),
    ("E0433", "failed to resolve: could not find `toml_mut` in `util`", 11, 3),
    ("E0061", "this method takes 1 argument but 0 arguments were supplied: `shell`", 10, 8),
    ("E0609", "no field `publish_timeout` on type `CliUnstable`", 8, 7),
    ("E0432", "unresolved import `crate::util::cache_lock`", 7, 7),
)
_FILES = 75


def scenario() -> list[Problem]:
    """Make the errors, spread over the files as evenly as the figures allow."""
    return [*_of_causes(), *_local(525 - sum(count for _, _, count, _ in _CAUSES))]


def _of_causes() -> Iterator[Problem]:
    for number, (code, message, count, files) in enumerate(_CAUSES):
        for index in range(count):
            lacking = ("CompileKind", "SourceId")[number : number + 1]
            notes = tuple(_NO_COPY.format(name) for name in lacking)
            yield _error(code, message, (number * 31 + index % files * 17) % _FILES, index, notes)


def _local(count: int) -> Iterator[Problem]:
    for index in range(count):
        yield _error("E0308", f"mismatched types: expected `T{index}`, found `U{index}`", index % _FILES, index)


def _error(code: str, message: str, file: int, line: int, notes: tuple[str, ...] = ()) -> Problem:
    path = f"src/{'core' if file % 3 else 'ops'}/module_{file:02}.rs"
    place = Range(line=10 + 7 * line)
    return Problem(tool="cargo", message=message, code=code, path=path, range=place, related=notes)


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return scenario()


def plan(problems: list[Problem], strategy: Strategy) -> Plan:
    groups = PatternRecognizer().recognise(problems, range(len(problems)), unsafe=False).groups
    return decompose(problems, groups, Request(strategy=strategy, workers=8))


def hours(made: Plan, workers: int) -> float:
    """Simulate a plan, every subtask taking its median."""
    jobs = [
        Job(
            seconds=subtask.effort.p50,
            files=subtask.scope.holds,
            depends_on=subtask.depends_on,
            priority=subtask.priority,
        )
        for subtask in made.subtasks
    ]
    return simulate(jobs, workers).makespan_seconds / 3600


def test_there_are_525_errors_in_75_files(problems: list[Problem]) -> None:
    assert (len(problems), len({problem.path for problem in problems})) == (525, 75)


def test_a_plan_takes_every_error_once(problems: list[Problem]) -> None:
    taken = sorted(index for subtask in plan(problems, "auto").subtasks for index in subtask.problems)

    assert taken == list(range(525))


def test_by_its_own_record_the_story_was_three_times_as_fast_and_eight_workers_cannot_be_48_times() -> None:
    assert pytest.approx(3.05, abs=0.01) == RECORDED
    assert RECORDED < 8 < CLAIMED


def test_root_causes_are_done_in_less_time_than_codes_or_files(problems: list[Problem]) -> None:
    made = plan(problems, "auto")

    assert made.strategy == "root-cause"
    assert hours(made, 8) < hours(plan(problems, "code"), 8)
    assert hours(made, 8) < hours(plan(problems, "file"), 8)


def test_eight_workers_are_as_fast_as_was_recorded_or_faster_and_nowhere_near_the_claim(
    problems: list[Problem],
) -> None:
    made = plan(problems, "auto")

    assert RECORDED <= hours(made, 1) / hours(made, 8) <= 8


def test_the_whole_takes_less_work_than_was_recorded_because_a_cause_is_cured_once(problems: list[Problem]) -> None:
    assert hours(plan(problems, "auto"), 1) < 16.75
