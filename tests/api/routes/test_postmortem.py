"""The post-mortem over HTTP, and by `pw postmortem --server`."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.postmortem.document import Postmortem
from projections.postmortem import questions
from tests.projections.incident import TASK, store_incident

Client = httpx.AsyncClient


@pytest.fixture
async def incident(database_url: str) -> str:
    """The name of a task that is known to the second."""
    await store_incident(database_url)
    return TASK


async def test_it_is_the_whole_document(client: Client, incident: str) -> None:
    answer = await client.get(f"/v1/tasks/{incident}/postmortem")
    assert answer.status_code == 200
    document = msgspec.json.decode(answer.content, type=Postmortem)
    assert (document.task_id, document.so_far, document.report.accepted) == (incident, False, 7)
    assert [section.name for section in document.sections] == [question.name for question in questions()]


async def test_several_who_ask_at_once_are_told_the_same(client: Client, incident: str) -> None:
    answers = await asyncio.gather(*(client.get(f"/v1/tasks/{incident}/postmortem") for _ in range(3)))
    documents = [msgspec.json.decode(answer.content, type=Postmortem) for answer in answers]
    assert len({document.figures for document in documents}) == 1


async def test_the_command_asks_a_service_and_writes_what_it_is_asked_for(bench: Any, incident: str) -> None:
    ran = await asyncio.to_thread(
        CliRunner().invoke, app, ["postmortem", incident, "-o", "markdown", "--server", bench.url]
    )
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"# Post-mortem of {incident}\n")
