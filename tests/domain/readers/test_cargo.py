"""The JSON lines of cargo and rustc."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read

Sample = Callable[[str], bytes]


def span(file_name: str = "src/lib.rs", **fields: Any) -> dict[str, Any]:
    place = {"line_start": 5, "column_start": 9, "line_end": 5, "column_end": 12}
    return {"file_name": file_name, "is_primary": True, "label": None, "expansion": None, **place} | fields


def child(message: str, *spans: dict[str, Any], level: str = "help") -> dict[str, Any]:
    return {"message": message, "level": level, "code": None, "spans": list(spans), "children": []}


def edit(text: str, applicability: str = "MachineApplicable", **fields: Any) -> dict[str, Any]:
    return span(suggested_replacement=text, suggestion_applicability=applicability, **fields)


def message(*spans: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "message": "mismatched types",
        "level": "error",
        "code": {"code": "E0308", "explanation": None},
        "spans": list(spans),
        "children": [],
    } | fields


def line(diagnostic: dict[str, Any]) -> bytes:
    return json.dumps({"reason": "compiler-message", "message": diagnostic}).encode() + b"\n"


def read_one(diagnostic: dict[str, Any], **options: Any) -> Problem:
    (problem,) = read(line(diagnostic), **options).problems
    return problem


def test_errors_and_warnings_are_taken_and_other_records_are_passed_over(sample: Sample) -> None:
    report = read(sample("cargo-derive.jsonl"))

    assert [(problem.severity, problem.code) for problem in report.problems] == [
        ("warning", "unused_imports"),
        ("error", "E0609"),
        ("error", "E0382"),
        ("error", "E0507"),
        ("error", "E0507"),
    ]
    assert (report.duplicates, report.damaged) == (0, ())


def test_a_diagnostic_becomes_a_problem() -> None:
    assert read_one(message(span())) == Problem(
        tool="cargo",
        code="E0308",
        path="src/lib.rs",
        message="mismatched types",
        range=Range(line=5, column=9, end_line=5, end_column=12),
    )


def test_a_place_in_a_macro_of_the_standard_library_becomes_the_call_of_that_macro(sample: Sample) -> None:
    problem = read(sample("cargo-derive.jsonl")).problems[2]

    assert problem.path == "src/cargo/core/resolver/context.rs"
    assert problem.range is not None
    assert problem.range.line == 360


def test_without_a_macro_call_a_secondary_place_inside_the_tree_is_taken() -> None:
    outside, inside = span("/rustc/abc/library/core/src/x.rs"), span(is_primary=False, line_start=7, line_end=7)

    assert read_one(message(outside, inside)).range == Range(line=7, column=9, end_line=7, end_column=12)


def test_a_problem_with_no_place_inside_the_tree_is_counted_all_the_same() -> None:
    problem = read_one(message(span("/home/me/.cargo/registry/x.rs")), root="/src/tree")

    assert (problem.path, problem.range) == ("", None)
    assert problem.related == ("at /home/me/.cargo/registry/x.rs:5:9",)


def test_a_failed_link_has_no_place_and_is_a_problem() -> None:
    problem = read_one(message(message="linking with `cc` failed: exit status: 1", code=None))

    assert (problem.path, problem.code, problem.severity) == ("", "", "error")


@pytest.mark.parametrize("text", ["aborting due to 3 previous errors; 2 warnings emitted", "5 warnings emitted"])
def test_summaries_are_left_out(text: str) -> None:
    report = read(line(message(span())) + line(message(message=text, code=None)))

    assert len(report.problems) == 1


def test_a_macro_error_has_no_code_and_is_a_problem() -> None:
    assert read_one(message(span(), message="cannot find macro `prin`", code=None)).code == ""


def test_the_same_problem_of_another_build_target_folds() -> None:
    report = read(line(message(span())) * 3)

    assert (len(report.problems), report.duplicates) == (1, 2)


def test_two_problems_of_one_place_stay_two_when_their_other_places_differ(sample: Sample) -> None:
    first, second = read(sample("cargo-derive.jsonl")).problems[3:]

    assert (first.range, first.message) == (second.range, second.message)
    assert "`p` has type" in first.related[1]
    assert "`r` has type" in second.related[1]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("MachineApplicable", "safe"),
        ("MaybeIncorrect", "unsafe"),
        ("HasPlaceholders", "display"),
        ("Unspecified", "display"),
    ],
)
def test_a_suggested_edit_says_how_far_it_is_trusted(stated: str, expected: str) -> None:
    (suggestion,) = read_one(message(span(), children=[child("use this", edit("x", stated))])).suggestions

    assert (suggestion.message, suggestion.edit, suggestion.applicability) == ("use this", "x", expected)


def test_parts_of_one_edit_are_joined() -> None:
    parts = child("wrap it", edit("Some("), edit(")", column_start=20, column_end=20))

    assert read_one(message(span(), children=[parts])).suggestions == (
        Suggestion(message="wrap it", edit="Some()", applicability="safe"),
    )


def test_several_texts_for_one_place_are_alternatives() -> None:
    choice = child("import one of these", edit("use a::X;\n"), edit("use b::X;\n"))

    suggestions = read_one(message(span(), children=[choice])).suggestions

    assert [suggestion.edit for suggestion in suggestions] == ["use a::X;\n", "use b::X;\n"]


def test_labels_and_notes_are_related_texts() -> None:
    problem = read_one(
        message(
            span(is_primary=False, label="defined here"),
            span(label="expected `u8`"),
            children=[
                child("required by `f`", span("src/f.rs"), level="note"),
                child("use this", edit("x")),
            ],
        )
    )

    assert problem.related == ("expected `u8`", "defined here", "required by `f` (src/f.rs:5:9)")


def test_the_json_of_rustc_itself_is_read_as_well() -> None:
    diagnostic = {"$message_type": "diagnostic"} | message(span())

    assert read(json.dumps(diagnostic).encode()).problems == (read_one(message(span())),)


def test_the_progress_of_cargo_in_the_same_file_is_not_damage() -> None:
    data = b"   Compiling x v0.1.0 (/src/tree)\n" + line(message(span())) + b"error: could not compile `x` (lib)\n"

    assert read(data).damaged == ()


def test_a_record_that_was_cut_is_damage_with_its_line(sample: Sample) -> None:
    data = sample("cargo-derive.jsonl")
    report = read(data[: data.index(b'"E0382"')])

    assert [problem.code for problem in report.problems] == ["unused_imports", "E0609"]
    assert [damage.line for damage in report.damaged] == [5]


def test_a_failed_build_that_names_no_problem_is_not_a_clean_report() -> None:
    with pytest.raises(ReportError, match="ended without success"):
        read(b'{"reason":"build-finished","success":false}\n')


def test_a_build_that_was_cut_off_is_not_a_clean_report() -> None:
    with pytest.raises(ReportError, match="cut off"):
        read(b'{"reason":"compiler-artifact","package_id":"x"}\n')
