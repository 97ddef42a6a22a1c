from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from api.client.address import Address
from api.client.client import Client
from api.problems import encode, problem_of
from api.schemas import (
    AnyMessage,
    ClaimRequest,
    EventView,
    MessageReceipt,
    ObservationRequest,
    Outlook,
    Receipts,
    StartedMessage,
    TaskRequest,
    TaskView,
)
from domain import errors

if TYPE_CHECKING:
    from conftest import Answer, Server

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
TASK = TaskView(
    id="tree-1",
    status="running",
    reason="",
    submitted_at=NOW,
    ended_at=None,
    phase=1,
    position=7,
    repository="/tree",
    branch="pw/tree-1",
    head="c0",
    problems=2,
    targeted=2,
    subtasks={"ready": 1},
    percent=0.0,
    recommended_workers=1,
    strategy="file",
    awaits_observation=False,
)
TASK_JSON = msgspec.json.encode(TASK)


def refusal(answer: type[Answer], error: errors.ParallelWorkersError) -> Answer:
    """What a service answers with that has met this error."""
    problem = problem_of(error)
    body, headers = encode(problem)
    return answer(status=problem.status, body=body, headers=headers)


def event(position: int) -> EventView:
    return EventView(
        position=position,
        task_id="tree-1",
        stream_id="tree-1.1",
        version=position,
        type="started",
        message_id=UUID(int=position),
        worker_id="w1",
        lease_epoch=1,
        occurred_at=NOW,
        recorded_at=NOW,
        payload=msgspec.Raw(b"{}"),
    )


def stream(answer: type[Answer], *positions: int, cut: bool = False) -> Answer:
    lines = [
        f"id: {number}\nevent: started\ndata: {msgspec.json.encode(event(number)).decode()}\n\n"
        for number in positions
    ]
    body = (": a comment\n\n" + "".join(lines)).encode()
    return answer(body=body, headers={"content-type": "text/event-stream"}, cut=cut)


# --- what is sent ---------------------------------------------------------------------------------------


async def test_a_request_carries_the_key(server: Server, client: Client, answer: type[Answer]) -> None:
    server.answers = [answer(body=TASK_JSON)]
    assert await client.task("tree-1") == TASK
    assert (server.asked[0].path, server.asked[0].headers["authorization"]) == (
        "/v1/tasks/tree-1",
        "Bearer pw_1_secret",
    )


async def test_a_report_goes_beside_its_request_as_it_is(
    server: Server, client: Client, answer: type[Answer]
) -> None:
    server.answers = [answer(body=TASK_JSON), answer(body=TASK_JSON)]
    await client.submit(TaskRequest(report="", name="tree"), b"\xff\x00 raw", idempotency_key="once")
    await client.observe("tree-1", ObservationRequest(report=""), b"more")
    submitted, observed = server.asked
    assert submitted.headers["content-type"].startswith("multipart/form-data")
    assert submitted.headers["idempotency-key"] == "once"
    assert b'name="request"' in submitted.body
    assert b"\xff\x00 raw" in submitted.body
    assert observed.path == "/v1/tasks/tree-1/problems"


async def test_what_nobody_asked_for_is_not_sent(server: Server, client: Client, answer: type[Answer]) -> None:
    server.answers = [answer(body=b'{"commit": "c0", "problems": []}')] * 2
    await client.baseline("tree-1.1")
    await client.baseline("tree-1.1", files=["a b.py", "c.py"])
    assert [asked.query for asked in server.asked] == ["", "file=a+b.py&file=c.py"]


async def test_a_claim_without_work_is_none(server: Server, client: Client, answer: type[Answer]) -> None:
    server.answers = [answer(status=204, body=b"")]
    assert await client.claim(ClaimRequest(worker_id="w1")) is None


async def test_a_claim_without_work_tells_what_may_still_come(
    server: Server, client: Client, answer: type[Answer]
) -> None:
    said = {"pw-open-subtasks": "3", "retry-after": "4"}
    server.answers = [answer(status=204, body=b"", headers=said), answer(status=204, body=b"")]
    replies = [await client.claim_or_outlook(ClaimRequest(worker_id="w1")) for _ in range(2)]
    assert replies == [Outlook(open_subtasks=3, retry_after_seconds=4.0), Outlook()]


# --- what is tried again --------------------------------------------------------------------------------


