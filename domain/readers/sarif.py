"""Reader of SARIF 2.1.0: one log, or a stream with one log a line as compilers write per translation unit.

Lines and columns are 1-based, the end exclusive, columns in what `columnKind` says.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from domain.problem import ColumnUnit, Problem, Range, Severity, Suggestion
from domain.readers.gather import Gathering
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.salvage import ElementLines
from domain.readers.sarif_places import Artifact, ArtifactLocation, path_of
from domain.readers.source import Source

_RECOGNISED = re.compile(rb'"runs"\s*:\s*\[|"\$schema"\s*:\s*"[^"]*sarif')
_PLACEHOLDER = re.compile(r"\{([0-9]{1,3})\}")
_SEVERITY: Mapping[str, Severity] = {"error": "error", "note": "note", "none": "note"}
_COLUMN_UNIT: Mapping[str, ColumnUnit] = {"utf16CodeUnits": "utf16"}

# In a compiler's log a result of level "note" goes on about the result before it; elsewhere it is a finding.
_NOTES_CONTINUE = frozenset({"clang"})


_Item = TypeVar("_Item")


class _Text(msgspec.Struct, gc=False):
    text: str | None = None
    markdown: str | None = None
    id: str | None = None
    arguments: list[str] = []


class _Region(msgspec.Struct, rename="camel", gc=False):
    start_line: Number | None = None
    start_column: Number = 1
    end_line: Number | None = None
    end_column: Number | None = None


class _PhysicalLocation(msgspec.Struct, rename="camel", gc=False):
    artifact_location: ArtifactLocation | None = None
    region: _Region | None = None


class _Location(msgspec.Struct, rename="camel", gc=False):
    physical_location: _PhysicalLocation | None = None
    message: _Text | None = None


class _Configuration(msgspec.Struct, gc=False):
    level: str | None = None


class _Rule(msgspec.Struct, rename="camel", gc=False):
    id: str
    default_configuration: _Configuration | None = None
    message_strings: dict[str, _Text] = {}


class _Component(msgspec.Struct, rename="camel", gc=False):
    name: str = ""
    version: str | None = None
    semantic_version: str | None = None
    rules: list[_Rule] = []


class _Tool(msgspec.Struct, gc=False):
    driver: _Component
    extensions: list[_Component] = []


class _ComponentReference(msgspec.Struct, gc=False):
    index: int = -1


class _RuleReference(msgspec.Struct, rename="camel", gc=False):
    id: str | None = None
    index: int = -1
    tool_component: _ComponentReference | None = None


class _Suppression(msgspec.Struct, gc=False):
    status: str | None = None


class _Replacement(msgspec.Struct, rename="camel", gc=False):
    inserted_content: _Text | None = None


class _Change(msgspec.Struct, gc=False):
    replacements: list[_Replacement] = []


class _Fix(msgspec.Struct, rename="camel", gc=False):
    description: _Text | None = None
    artifact_changes: list[_Change] = []


class _Result(msgspec.Struct, rename="camel", gc=False):
    message: _Text
    rule_id: str | None = None
    rule_index: int = -1
    rule: _RuleReference | None = None
    level: str | None = None
    kind: str = "fail"
    locations: list[_Location] = []
    related_locations: list[_Location] = []
    suppressions: list[_Suppression] | None = None
    baseline_state: str | None = None
    fixes: list[_Fix] | None = None


class _Run(msgspec.Struct, rename="camel", gc=False):
    tool: _Tool
    #: Undecoded, so that one broken result does not cost the others.
    results: list[msgspec.Raw] | None = None
    artifacts: list[Artifact] = []
    original_uri_base_ids: dict[str, ArtifactLocation] = {}
    column_kind: str = ""


class _Log(msgspec.Struct, gc=False):
    runs: list[_Run]


_LOG = msgspec.json.Decoder(_Log)
_RESULT = msgspec.json.Decoder(_Result)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(head) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read one log or many.

    Left out are results that are suppressed, that the baseline calls absent, or that passed their check.
    SARIF does not say whether a fix is safe, so each counts as unsafe: apply it and look.
    """
    gathering = Gathering("sarif")
    for number, text in _logs(source):
        try:
            log = _LOG.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            gathering.refuse(number, str(error))
            continue
        lines = ElementLines(text, (raw for run in log.runs for raw in run.results or ()), number)
        for run in log.runs:
            _take_run(run, gathering, tree, lines)
    return gathering.report()


