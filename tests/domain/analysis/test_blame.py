"""Blame: the definition that a tool names as the reason."""

from __future__ import annotations

import pytest

from domain.analysis.blame import Blame, bare, blame_of, definition_place
from domain.problem import Problem


def blame(message: str, *notes: str) -> Blame | None:
    return blame_of(Problem(tool="any", message=message, related=notes))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cannot find module or crate `toml` in this scope", Blame(fault="unknown module", name="toml")),
        ("Cannot find module 'rimraf' or its types.", Blame(fault="unknown module", name="rimraf")),
        ('Library stubs not installed for "scipy"', Blame(fault="unknown module", name="scipy")),
        ("Python.h: No such file or directory", Blame(fault="unknown module", name="Python.h")),
        ("cannot find `toml_mut` in `util`", Blame(fault="unknown name", name="toml_mut", of="util")),
        ("unknown type name 'blake2_word'", Blame(fault="unknown name", name="blake2_word")),
        ("invalid use of undefined type ‘struct job’", Blame(fault="unknown name", name="job")),  # noqa: RUF001
        ("the name `Job` is defined multiple times", Blame(fault="defined twice", name="Job")),
        ("conflicting implementations of trait `Clone` for type `Job`", Blame(fault="defined twice", name="Job")),
        ("the trait bound `Job<'_>: Copy` is not satisfied", Blame(fault="lacks trait", name="Job", of="Copy")),
        ("no field `mode` on type `&unit::Unit`", Blame(fault="lacks member", name="unit::Unit")),
        ("struct `Job` has no field named `owner`", Blame(fault="lacks member", name="Job")),
        (
            "no method named `go` found for reference `&Job` in the current scope",
            Blame(fault="lacks member", name="Job"),
        ),
        ("Property 'rejected' does not exist on type 'Assertion'.", Blame(fault="lacks member", name="Assertion")),
        ('"Graph" has no attribute "node"', Blame(fault="lacks member", name="Graph")),
        ("AttributeError: module 'numpy' has no attribute 'product'", Blame(fault="lacks member", name="numpy")),
        ('Call to untyped function "run" in typed context', Blame(fault="untyped", name="run")),
        ("TypeError: run() missing 1 required positional argument: 'x'", Blame(fault="signature", name="run")),
    ],
)
def test_the_message_names_the_definition(message: str, expected: Blame) -> None:
    assert blame(message) == expected


def test_the_reason_of_a_move_is_in_its_note() -> None:
    note = "move occurs because `*id` has type `PackageId`, which does not implement the `Copy` trait"

    assert blame("use of moved value: `id`", "value moved here", note) == Blame(
        fault="lacks trait", name="PackageId", of="Copy"
    )


def test_one_missing_name_is_one_blame_by_whatever_path_it_was_sought() -> None:
    by_import = blame("unresolved import `crate::core::QueryKind`", "no `QueryKind` in `core`")
    by_use = blame("cannot find type `QueryKind` in module `crate::core`")

    assert by_import == by_use == Blame(fault="unknown name", name="QueryKind", of="core")


def test_nobody_is_to_blame_for_what_is_built_in() -> None:
    assert blame('"None" has no attribute "title"') is None
    assert blame("Type 'unknown' is not assignable to type 'Error | undefined'.") is None


def test_most_problems_blame_nobody() -> None:
    assert blame("Line too long (120 > 100)") is None


@pytest.mark.parametrize("name", ["Job", "&Job", "&'a mut Job<'_>", "struct Job", "Option<Job>", "&[Job]", "Job *"])
def test_what_wraps_the_name_of_a_type_is_taken_off(name: str) -> None:
    assert bare(name) == "Job"


def test_a_note_shows_where_in_the_tree_the_definition_is() -> None:
    assert definition_place(["an argument is missing", "method defined here (src/config.rs:1930:46)"]) == (
        "src/config.rs:1930"
    )


def test_a_definition_in_a_library_is_not_in_the_tree() -> None:
    assert definition_place(["method defined here (/rustc/59807616/library/core/option.rs:1621:18)"]) == ""
