"""Reader of the text of rustc, and of cargo that starts it (`cargo check 2>&1`, also clippy, build, test).

A problem is a headline (`error[E0308]: mismatched types`), its place (`--> src/a.rs:2:30`), an excerpt of the source
with labels, then notes and helps, each of which may have a place and an excerpt too. Lines and columns are 1-based,
columns in characters. The text has less than the JSON of the same run: no end of a range, no trust in an edit, and a
lint of rustc by name only where it shows for the first time, so that it has no code here; one of clippy has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise, takewhile

from domain.errors import ReportError
from domain.problem import Problem, Suggestion
from domain.readers.console import NUMBER, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source
from domain.readers.tracebacks import cut

_HEADLINE = re.compile(
    r"(?P<level>error|warning)(?:: internal compiler error)?(?:\[(?P<code>[\w:]+)\])?: (?P<message>.*)"
)
_SECTION = re.compile(r"(?:note|help): (?P<text>.*)|Caused by:$")
_NOTE = re.compile(r" +(?:=|\N{BOX DRAWINGS LIGHT ARC UP AND RIGHT}) (?:note|help|warning|suggestion): (?P<text>.*)")
_PLACE = re.compile(rf" *(?:-->|:::) (?P<path>.+?):(?P<line>{NUMBER}):(?P<column>{NUMBER})$")
# A line of the source, with its number and what an edit does with it; or one below it that marks columns.
_EXCERPT = re.compile(r" *(?P<line>[0-9]+|LL)? +(?P<sign>[|+~-])(?: (?P<text>.*))?$|\.\.\.")
_LINT = re.compile(r"for further information visit \S+#(?P<lint>\w+)$")

# What cargo and rustc say of a whole build.
_FAILED = re.compile(r"aborting due to |could not compile |build failed, waiting")
_SUMMARY = re.compile(
    rf"{_FAILED.pattern}|[0-9]+ (?:warnings?|errors?) emitted|`[^`]+` \([^)]*\) generated [0-9]+ (?:warning|error)"
    r"|test failed, to rerun|[0-9]+ targets? failed"
    # What the build script of a package printed is no problem of rustc.
    r"|[\w-]+@[0-9]+\.[0-9]+\.[0-9]+\S*: "
)
_TALK = re.compile(r"For more information about |Some errors have detailed explanations")
# cargo's progress: a verb that ends in the 12th column.
_PROGRESS = re.compile(r"(?=.{12} ) *[A-Z][a-z]+ ")

_MARKS = re.compile(r"[+~]+")
# What leads from a place to its label: carets, underlines, and lines in two directions.
_CONNECTORS = " |_^~-"
_TOKEN = re.compile(r"[\w:]+|.")
_RELATED_MAX = 100

_RECOGNISED = re.compile(
    rb"^error\[E[0-9]{4}\]: |^error: (?:could not compile `|aborting due to )"
    rb"|^warning: `[^`\n]+` \([^)\n]*\) generated [0-9]+ warning"
    rb"|^(?:error|warning)(?:\[[\w:]+\])?: [^\n]*\n(?:[ \t][^\n]*\n){0,4}? *--> [^\n]+\.rs:[0-9]+:[0-9]+\r?$"
    rb"|^ +Finished `?(?:dev|release|test|bench)\b[^\n]* in [0-9.]+",
    re.MULTILINE,
)


class _Help:
    """A note or a help that is being read, with the excerpt that shows its edit, if it has one."""

    def __init__(self, text: str) -> None:
        self.lines = [text.strip()]
        self.place = ""
        self._rows: list[tuple[str, str]] = []

    def show(self, sign: str, text: str) -> None:
        self._rows.append((sign, text))

    @property
    def text(self) -> str:
        said = cut("\n".join(self.lines))
        return f"{said} ({self.place})" if self.place else said

    def edits(self) -> Iterator[str]:
        """Yield what each of the alternatives inserts, which a line without text divides."""
        rows: list[tuple[str, str]] = []
        for row in [*self._rows, ("|", "")]:
            if row == ("|", ""):
                edit = _edit(rows)
                if edit is not None:
                    yield edit
                rows = []
            else:
                rows.append(row)


def _edit(rows: list[tuple[str, str]]) -> str | None:
    """Tell what the rows of an excerpt insert: "" where they only delete, None where they show no edit."""
    removed = [text for sign, text in rows if sign == "-"]
    added = [text for sign, text in rows if sign == "+"]
    if removed:
        return "".join(map(_difference, removed, added))
    if added:
        return "".join(f"{text}\n" for text in added)
    inserted: list[str] = []
    for (_, above), (_, marks) in pairwise(rows):
        if not marks.strip(" +~-"):
            inserted += [above[mark.start() : mark.end()] for mark in _MARKS.finditer(marks)]
    return "".join(inserted) if inserted else None


def _difference(before: str, after: str) -> str:
    """Tell what is new in a line, in whole names."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    start = _equal(old, new)
    end = _equal(old[start:][::-1], new[start:][::-1])
    return "".join(new[start : len(new) - end])