def _logs(source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield each log with its first line; between the logs of a stream lie remarks of the compiler."""
    if _is_stream(source):
        yield from ((number, line) for number, line in source.lines() if line.startswith(b'{"'))
    else:
        yield 1, source.whole()


def _is_stream(source: Source) -> bool:
    for _, line in source.lines():
        text = line.rstrip()
        # A brace alone opens a log that is spread over lines: its other lines need not be looked at.
        if text == b"{" or (text.startswith(b'{"') and text.endswith(b"}")):
            return text != b"{"
    return False


def _take_run(run: _Run, gathering: Gathering, tree: Tree, lines: ElementLines) -> None:
    driver, name = run.tool.driver, _tool_name(run)
    if gathering.tool == "sarif":
        gathering.tool = name
        gathering.tool_version = driver.semantic_version or driver.version or ""
    gathering.skip()
    for raw in run.results or ():
        try:
            result = _RESULT.decode(raw)
            problem = _problem(result, run, tree, gathering) if _counts(result) else None
        except (msgspec.DecodeError, OutsideTreeError, RecursionError) as error:
            gathering.refuse(lines.line_of(raw), str(error))
            continue
        if problem is None:
            gathering.skip()
        elif problem.severity == "note" and name in _NOTES_CONTINUE:
            gathering.attach(problem.message)
        else:
            gathering.add(problem, apart=_told_apart(result))


def _counts(result: _Result) -> bool:
    suppressed = bool(result.suppressions) and all(
        suppression.status in (None, "accepted") for suppression in result.suppressions or ()
    )
    return not suppressed and result.baseline_state != "absent" and result.kind not in ("pass", "notApplicable")


def _told_apart(result: _Result) -> Hashable:
    # clang gives the statement first, and then the operand in it: two operands of one statement are two problems.
    places = [location.physical_location for location in result.locations[1:]]
    regions = [place.region for place in places if place and place.region]
    return tuple((region.start_line, region.start_column, region.end_line, region.end_column) for region in regions)


def _tool_name(run: _Run) -> str:
    return run.tool.driver.name.lower() or "sarif"


def _problem(result: _Result, run: _Run, tree: Tree, gathering: Gathering) -> Problem:
    share = gathering.share
    rule = _rule(result, run.tool)
    place = result.locations[0].physical_location if result.locations else None
    return Problem(
        tool=share(_tool_name(run)),
        message=share(_message(result.message, rule)),
        path=tree.place(_path(place, run)),
        code=share(_code(result, rule)),
        severity=_severity(result, rule),
        range=_range(place.region, run.column_kind) if place and place.region else None,
        suggestions=share(tuple(_suggestion(fix) for fix in result.fixes)) if result.fixes else (),
        related=share(tuple(_related(result.related_locations, run))) if result.related_locations else (),
    )


def _path(place: _PhysicalLocation | None, run: _Run) -> str:
    if place is None or place.artifact_location is None:
        return ""
    return path_of(place.artifact_location, run.original_uri_base_ids, run.artifacts)


def _range(region: _Region, column_kind: str) -> Range | None:
    unit = _COLUMN_UNIT.get(column_kind, "char")
    return span(region.start_line, region.start_column, region.end_line, region.end_column, unit=unit)


def _rule(result: _Result, tool: _Tool) -> _Rule | None:
    reference = result.rule or _RuleReference()
    component, index = tool.driver, result.rule_index if reference.index < 0 else reference.index
    if reference.tool_component is not None and reference.tool_component.index >= 0:
        component = _at(tool.extensions, reference.tool_component.index) or _Component()
    return _at(component.rules, index)


def _at(items: Sequence[_Item], index: int) -> _Item | None:
    return items[index] if 0 <= index < len(items) else None


def _code(result: _Result, rule: _Rule | None) -> str:
    if result.rule_id:
        return result.rule_id
    if result.rule is not None and result.rule.id:
        return result.rule.id
    return rule.id if rule else ""


def _severity(result: _Result, rule: _Rule | None) -> Severity:
    level = result.level
    if level is None and result.kind != "fail":
        level = "none"
    if level is None and rule is not None and rule.default_configuration is not None:
        level = rule.default_configuration.level
    return _SEVERITY.get(level or "warning", "warning")


def _message(message: _Text, rule: _Rule | None) -> str:
    """Tell a result's text: its own, or the rule's of that name; `{0}` stands for the first argument."""
    template = message
    if message.text is None and message.id is not None and rule is not None:
        template = rule.message_strings.get(message.id, message)
    text = template.text or template.markdown or message.id or ""
    if not message.arguments:
        return text
    return _PLACEHOLDER.sub(lambda match: _at(message.arguments, int(match[1])) or match[0], text)


def _suggestion(fix: _Fix) -> Suggestion:
    inserted = [
        replacement.inserted_content.text or ""
        for change in fix.artifact_changes
        for replacement in change.replacements
        if replacement.inserted_content is not None
    ]
    message = (fix.description.text or "") if fix.description else ""
    return Suggestion(message=message, edit="".join(inserted), applicability="unsafe")


def _related(locations: list[_Location], run: _Run) -> Iterator[str]:
    for location in locations:
        if location.message is None or not location.message.text:
            continue
        place = location.physical_location
        line = place.region.start_line if place and place.region else None
        where = f" ({_path(place, run)}{f':{line}' if line else ''})" if place else ""
        yield f"{location.message.text}{where}"
