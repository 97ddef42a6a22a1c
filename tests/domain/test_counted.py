from __future__ import annotations

import pytest

from domain.counted import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (2048, "2,048 files")])
def test_all_but_one_are_several(number: int, text: str) -> None:
    assert counted(number, "file") == text
