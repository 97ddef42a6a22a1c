"""Plans of a service are made the same again, also where their model of efforts was too large to be kept."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.service.service import Service
from domain.planning import inputs
from tests.api.service.conftest import SetClock, Worker, submit


@pytest.mark.parametrize("kept_bytes_max", [1 << 20, 0])
async def test_a_plan_rests_on_what_was_learnt_before_it(
    service: Service, clock: SetClock, database_url: str, monkeypatch: pytest.MonkeyPatch, kept_bytes_max: int
) -> None:
    monkeypatch.setattr(inputs, "_MODEL_BYTES_MAX", kept_bytes_max)
    first = await submit(service, files=2)
    for _ in range(2):
        worker = await Worker(service, "w1").at_work()
        clock.forward(600.0)
        await worker.complete()
    assert (await service.task(first.id)).status == "completed"
    task = await submit(service, files=3)

    check = ["replay", task.id, "--check", "-o", "json", "--database-url", database_url]
    ran = await asyncio.to_thread(CliRunner().invoke, app, check)

    assert ran.exit_code == 0, ran.output
    [report] = json.loads(ran.stdout)
    assert (report["clean"], report["checked"]["plan"]) == (True, 1)
