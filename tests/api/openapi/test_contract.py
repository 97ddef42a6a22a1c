"""Whatever is sent along the description, or against it, the service answers as described, and never breaks."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.server.server import open_server
from api.settings import Settings
from eventstore.clock import SystemClock

REPORT = b"pkg/a.py:1:1: F401 'os' imported but unused\npkg/b.py:2:1: E711 comparison to None\n"

#: For each route and mode, so that all of it takes seconds.
_EXAMPLES = 5
_SECONDS_MAX = 30.0
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: Has errors of its own, which the protocol describes.
_OTHERS_PROTOCOL = "/mcp"
#: Has no end.
_STREAM = "/v1/events"

_REPEATABLE = settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


async def test_every_route_answers_as_it_is_described(database_url: str) -> None:
    async with (
        open_server(database_url, Settings(port=0, read_models=False), SystemClock()) as running,
        httpx.AsyncClient(base_url=running.address) as client,
    ):
        task = (await client.post("/v1/tasks?format=flake8&strategy=file&workers=2", content=REPORT)).json()["id"]
        lease = (await client.post("/v1/claims", json={"worker_id": "w-1", "task_id": task})).json()
        document = (await client.get("/schema/openapi.json")).json()
        # A claim that waits is no claim that fails.
        document["components"]["schemas"]["ClaimRequest"]["properties"]["wait_seconds"]["maximum"] = 0.01
        names = {"task_id": task, "subtask_id": lease["subtask_id"], "worker_id": "w-1"}
        failures = await asyncio.to_thread(_try_all, document, running.address, names)
        assert (await client.get("/healthz")).status_code == 200
    if failures:
        pytest.fail("\n\n".join(failures))


def _try_all(document: dict[str, Any], url: str, names: dict[str, str]) -> list[str]:
    """Send requests to all routes, and list what was not as described."""
    failures: list[str] = []
    for operation in _operations(document):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                _try_one(operation, mode, url, names)
            except Unsatisfiable:
                # Nothing that is sent to it could be wrong: it takes nothing.
                assert mode is GenerationMode.NEGATIVE, operation.label
            except (AssertionError, ExceptionGroup) as error:
                failures.append(f"{operation.label} ({mode.value}): {''.join(traceback.format_exception(error))}")
    return failures


def _operations(document: dict[str, Any]) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        yield result.ok()


def _try_one(operation: Any, mode: GenerationMode, url: str, names: dict[str, str]) -> None:
    @_REPEATABLE
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    def check(case: Any, real: bool) -> None:
        if real:
            case.path_parameters.update({name: names[name] for name in case.path_parameters if name in names})
        if operation.path == _STREAM:
            _check_stream(case, url)
            return
        response = case.call(base_url=url, timeout=_SECONDS_MAX)
        checks = [not_a_server_error] if operation.path == _OTHERS_PROTOCOL else _CHECKS
        case.validate_response(response, checks=checks)

    check()


def _check_stream(case: Any, url: str) -> None:
    """Look at the status alone."""
    options = case.as_transport_kwargs(base_url=url)
    with requests.request(**options, stream=True, timeout=_SECONDS_MAX) as response:
        assert response.status_code < 500, response.text
