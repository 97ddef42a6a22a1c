"""Groups of problems with one root cause.

Not by code alone: one cause shows under several codes, and one code covers many causes. A problem belongs, the first
that holds,

1. to the trait that a type lacks, where the tool says so: deriving it once cures every move, bound and borrow, even
   where the tool would also copy the value at each place;
2. with the problems that the tool itself can mend (an automatic fix), by code and template;
3. to the edit that the tool suggests, where that is a whole statement (one missing import mends them all);
4. to the definition that the tool blames (`blame`), by what is wrong with it;
5. to its phase, its message's template and the name it is about, where the tool has no edit at the place to offer;
6. with its like, by code and template: local edits, which may be split by file.

What 1, 3, 4 and 5 bring together in several files is a cause: it is kept whole, because its cure lies elsewhere. In
one file it is kept together, as local work. A problem alone falls back to 2 or 6, unless a missing module or a double
definition shows in it. Where the catalogue says that such problems are cured at their place, only 2 and 6 hold.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from domain.analysis.blame import Blame, bare, blame_of, definition_place, in_tree
from domain.analysis.cascades import Cascade, find_cascades
from domain.analysis.catalogue import entry_for
from domain.analysis.group import Group
from domain.effort import UnitKind
from domain.phase import Phase, phase_of
from domain.problem import Problem
from domain.template import mask

#: Codes that the evidence names one by one, the most frequent first.
_CODES_SHOWN = 5

#: Faults that are roots by nature: they are a group of their own even where they show once.
_ROOTS = ("unknown module", "defined twice")
#: Faults that no place need be changed for: a dependency, a derived trait, an annotation is added, a double removed.
#: A name or member that is unknown may as well have been renamed, and then every place changes.
_CURED_AT_DEFINITION = ("unknown module", "defined twice", "lacks trait", "untyped")

#: What stands between the brackets of a type and is no name of one.
_ARGUMENTS = re.compile(r", | = ")


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """What problems have in common."""

    #: The largest first; every problem that is to be worked on is in exactly one.
    groups: list[Group]
    cascades: list[Cascade]


class PatternRecognizer:
    """Finds what problems have in common; the same input gives the same groups in the same order."""

    def recognise(self, problems: Sequence[Problem], targeted: Iterable[int], *, unsafe: bool) -> Patterns:
        """Group the targeted problems, given by their indices, and tell which groups hang on which.

        `unsafe` tells whether edits that the tool calls unsafe count as automatic.
        """
        groups = _Grouping(problems, unsafe=unsafe).groups(targeted)
        return Patterns(groups=groups, cascades=find_cascades(problems, groups))


class _Edit(msgspec.Struct, frozen=True):
    text: str
    #: What the edit is about: `#[derive(Copy)]` is another edit at another type.
    names: tuple[str, ...]


class _Place(msgspec.Struct, frozen=True):
    where: str


class _Subject(msgspec.Struct, frozen=True):
    phase: Phase
    code: str
    template: str
    name: str


class _Rule(msgspec.Struct, frozen=True):
    kind: UnitKind
    code: str
    template: str


_Witness = Blame | _Edit | _Place | _Subject


class _Grouping:
    def __init__(self, problems: Sequence[Problem], *, unsafe: bool) -> None:
        self._problems = problems
        self._unsafe = unsafe

    def groups(self, targeted: Iterable[int]) -> list[Group]:
        causes: defaultdict[_Witness, list[int]] = defaultdict(list)
        mechanical: defaultdict[_Rule, list[int]] = defaultdict(list)
        for index in targeted:
            key = self._key(self._problems[index])
            if isinstance(key, _Rule):
                mechanical[key].append(index)
            else:
                causes[key].append(index)
        groups = []
        for witness, members in causes.items():
            if self._is_cause(witness, members):
                groups.append(self._cause(witness, members))
                continue
            for index in members:
                mechanical[self._rule(self._problems[index])].append(index)
        groups += [self._mechanical(rule, members) for rule, members in mechanical.items()]
        return sorted(groups, key=lambda group: (-len(group.problems), group.cause, group.problems[0]))

    # --- where a problem belongs ------------------------------------------------------------------------

    def _key(self, problem: Problem) -> _Witness | _Rule:
        fixable = problem.fixable(unsafe=self._unsafe)
        cured_here = entry_for(problem.tool, problem.code, problem.message).cure == "local"
        blame = None if cured_here else blame_of(problem)
        if blame and blame.fault == "lacks trait":
            return blame
        if fixable or cured_here:
            return self._rule(problem)
        edit = _statement(problem)
        # An edit that does not bring in the module that is missing is a guess at what was meant by it.
        if edit and not (blame and blame.fault == "unknown module" and blame.name not in edit.text):
            return edit
        place = definition_place(problem.related) if blame is None or blame.fault in ("mismatch", "signature") else ""
        if place:
            return _Place(place)
        return blame or self._by_subject(problem)

    def _by_subject(self, problem: Problem) -> _Subject | _Rule:
        phase = _phase(problem)
        # Of failing tests, those that fail with the same words fail for the same reason.
        if problem.suggestions or not (in_tree(problem.subject) or phase == Phase.TESTS):
            return self._rule(problem)
        return _Subject(phase, problem.code, problem.template, problem.subject)

    def _rule(self, problem: Problem) -> _Rule:
        kind: UnitKind = "automatic" if problem.fixable(unsafe=self._unsafe) else "local"
        return _Rule(kind, problem.code, problem.template)

    def _is_cause(self, witness: _Witness, members: list[int]) -> bool:
        if len(self._files(members)) > 1:
            return True
        if isinstance(witness, Blame) and witness.fault in _ROOTS:
            return True
        return len(members) > 1 and not (isinstance(witness, _Subject) and witness.phase < Phase.TESTS)

    # --- groups -----------------------------------------------------------------------------------------

    def _cause(self, witness: _Witness, members: list[int]) -> Group:
        first = self._problems[members[0]]
        places = Counter(filter(None, (definition_place(self._problems[index].related) for index in members)))
        at, times = places.most_common(1)[0] if places else ("", 0)
        shown = self._shown(members)
        match witness:
            case Blame():
                subject = next(filter(in_tree, map(bare, (witness.name, witness.of))), witness.name)
                cause, evidence = _in_full(witness, first).said, f"{shown} blame {subject}: {_quoted(first)}"
            case _Edit():
                cause, subject = f"one edit mends them: {witness.text.splitlines()[0]}", " ".join(witness.names)
                evidence = f"for {shown} the tool suggests the same edit"
            case _Place():
                cause = f"what is defined at {at} is used otherwise: {_quoted(first)}"
                subject = first.subject
                evidence = f"the notes of {shown} point at one definition"
            case _Subject():
                head = f"{first.code or first.tool}: "
                cause, subject = f"{head}{_quoted(first).removeprefix(head)}", witness.name
                evidence = f"{shown} say the same" + (f" about {witness.name}" if witness.name else "")
        there = f"the tool shows the definition at {at}, {times} times"
        group = self._group("local", cause, members, (evidence, there) if at else (evidence,))
        return msgspec.structs.replace(
            group,
            kind="cause" if len(group.files) > 1 else "local",
            domain=Counter(_domain(self._problems[index]) for index in members).most_common(1)[0][0],
            phase=min(_phase(self._problems[index]) for index in members),
            subject=subject,
            defined_at=at,
            cure="definition" if isinstance(witness, Blame) and witness.fault in _CURED_AT_DEFINITION else "places",
        )

    def _mechanical(self, rule: _Rule, members: list[int]) -> Group:
        what = "automatic fix" if rule.kind == "automatic" else "local edit"
        said = rule.template.partition("\n")[0].removeprefix(f"{rule.code}: ")
        group = self._group(
            rule.kind,
            f"{rule.code or 'no code'} ({what}): {said}",
            members,
            (f"{self._shown(members)}: one rule, each with its cure at its place",),
        )
        alone = len(members) == 1
        return msgspec.structs.replace(group, subject=self._problems[members[0]].subject) if alone else group

    def _group(self, kind: UnitKind, cause: str, members: list[int], evidence: tuple[str, ...]) -> Group:
        problems = self._problems
        first = problems[members[0]]
        return Group(
            kind=kind,
            # Postgres keeps no NUL, and a tool's message may hold one.
            cause=cause.replace("\0", "?"),
            codes=tuple(sorted({problems[index].code for index in members})),
            files=tuple(sorted(self._files(members))),
            problems=tuple(sorted(members)),
            domain=_domain(first),
            phase=_phase(first),
            template=first.template,
            evidence=tuple(line.replace("\0", "?") for line in evidence),
        )

    def _shown(self, members: Sequence[int]) -> str:
        counts = Counter(self._problems[index].code or "no code" for index in members)
        most = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:_CODES_SHOWN]
        named = ", ".join(f"{count} {code}" for code, count in most)
        files = len(self._files(members))
        return f"{len(members)} problems ({named}) in {files} file{'s' if files != 1 else ''}"

    def _files(self, members: Iterable[int]) -> set[str]:
        return {self._problems[index].path for index in members} - {""}


def _phase(problem: Problem) -> Phase:
    return phase_of(problem.tool, problem.code, message=problem.message, severity=problem.severity)


def _domain(problem: Problem) -> str:
    return entry_for(problem.tool, problem.code, problem.message).domain


def _in_full(blame: Blame, problem: Problem) -> Blame:
    """Give the blame with the whole of a type of which it has several arguments, as in `tuple[Values, list[str]]`."""
    if not _ARGUMENTS.search(blame.name):
        return blame
    whole = re.search(rf"[\w:.]+(?:<{re.escape(blame.name)}>|\[{re.escape(blame.name)}\])", problem.message)
    return msgspec.structs.replace(blame, name=whole[0]) if whole else blame


def _quoted(problem: Problem) -> str:
    return problem.message.partition("\n")[0]


def _statement(problem: Problem) -> _Edit | None:
    for suggestion in problem.suggestions:
        if suggestion.edit.rstrip(" ").endswith((";", "\n")) and (text := suggestion.edit.strip()):
            return _Edit(text, mask(suggestion.message).slots)
    return None
