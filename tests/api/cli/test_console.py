"""Where output goes, whatever is at its other end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PW = (sys.executable, "-c", "from api.cli.main import main; main()")
_FULL = Path("/dev/full")


@pytest.mark.skipif(not _FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    "arguments",
    [("projections",), ("projections", "-o", "json"), ("rebuild", "subtask"), ("backtest",), ("status",)],
    ids=" ".join,
)
def test_results_that_find_no_room_are_one_line(database_url: str, arguments: tuple[str, ...]) -> None:
    with _FULL.open("wb") as full:
        ran = subprocess.run(
            [*_PW, *arguments, "--database-url", database_url], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ran.returncode, ran.stderr) == (1, b"pw: No space left on device\n")


@pytest.mark.parametrize("columns", ["0", "many", "-5", "\N{SUPERSCRIPT TWO}"])
def test_a_width_that_is_none_counts_as_unknown(database_url: str, columns: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    shown = [
        subprocess.run(
            [*_PW, "projections", "--database-url", database_url],
            stdout=subprocess.PIPE, env=environment | said, check=True,
        ).stdout
        for said in ({}, {"COLUMNS": columns})
    ]  # fmt: skip
    assert shown[0] == shown[1] != b""
