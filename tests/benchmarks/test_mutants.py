"""The faults of `make mutants` fit the code: each place is still there, once."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_MUTANTS: list[Any] = list(runpy.run_path(str(_ROOT / "benchmarks" / "mutants.py"))["MUTANTS"])


@pytest.mark.parametrize("mutant", _MUTANTS, ids=lambda mutant: mutant.what)
def test_the_place_of_a_fault_is_found_once(mutant: Any) -> None:
    assert (_ROOT / mutant.file).read_text().count(mutant.old) == 1


@pytest.mark.parametrize("mutant", _MUTANTS, ids=lambda mutant: mutant.what)
def test_the_tests_that_should_notice_a_fault_are_there(mutant: Any) -> None:
    assert [file for file in mutant.tests if not (_ROOT / file.partition("::")[0]).exists()] == []
