"""What is said of a run while it goes on."""

from __future__ import annotations

import pytest

from api.cli.narrator import Narrator
from domain.events import ProblemsObserved
from domain.problem import Problem
from domain.readers.report import Damage, Report


def test_what_there_is_one_of_is_said_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem(tool="ruff", message="unused", path="a.py", code="F401")
    report = Report(
        format="ruff", tool="ruff", problems=(problem,), damaged=(Damage(line=3, reason="no path"),), duplicates=1
    )
    observation = ProblemsObserved(
        phase=1, commit="c0", format="ruff", tool="ruff", artifact="", problems=1, targeted=1, codes={"F401": 1}
    )
    Narrator(quiet=False).observed(observation, report)
    assert capsys.readouterr().err.splitlines() == [
        "ruff: 1 problem under 1 code in 1 file, 1 of them for these workers",
        "left out as unreadable: 1 record (first: line 3: no path)",
        "folded: 1 duplicate",
    ]
