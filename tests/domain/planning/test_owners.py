"""Owners of files, by CODEOWNERS."""

from __future__ import annotations

import pytest

from domain.errors import UsageError
from domain.planning.owners import Owners

RULES = """
# the last rule that matches counts
*            @everybody
/docs/       @org/writers editor@example.org
*.rs         @crab
/vendor/
"""


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("a.py", "@everybody"),
        ("docs/a.md", "@org/writers editor@example.org"),
        ("docs/a.rs", "@crab"),
        ("vendor/lib.c", "nobody"),
    ],
)
def test_the_last_rule_that_matches_names_the_owners(path: str, owner: str) -> None:
    assert Owners(RULES).of(path) == owner


def test_without_rules_nobody_owns_anything() -> None:
    assert Owners("").of("a.py") == "nobody"


def test_a_pattern_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match=r"CODEOWNERS: unterminated character class in pattern \[ab"):
        Owners("[ab @x\n")
