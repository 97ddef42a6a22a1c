"""The catalogue: what a code means, where it is cured, how hard that is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis import catalogue_tables
from domain.analysis.catalogue import OTHER, entry_for

TABLES = {name: text for name, text in vars(catalogue_tables).items() if name.isupper()}


def codes_of(table: str) -> list[str]:
    return [code for line in table.splitlines() if line.startswith(" ") for code in line.split()]


@pytest.mark.parametrize(
    ("tool", "code", "domain"),
    [
        ("cargo", "E0433", "imports"),
        ("cargo", "E0609", "struct fields"),
        ("cargo", "E0277", "trait bounds"),
        ("cargo", "E0382", "borrow"),
        ("cargo", "E0728", "async"),
        ("cargo", "clippy::needless_return", "style"),
        ("tsc", "TS2307", "imports"),
        ("tsc", "TS2564", "initialisation"),
        ("mypy", "no-untyped-call", "annotations"),
        ("pyright", "reportOptionalMemberAccess", "null safety"),
        ("ruff", "Q000", "formatting"),
        ("flake8", "F401", "unused code"),
        ("pylint", "C0114", "documentation"),
        ("gcc", "-Wsign-conversion", "conversions"),
        ("gcc", "-Werror=unused-variable", "unused code"),
        ("eslint", "no-undef", "names"),
        ("go-vet", "copylocks", "concurrency"),
        ("pytest", "AssertionError", "assertions"),
    ],
)
def test_each_tool_s_codes_have_a_domain(tool: str, code: str, domain: str) -> None:
    assert entry_for(tool, code).domain == domain


def test_an_exact_code_goes_before_a_prefix_and_a_longer_prefix_before_a_shorter_one() -> None:
    assert entry_for("ruff", "RUF012").domain == "likely bugs"
    assert entry_for("ruff", "RUF021").domain == "style"
    assert entry_for("ruff", "PLR0913").domain == "complexity"
    assert entry_for("ruff", "PLR6301").domain == "style"


@pytest.mark.parametrize(
    ("message", "domain"),
    [
        ("Python.h: No such file or directory", "imports"),
        ("'struct job' has no member named 'title'", "struct fields"),
        ("invalid use of undefined type 'struct job'", "types"),
        ("'jobs' undeclared (first use in this function)", "names"),
        ("expected ';' before '}' token", "syntax"),
    ],
)
def test_where_gcc_gives_no_flag_the_message_decides(message: str, domain: str) -> None:
    assert entry_for("gcc", "error", message).domain == domain


def test_clang_s_bare_numbers_are_told_by_the_message() -> None:
    assert entry_for("clang", "7006", "unsafe buffer access").domain == "memory"
    assert entry_for("clang", "6635", "no previous prototype for function 'run'").domain == "declarations"


def test_a_lint_of_rustc_is_known_also_from_its_text_which_has_no_code() -> None:
    assert entry_for("cargo", "", "unused import: `std::fmt`") == entry_for("cargo", "unused_imports")


def test_a_trait_bound_that_a_thread_needs_is_about_async() -> None:
    message = "`Rc<u8>` cannot be sent between threads safely"

    assert entry_for("cargo", "E0277", message).domain == "async"


def test_a_plug_in_s_copy_of_a_core_rule_is_that_rule() -> None:
    assert entry_for("eslint", "@typescript-eslint/no-shadow") == entry_for("eslint", "no-shadow")


def test_an_exception_is_known_with_its_module_or_without() -> None:
    assert entry_for("pytest", "builtins.KeyError") == entry_for("pytest", "KeyError")


def test_an_exception_of_the_project_s_own_is_an_exception() -> None:
    assert entry_for("pytest", "NetworkXError").domain == "exceptions"


def test_of_an_unknown_tool_the_look_of_the_code_tells_the_table() -> None:
    assert entry_for("somebody's script", "E0382").domain == "borrow"
    assert entry_for("somebody's script", "TS2322").domain == "types"
    assert entry_for("somebody's script", "-Wshadow").domain == "likely bugs"


def test_what_nobody_knows_is_other_and_may_be_one_cause() -> None:
    assert entry_for("somebody's script", "X-1") is OTHER
    assert OTHER.cure == "definition"


@pytest.mark.parametrize("name", [name for name in TABLES if not name.endswith("_MESSAGES")])
def test_no_code_is_in_two_rows_of_a_table(name: str) -> None:
    assert {code for code, times in Counter(codes_of(TABLES[name])).items() if times > 1} == set()


@pytest.mark.parametrize("name", [name for name in TABLES if not name.endswith("_MESSAGES")])
def test_a_star_only_ends_a_code(name: str) -> None:
    assert [code for code in codes_of(TABLES[name]) if "*" in code[:-1]] == []


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=40))
def test_every_code_has_an_entry_with_a_difficulty_from_one_to_five(tool: str, code: str, message: str) -> None:
    entry = entry_for(tool, code, message)

    assert 1 <= entry.difficulty <= 5
    assert entry.domain
    assert entry.hint
