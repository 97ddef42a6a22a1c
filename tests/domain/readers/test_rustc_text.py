"""The text of cargo and rustc."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import ReportError
from domain.problem import Problem, Range, Suggestion
from domain.readers.reading import read

Sample = Callable[[str], bytes]

MISMATCH = b"""\
error[E0308]: mismatched types
 --> src/lib.rs:2:30
  |
2 | pub fn f(n: i32) -> String { n }
  |                     ------   ^ expected `String`, found `i32`
  |                     |
  |                     expected `String` because of return type
  |
help: try using a conversion method
  |
2 | pub fn f(n: i32) -> String { n.to_string() }
  |                               ++++++++++++

"""
FAILED = b"error: could not compile `shop` (lib) due to 1 previous error; 1 warning emitted\n"


def read_one(text: bytes, root: str = "") -> Problem:
    (problem,) = read(text, format="rustc-text", root=root).problems
    return problem


def test_a_problem_has_its_headline_its_first_place_its_labels_and_its_edit() -> None:
    assert read_one(MISMATCH) == Problem(
        tool="cargo",
        message="mismatched types",
        path="src/lib.rs",
        code="E0308",
        range=Range(line=2, column=30),
        suggestions=(Suggestion(message="try using a conversion method", edit=".to_string()"),),
        related=("expected `String`, found `i32`", "expected `String` because of return type"),
    )


def test_text_and_json_of_one_run_tell_of_the_same_errors(sample: Sample) -> None:
    from_text, from_json = read(sample("rustc-derive.txt")), read(sample("cargo-derive.jsonl"))

    # The text names a lint of rustc only where it shows for the first time.
    assert [problem.code for problem in from_text.problems] == ["", *(p.code for p in from_json.problems[1:])]
    assert [problem.fingerprint for problem in from_text.problems[1:]] == [
        problem.fingerprint for problem in from_json.problems[1:]
    ]
    assert from_text.damaged == ()


def test_what_is_said_of_the_whole_build_is_no_problem() -> None:
    talk = b"""\
    Checking shop v0.1.0 (/home/me/shop)
Some errors have detailed explanations: E0308, E0425.
For more information about an error, try `rustc --explain E0308`.
warning: `shop` (lib) generated 1 warning
warning: build failed, waiting for other jobs to finish...
"""
    report = read(talk + MISMATCH + talk + FAILED)

    assert [problem.message for problem in report.problems] == ["mismatched types"]
    assert report.damaged == ()


def test_a_headline_without_a_place_is_a_problem() -> None:
    problem = read_one(b"error[E0463]: can't find crate for `std`\n\nwarning: `shop` (lib) generated 0 warnings\n")

    assert (problem.code, problem.message, problem.path) == ("E0463", "can't find crate for `std`", "")


def test_why_cargo_could_not_start_is_told_with_its_cause() -> None:
    problem = read_one(b"error: failed to parse manifest at `/r/Cargo.toml`\n\nCaused by:\n  no targets specified\n")

    assert problem.message == "failed to parse manifest at `/r/Cargo.toml`"
    assert problem.related == ("Caused by:\nno targets specified",)


def test_what_the_script_of_a_package_printed_is_no_problem() -> None:
    assert read(b"warning: zlib@1.2.3: zlib.c:3:1: unused\n" + MISMATCH).problems == read(MISMATCH).problems


def test_notes_go_to_related_with_their_place() -> None:
    problem = read_one(
        b"""\
error[E0061]: this method takes 1 argument but 0 arguments were supplied
 --> src/lib.rs:9:7
  |
9 |     a.sell();
  |       ^^^^-- argument #1 is missing
  |
note: method defined here
 --> src/till.rs:3:12
  |
3 |     pub fn sell(&self, count: u32) {}
  |            ^^^^
  = note: expected `u32`
             found nothing
"""
    )

    assert problem.related == (
        "argument #1 is missing",
        "method defined here (src/till.rs:3:12)",
        "expected `u32`\nfound nothing",
    )


def test_alternatives_are_suggestions_of_their_own() -> None:
    problem = read_one(
        b"""\
error[E0433]: cannot find type `Error` in this scope
 --> src/lib.rs:6:18
  |
6 | fn f() -> Error { todo!() }
  |           ^^^^^ not found in this scope
  |
help: consider importing one of these items
  |
1 + use std::error::Error;
  |
1 + use std::fmt::Error;
  |
"""
    )

    assert [suggestion.edit for suggestion in problem.suggestions] == [
        "use std::error::Error;\n",
        "use std::fmt::Error;\n",
    ]


def test_of_a_replaced_line_the_edit_is_what_is_new() -> None:
    problem = read_one(
        b"""\
error[E0432]: unresolved import `crate::core::QueryKind`
 --> src/lib.rs:3:5
  |
help: consider importing this enum instead
  |
3 - use crate::core::QueryKind;
3 + use crate::sources::source::QueryKind;
  |
"""
    )

    assert [suggestion.edit for suggestion in problem.suggestions] == ["crate::sources::source::QueryKind"]


def test_the_same_problem_in_two_build_targets_is_one_problem_and_one_duplicate() -> None:
    report = read(MISMATCH + MISMATCH)

    assert (len(report.problems), report.duplicates) == (1, 1)


def test_problems_at_one_place_that_mark_different_names_stay_apart() -> None:
    text = b"error[E0507]: cannot move out of a shared reference\n --> a.rs:1:9\n  |\n1 | f(|(&p, &r)| p)\n"

    report = read(text + b"  |     ^-\n\n" + text + b"  |     ^    -\n\n")

    assert (len(report.problems), report.duplicates) == (2, 0)


def test_a_place_in_the_standard_library_gives_way_to_the_next_one_inside_of_the_tree() -> None:
    text = b"""\
error[E0277]: `Shop` cannot be shared
   --> /rustc/59807616/library/std/src/macros.rs:12:5
    |
   ::: src/lib.rs:4:9
    |
4   |         spawn!(shop);
    |         ------------ in this macro invocation
"""
    assert (read_one(text).path, read_one(text).range) == ("src/lib.rs", Range(line=4, column=9))


def test_a_problem_outside_of_the_tree_keeps_its_text() -> None:
    problem = read_one(b"error[E0080]: overflow\n --> /rustc/5980/library/core/src/num.rs:7:3\n")

    assert (problem.path, problem.range) == ("", None)
    assert problem.related == ("at /rustc/5980/library/core/src/num.rs:7:3",)


def test_clippy_names_its_lint_in_a_link() -> None:
    problem = read_one(
        b"""\
warning: unneeded `return` statement
 --> src/lib.rs:2:5
  |
  = help: for further information visit https://rust-lang.github.io/rust-clippy/master/index.html#needless_return
"""
    )

    assert (problem.code, problem.severity) == ("clippy::needless_return", "warning")


def test_colours_are_left_out() -> None:
    coloured = MISMATCH.replace(b"error[E0308]", b"\x1b[1m\x1b[91merror[E0308]\x1b[0m").replace(
        b" --> ", b" \x1b[94m--> \x1b[0m"
    )

    assert read(coloured) == read(MISMATCH)


def test_a_build_that_ended_well_has_no_problems() -> None:
    text = b"    Checking shop v0.1.0 (/home/me/shop)\n    Finished `dev` profile [unoptimized] target(s) in 0.32s\n"

    assert read(text).problems == ()


def test_a_failed_build_without_a_problem_is_not_taken_for_a_clean_one() -> None:
    with pytest.raises(ReportError, match="names no problem"):
        read(FAILED)
