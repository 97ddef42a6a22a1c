"""What rustc wrote about small programs with one mistake each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from domain.problem import Problem
from domain.readers.reading import read

_SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="session")
def sample() -> Callable[[str], Sequence[Problem]]:
    return lambda name: read((_SAMPLES / name).read_bytes()).problems
