"""What the service does about a worker that cannot go on: one policy for each kind of issue.

`dependency_wait`: the blocker is answered by itself when the subtask that it waits for ends. Which one that is, is
told by the first of these that finds any:

1. a subtask that the resource names: `boto-7k3mq9xd.12`, `#12`, `subtask 12`, or nothing but `12`;
2. an unfinished subtask that holds a file which the resource names, its required worker's before others;
3. what the required worker holds now;
4. a finished subtask that held the file.

It is answered at once where that subtask has ended, where none is found, and where waiting would close a cycle. In
the graph of waits a subtask waits for what its open blockers and its dependencies name; one that nobody works on also
for each live one that holds a file of it, without which it cannot be handed out. The graph stays free of cycles, so
among unfinished subtasks there is always one that waits for no other.

`external_dependency`: parked until somebody answers.

`complexity_exceeded`: more time, until the whole budget is `BUDGET_GROWTH_MAX` times the first; then the subtask is
split by files; what cannot be split becomes a question.

`scope_clarification`: the question is put to people.

What is held by a worker outside the task is no subtask of it: the service cannot see its end, and answers at once.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from domain.events import ComplexityExceeded, DependencyWait, ExternalDependency, Issue, ScopeClarification
from domain.ids import SubtaskId, short
from domain.planning.recommendation import spell

#: The whole budget of a subtask, with all extensions, is at most so many times its first. An assumption: a first
#: budget that nobody chose is at least the effort's 95 % quantile, and with a log-normal spread of 1.2
#: (`domain/effort.py`) one subtask in 190 takes more than three times that.
BUDGET_GROWTH_MAX = 3.0
#: The least share of the first budget that is worth an extension. It bounds their number: to 20.
EXTENSION_SHARE_MIN = 0.1
#: The most parts that one split makes; a part can be split again.
SPLIT_PARTS_MAX = 8

_DETAIL_LENGTH_MAX = 200


# --- what is known --------------------------------------------------------------------------------------


class SubtaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask of the task, as far as others may wait for it."""

    id: SubtaskId
    #: In words, for people.
    status: str
    #: A worker holds it and its files.
    live: bool = False
    #: Nothing more follows: accepted, held, or given up.
    ended: bool = False
    #: Who holds it; None where nobody does.
    worker_id: str | None = None
    #: The files in which nobody else may work meanwhile.
    holds: frozenset[str] = frozenset()
    depends_on: tuple[SubtaskId, ...] = ()
    #: What its open blockers wait for.
    waits_for: tuple[SubtaskId, ...] = ()


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A blocked subtask and its task at the moment of the block."""

    subtask_id: SubtaskId
    #: The files of its scope.
    files: tuple[str, ...]
    #: Its problems by file; a file that is not named counts as one with one problem.
    problems: Mapping[str, int] = {}
    #: Cured at one definition: a split by files would give several workers the same work.
    one_cause: bool = False
    #: The first budget, without extensions.
    budget_seconds: float
    #: What was granted on top of it already.
    extra_seconds: float = 0.0
    effort_p95: float = 0.0
    #: All subtasks of the task in the order of their numbers, this one among them.
    subtasks: tuple[SubtaskRecord, ...] = ()


# --- what follows ---------------------------------------------------------------------------------------


class _Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="policy"):
    """What all decisions have in common; on the wire the kind is the tag `policy`."""

    #: One line for people: what is done, and why.
    detail: str

    @property
    def policy(self) -> str:
        """The kind in one word: `wait`, `answered`, `park`, `extend`, `split` or `ask`."""
        return str(self.__struct_config__.tag)


class WaitFor(_Decision, frozen=True, kw_only=True, tag="wait"):
    """The blocker is answered by itself when a subtask ends."""

    subtask_id: SubtaskId


class Answer(_Decision, frozen=True, kw_only=True, tag="answered"):
    """The worker gets its answer at once."""

    text: str


class Park(_Decision, frozen=True, kw_only=True, tag="park"):
    """Nothing happens until somebody answers."""


class Extend(_Decision, frozen=True, kw_only=True, tag="extend"):
    """The worker gets more time and goes on."""

    extra_seconds: float


class Split(_Decision, frozen=True, kw_only=True, tag="split"):
    """The subtask is replaced by several, each with a part of its files."""

    #: At least two, none empty; each file of the scope is in one of them.
    parts: tuple[tuple[str, ...], ...]


class Ask(_Decision, frozen=True, kw_only=True, tag="ask"):
    """Somebody has to answer a question."""

    question: str


Decision = WaitFor | Answer | Park | Extend | Split | Ask


def policy_for(issue: Issue, situation: Situation) -> Decision:
    """Say what is done about an issue."""
    match issue:
        case DependencyWait():
            return _wait(issue, situation)
        case ExternalDependency(system=system, issue=trouble):
            return Park(detail=_line(f"waits for {system}: {trouble}"))
        case ComplexityExceeded(estimated_additional_time=asked_seconds):
            return _more_time(asked_seconds, situation)
        case ScopeClarification(question=question):
            return Ask(question=question, detail=_line(f"asks: {question}"))
        case _:
            assert_never(issue)


def describe_issue(issue: Issue) -> str:
    """Say in words what a worker is blocked by."""
    match issue:
        case DependencyWait(required_worker=worker, resource=resource):
            return f"waits for {resource} of {worker}"
        case ExternalDependency(system=system, issue=what):
            return f"{system}: {what}"
        case ComplexityExceeded(estimated_additional_time=seconds):
            return f"needs {seconds:g} s more than its budget"
        case ScopeClarification(question=question):
            return f"asks: {question}"


def _line(text: str) -> str:
    return textwrap.shorten(text, _DETAIL_LENGTH_MAX, placeholder=" ...")


# --- waiting for another subtask ------------------------------------------------------------------------

#: How much of a resource's name is looked at: it comes from a worker, of any length.
_RESOURCE_LENGTH_MAX = 1000

_NUMBER = re.compile(r"(?:#|\bsubtask\s+)(\d{1,9})\b", re.IGNORECASE)
#: What stands between words: hardly any path holds one of these.
_BETWEEN_WORDS = re.compile(r"[\s,;()\[\]<>'\"`]+")
#: Line and column behind a path, and what ends a sentence.
_BEHIND_WORDS = re.compile(r"(?::\d+)*[:.!?]?$")


def _wait(issue: DependencyWait, situation: Situation) -> Decision:
    others = [subtask for subtask in situation.subtasks if subtask.id != situation.subtask_id]
    found = _required(issue, others)
    awaited = [subtask for subtask in found if not subtask.ended]
    if awaited:
        cycles = []
        for subtask in awaited:
            cycle = _cycle(situation, subtask)
            if not cycle:
                return WaitFor(subtask_id=subtask.id, detail=_awaited(subtask))
            cycles.append(" -> ".join(map(short, cycle)))
        text = (
            f"Waiting would never end, because these wait for each other: {cycles[0]}."
            " Do what you can without it, or hand the subtask back."
        )
    elif found:
        text = f"{short(found[0].id)} has ended ({found[0].status}): there is nothing left to wait for, go on."
    else:
        text = (
            f"{issue.required_worker} holds no other subtask of this task, and {_line(issue.resource)!r} names none"
            " and no file that one of them holds: there is nothing to wait for, go on."
        )
    return Answer(text=text, detail=_line(text))


def _awaited(subtask: SubtaskRecord) -> str:
    holder = f", which {subtask.worker_id} holds" if subtask.worker_id else ""
    return f"waits for {short(subtask.id)} ({subtask.status}{holder}) to end"


def _required(issue: DependencyWait, others: Sequence[SubtaskRecord]) -> list[SubtaskRecord]:
    """List the subtasks that may be meant, the likeliest first."""
    resource = issue.resource[:_RESOURCE_LENGTH_MAX]
    words = _words(resource)
    names = words | _numbers(resource)
    if named := [other for other in others if other.id in names or short(other.id) in names]:
        return named
    holding = [other for other in others if not words.isdisjoint(other.holds)]
    if unfinished := [other for other in holding if not other.ended]:
        return sorted(unfinished, key=lambda other: (other.worker_id != issue.required_worker, not other.live))
    leased = [other for other in others if other.live and other.worker_id == issue.required_worker]
    return leased or holding[-1:]


def _words(resource: str) -> frozenset[str]:
    """Give everything in a text that may be a name or a path, with and without the place behind it."""
    words = [resource.strip(), *_BETWEEN_WORDS.split(resource)]
    bare = [_BEHIND_WORDS.sub("", word) for word in words]
    return frozenset(word.removeprefix("./") for word in (*words, *bare) if word)


def _numbers(resource: str) -> frozenset[str]:
    """Give the subtasks that a text names by number, as `short` writes them."""
    alone = resource.strip()
    numbers = [alone] if alone.isdecimal() else _NUMBER.findall(resource)
    return frozenset(f"#{int(number)}" for number in numbers)


def _cycle(situation: Situation, awaited: SubtaskRecord) -> list[SubtaskId]:
    """Give the shortest cycle that waiting would close, from the blocked subtask round to itself; empty for none."""
    unfinished = {subtask.id: subtask for subtask in situation.subtasks if not subtask.ended}
    live = [subtask for subtask in unfinished.values() if subtask.live]
    came_from: dict[SubtaskId, SubtaskId] = {awaited.id: situation.subtask_id}
    reached = [awaited.id]
    for subtask_id in reached:
        if subtask_id == situation.subtask_id:
            break
        for following in _waited_for_by(unfinished[subtask_id], live):
            if following in unfinished and following not in came_from:
                came_from[following] = subtask_id
                reached.append(following)
    if situation.subtask_id not in came_from:
        return []
    cycle = [situation.subtask_id]
    while len(cycle) == 1 or cycle[-1] != situation.subtask_id:
        cycle.append(came_from[cycle[-1]])
    return cycle[::-1]


def _waited_for_by(subtask: SubtaskRecord, live: Sequence[SubtaskRecord]) -> list[SubtaskId]:
    sharing = [] if subtask.live else [other.id for other in live if not subtask.holds.isdisjoint(other.holds)]
    return [*subtask.waits_for, *subtask.depends_on, *sharing]


# --- more work than time --------------------------------------------------------------------------------


def _more_time(asked_seconds: float, situation: Situation) -> Decision:
    asked_seconds = max(asked_seconds, 0.0)
    first = situation.budget_seconds
    present = first + situation.extra_seconds
    room = BUDGET_GROWTH_MAX * first - present
    least = EXTENSION_SHARE_MIN * first
    if 0.0 < least <= room and asked_seconds <= room:
        # Who asks for less than such subtasks may well take, would soon ask again.
        extra = min(max(asked_seconds, situation.effort_p95 - present, least), room)
        return Extend(extra_seconds=extra, detail=f"{spell(extra)} more, beside {spell(present)} so far")
    why = f"needs {spell(asked_seconds)} more, beside {spell(present)}: may have {spell(max(room, 0.0))}"
    files = sorted(set(situation.files))
    if len(files) > 1 and not situation.one_cause:
        count = _parts_wanted(present + asked_seconds, first, len(files))
        return Split(
            parts=_parts(files, situation.problems, count), detail=f"{why}; split its {len(files)} files into {count}"
        )
    whole = "one cause" if situation.one_cause else "one file"
    question = f"{short(situation.subtask_id)} {why}. With {whole} it cannot be split: extend it, or give it up?"
    return Ask(question=question, detail=_line(question))


def _parts_wanted(needed_seconds: float, budget_seconds: float, files: int) -> int:
    """Say into how many parts of the first budget's length the work goes."""
    most = min(files, SPLIT_PARTS_MAX)
    if needed_seconds >= most * budget_seconds:
        return most
    return max(2, math.ceil(needed_seconds / budget_seconds))


def _parts(files: Sequence[str], problems: Mapping[str, int], count: int) -> tuple[tuple[str, ...], ...]:
    """Spread files over parts: the one with most problems first, into the emptiest part (LPT, Graham 1969)."""
    weights = {path: max(problems.get(path, 1), 1) for path in files}
    parts: list[list[str]] = [[] for _ in range(count)]
    loads = [0] * count
    for path in sorted(files, key=lambda path: (-weights[path], path)):
        emptiest = loads.index(min(loads))
        parts[emptiest].append(path)
        loads[emptiest] += weights[path]
    return tuple(tuple(sorted(part)) for part in parts)
