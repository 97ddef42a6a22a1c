"""Reader of what pytest writes to the console.

The short summary (`FAILED tests/test_a.py::test_sells - ValueError: bad`) says which tests failed; the sections
before it, one for each failure, say where and why. An import that fails in a `conftest.py`, and an error of pytest
itself, end the run before any test, and have a traceback and no summary.
"""

from __future__ import annotations

import re
from collections import defaultdict

import msgspec

from domain.errors import ReportError
from domain.problem import Problem
from domain.readers.console import plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Tree, span
from domain.readers.report import Report
from domain.readers.source import Source
from domain.readers.tracebacks import cut, exception, headline, places

_BAR = re.compile(r"=+ (?P<title>.+?) =+")
_ERRORS, _FAILURES = "ERRORS", "FAILURES"
_SUMMARY = "short test summary info"
# `___ TestSale.test_sells[a - b] ___`; inside of a section, `_ _ _` divides the calls.
_SECTION = re.compile(r"_+ (?!_ )(?P<title>.*\S) _+")
_ABOUT = re.compile(r"ERROR (?:collecting|at (?:setup|teardown) of) |\[doctest\] ")
_ENDED = re.compile(
    r"(?P<counts>(?:[0-9]+ (?:passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?|rerun|subtests? \w+)"
    r"(?:, )?)+|no tests (?:ran|collected)(?:, [^=]*?)?) in [0-9.]+s(?: \([0-9:]+\))?"
)
_BAD = re.compile(r"\b[1-9][0-9]* (?:failed|errors?)\b")

_OUTCOME = r"(?:FAILED|ERROR|SUBFAILED(?P<part>(?:\[[^\]]*\])? ?(?:\([^()]*\))?))"
_LISTED = re.compile(
    rf"{_OUTCOME} (?P<path>(?! |- )(?:(?!::| - ).)+)(?:::(?P<names>(?:(?!\[| - ).)+(?:\[.*?\])?))?"
    r"(?: - (?P<message>.*))?"
)
# Outside of the summary, where logs have lines that begin alike, a name tells a test.
_TEST_NAME = re.compile(r"\.py$|\.txt$|\.rst$|\.md$")

_CRASH = re.compile(r"ImportError while loading conftest '[^']+'\.?$")
_INTERNAL = "INTERNALERROR> "
_EXPLAINED = re.compile(r"^E(?:   ?|$)", re.MULTILINE)
_EXPLANATION = re.compile(r"^E +(?P<said>\S.*)", re.MULTILINE)
_RAISED = re.compile(r"[\w.]*(?:Error|Exception|Warning|Exit|Interrupt|Failed)\b")
_CUT = "..."

_RECOGNISED = re.compile(
    rb"^=+ (?:test session starts|short test summary info|FAILURES|ERRORS) =+\r?$"
    rb"|^ImportError while loading conftest '|^INTERNALERROR> "
    rb"|^(?:FAILED|ERROR) [^\n:]+\.py(?:::[^\n]+| - [^\n]+)?\r?$"
    rb"|^(?:=+ )?[1-9][0-9]* (?:passed|failed|error)[^\n]* in [0-9.]+s\b[^\n]*$",
    re.MULTILINE,
)


class _Section(msgspec.Struct, gc=False):
    """What a section tells of one failure."""

    message: str = ""
    code: str = ""
    #: Each place of the traceback inside of the tree, in order: path and 1-based line.
    places: list[tuple[str, int]] = []
    text: str = ""


def _section(text: str, tree: Tree) -> _Section:
    said = _explanation(text)
    return _Section(
        message=said,
        code=exception("", said, text),
        # Where an import or a doctest fails, the last frame stands among the explanations.
        places=list(places(_EXPLAINED.sub("  ", text), tree)),
        text=cut(text),
    )


def _explanation(text: str) -> str:
    """Tell the last exception, or what was asserted first; what follows compares the values."""
    explained = [match["said"].rstrip() for match in _EXPLANATION.finditer(text)]
    # Without the letter of pytest: a traceback as Python writes it.
    raised = [line for line in explained or text.splitlines() if _RAISED.match(line)]
    asserted = [line for line in explained if line.startswith("assert ")]
    return (raised[-1:] or asserted[:1] or [headline("", text)])[0]


