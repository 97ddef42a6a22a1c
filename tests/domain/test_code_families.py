"""Codes that stand for one and the same problem."""

from __future__ import annotations

import pytest

from domain.code_families import family_of


@pytest.mark.parametrize(
    ("tool", "code", "family"),
    [
        ("cargo", "E0412", "E0425"),
        ("rustc", "E0412", "E0425"),
        ("mypy", "import-untyped", "import"),
        ("tsc", "TS2552", "TS2304"),
        ("tsc", "TS18048", "TS2532"),
        ("ruff", "TCH001", "TC001"),
        ("ruff", "U006", "UP006"),
        ("gcc", "-Werror=return-type", "-Wreturn-type"),
        ("eslint", "@typescript-eslint/no-unused-vars", "no-unused-vars"),
        ("eslint", "@stylistic/js/indent", "indent"),
    ],
)
def test_old_and_special_codes_belong_to_the_present_and_general_one(tool: str, code: str, family: str) -> None:
    assert family_of(tool, code) == family


@pytest.mark.parametrize(
    ("tool", "code"),
    [
        ("cargo", "E0308"),
        ("ruff", "UP006"),
        ("ruff", "RET505"),
        ("flake8", "E0412"),
        ("unknown", "E0412"),
        ("mypy", ""),
    ],
)
def test_any_other_code_is_its_own_family(tool: str, code: str) -> None:
    assert family_of(tool, code) == code
