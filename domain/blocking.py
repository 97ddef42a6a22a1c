"""What follows from a worker that cannot go on, and from the answer that it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import msgspec

from domain import events as e
from domain.blockers import Answer as AnswerNow
from domain.blockers import Ask, Extend, Park, Situation, Split, SubtaskRecord, WaitFor, policy_for
from domain.errors import InvalidRequestError, UnknownSubtaskError
from domain.ids import SubtaskId, short, subtask_id
from domain.plan import Effort
from domain.task_state import LIVE, SubtaskState, TaskState

Said = tuple[e.EventBody, str]
"""An event's body, and the stream it goes to."""


def open_blocker(state: TaskState, subtask: SubtaskState, issue: e.Issue, problem_paths: Sequence[str]) -> list[Said]:
    """Say what the service does about a blocked worker.

    `problem_paths` are the files of the subtask's problems, in their order: by them it can be split.
    """
    decision = policy_for(issue, _situation(state, subtask, problem_paths))
    number = len(subtask.blockers) + 1
    opened = e.BlockerOpened(
        number=number,
        policy=cast("e.BlockerPolicy", decision.policy),
        detail=decision.detail,
        waits_for=SubtaskId(decision.subtask_id) if isinstance(decision, WaitFor) else None,
    )
    said: list[Said] = [(opened, subtask.id)]
    match decision:
        case AnswerNow(text=text):
            said.append((e.BlockerAnswered(number=number, text=text), subtask.id))
        case Extend(extra_seconds=extra):
            text = f"take up to {extra:g} s more"
            extended = e.BlockerAnswered(number=number, text=text, action="extend", extra_seconds=extra)
            said.append((extended, subtask.id))
        case Split(parts=parts):
            said.append((e.BlockerAnswered(number=number, text=decision.detail, action="split"), subtask.id))
            said += _split(state, subtask, parts, problem_paths, decision.detail)
        case WaitFor() | Park() | Ask():
            pass
    return said


def answer(
    state: TaskState,
    subtask: SubtaskState,
    answered: e.BlockerAnswered,
    problem_paths: Sequence[str],
) -> list[Said]:
    """Say what follows from an answer; its number 0 means the oldest open blocker.

    Raises `UnknownSubtaskError` where there is no such open blocker, and `InvalidRequestError` where the subtask
    cannot be split.
    """
    blockers = {blocker.number: blocker for blocker in subtask.open_blockers}
    if not blockers:
        raise UnknownSubtaskError(f"{subtask.id} has no blocker that waits for an answer")
    number = answered.number or min(blockers)
    if number not in blockers:
        raise UnknownSubtaskError(f"{subtask.id} has no open blocker {number}: {', '.join(map(str, blockers))}")
    answered = msgspec.structs.replace(answered, number=number)
    said: list[Said] = [(answered, subtask.id)]
    if answered.action == "give_up":
        if subtask.status in LIVE:
            said.append((e.SubtaskReleased(reason=f"given up: {answered.text}"), subtask.id))
        said.append((e.SubtaskHeld(reason=f"given up by {answered.by}: {answered.text}"), subtask.id))
    if answered.action == "split":
        parts = halves(subtask.plan.scope.files, problem_paths)
        if len(parts) < 2:
            raise InvalidRequestError(f"{subtask.id} has one file: it cannot be split")
        said += _split(state, subtask, parts, problem_paths, f"split by {answered.by}: {answered.text}")
    return said


def halves(files: Sequence[str], problem_paths: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Part files in two, each with about half of the problems; in one where there is one file."""
    weights = Counter(problem_paths)
    parts: tuple[list[str], list[str]] = ([], [])
    loads = [0, 0]
    for path in sorted(files, key=lambda path: (-weights[path], path)):
        lighter = loads.index(min(loads))
        parts[lighter].append(path)
        loads[lighter] += max(weights[path], 1)
    return tuple(tuple(sorted(part)) for part in parts if part)


def _split(
    state: TaskState,
    subtask: SubtaskState,
    parts: Sequence[Sequence[str]],
    problem_paths: Sequence[str],
    reason: str,
) -> list[Said]:
    first = len(state.subtasks) + 1
    names = [subtask_id(state.id, first + offset) for offset in range(len(parts))]
    said: list[Said] = []
    if subtask.status in LIVE:
        said.append((e.SubtaskReleased(reason=reason), subtask.id))
    said.append((e.SubtaskSplit(into=tuple(names), reason=reason), subtask.id))
    for number, (name, part) in enumerate(zip(names, parts, strict=True), 1):
        title = f"{subtask.plan.title} (part {number} of {len(parts)})"
        said.append((_part_of(subtask, frozenset(part), problem_paths, title, reason), name))
    return said


def _part_of(
    subtask: SubtaskState, part: frozenset[str], problem_paths: Sequence[str], title: str, reason: str
) -> e.SubtaskPlanned:
    plan = subtask.plan
    paths = dict(zip(plan.problems, problem_paths, strict=True)) if problem_paths else {}
    problems = tuple(index for index in plan.problems if paths.get(index) in part)
    share = len(problems) / max(len(plan.problems), 1)
    scope = plan.scope
    # What is held and shows no problem is a definition elsewhere: each part holds it.
    elsewhere = frozenset(scope.held_files or ()).difference(scope.files)
    held = None if scope.held_files is None else tuple(p for p in scope.held_files if p in part or p in elsewhere)
    return e.SubtaskPlanned(
        phase=plan.phase,
        title=title,
        reason=f"{short(subtask.id)}: {reason}",
        scope=msgspec.structs.replace(
            scope, files=tuple(path for path in scope.files if path in part), held_files=held
        ),
        problems=problems,
        effort=Effort(
            p50=plan.effort.p50 * share,
            p80=plan.effort.p80 * share,
            p95=plan.effort.p95 * share,
            prior=plan.effort.prior * share,
            basis=f"{share:.0%} of {short(subtask.id)}",
        ),
        priority=plan.priority,
        depends_on=plan.depends_on,
    )


def _situation(state: TaskState, subtask: SubtaskState, problem_paths: Sequence[str]) -> Situation:
    scope = subtask.plan.scope
    return Situation(
        subtask_id=subtask.id,
        files=scope.files,
        problems=Counter(problem_paths),
        # What may be mended elsewhere is cured there, once.
        one_cause=bool(scope.included_files),
        budget_seconds=scope.time_budget_seconds,
        extra_seconds=subtask.extra_seconds,
        effort_p95=subtask.plan.effort.p95,
        subtasks=tuple(
            SubtaskRecord(
                id=other.id,
                status=other.status,
                # A worker that was lost is back with its word, and holds its files again.
                live=other.status in LIVE or other.id == subtask.id,
                ended=state.is_done(other.id),
                worker_id=other.worker_id,
                holds=other.plan.scope.holds,
                depends_on=other.plan.depends_on,
                waits_for=_waited_for(other),
            )
            for other in state.subtasks.values()
        ),
    )


def _waited_for(subtask: SubtaskState) -> tuple[SubtaskId, ...]:
    """List what a subtask waits for beside its dependencies; one that was split is done when its parts are."""
    named = (blocker.waits_for for blocker in subtask.open_blockers)
    return (*(waits_for for waits_for in named if waits_for is not None), *subtask.split_into)
