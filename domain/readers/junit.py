"""Reader of JUnit XML, which nearly every test runner writes, each in its own way.

There is no standard: suites nest or do not, and file and line are told by few. A test is known by suites, file,
class and name, the name with its parameters. One that is shown again (a retry) counts as it ended last.

Linters write it, too: a file is a suite of theirs, and what a rule finds in it is a test that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from junitparser import Error, Failure
from junitparser.xunit2 import TestCase

from domain.problem import Problem, Range
from domain.readers.gather import Gathering
from domain.readers.markup import Branch, Vocabulary, branches
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source
from domain.readers.tracebacks import cut, exception, headline, places

_VOCABULARY = Vocabulary(roots=("testsuites", "testsuite"), branches=("testcase",))

# `line 3, col 7, message`, as ruff has it; ESLint writes `line 3, col 7, Warning - message (rule)`.
_LINTED = re.compile(r"line (?P<line>[0-9]{1,9}), col (?P<column>[0-9]{1,9}), (?P<warns>Warning - )?")


class _Stated(msgspec.Struct, gc=False):
    """Where a test stands, if the runner says so."""

    file: str = ""
    line: Number | None = None


class _Test(msgspec.Struct, frozen=True):
    """What a test is known by."""

    suites: tuple[str, ...]
    file: str
    class_name: str
    name: str

    @property
    def symbol(self) -> str:
        # pytest names a doctest in full, its module included.
        if not self.class_name or self.name.startswith(f"{self.class_name}."):
            return self.name
        return f"{self.class_name}.{self.name}"


recognises = _VOCABULARY.recognises


def read(source: Source, tree: Tree) -> Report:
    """Read the failures and errors of tests; those that passed or were skipped are no problems.

    The code is the exception's name where one is shown, else `failure` or `error`. The path is the test's file
    where the runner states it; else the innermost place of the traceback that lies inside of the tree, which need
    not be the test itself.

    What a linter found has the linter as its tool, the rule as its code, and the place that is stated.
    """
    gathering = Gathering("junit")
    failed: dict[_Test, list[Problem]] = {}
    repeated = 0
    for branch in branches(source, _VOCABULARY, gathering):
        try:
            linted = _linted(branch, tree)
            if linted:
                gathering.tool = linted.tool
                gathering.add(linted)
                continue
            test, problem = _test(branch), _problem(branch, tree)
        except (msgspec.ValidationError, OutsideTreeError) as error:
            gathering.refuse(branch.line, str(error))
            continue
        gathering.skip()
        before = failed.pop(test, [])
        if problem is None:
            continue
        if before and _is_teardown(branch):
            failed[test] = [*before, problem]
        else:
            failed[test] = [problem]
            repeated += len(before)
    for test, problems in failed.items():
        for problem in problems:
            gathering.add(problem, apart=test)
    report = gathering.report()
    return msgspec.structs.replace(report, duplicates=report.duplicates + repeated)


def _linted(branch: Branch, tree: Tree) -> Problem | None:
    """Tell of what a linter found; None where a test is one. ruff and ESLint name the rule after themselves."""
    suite = branch.around[-1] if branch.around else branch.element
    package, name = suite.get("package", ""), branch.element.get("name", "")
    result = next(_bad_results(branch), None)
    place = _LINTED.match((result.text or "").lstrip()) if result else None
    if not result or not place or not package or not name.startswith(f"{package}."):
        return None
    return Problem(
        tool=package.rpartition(".")[2],
        message=result.message or (result.text or "").lstrip()[place.end() :],
        path=tree.place(suite.get("name", "")),
        code=name.removeprefix(f"{package}."),
        severity="warning" if place["warns"] else "error",
        range=span(int(place["line"]), int(place["column"])),
    )


def _is_teardown(branch: Branch) -> bool:
    # pytest shows a test that fails, and then fails to clean up, as two: no retry.
    return any((result.message or "").startswith("failed on teardown") for result in _bad_results(branch))


def _test(branch: Branch) -> _Test:
    element = branch.element
    name = element.get("name")
    if name is None:
        raise msgspec.ValidationError("a test case without a name")
    return _Test(
        suites=tuple(outer.get("name", "") for outer in branch.around),
        file=element.get("file", ""),
        class_name=element.get("classname", ""),
        name=name,
    )


def _problem(branch: Branch, tree: Tree) -> Problem | None:
    """Tell of a test that failed; where it has several results, of the first, the others in `related`."""
    results = list(_bad_results(branch))
    if not results:
        return None
    result, text = results[0], results[0].text or ""
    said = headline(result.message or "", text)
    path, place = _place(branch, text or result.message or "", tree)
    return Problem(
        tool="junit",
        message=said or "the test failed",
        path=path,
        code=exception(result.type or "", said, text) or ("error" if isinstance(result, Error) else "failure"),
        range=place,
        related=tuple(_related(results, said)),
        symbol=_test(branch).symbol,
    )


def _bad_results(branch: Branch) -> Iterator[Failure | Error]:
    case: TestCase = TestCase.fromelem(branch.element)  # type: ignore[no-untyped-call]
    yield from (result for result in case.result if isinstance(result, Failure | Error))


def _place(branch: Branch, text: str, tree: Tree) -> tuple[str, Range | None]:
    stated = _stated(branch)
    found = list(places(text, tree))
    if not stated.file:
        path, line = found[-1] if found else ("", None)
        return path, span(line)
    path = tree.place(stated.file)
    lines = [line for place, line in found if place == path]
    return path, span(lines[-1] if lines else stated.line)


def _stated(branch: Branch) -> _Stated:
    for element in (branch.element, *reversed(branch.around)):
        if element.get("file"):
            stated = msgspec.convert(element.attrib, _Stated, strict=False)
            # pytest counts lines from 0.
            if stated.line is not None and branch.around and branch.around[-1].get("name") == "pytest":
                stated.line += 1
            return stated
    return _Stated()


def _related(results: list[Failure | Error], said: str) -> Iterator[str]:
    for result in results:
        text = cut(result.text or result.message or "")
        if text and text != said:
            yield text
