"""How far a tool had come when it found a problem."""

from __future__ import annotations

import pytest

from domain.phase import Phase, phase_of


def test_phases_come_in_the_order_in_which_they_hide_each_other() -> None:
    assert list(Phase) == [
        Phase.ENVIRONMENT,
        Phase.SYNTAX,
        Phase.IMPORTS,
        Phase.TYPES,
        Phase.BORROW,
        Phase.TESTS,
        Phase.LINT,
    ]


@pytest.mark.parametrize(
    ("tool", "code", "phase"),
    [
        ("cargo", "E0463", Phase.ENVIRONMENT),
        ("cargo", "E0765", Phase.SYNTAX),
        ("cargo", "E0432", Phase.IMPORTS),
        ("rustc", "E0308", Phase.TYPES),
        ("cargo", "E0382", Phase.BORROW),
        ("cargo", "unused_imports", Phase.LINT),
        ("cargo", "clippy::needless_return", Phase.LINT),
        ("mypy", "import-not-found", Phase.ENVIRONMENT),
        ("mypy", "syntax", Phase.SYNTAX),
        ("mypy", "name-defined", Phase.IMPORTS),
        ("mypy", "arg-type", Phase.TYPES),
        ("mypy", "unused-ignore", Phase.LINT),
        ("pyright", "", Phase.SYNTAX),
        ("pyright", "reportUndefinedVariable", Phase.IMPORTS),
        ("pyright", "reportArgumentType", Phase.TYPES),
        ("pyright", "reportUnusedImport", Phase.LINT),
        ("ruff", "invalid-syntax", Phase.SYNTAX),
        ("ruff", "F821", Phase.IMPORTS),
        ("ruff", "F401", Phase.LINT),
        ("flake8", "E999", Phase.SYNTAX),
        ("pylint", "E0401", Phase.ENVIRONMENT),
        ("pylint", "no-member", Phase.TYPES),
        ("tsc", "TS1005", Phase.SYNTAX),
        ("tsc", "TS2304", Phase.IMPORTS),
        ("tsc", "TS2339", Phase.TYPES),
        ("tsc", "TS7016", Phase.ENVIRONMENT),
        ("tsc", "TS6133", Phase.LINT),
        ("ESLint", "", Phase.SYNTAX),
        ("eslint", "no-undef", Phase.IMPORTS),
        ("eslint", "indent", Phase.LINT),
        ("gcc", "-Wimplicit-function-declaration", Phase.IMPORTS),
        ("GNU C17", "-Wint-conversion", Phase.TYPES),
        ("gcc", "-Wunused-parameter", Phase.LINT),
        ("junit", "ModuleNotFoundError", Phase.ENVIRONMENT),
        ("pytest", "AssertionError", Phase.TESTS),
        ("some-linter", "SL001", Phase.LINT),
    ],
)
def test_the_code_tells_the_phase(tool: str, code: str, phase: Phase) -> None:
    assert phase_of(tool, code) == phase


@pytest.mark.parametrize(
    ("tool", "code", "message", "phase"),
    [
        ("gcc", "fatal error", "zmq.h: No such file or directory", Phase.ENVIRONMENT),
        ("gcc", "error", "expected ‘;’ before ‘return’", Phase.SYNTAX),  # noqa: RUF001
        ("gcc", "error", "‘x’ undeclared (first use in this function)", Phase.IMPORTS),  # noqa: RUF001
        ("gcc", "error", "‘struct x’ has no member named ‘y’", Phase.TYPES),  # noqa: RUF001
        ("clang", "4965", "use of undeclared identifier 'work'", Phase.IMPORTS),
        ("cargo", "", "this file contains an unclosed delimiter", Phase.SYNTAX),
        ("cargo", "", "cannot find macro `nope` in this scope", Phase.IMPORTS),
        ("cargo", "", "linking with `cc` failed: exit status: 1", Phase.ENVIRONMENT),
        ("cargo", "", "lifetime may not live long enough", Phase.BORROW),
        ("mypy", "attr-defined", 'Module "a" has no attribute "b"', Phase.IMPORTS),
        ("mypy", "attr-defined", '"A" has no attribute "b"', Phase.TYPES),
        ("tsc", "TS2307", "Cannot find module 'rimraf' or its corresponding type declarations.", Phase.ENVIRONMENT),
        ("tsc", "TS2307", "Cannot find module './job' or its corresponding type declarations.", Phase.IMPORTS),
        ("javac", "", "incompatible types: String cannot be converted to int", Phase.TYPES),
        ("javac", "", "package org.x does not exist", Phase.ENVIRONMENT),
    ],
)
def test_the_message_tells_the_phase_where_the_code_does_not(
    tool: str, code: str, message: str, phase: Phase
) -> None:
    assert phase_of(tool, code, message=message) == phase


def test_what_is_no_error_is_a_matter_of_style() -> None:
    assert phase_of("clang", "7035", message="unused parameter 'self'", severity="warning") == Phase.LINT
