"""Messages over HTTP: what the answer to one says, and that of many each is for itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

Client = httpx.AsyncClient
Message = dict[str, Any]


def numbered(number: int) -> str:
    return str(UUID(int=(0x018F << 112) | (7 << 76) | (2 << 62) | number))


@pytest.fixture
async def started(claimed: Callable[..., Awaitable[dict[str, Any]]]) -> Message:
    """The first message under a lease."""
    lease = await claimed("w-1")
    return {
        "type": "started",
        "message_id": numbered(1),
        "subtask_id": lease["subtask_id"],
        "worker_id": "w-1",
        "lease_epoch": 1,
    }


def progress(started: Message, number: int, **fields: object) -> Message:
    return {**started, "type": "progress", "message_id": numbered(number), "completed": 1, "total": 2, **fields}


async def post(client: Client, body: object) -> httpx.Response:
    return await client.post("/v1/messages", json=body)


# --- one ------------------------------------------------------------------------------------------------


async def test_a_message_is_created_and_then_a_duplicate(client: Client, started: Message) -> None:
    first, second = await post(client, started), await post(client, started)
    assert (first.status_code, second.status_code) == (201, 200)
    assert [answer.json()["receipts"][0]["status"] for answer in (first, second)] == ["created", "duplicate"]
    assert first.json()["receipts"][0]["position"] == second.json()["receipts"][0]["position"]


async def test_the_same_id_with_other_content_is_a_conflict(client: Client, started: Message) -> None:
    await post(client, progress(started, 2))
    answer = await post(client, progress(started, 2, completed=2))
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "idempotency")


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"lease_epoch": 7}, 409, "stale-lease"),
        ({"subtask_id": "nobody-00000000.1"}, 404, "unknown-subtask"),
        ({"task_id": "other-00000000"}, 422, "invalid-event"),
        ({"status": "a\0b"}, 422, "invalid-event"),
        ({"lease_epoch": 0}, 400, "invalid-request"),
        ({"message_id": "x"}, 400, "invalid-request"),
        ({"type": "hello"}, 400, "invalid-request"),
    ],
)
async def test_a_message_that_is_refused_is_answered_with_the_reason(
    client: Client, started: Message, fields: Message, status: int, kind: str
) -> None:
    answer = await post(client, progress(started, 3, **fields))
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, kind)


async def test_a_message_of_another_keys_worker_is_refused(bench: Any, client: Client, started: Message) -> None:
    mine = await bench.client(await bench.key("worker"))
    await mine.post("/v1/workers", json={"worker_id": "w-9"})
    stranger = await bench.client(await bench.key("worker"))
    answer = await post(stranger, {**started, "worker_id": "w-9"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "not-yours")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"null", b"1", b'"x"', b"{}"])
async def test_what_is_no_message_is_refused(client: Client, body: bytes) -> None:
    answer = await client.post("/v1/messages", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_only_post_is_allowed(client: Client) -> None:
    answer = await client.get("/v1/messages")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# --- many -----------------------------------------------------------------------------------------------


async def test_of_many_each_has_a_receipt_in_their_order(client: Client, started: Message) -> None:
    messages = [started, *(progress(started, number) for number in range(2, 50))]
    answer = await post(client, messages)
    receipts = answer.json()["receipts"]
    assert answer.status_code == 200
    assert [receipt["message_id"] for receipt in receipts] == [message["message_id"] for message in messages]
    assert {receipt["status"] for receipt in receipts} == {"created"}
    assert [receipt["version"] for receipt in receipts] == list(range(4, 53))


async def test_a_bad_one_leaves_its_neighbours_unharmed(client: Client, started: Message) -> None:
    messages: list[object] = [
        started,
        progress(started, 2, completed=-1),
        7,
        progress(started, 4, lease_epoch=9),
        progress(started, 5),
    ]
    receipts = (await post(client, messages)).json()["receipts"]
    assert [receipt["status"] for receipt in receipts] == [
        "created", "rejected", "rejected", "rejected", "created",
    ]  # fmt: skip
    assert [receipt.get("code", "") for receipt in receipts] == ["", "invalid", "invalid", "stale_lease", ""]
    assert receipts[1]["message_id"] == numbered(2)
    assert receipts[2]["message_id"] == str(UUID(int=0))


async def test_lines_are_taken_one_by_one(client: Client, started: Message) -> None:
    lines = [json.dumps(started), "", "{broken", json.dumps(progress(started, 2))]
    headers = {"Content-Type": "application/x-ndjson; charset=utf-8"}
    answer = await client.post("/v1/messages", content="\n".join(lines), headers=headers)
    assert [receipt["status"] for receipt in answer.json()["receipts"]] == ["created", "rejected", "created"]


async def test_no_messages_have_no_receipts(client: Client) -> None:
    answer = await post(client, [])
    assert (answer.status_code, answer.json()) == (200, {"receipts": []})


async def test_more_than_a_thousand_are_refused_and_none_is_stored(client: Client, started: Message) -> None:
    answer = await post(client, [started] * 1001)
    assert (answer.status_code, "the limit is 1000" in answer.json()["detail"]) == (413, True)
    assert (await post(client, started)).status_code == 201


async def test_a_body_in_pieces_is_put_together(client: Client, started: Message) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(started).encode():
            yield bytes([byte])

    assert (await client.post("/v1/messages", content=pieces())).status_code == 201


async def test_the_same_message_at_the_same_time_is_stored_once(client: Client, started: Message) -> None:
    answers = await asyncio.gather(*(post(client, started) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
