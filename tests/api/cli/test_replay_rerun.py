"""`pw replay TASK --rerun`: real workers on a recorded input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Bench


def test_a_rerun_begins_with_the_recorded_output_at_the_recorded_commit(bench: Bench, fix_all: str, run_git) -> None:
    first = bench.run("--tool", "ruff", "--worker", fix_all, "-j", "1")
    (bench.repository / "pkg" / "later.py").write_text("import os\n")
    run_git(bench.repository, "add", "-A")
    run_git(bench.repository, "commit", "-q", "-m", "two")

    ran = bench.pw("replay", first["task_id"], "--rerun", "-o", "json", "--", "-j", "3", "--strategy", "file")

    assert ran.returncode == 0, ran.stderr
    compared = json.loads(ran.stdout)
    assert compared["same_input"]
    assert compared["first"]["task_id"] == compared["second"]["rerun_of"] == first["task_id"]
    assert (compared["second"]["problems_before"], compared["second"]["problems_after"]) == (24, 0)
    assert (compared["first"]["workers"], compared["second"]["workers"]) == (1, 3)
    assert compared["second"]["strategy"] == "file"
    assert {submitted["base_commit"] for submitted in bench.payloads("task_submitted")} == {bench.base}
    assert bench.tree(f"pw/{compared['second']['task_id']}") == bench.tree(first["branch"])


@pytest.fixture
def server(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a service on the bench's ledger."""
    socket = tmp_path_factory.mktemp("pw") / "api.sock"
    service = bench.start_pw("serve", "--uds", str(socket))
    assert service.stdout is not None
    assert service.stdout.readline() != "", service.communicate()[1]
    return f"unix:{socket}"


def test_a_past_task_is_read_from_a_service_as_from_the_ledger(bench: Bench, fix_all: str, server: str) -> None:
    task = bench.run("--tool", "ruff", "--worker", fix_all, "-j", "2")["task_id"]
    for mode in (("--at", "+1d"), ("--speed", "1000000"), ("--compare", task)):
        of_ledger, of_service = (
            bench.pw("replay", task, *mode, "-o", "json", *options) for options in ((), ("--server", server))
        )
        assert of_ledger.returncode == of_service.returncode == 0, of_service.stderr
        assert of_ledger.stdout == of_service.stdout != ""


def test_a_rerun_is_opened_at_a_service_which_plans_it_as_it_was_planned(
    bench: Bench, fix_all: str, server: str
) -> None:
    first = bench.run("--tool", "ruff", "--worker", fix_all, "-j", "3", "--strategy", "file")

    ran = bench.pw("replay", first["task_id"], "--rerun", "--server", server, "-o", "json")

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["subtasks"] == {"ready": len(first["subtasks"])}
    one, other = bench.payloads("problems_observed")[0], bench.payloads("problems_observed")[-1]
    assert {**one, "phase": 1} == other
    assert bench.payloads("task_submitted")[-1]["options"]["rerun_of"] == first["task_id"]
