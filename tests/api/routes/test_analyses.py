"""Analyses over HTTP say what the command says, and store nothing."""

from __future__ import annotations

import httpx

REPORT = b"pkg/a.py:1:1: F401 'os' imported but unused\npkg/b.py:2:1: E711 comparison to None\n"


async def test_an_analysis_has_the_groups_and_a_plan(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/analyses?format=flake8&strategy=file&workers=2", content=REPORT)
    assert answer.status_code == 200
    said = answer.json()
    assert said["analysis"]["schema"] == "parallel-workers/analysis/1"
    assert said["analysis"]["codes"] == {"E711": 1, "F401": 1}
    assert said["plan"]["schema"] == "parallel-workers/plan/1"
    assert said["plan"]["strategy"] == "file"
    assert len(said["plan"]["subtasks"]) == 2


async def test_an_analysis_takes_what_a_task_takes(client: httpx.AsyncClient) -> None:
    request = {"report": REPORT.decode(), "format": "flake8", "policy": {"target": "all"}}
    assert (await client.post("/v1/analyses", json=request)).json()["analysis"]["problems"] == 2


async def test_nothing_is_stored(client: httpx.AsyncClient) -> None:
    await client.post("/v1/analyses?format=flake8", content=REPORT)
    assert (await client.get("/v1/tasks")).json()["tasks"] == []


async def test_a_report_that_cannot_be_read_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/analyses?format=flake8", content=b"no")).status_code == 422
