"""Cuts of what the tools wrote about real projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

_SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="session")
def sample() -> Callable[[str], bytes]:
    return lambda name: (_SAMPLES / name).read_bytes()
