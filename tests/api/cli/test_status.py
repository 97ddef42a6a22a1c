"""`pw status TASK`: when it will be done, from the ledger alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.auth.principal import Principal
from api.cli.main import app
from api.schemas import ClaimRequest, Policy, TaskRequest
from api.service.service import Service
from eventstore.clock import SystemClock

ADMIN = Principal(role="admin", name="tester")
REPORT = "".join(f"m{number}.py:1:1: F401 'os' imported but unused\n" for number in range(1, 5)).encode()

Status = Callable[..., Result]


@pytest.fixture
def status(database_url: str) -> Status:
    """Ask about a task of which a worker has one of four subtasks."""

    async def begun() -> str:
        async with Service.open(database_url, SystemClock()) as service:
            request = TaskRequest(report="", format="flake8", policy=Policy(strategy="file", workers=4))
            task = await service.submit(request, REPORT, ADMIN)
            claimed = await service.claim(ClaimRequest(worker_id="w1", task_id=task.id), ADMIN, asyncio.Event())
            assert claimed is not None
            return task.id

    task_id = asyncio.run(begun())

    def ask(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, ["status", task_id, *arguments], env={"PW_DATABASE_URL": database_url, "PW_SERVER": None}
        )

    return ask


def test_programs_get_the_estimate_beside_the_report(status: Status) -> None:
    ran = status("--what-if", "workers=4", "-o", "json")
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)

    estimate, supposed = said["estimate"], said["what_if"]
    assert said["status"] == "running"
    assert (estimate["workers"], supposed["workers"]) == (1, 4)
    assert 0.0 < supposed["p50_seconds"] < estimate["p50_seconds"] <= estimate["p80_seconds"]


def test_people_get_a_table(status: Status) -> None:
    ran = status()

    assert ran.exit_code == 0, ran.output
    assert "When it will be done" in ran.stdout
    assert "4 subtasks are open" in ran.stdout


@pytest.mark.parametrize("supposed", ["without-worker=w9", "blocked-longer=60", "speed=2"])
def test_what_makes_no_sense_is_one_line(status: Status, supposed: str) -> None:
    ran = status("--what-if", supposed)

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("pw: ")
    assert ran.stderr.count("\n") == 1