async def test_what_is_tried_again_is_the_same_request(server: Server, client: Client, answer: type[Answer]) -> None:
    server.answers = [answer(cut=True), refusal(answer, errors.LedgerError("down")), answer(status=204, body=b"")]
    await client.claim(ClaimRequest(worker_id="w1"))
    assert len(server.asked) == 3
    # The request's id among the rest: the service gives the same lease again.
    assert len({asked.body for asked in server.asked}) == 1


async def test_a_message_is_sent_again_under_its_id(server: Server, client: Client, answer: type[Answer]) -> None:
    message: AnyMessage = StartedMessage(message_id=UUID(int=1), subtask_id="tree-1.1", worker_id="w1", lease_epoch=1)
    receipts = (MessageReceipt(message_id=message.message_id, status="duplicate", position=3, version=2),)
    server.answers = [answer(cut=True), answer(body=msgspec.json.encode(Receipts(receipts=receipts)))]
    assert await client.post([message]) == receipts
    assert server.asked[0].body == server.asked[1].body


@pytest.mark.parametrize(
    "error",
    [errors.TooManyRequestsError("slower", 0.01), errors.OverloadedError("full", 0.01), errors.LedgerError("down")],
)
async def test_a_service_that_asks_to_come_again_is_asked_again(
    server: Server, client: Client, answer: type[Answer], error: errors.ParallelWorkersError
) -> None:
    server.answers = [refusal(answer, error), answer(body=TASK_JSON)]
    assert await client.task("tree-1") == TASK


async def test_a_service_that_cannot_serve_is_given_up_in_the_end(
    server: Server, hasty: Callable[[], Any], answer: type[Answer]
) -> None:
    server.answers = [refusal(answer, errors.LedgerError("the database is down"))]
    async with hasty() as client:
        with pytest.raises(errors.ServiceError, match=r"^unix:.* cannot serve now: the database is down$"):
            await client.task("tree-1")


async def test_a_service_that_is_not_there_is_named() -> None:
    async with Client.open(Address.of("unix:/nowhere/api.sock"), patience_seconds=0.0) as client:
        with pytest.raises(errors.ServiceError, match=r"^cannot reach unix:/nowhere/api\.sock: "):
            await client.task("tree-1")


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        errors.UnknownTaskError("there is no such task"),
        errors.ForbiddenError("a viewer may not"),
        errors.NotYoursError("w1 is another key's"),
        errors.StaleLeaseError("it is held by w2"),
        errors.PayloadTooLargeError("too much"),
        errors.ReportError("the report is empty"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_refusal_is_the_error_that_the_service_met_and_is_not_tried_again(
    server: Server, client: Client, answer: type[Answer], error: errors.ParallelWorkersError
) -> None:
    server.answers = [refusal(answer, error)]
    with pytest.raises(type(error), match=f"^{error}$") as met:
        await client.task("tree-1")
    assert type(met.value) is type(error)
    assert len(server.asked) == 1


async def test_who_is_behind_is_told_the_head(server: Server, client: Client, answer: type[Answer]) -> None:
    server.answers = [refusal(answer, errors.BehindError("merge again", "c7"))]
    with pytest.raises(errors.BehindError) as met:
        await client.task("tree-1")
    assert met.value.head == "c7"


async def test_an_answer_that_is_none_of_ours_is_named(server: Server, client: Client, answer: type[Answer]) -> None:
    server.answers = [answer(status=418, body=b"<html>teapot</html>")]
    with pytest.raises(errors.ServiceError, match=r"HTTP 418 .* from /v1/tasks/tree-1"):
        await client.task("tree-1")


# --- the stream -----------------------------------------------------------------------------------------


async def test_a_stream_that_breaks_is_taken_up_after_the_last_event(
    server: Server, client: Client, answer: type[Answer]
) -> None:
    server.answers = [
        stream(answer, 1, 2),
        refusal(answer, errors.LedgerError("down")),
        answer(cut=True),
        stream(answer, 5),
    ]
    positions = []
    following = client.follow(task_id="tree-1", types=["started"], after=0)
    async for view in following:
        positions.append(view.position)
        if view.position == 5:
            break
    await following.aclose()
    assert positions == [1, 2, 5]
    assert [asked.headers["last-event-id"] for asked in server.asked] == ["0", "2", "2", "2"]
    assert server.asked[0].query == "task=tree-1&type=started&after=0"


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "localhost:8787", "ftp://host", "unix:", "http://"])
def test_what_is_no_address_of_a_server_is_refused(text: str) -> None:
    with pytest.raises(errors.UsageError, match="is no server"):
        Address.of(text)