def _equal(left: list[str], right: list[str]) -> int:
    """Tell how many elements are equal from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


class _Block:
    """A problem that is being read: everything from its headline to the next."""

    def __init__(self, headline: re.Match[str]) -> None:
        self._severity = headline["level"]
        self._code = headline["code"] or ""
        self._message = [headline["message"]]
        self._places: list[tuple[str, int, int]] = []
        self._excerpt: list[str] = []
        self._labels: list[str] = []
        self._helps: list[_Help] = []

    def take(self, line: str) -> bool:
        """Take a line that belongs to the problem; False for one that does not."""
        opening = _SECTION.match(line) or _NOTE.match(line)
        if opening:
            self._helps.append(_Help(opening["text"] or line))
        elif place := _PLACE.match(line):
            self._locate(place)
        elif excerpt := _EXCERPT.match(line):
            self._show(excerpt, line)
        elif line.startswith((" ", "\t")):
            self._go_on(line.strip())
        else:
            return False
        return True

    def _locate(self, place: re.Match[str]) -> None:
        if not self._helps:
            self._places.append((place["path"], int(place["line"]), int(place["column"])))
        elif not self._helps[-1].place:
            self._helps[-1].place = f"{place['path']}:{place['line']}:{place['column']}"

    def _show(self, excerpt: re.Match[str], line: str) -> None:
        text = excerpt["text"] or ""
        if self._helps:
            self._helps[-1].show(excerpt["sign"] or "|", text)
            return
        self._excerpt.append(line)
        label = "" if excerpt["line"] else text.lstrip(_CONNECTORS)
        if label:
            self._labels.append(label)

    def _go_on(self, text: str) -> None:
        (self._helps[-1].lines if self._helps else self._message).append(text)

    def add_to(self, gathering: Gathering, tree: Tree) -> None:
        path, line, column = next(self._inside(tree), ("", 0, 0))
        suggestions = tuple(Suggestion(message=said.text, edit=edit) for said in self._helps for edit in said.edits())
        problem = Problem(
            tool="cargo",
            message="\n".join(self._message),
            path=path,
            code=gathering.share(self._code or self._lint()),
            severity="warning" if self._severity == "warning" else "error",
            range=span(line, column),
            suggestions=suggestions,
            related=tuple(self._related(path))[:_RELATED_MAX],
        )
        # Two borrows of one pattern share code, message and place; only what is marked beside it differs.
        gathering.add(problem, apart=tuple(self._excerpt))

    def _inside(self, tree: Tree) -> Iterator[tuple[str, int, int]]:
        for path, line, column in self._places:
            try:
                yield tree.place(path), line, column
            except OutsideTreeError:
                # A macro of the standard library: the place that uses it follows.
                continue

    def _lint(self) -> str:
        """Tell the lint of clippy, which names it in the link of every problem."""
        links = (_LINT.match(said.lines[0]) for said in self._helps)
        return next((f"clippy::{link['lint']}" for link in links if link), "")

    def _related(self, path: str) -> Iterator[str]:
        yield from self._labels
        if not path and self._places:
            yield "at {}:{}:{}".format(*self._places[0])
        for said in self._helps:
            if next(said.edits(), None) is None:
                yield said.text


class _Log:
    """The state of reading: the problem whose lines are being taken, and how the build ended."""

    def __init__(self, gathering: Gathering, tree: Tree) -> None:
        self._gathering = gathering
        self._tree = tree
        self._block: _Block | None = None
        self.failed = False

    def take(self, _number: int, line: str) -> bool:
        headline = _HEADLINE.fullmatch(line)
        if headline:
            self._open(headline)
            return True
        if _PROGRESS.match(line) or _TALK.match(line):
            self.close()
            return True
        if self._block and self._block.take(line):
            return True
        self.close()
        return False

    def _open(self, headline: re.Match[str]) -> None:
        message = headline["message"]
        self.close()
        if headline["code"] is None and _SUMMARY.match(message):
            self.failed = self.failed or _FAILED.match(message) is not None
        else:
            self._block = _Block(headline)

    def close(self) -> None:
        if self._block:
            self._block.add_to(self._gathering, self._tree)
        self._block = None


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what rustc or cargo wrote; problems have the identity that the JSON of the same run gives them.

    A problem whose place lies outside the tree (a macro of the standard library) is taken at the next of its places
    that lies inside; with none, it keeps its text and has the path "". A help that shows an edit is a suggestion that
    is only to be shown, every other one and each label and note is a related text.

    Raises `ReportError` when no line is one that rustc or cargo writes, and when no problem is named although the
    build failed: such a report must not be taken for a clean one.
    """
    gathering = Gathering("rustc-text", tool="cargo")
    log = _Log(gathering, tree)
    take_lines(source, gathering, log.take)
    log.close()
    report = gathering.report()
    if log.failed and not report.problems:
        raise ReportError("the build failed, and the text of cargo names no problem")
    return report
