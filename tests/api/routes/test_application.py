"""The application as a whole: health, numbers, its description, compression, and private sockets."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

Client = httpx.AsyncClient


async def test_the_service_says_that_it_is_alive_and_ready(client: Client) -> None:
    answers = [(await client.get(path)).json() for path in ("/healthz", "/readyz")]
    assert answers == [{"status": "alive"}, {"status": "ready"}]


async def test_a_service_that_is_not_ready_says_why(bench: Any, client: Client) -> None:
    bench.wrong += ["the database is away", "the disk is full"]
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["errors"] == ["the database is away", "the disk is full"]


async def test_numbers_are_given_for_prometheus(client: Client) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text == "pw_tasks 1\n"


async def test_the_description_is_openapi_3_1_with_every_error_as_a_problem(client: Client) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


async def test_messages_are_described_although_they_go_another_way(client: Client) -> None:
    document = (await client.get("/schema/openapi.json")).json()
    body = document["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "StartedMessage" in str(body)


async def test_every_reference_of_the_description_leads_somewhere(client: Client) -> None:
    answer = await client.get("/schema/openapi.json")
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert names <= set(answer.json()["components"]["schemas"])


async def test_the_page_needs_nothing_from_another_host(client: Client) -> None:
    answer = await client.get("/schema")
    assert re.findall(r"(?:src|href)='(?!/|#)[^']*'|https?://|<script", answer.text) == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "/v1/messages" in answer.text


async def test_large_answers_are_compressed_for_whoever_takes_that(client: Client) -> None:
    plain = await client.get("/schema/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = await client.get("/schema/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.content == plain.content


async def test_small_answers_are_not_compressed(client: Client) -> None:
    assert "content-encoding" not in (await client.get("/healthz")).headers


async def test_receipts_are_not_compressed(client: Client) -> None:
    answer = await client.post("/v1/messages", json=[{}] * 50, headers={"Accept-Encoding": "gzip"})
    assert len(answer.content) > 1024
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/", "/v1/tasks/a/b/c", "/v1/tasks/a%2Fb"])
async def test_what_is_not_there_is_a_problem_with_the_requests_id(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["instance"]) == (404, answer.headers["x-request-id"])


async def test_a_method_that_is_not_allowed_is_a_problem(client: Client) -> None:
    answer = await client.patch("/v1/tasks")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "POST", "OPTIONS"})
    assert answer.json()["type"].endswith("/method-not-allowed")


async def test_names_that_cannot_be_are_refused(client: Client) -> None:
    answers = [(await client.get(f"/v1/tasks/{name}")).status_code for name in ("%00", "%ff", "a%20b", "x" * 201)]
    assert answers == [400] * 4


async def test_too_large_a_body_is_refused_whether_it_says_so_or_not(open_bench: Any) -> None:
    async with open_bench(body_bytes_max=2048) as bench:
        client = await bench.client()

        async def pieces() -> Any:
            for _ in range(5):
                yield b" " * 1024

        answers = [
            await client.post("/v1/messages", content=b" " * 4096),
            await client.post("/v1/messages", content=pieces()),
            await client.post("/v1/claims", content=pieces()),
        ]
        assert (await client.get("/healthz")).status_code == 200
    assert [answer.status_code for answer in answers] == [413] * 3


async def test_a_key_that_asks_too_often_is_told_to_wait(open_bench: Any) -> None:
    async with open_bench(requests_per_second=0.01, request_burst=2) as bench:
        client = await bench.client(await bench.key("viewer"))
        answers = [await client.get("/v1/tasks") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_on_a_private_socket_no_key_is_asked_for(open_bench: Any) -> None:
    async with open_bench(private=True) as bench:
        await bench.key("admin")
        assert (await (await bench.client()).get("/v1/tasks")).status_code == 200
