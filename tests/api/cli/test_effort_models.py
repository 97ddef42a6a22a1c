"""`pw train`, `pw estimate` and `pw backtest`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger
from tests.projections.conftest import History
from tests.projections.test_learning import worked

Pw = Callable[..., Result]
REPORT = Path(__file__).parents[2] / "domain" / "readers" / "samples" / "cargo-derive.jsonl"


@pytest.fixture
def pw(database_url: str) -> Pw:
    """Run a command on the test's database."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--database-url", database_url])

    return run


@pytest.fixture
def attempts(database_url: str) -> int:
    """Twelve attempts of one task, of 20 to 31 seconds; gives the position of the last event."""
    history = History("tree", 1)
    history.submit()
    worked(history, [20.0 + number for number in range(12)])

    async def store() -> int:
        async with Ledger.open(database_url, SystemClock()) as ledger:
            receipts = await ledger.append(history.events)
            return max(receipt.position or 0 for receipt in receipts)

    return asyncio.run(store())


def told(ran: Result) -> Any:
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout)


def test_an_empty_ledger_trains_nothing_and_says_so(pw: Pw) -> None:
    ran = pw("train")

    assert ran.exit_code == 0
    assert "the ledger has no attempt that has ended" in ran.stdout


def test_training_says_what_is_new_and_the_list_shows_it(pw: Pw, attempts: int) -> None:
    trained = told(pw("train", "-o", "json"))["trained"]

    assert (trained["completions"], trained["learnt"], trained["position"]) == (12, 12, attempts)
    [kept] = told(pw("train", "--list", "-o", "json"))
    assert (kept["sha256"], kept["asked_for"], kept["pinned"]) == (trained["sha256"], True, False)


def test_a_model_of_the_past_is_made_and_chosen_and_let_go(pw: Pw, attempts: int) -> None:
    past = told(pw("train", "--at", str(attempts // 2), "-o", "json"))["trained"]["sha256"]
    now = told(pw("train", "-o", "json"))["trained"]["sha256"]

    assert now != past
    chosen = told(pw("train", "--use", past[:10], "-o", "json"))
    assert [model["sha256"] for model in chosen if model["pinned"]] == [past]
    assert told(pw("estimate", str(REPORT), "-o", "json"))["model"] == past
    assert f"estimates are made with {past[:12]}, which is pinned" in pw("train").stdout
    assert not any(model["pinned"] for model in told(pw("train", "--follow", "-o", "json")))
    assert told(pw("estimate", str(REPORT), "-o", "json"))["model"] == now


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("train", "--at", "7000"), "pw: the ledger has no position 7,000: it ends at 0\n"),
        (("train", "--use", "beef"), "pw: no effort model is named beef; none is kept: pw train makes one\n"),
        (("train", "--list", "--follow"), "pw: --at, --list, --use and --follow exclude each other\n"),
        (("backtest", "--at", "7000"), "pw: the ledger has no position 7,000: it ends at 0\n"),
        (("estimate", "no-file"), "pw: no-file: No such file or directory\n"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(pw: Pw, arguments: tuple[str, ...], line: str) -> None:
    ran = pw(*arguments)

    assert (ran.stdout, ran.stderr) == ("", line)
    assert ran.exit_code != 0


def without_places(text: str) -> str:
    """Leave out up to where the ledger was read, and how long it took."""
    return re.sub(r'"(position|seconds)": [0-9.]+', r'"\1"', text)


@pytest.mark.parametrize("command", [("train",), ("backtest",), ("estimate", str(REPORT))])
def test_an_event_of_another_task_that_cannot_be_read_is_told_and_changes_nothing(
    pw: Pw,
    attempts: int,
    database_url: str,
    append_raw: Callable[..., list[int]],
    caplog: pytest.LogCaptureFixture,
    command: tuple[str, ...],
) -> None:
    before = pw(*command, "-o", "json")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM service.effort_model")
        [bad] = append_raw(connection, [{"stream_id": "over", "type": "task_forecast", "payload": '{"nonsense": 1}'}])

    after = pw(*command, "-o", "json")

    assert (before.exit_code, after.exit_code) == (0, 0), after.stderr
    assert without_places(after.stdout) == without_places(before.stdout)
    [told] = [line for line in caplog.messages if line.startswith("passed over: ")]
    assert f"the event of over at position {bad}, of type 'task_forecast', cannot be read" in told


def test_a_file_that_is_no_report_is_refused(pw: Pw, tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("Shall I compare thee\n")

    ran = pw("estimate", str(tmp_path / "poem.txt"))

    assert ran.exit_code == 2
    assert ran.stderr.startswith("pw: the input is in none of the formats")


def test_an_estimate_by_owners_reads_them_and_is_refused_where_there_are_none(pw: Pw, tmp_path: Path) -> None:
    by_owner = ("estimate", str(REPORT), "--strategy", "owner", "--root", str(tmp_path), "-o", "json")
    refused = pw(*by_owner)
    (tmp_path / "CODEOWNERS").write_text("* @everybody\n")

    assert refused.stderr.startswith("pw: the strategy owner needs a CODEOWNERS file; ")
    assert told(pw(*by_owner))["subtasks"]


def test_an_estimate_has_efforts_reasons_and_the_whole(pw: Pw, attempts: int) -> None:
    said = told(pw("estimate", str(REPORT), "--workers", "2", "-o", "json"))

    assert (said["completions"], said["alarm"]) == (12, False)
    for subtask in said["subtasks"]:
        effort = subtask["effort"]
        assert effort["p50"] <= effort["p80"] <= effort["p95"]
        assert effort["basis"].startswith("base ")
    whole = said["whole"]
    assert whole["workers"] == 2
    assert whole["together"]["p50"] < whole["alone"]["p50"] < whole["alone"]["p95"]


def test_an_estimate_of_an_empty_ledger_says_that_the_shipped_prior_speaks(pw: Pw) -> None:
    told = " ".join(pw("estimate", str(REPORT)).stdout.split())

    assert "this is what the prior that is shipped says" in told


def test_a_backtest_holds_each_attempt_against_what_was_known_before_it(pw: Pw, attempts: int) -> None:
    tested = told(pw("backtest", "-o", "json"))

    assert (tested["attempts"], tested["cut_off"], tested["position"]) == (12, 0, attempts)
    assert {name: methods["model"]["forecasts"] for name, methods in tested["by_age"].items()} == {
        "first 10": 10, "11 to 100": 2,
    }  # fmt: skip
    # Plans said 30 s and priors 20 s: off by 6.33 s on average, and by 5.5 s.
    total = tested["total"]
    assert total["planned"]["mae_seconds"] == pytest.approx(sum(abs(30 - 20 - n) for n in range(12)) / 12)
    assert total["raw"]["mae_seconds"] == pytest.approx(5.5)
    assert "effort model" in pw("backtest").stdout


def test_a_backtest_of_nothing_says_so(pw: Pw) -> None:
    assert "nothing can be held against a forecast" in " ".join(pw("backtest").stdout.split())