class _Run:
    """The state of reading: the part of the output that the lines belong to, and what its sections told."""

    def __init__(self, gathering: Gathering, tree: Tree) -> None:
        self._gathering = gathering
        self._tree = tree
        #: What the last bar says.
        self._part = ""
        self._title = ""
        self._lines: list[str] = []
        #: By part and title; a test may both fail and break in its teardown.
        self._sections: defaultdict[tuple[str, str], list[_Section]] = defaultdict(list)
        #: The parts whose sections the summary lists.
        self._listed: set[str] = set()
        self.failed = False

    def take(self, _number: int, line: str) -> bool:
        if line.startswith(_INTERNAL):
            if self._title != _INTERNAL:
                self._open_section("", _INTERNAL)
            self._lines.append(line.removeprefix(_INTERNAL))
            return True
        if _CRASH.match(line):
            self._open_section("", line)
            return True
        return self._take_bar(line) or self._take_section(line) or self._take_listed(line)

    def _take_bar(self, line: str) -> bool:
        """Take a line that divides the output, or ends it; a quiet run ends without bars."""
        bar = _BAR.fullmatch(line)
        ended = _ENDED.fullmatch(bar["title"] if bar else line)
        if not bar and not ended:
            return False
        self._end_section()
        self._part = bar["title"] if bar else ""
        self.failed = self.failed or bool(ended and _BAD.search(ended["counts"]))
        return True

    def _take_section(self, line: str) -> bool:
        if self._part not in (_ERRORS, _FAILURES) and not self._title:
            return False
        opened = _SECTION.fullmatch(line)
        if opened:
            self._open_section(self._part, _ABOUT.sub("", opened["title"]))
        elif self._title:
            self._lines.append(line)
        return True

    def _open_section(self, part: str, title: str) -> None:
        self._end_section()
        self._part, self._title = part, title

    def _end_section(self) -> None:
        title, lines = self._title, self._lines
        self._title, self._lines = "", []
        if title:
            self._sections[self._part, title].append(_section("\n".join(lines), self._tree))

    def _take_listed(self, line: str) -> bool:
        listed = _LISTED.fullmatch(line)
        if not listed or not (self._part == _SUMMARY or listed["names"] or _TEST_NAME.search(listed["path"])):
            return False
        part = _ERRORS if line.startswith("ERROR") else _FAILURES
        self._listed.add(part)
        names = ".".join((listed["names"] or "").split("::"))
        name = f"{names} {listed['part'].strip()}" if listed["part"] else names
        path = self._tree.place(listed["path"])
        section = self._section_of(part, name or listed["path"], path)
        message = _message((listed["message"] or "").strip(), section.message) or "the test failed"
        problem = Problem(
            tool="pytest",
            message=message,
            path=path,
            code=_code(message, section) or ("error" if part == _ERRORS else "failure"),
            range=span(next((number for place, number in reversed(section.places) if place == path), None)),
            related=(section.text,) if section.text not in ("", message) else (),
            symbol=f"{_module(path)}.{name}" if name else "",
        )
        self._gathering.add(problem, apart=name)
        return True

    def _section_of(self, part: str, title: str, path: str) -> _Section:
        """Find the section of a listed test, and take it out; tests of several files may bear one name."""
        found = self._sections.get((part, title), [])
        inside = [section for section in found if any(place == path for place, _ in section.places)]
        section = next(iter(inside or found), None)
        if section is None:
            return _Section()
        found.remove(section)
        return section

    def close(self) -> None:
        """Take what ended the run, and the sections that no summary lists; their places are all that is known."""
        self._end_section()
        for (part, title), sections in self._sections.items():
            if part not in self._listed:
                for section in sections:
                    self._add_unlisted(title if part else "", section)

    def _add_unlisted(self, title: str, section: _Section) -> None:
        path, line = section.places[-1] if section.places else ("", 0)
        problem = Problem(
            tool="pytest",
            message=section.message or "the run failed",
            path=path,
            code=_code(section.message, section) or "error",
            range=span(line),
            related=(section.text,) if section.text else (),
            symbol=title,
        )
        self._gathering.add(problem, apart=title)


def _message(listed: str, said: str) -> str:
    """Tell the message; the summary cuts it to the width of the terminal, the section has it whole."""
    if not listed or (listed.endswith(_CUT) and said.startswith(listed.removesuffix(_CUT))):
        return said
    return listed


def _code(message: str, section: _Section) -> str:
    asserted = "AssertionError" if message.startswith("assert ") else ""
    return exception("", message, "") or section.code or asserted


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read the failures and errors of a run; a run that ended well has none.

    The code is the exception's name. The path is the test's file, the line the last one in it that the traceback went
    through; of a run that ended before any test, it is the last place of the traceback inside of the tree.

    Raises `ReportError` when no line is one that pytest writes, and when none tells which tests failed although some
    did: such a report must not be taken for a clean one.
    """
    gathering = Gathering("pytest")
    run = _Run(gathering, tree)
    take_lines(source, gathering, run.take)
    run.close()
    report = gathering.report()
    if run.failed and not report.problems:
        raise ReportError("the run of pytest failed, and its output names no failure")
    return report
