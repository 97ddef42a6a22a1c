"""SARIF 2.1.0, as one log and as a stream of logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def place(uri: str = "src/a.c", region: dict[str, Any] | None = None, **location: Any) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri} | location}
    return {"physicalLocation": physical | ({"region": region} if region else {})}


def result(**fields: Any) -> dict[str, Any]:
    return {"ruleId": "R1", "message": {"text": "wrong"}, "locations": [place()]} | fields


def log(*results: object, driver: dict[str, Any] | None = None, **run: Any) -> bytes:
    tool = {"driver": {"name": "Checker"} | (driver or {})}
    runs = [{"tool": tool, "results": list(results)} | run]
    return json.dumps({"version": "2.1.0", "runs": runs}, indent=1).encode()


def read_one(*, driver: dict[str, Any] | None = None, run: dict[str, Any] | None = None, **fields: Any) -> Problem:
    (problem,) = read(log(result(**fields), driver=driver, **(run or {}))).problems
    return problem


def test_a_result_becomes_a_problem(sample: Sample) -> None:
    report = read(sample("ruff-django.sarif"))

    assert (report.format, report.tool, report.tool_version) == ("sarif", "ruff", "0.17.6")
    assert report.problems[1] == Problem(
        tool="ruff",
        code="E501",
        path="django/apps/config.py",
        message="Line too long (89 > 88)",
        range=Range(line=218, column=89, end_line=218, end_column=90),
    )


def test_a_fix_becomes_a_suggestion_that_is_to_be_looked_at(sample: Sample) -> None:
    assert read(sample("ruff-django.sarif")).problems[0].suggestions == (
        Suggestion(
            message="Replace with format specifiers",
            edit="\"The app label '{}' is not a valid Python identifier.\".format(self.label)",
            applicability="unsafe",
        ),
    )


def test_a_stream_of_logs_is_one_report_and_repeats_of_a_header_fold(sample: Sample) -> None:
    report = read(sample("clang-pycryptodome.sarif.jsonl"))

    assert (report.tool, report.damaged) == ("clang", ())
    assert (len(report.problems), report.duplicates) == (14, 8)


def test_two_results_stay_two_when_only_their_further_places_differ() -> None:
    statement, left, right = (place(region={"startLine": 3, "startColumn": column}) for column in (1, 5, 9))

    report = read(log(*[result(locations=[statement, operand]) for operand in (left, right, left)]))

    assert (len(report.problems), report.duplicates) == (2, 1)


def test_a_compiler_s_note_goes_to_the_result_before_it(sample: Sample) -> None:
    problem = read(sample("clang-pycryptodome.sarif.jsonl")).problems[3]

    assert problem.message == "no previous prototype for function 'have_aes_ni'"
    assert problem.related[0].startswith("declare 'static' if the function is not intended")


def test_a_note_of_any_other_tool_is_a_finding() -> None:
    assert read_one(level="note").severity == "note"


def test_a_result_without_level_is_a_warning() -> None:
    assert read_one().severity == "warning"


def test_a_rule_s_own_level_counts_where_the_result_has_none() -> None:
    rules = [{"id": "R1", "defaultConfiguration": {"level": "error"}}]

    assert read_one(driver={"rules": rules}, ruleIndex=0).severity == "error"


def test_the_code_is_found_by_the_rule_s_index() -> None:
    rules = [{"id": "R0"}, {"id": "R1"}]

    assert read_one(driver={"rules": rules}, ruleId=None, rule={"index": 1}).code == "R1"


def test_the_rule_of_an_extension_is_looked_up_there() -> None:
    tool = {"driver": {"name": "Checker"}, "extensions": [{"name": "pack", "rules": [{"id": "P1"}]}]}
    rule = {"index": 0, "toolComponent": {"index": 0}}

    assert read_one(run={"tool": tool}, ruleId=None, rule=rule).code == "P1"


def test_a_message_by_name_is_the_rule_s_text_with_its_arguments() -> None:
    rules = [{"id": "R1", "messageStrings": {"default": {"text": "`{0}` hides `{1}`"}}}]
    message = {"id": "default", "arguments": ["a", "b"]}

    assert read_one(driver={"rules": rules}, ruleIndex=0, message=message).message == "`a` hides `b`"


@pytest.mark.parametrize(
    "fields",
    [
        {"suppressions": [{"kind": "inSource"}]},
        {"suppressions": [{"kind": "external", "status": "accepted"}]},
        {"baselineState": "absent"},
        {"kind": "pass"},
    ],
)
def test_what_is_suppressed_absent_or_passed_is_left_out(fields: dict[str, Any]) -> None:
    assert read(log(result(**fields))).problems == ()


def test_a_suppression_that_was_rejected_suppresses_nothing() -> None:
    assert read_one(suppressions=[{"kind": "external", "status": "rejected"}]).code == "R1"


def test_absolute_file_uris_become_relative_to_the_root() -> None:
    data = log(result(locations=[place("file:///src/tree/with%20space/a.c")]))

    assert read(data, root="/src/tree").problems[0].path == "with space/a.c"


def test_a_uri_below_a_named_base_is_resolved() -> None:
    data = log(
        result(locations=[place("a.c", uriBaseId="SRC")]),
        originalUriBaseIds={"ROOT": {"uri": "file:///src/tree/"}, "SRC": {"uri": "lib", "uriBaseId": "ROOT"}},
    )

    assert read(data, root="/src/tree").problems[0].path == "lib/a.c"


def test_a_base_without_uri_is_where_the_tool_ran() -> None:
    data = log(result(locations=[place("a.c", uriBaseId="%SRCROOT%")]), originalUriBaseIds={"%SRCROOT%": {}})

    assert read(data, prefix="lib").problems[0].path == "lib/a.c"


def test_bases_that_stand_on_each_other_come_to_an_end() -> None:
    bases = {"A": {"uri": "x/", "uriBaseId": "B"}, "B": {"uri": "y/", "uriBaseId": "A"}}
    data = log(result(locations=[place("a.c", uriBaseId="A")]), originalUriBaseIds=bases)

    assert read(data).problems[0].path == "y/x/a.c"


def test_a_file_may_be_named_by_its_index_alone() -> None:
    locations = [{"physicalLocation": {"artifactLocation": {"index": 1}}}]
    artifacts = [{"location": {"uri": "a.c"}}, {"location": {"uri": "b.c"}}]

    assert read_one(run={"artifacts": artifacts}, locations=locations).path == "b.c"


def test_a_result_without_place_keeps_its_problem() -> None:
    problem = read_one(locations=[])

    assert (problem.path, problem.range) == ("", None)


def test_a_region_of_whole_lines_has_no_end_column() -> None:
    problem = read_one(locations=[place(region={"startLine": 3, "endLine": 5})])

    assert problem.range == Range(line=3, end_line=5)


def test_columns_keep_the_unit_that_the_run_states() -> None:
    region = {"startLine": 3, "startColumn": 2, "endColumn": 4}
    problem = read_one(run={"columnKind": "utf16CodeUnits"}, locations=[place(region=region)])

    assert problem.range == Range(line=3, column=2, end_line=3, end_column=4, column_unit="utf16")


def test_related_places_are_told_with_their_line() -> None:
    other = place("src/b.h", {"startLine": 7}) | {"message": {"text": "declared here"}}

    assert read_one(relatedLocations=[other]).related == ("declared here (src/b.h:7)",)


@pytest.mark.parametrize("uri", ["https://example.org/a.c", "file:///etc/passwd", "../../a.c"])
def test_a_place_outside_the_tree_is_damage(uri: str) -> None:
    report = read(log(result(), result(locations=[place(uri)])), root="/src/tree")

    assert len(report.problems) == 1
    assert uri.removeprefix("file://") in report.damaged[0].reason


def test_a_broken_result_is_damage_with_its_line() -> None:
    data = log(result(), {"message": 7}, result(ruleId="R2"))

    report = read(data)

    assert [problem.code for problem in report.problems] == ["R1", "R2"]
    broken = data[: data.index(b'"message": 7')].count(b"\n")
    assert [damage.line for damage in report.damaged] == [broken]


def test_the_line_of_a_broken_result_is_its_own_even_where_its_text_stood_before() -> None:
    broken = {"message": 7}
    data = log(result(), broken, result(), broken)

    lines = [number for number, line in enumerate(data.splitlines(), start=1) if b'"message": 7' in line]
    assert [damage.line for damage in read(data).damaged] == [line - 1 for line in lines]


def test_a_log_reads_the_same_on_one_line_between_remarks_and_spread_over_lines() -> None:
    spread = log(result(), result(ruleId="R2"))
    line = json.dumps(json.loads(spread)).encode()

    assert read(b"1 warning generated.\n" + line + b"\n1 warning generated.\n") == read(spread)


def test_a_log_that_was_cut_is_an_error() -> None:
    with pytest.raises(ReportError, match=r"read as sarif: line 1: .*truncated"):
        read(log(result())[:-20])
