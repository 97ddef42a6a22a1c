"""`pw replay TASK --what-if`: on the ledger, beside what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app
from eventstore.transfer.export_reader import open_lines
from eventstore.transfer.importing import import_export
from tests.projections.corpus.read import FOLDER, recording

WhatIf = Callable[..., Result]

_FILE = str(FOLDER / "rounds.ndjson")


@pytest.fixture
def what_if(database_url: str) -> WhatIf:
    """Ask about a recorded run: `what_if("workers=4")`."""
    with open_lines(Path(_FILE)) as source:
        import_export(database_url, source)

    def ask(*changes: str, output: str = "table", task: str = recording("rounds").task_id) -> Result:
        arguments = [part for change in changes for part in ("--what-if", change)]
        return CliRunner().invoke(
            app, ["replay", task, *arguments, "-o", output], env={"PW_DATABASE_URL": database_url, "PW_SERVER": None}
        )

    return ask


def test_it_shows_what_happened_what_the_simulation_makes_of_it_and_what_is_supposed(what_if: WhatIf) -> None:
    ran = what_if("workers=1", output="json")
    assert ran.exit_code == 0, ran.output
    shown = json.loads(ran.stdout)

    assert shown["changes"] == {"workers": 1}
    assert shown["simulated"]["p50"] == pytest.approx(shown["happened"]["p50"], rel=0.05)
    assert shown["supposed"]["workers"] == 1
    assert shown["supposed"]["p50"] > shown["happened"]["p50"]
    assert shown["notes"][0].startswith("simulating what was done, as it was done, gives 1.00")


def test_another_strategy_splits_what_the_tool_said_then(what_if: WhatIf) -> None:
    ran = what_if("strategy=directory", output="json")
    assert ran.exit_code == 0, ran.output
    shown = json.loads(ran.stdout)

    assert shown["supposed"]["p50"] <= shown["supposed"]["p80"] <= shown["supposed"]["p95"]
    assert any("are the same as then" in note for note in shown["notes"])


def test_people_get_a_table(what_if: WhatIf) -> None:
    ran = what_if("estimator=raw", "failures=0.2")

    assert ran.exit_code == 0, ran.output
    for word in ("happened", "simulated again", "supposed", "P80", "worker time", "speed-up"):
        assert word in ran.stdout


def test_an_exported_file_is_simulated_as_the_task_is(what_if: WhatIf) -> None:
    for changes in (("workers=2",), ("estimator=raw", "failures=0.2"), ("estimator=raw", "strategy=directory")):
        of_ledger, of_file = (what_if(*changes, output="json", **of) for of in ({}, {"task": _FILE}))
        assert of_file.exit_code == 0, of_file.output
        assert json.loads(of_file.stdout) == json.loads(of_ledger.stdout)


@pytest.mark.parametrize("change", ["strategy=directory", "estimator=model", "estimator=abcd1234"])
def test_what_an_effort_model_is_needed_for_is_refused_of_a_file(what_if: WhatIf, change: str) -> None:
    ran = what_if(change, task=_FILE)

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"pw: {_FILE} is without the ledger that an effort model learns from: --what-if estimator=raw needs none\n"
    )


@pytest.mark.parametrize("change", ["speed=2", "workers=0", "strategy=luck", "estimator=abcd1234"])
def test_nonsense_is_one_line(what_if: WhatIf, change: str) -> None:
    ran = what_if(change)

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("pw: ")
    assert ran.stderr.count("\n") == 1
