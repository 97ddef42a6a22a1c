"""Workers over HTTP: claims, waiting for them, and going away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import httpx
import pytest

from api.service.service import Service

Client = httpx.AsyncClient
Lease = dict[str, Any]
Claimed = Callable[..., Awaitable[Lease]]
WaitUntil = Callable[[Callable[[], bool]], Awaitable[None]]


class Bench(Protocol):
    service: Service

    async def client(self, token: str = "", **options: Any) -> Client: ...

    async def submit(self, client: Client, **parameters: str) -> dict[str, Any]: ...


async def test_a_worker_is_introduced(client: Client) -> None:
    answer = await client.post("/v1/workers", json={"worker_id": "w-1", "name": "Ada"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Ada")


async def test_a_claim_gives_a_lease(claimed: Claimed, task: dict[str, Any]) -> None:
    lease = await claimed()
    assert (lease["kind"], lease["task_id"], lease["lease_epoch"]) == ("subtask", task["id"], 1)


async def test_without_work_a_claim_gives_nothing(client: Client) -> None:
    answer = await client.post("/v1/claims", json={"worker_id": "w-1"})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_claim_without_work_says_when_what_has_failed_is_tried_again(
    client: Client, claimed: Claimed, task: dict[str, Any]
) -> None:
    lease = await claimed("w-1")
    held = {"subtask_id": lease["subtask_id"], "worker_id": "w-1", "lease_epoch": 1}
    ask = {"worker_id": "w-2", "task_id": task["id"]}
    while (answer := await client.post("/v1/claims", json=ask)).status_code == 200:
        pass
    assert "retry-after" not in answer.headers
    message = {"type": "failed", "message_id": "018f0000-0000-7000-8000-000000000001", "error": "no idea", **held}
    await client.post("/v1/messages", json=message)

    answer = await client.post("/v1/claims", json=ask)

    assert (answer.status_code, answer.headers["pw-open-subtasks"]) == (204, str(task["subtasks"]["ready"]))
    # Five seconds at most, as the policy has it.
    assert answer.headers["retry-after"] in {"1", "2", "3", "4", "5"}


async def test_a_claim_that_waits_is_answered_as_soon_as_there_is_work(
    bench: Bench, client: Client, wait_until: WaitUntil
) -> None:
    body = {"worker_id": "w-1", "wait_seconds": 30}
    claim = asyncio.create_task(client.post("/v1/claims", json=body))
    await wait_until(lambda: bench.service.dispatcher.waiting == 1)
    task = await bench.submit(await bench.client())
    assert (await claim).json()["task_id"] == task["id"]


async def test_a_client_that_goes_away_waits_no_longer(bench: Bench, wait_until: WaitUntil) -> None:
    client = await bench.client()
    claim = asyncio.create_task(client.post("/v1/claims", json={"worker_id": "w-1", "wait_seconds": 300}))
    await wait_until(lambda: bench.service.dispatcher.waiting == 1)
    claim.cancel()
    await asyncio.wait({claim})
    await wait_until(lambda: bench.service.dispatcher.waiting == 0)


async def test_the_same_request_gives_the_same_lease(client: Client, task: dict[str, Any]) -> None:
    body = {"worker_id": "w-1", "request_id": "018f0000-0000-7000-8000-000000000001", "task_id": task["id"]}
    answers = [(await client.post("/v1/claims", json=body)).json() for _ in range(2)]
    assert answers[0]["lease_epoch"] == answers[1]["lease_epoch"] == 1


async def test_a_heartbeat_says_what_became_of_leases(client: Client, claimed: Claimed) -> None:
    lease = await claimed()
    held = {"subtask_id": lease["subtask_id"], "lease_epoch": 1}
    answer = await client.post("/v1/workers/w-1/heartbeat", json={"leases": [held, {**held, "lease_epoch": 9}]})
    assert [state["held"] for state in answer.json()["leases"]] == [True, False]


async def test_a_released_subtask_can_be_claimed_by_another(client: Client, claimed: Claimed) -> None:
    lease = await claimed("w-1")
    path = f"/v1/subtasks/{lease['subtask_id']}"
    answer = await client.post(f"{path}/release", json={"worker_id": "w-1", "lease_epoch": 1, "reason": "tired"})
    assert answer.json()["worker_id"] is None
    assert (await claimed("w-2"))["lease_epoch"] == 2


async def test_a_subtask_has_a_brief_and_a_baseline(client: Client, claimed: Claimed) -> None:
    path = f"/v1/subtasks/{(await claimed())['subtask_id']}"
    brief = await client.get(f"{path}/brief?report=/tmp/report")
    baseline = await client.get(f"{path}/baseline?file=pkg/m1.py&file=pkg/m2.py")
    assert brief.headers["content-type"] == "text/markdown; charset=utf-8"
    assert brief.text.startswith("# ")
    assert len(baseline.json()["problems"]) == 6


async def test_a_worker_with_a_key_sees_its_own_subtasks_only(bench: Any, client: Client, claimed: Claimed) -> None:
    subtask = (await claimed("w-1"))["subtask_id"]
    stranger = await bench.client(await bench.key("worker"))
    answer = await stranger.get(f"/v1/subtasks/{subtask}")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "not-yours")


@pytest.mark.parametrize(
    "body",
    [
        {"worker_id": ""},
        {"worker_id": "a b"},
        {"worker_id": "w", "wait_seconds": 301},
        {"worker_id": "w", "wait_seconds": "1"},
        {"worker_id": "w", "request_id": "x"},
        [],
        None,
    ],
)
async def test_a_claim_that_cannot_be_is_refused(client: Client, body: object) -> None:
    assert (await client.post("/v1/claims", json=body)).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"commit": "zzzz"},
        {"commit": "f" * 39},
        {"commit": "f" * 40 + "\n"},
        {"head": "main"},
        {"gates": [{"gate": "tests", "passed": True, "score": 7}]},
        {"gates": [{"gate": "tests", "passed": True, "score": -0.1}]},
    ],
)
async def test_a_verdict_that_cannot_be_is_refused(client: Client, wrong: dict[str, Any]) -> None:
    body = {"worker_id": "w", "lease_epoch": 1, "gates": [], **wrong}
    answer = await client.post("/v1/subtasks/task-1.1/gates", json=body)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "invalid-request")


@pytest.mark.parametrize("length", [0, 40, 64])
async def test_a_verdict_names_commits_in_full_or_none(client: Client, length: int) -> None:
    body = {"worker_id": "w", "lease_epoch": 1, "gates": [], "commit": "f" * length, "head": "0" * length}
    answer = await client.post("/v1/subtasks/task-1.1/gates", json=body)
    assert answer.status_code == 404


async def test_what_is_wrong_with_json_is_told_in_its_own_words(client: Client) -> None:
    answer = await client.post("/v1/claims", content=b"{x")
    assert ": JSON is malformed" in answer.json()["detail"]


async def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    for body in (b"{", b"\xff", b'{"worker_id": "\xff"}', b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        answer = await client.post("/v1/claims", content=body)
        assert answer.status_code == 400, body[:20]
