"""Groups of problems with one root cause.

Not by code alone: one cause shows under several codes, and one code covers many causes. A problem belongs
to

- the edit that the tool suggests, where that is a whole statement (one missing import mends them all);
- else its message's template and the name it is about, where that shows in more than one file and the tool
  has no edit at the place to offer: one cause, kept whole, because its cure lies elsewhere;
- else its message's template alone: an automatic fix or a local edit, which can be split by file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from domain.effort import UnitKind
from domain.problem import Problem


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Problems with one root cause."""

    kind: UnitKind
    #: What they have in common, in words.
    cause: str
    codes: tuple[str, ...]
    files: tuple[str, ...]
    #: Indices into the observation's list of problems, ascending.
    problems: tuple[int, ...]


def group_problems(problems: Sequence[Problem], targeted: Iterable[int], *, unsafe: bool) -> list[Group]:
    """Group the targeted problems, the largest group first.

    `unsafe` tells whether edits that the tool calls unsafe count as automatic.
    """
    causes: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    spread: defaultdict[tuple[UnitKind, str, str], list[int]] = defaultdict(list)
    for index in targeted:
        problem = problems[index]
        if problem.fixable(unsafe=unsafe):
            spread["automatic", problem.code, problem.template].append(index)
        else:
            causes[_cause_key(problem)].append(index)
    groups: list[Group] = []
    for key, members in causes.items():
        if key and len({problems[index].path for index in members} - {""}) > 1:
            groups.append(_group("cause", _describe(problems[members[0]], key), problems, members))
            continue
        for index in members:
            spread["local", problems[index].code, problems[index].template].append(index)
    for (kind, code, template), members in spread.items():
        what = "automatic fix" if kind == "automatic" else "local edit"
        said = template.partition("\n")[0]
        groups.append(_group(kind, f"{code or 'no code'} ({what}): {said}", problems, members))
    return sorted(groups, key=lambda group: (-len(group.problems), group.cause))


def _cause_key(problem: Problem) -> tuple[str, ...]:
    for suggestion in problem.suggestions:
        if suggestion.edit.rstrip(" ").endswith((";", "\n")) and suggestion.edit.strip():
            return ("edit", suggestion.edit.strip())
    if problem.subject and not problem.suggestions:
        return ("subject", problem.code, problem.template, problem.subject)
    return ()


def _describe(problem: Problem, key: tuple[str, ...]) -> str:
    if key[0] == "edit":
        return f"one edit mends them: {key[1].splitlines()[0]}"
    said = problem.message.partition("\n")[0]
    return f"{problem.code or problem.tool}: {said}"


def _group(kind: UnitKind, cause: str, problems: Sequence[Problem], members: list[int]) -> Group:
    return Group(
        kind=kind,
        cause=cause.replace("\0", "?"),
        codes=tuple(sorted({problems[index].code for index in members})),
        files=tuple(sorted({problems[index].path for index in members} - {""})),
        problems=tuple(sorted(members)),
    )
