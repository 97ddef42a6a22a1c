"""Events over HTTP: pages, and streams that are taken up where they were left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx_sse
import pytest

from api.service.service import Service

Client = httpx.AsyncClient
Task = dict[str, Any]
WaitUntil = Callable[[Callable[[], bool]], Awaitable[None]]
SSE = {"Accept": "text/event-stream"}


@asynccontextmanager
async def stream(
    client: Client, path: str, **options: Any
) -> AsyncIterator[AsyncIterator[httpx_sse.ServerSentEvent]]:
    async with asyncio.timeout(30), httpx_sse.aconnect_sse(client, "GET", path, **options) as source:
        source.response.raise_for_status()
        yield source.aiter_sse()


async def take(events: AsyncIterator[httpx_sse.ServerSentEvent], count: int) -> list[httpx_sse.ServerSentEvent]:
    return [await anext(events) for _ in range(count)]


# --- pages ----------------------------------------------------------------------------------------------


async def test_pages_go_through_all_events_once(client: Client, task: Task) -> None:
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = (await client.get(f"/v1/tasks/{task['id']}/events?after={after}&limit=2")).json()
        found += [event["position"] for event in page["events"]]
        after = page["next_after"]
    assert found == list(range(1, task["position"] + 1))


async def test_a_page_cannot_be_of_some_types_only(client: Client, task: Task) -> None:
    assert (await client.get(f"/v1/tasks/{task['id']}/events?type=started")).status_code == 400


# --- streams --------------------------------------------------------------------------------------------


async def test_a_stream_gives_what_there_is_and_what_comes(client: Client, task: Task) -> None:
    async with stream(client, "/v1/events?after=0") as events:
        past = await take(events, task["position"])
        await client.post(f"/v1/tasks/{task['id']}/pause")
        [news] = await take(events, 1)
    assert [int(event.id) for event in [*past, news]] == list(range(1, task["position"] + 2))
    assert (past[0].event, news.event) == ("task_submitted", "task_paused")
    assert (news.json()["task_id"], news.json()["payload"]["reason"]) == (task["id"], "by local")


async def test_a_stream_and_a_page_say_the_same_of_an_event(client: Client, task: Task) -> None:
    async with stream(client, "/v1/events?after=0") as events:
        streamed = [event.json() for event in await take(events, task["position"])]
    page = (await client.get(f"/v1/tasks/{task['id']}/events")).json()
    assert streamed == page["events"]


async def test_the_last_event_id_wins_over_the_parameter(client: Client, task: Task) -> None:
    async with stream(client, "/v1/events?after=0", headers={"Last-Event-ID": "3"}) as events:
        [first] = await take(events, 1)
    assert first.id == "4"


async def test_without_a_place_only_news_come(bench: Any, client: Client, task: Task) -> None:
    await bench.service.hub.reached(task["position"])
    async with stream(client, "/v1/events") as events:
        await client.post(f"/v1/tasks/{task['id']}/pause")
        [first] = await take(events, 1)
    assert first.event == "task_paused"


async def test_a_stream_can_be_of_one_task_and_some_types(bench: Any, client: Client, task: Task) -> None:
    other = await bench.submit(client, name="other")
    path = f"/v1/events?after=0&task={other['id']}&type=task_submitted&type=subtask_ready"
    async with stream(client, path) as events:
        found = await take(events, 2)
    assert [event.event for event in found] == ["task_submitted", "subtask_ready"]
    assert {event.json()["task_id"] for event in found} == {other["id"]}


async def test_a_tasks_events_are_a_stream_for_whoever_accepts_one(bench: Any, client: Client, task: Task) -> None:
    await bench.submit(client, name="other")
    async with stream(client, f"/v1/tasks/{task['id']}/events", headers=SSE) as events:
        await take(events, task["position"])
        await client.post(f"/v1/tasks/{task['id']}/pause")
        [news] = await take(events, 1)
    assert (news.event, news.json()["task_id"]) == ("task_paused", task["id"])


async def test_a_stream_may_begin_with_the_past_at_a_speed_and_goes_on_with_the_present(
    client: Client, task: Task
) -> None:
    path = f"/v1/tasks/{task['id']}/events?speed=1000&type=subtask_planned&type=task_paused"
    async with stream(client, path, headers=SSE) as events:
        past = await take(events, task["subtasks"]["ready"])
        await client.post(f"/v1/tasks/{task['id']}/pause")
        [news] = await take(events, 1)
    assert {event.event for event in past} == {"subtask_planned"}
    assert news.event == "task_paused"


async def test_whoever_comes_back_to_the_past_at_a_speed_goes_on_where_it_was(client: Client, task: Task) -> None:
    headers = SSE | {"Last-Event-ID": "3"}
    async with stream(client, f"/v1/tasks/{task['id']}/events?speed=1000", headers=headers) as events:
        [first] = await take(events, 1)
    assert first.id == "4"


@pytest.mark.parametrize(("speed", "headers"), [("0", SSE), ("-1", SSE), ("nan", SSE), ("x", SSE), ("60", {})])
async def test_a_speed_is_above_nothing_and_of_a_stream(
    client: Client, task: Task, speed: str, headers: dict[str, str]
) -> None:
    answer = await client.get(f"/v1/tasks/{task['id']}/events?speed={speed}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_a_stream_is_not_compressed_or_kept(client: Client) -> None:
    async with client.stream("GET", "/v1/events") as answer:
        headers = answer.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert (headers.get("content-encoding"), headers["cache-control"]) == (None, "no-store")


async def test_a_reader_that_leaves_is_not_a_reader_any_more(
    bench: Any, client: Client, wait_until: WaitUntil
) -> None:
    service: Service = bench.service
    async with client.stream("GET", "/v1/events") as answer:
        chunks = answer.aiter_bytes()
        await anext(chunks)
        assert service.hub.readers == 1
    await wait_until(lambda: service.hub.readers == 0)


async def test_streams_end_when_the_service_is_about_to_end(bench: Any, client: Client) -> None:
    async with client.stream("GET", "/v1/events") as answer:
        chunks = answer.aiter_bytes()
        await anext(chunks)
        bench.service.hub.end_readers()
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/events?after=999", {}, 410),
        ("/v1/events", {"Last-Event-ID": "999"}, 410),
        ("/v1/events", {"Last-Event-ID": "x"}, 400),
        ("/v1/events", {"Last-Event-ID": "-1"}, 400),
        ("/v1/events?after=-1", {}, 400),
        ("/v1/events?type=nonsense", {}, 400),
        ("/v1/events?task=nobody-00000000", {}, 404),
        ("/v1/tasks/nobody-00000000/events", SSE, 404),
    ],
)
async def test_a_stream_that_cannot_be_is_refused(
    client: Client, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await client.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_more_readers_than_the_limit_come_later(open_bench: Any) -> None:
    async with open_bench(readers_max=1) as bench:
        client = await bench.client()
        async with client.stream("GET", "/v1/events") as first:
            chunks = first.aiter_bytes()
            await anext(chunks)
            answer = await client.get("/v1/events")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
