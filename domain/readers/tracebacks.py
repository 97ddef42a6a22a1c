"""What the text of a failed test tells: its headline, its exception, the places that it went through.

There is no standard for such texts; each pattern names the runners that write so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import dropwhile, takewhile

from domain.readers.places import OutsideTreeError, Tree

_TEXT_LENGTH = 4_000
_HEADLINE_LENGTH = 500
# Of a longer text only the end is searched, where Python has its exception.
_SEARCHED_LENGTH = 100_000

_PATH = r"(?:[A-Za-z]:[\\/])?[^\s:()\"<>]++"
_OUTERMOST_FIRST = re.compile(
    # Python: `  File "pkg/a.py", line 12, in f`.
    r'^[ \t]*File "([^"<>\n]+)", line (\d{1,9})'
    # pytest: `tests/test_a.py:12: AssertionError`.
    r"|^((?:[A-Za-z]:[\\/])?[^\s:()\"<>]+\.[A-Za-z]\w*):(\d{1,9})(?=: |:?$)",
    re.MULTILINE,
)
_INNERMOST_FIRST = re.compile(
    # Node: `    at Object.<anonymous> (/src/a.test.js:3:9)`; Rust: `panicked at src/lib.rs:3:9`.
    rf"(?:^[ \t]+at (?:[^\n]*\()?(?:file://)?|panicked at )(?=[^\s:()]*:?[\\/])({_PATH}):(\d{{1,9}}):\d"
    # Ruby: `./spec/cart_spec.rb:12:in 'block'`.
    rf"|^[ \t]*({_PATH}):(\d{{1,9}}):in "
    # .NET: `   at Shop.Tests.Sells() in /src/Tests.cs:line 12`.
    rf"|^[ \t]+at [^\n]* in ({_PATH}):line (\d{{1,9}})",
    re.MULTILINE,
)
# Packages may be installed inside of the tree.
_INSTALLED = re.compile(r"(?:^|/)(?:site-packages|dist-packages|node_modules)/")

# A name counts as an exception's by how it ends; `java.lang.`, `Foo::` and `App\` before it are left out.
_QUALIFIED = r"(?:\w+(?:\.|::|\\))*"
_EXCEPTION = rf"{_QUALIFIED}(\w*(?:Error|Exception|Warning|Exit|Interrupt))"
_RAISED_IN_HEADLINE = re.compile(rf"{_EXCEPTION}(?=[:(]|$)")
# pytest: `tests/test_a.py:12: AssertionError`; Node: `  cause: TypeError [Error]: no value`.
_RAISED_IN_TEXT = re.compile(rf"^(?:[^\s:]+:\d+|[ \t]*cause): {_EXCEPTION}(?=$| \[)", re.MULTILINE)
_TYPE_NAME = re.compile(rf"{_QUALIFIED}([A-Z]\w*)")

# What pytest says of a module that it cannot import, and others of every failure.
_SAYS_NOTHING = frozenset({"", "collection failure", "failed"})
# It wraps what a fixture raises; where there is no such fixture, it tells the test's place instead.
_PYTEST_WRAPS = re.compile(r'failed on (?:setup|teardown) with "(?:file .*|(?P<raised>.+?)"?)')
_PYTEST_EXPLAINS = re.compile(r"^E +(\S[^\n]*)", re.MULTILINE)
# A failed doctest is shown with the numbered lines of the source before it.
_DOCTEST_SOURCE = re.compile(r"\d{3,}(?: |$)")
_DOCTEST_PLACE = re.compile(r"[^\s:]+:\d+: ")
_DOCTEST_RAISED = "\nUNEXPECTED EXCEPTION: "
_TRACEBACK_ENDS = re.compile(rf"^{_EXCEPTION}(?:: [^\n]*)?$", re.MULTILINE)


def headline(message: str, text: str) -> str:
    """Tell in one line what is wrong: the first line of the message, or of the text where it says nothing.

    A doctest has its headline behind the source that it shows.
    """
    first = _first_line(message)
    wrapped = _PYTEST_WRAPS.fullmatch(first)
    if wrapped:
        first = wrapped["raised"] or ""
    if _DOCTEST_SOURCE.match(first):
        first = _doctest_headline(text or message)
    elif first.lower() in _SAYS_NOTHING:
        explanations = _PYTEST_EXPLAINS.findall(_searched(text))
        first = explanations[-1] if explanations else _first_line(text) or first
    return first[:_HEADLINE_LENGTH]


def exception(type_name: str, said: str, text: str) -> str:
    """Tell the name of the exception, without its module: as the runner states it, or out of headline or text.

    It is "" where none is shown.
    """
    stated = _TYPE_NAME.fullmatch(type_name)
    if stated:
        return stated[1]
    raised = _RAISED_IN_HEADLINE.match(said)
    if raised:
        return raised[1]
    names = _RAISED_IN_TEXT.findall(_searched(text))
    return names[-1] if names else ""


def places(text: str, tree: Tree) -> Iterator[tuple[str, int]]:
    """Yield each path inside of the tree, relative to its root, and its 1-based line: as called, the innermost last.

    Left out are the standard library and packages that are installed: they are not the project's own code.
    """
    searched = _searched(text)
    frames = [*reversed(_INNERMOST_FIRST.findall(searched)), *_OUTERMOST_FIRST.findall(searched)]
    for groups in frames:
        path, line = filter(None, groups)
        if _INSTALLED.search(path.replace("\\", "/")):
            continue
        with suppress(OutsideTreeError):
            yield tree.place(path), int(line)


def cut(text: str) -> str:
    """Shorten a text in its middle: the exception stands at one of its ends."""
    text = text.strip("\n")
    if len(text) <= _TEXT_LENGTH:
        return text
    half = _TEXT_LENGTH // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters ...]\n{text[-half:]}"


def _doctest_headline(text: str) -> str:
    if _DOCTEST_RAISED in text:
        ends = list(_TRACEBACK_ENDS.finditer(_searched(text)))
        return ends[-1][0] if ends else _first_line(text.rpartition(_DOCTEST_RAISED)[2])
    lines = dropwhile(lambda line: not line.strip() or _DOCTEST_SOURCE.match(line), text.splitlines())
    said = takewhile(lambda line: not _DOCTEST_PLACE.match(line), lines)
    return " ".join(" ".join(said).split()) or "the doctest failed"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _searched(text: str) -> str:
    return text[-_SEARCHED_LENGTH:]
