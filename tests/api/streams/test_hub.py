"""The hub: everything once and in order, to whoever listens, from wherever they were."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
import psycopg
import pytest

from api.schemas import EventPage
from api.streams import channel, frames, reader, ring
from api.streams import hub as hubs
from api.streams.frames import HEARTBEAT, Wanted, view_of
from api.streams.hub import EventHub
from domain.errors import CursorError, OverloadedError
from domain.events import Completed, Event, Failed, Receipt, RecordedEvent, Started
from domain.ids import TaskId
from eventstore.codec import encode_body
from eventstore.ledger import Ledger

NewEvent = Callable[..., Event]


class Reading(Protocol):
    async def event(self) -> dict[str, object]: ...

    async def positions(self, count: int) -> list[object]: ...

    async def chunk(self) -> bytes: ...


Read = Callable[..., Awaitable[Reading]]


def positions(receipts: Sequence[Receipt]) -> list[int | None]:
    return [receipt.position for receipt in receipts]


# --- in the process -------------------------------------------------------------------------------------


async def test_a_listener_is_called_with_what_comes_in_order(
    hub: EventHub, ledger: Ledger, new_event: NewEvent
) -> None:
    heard: list[RecordedEvent] = []
    hub.subscribe(heard.extend)
    sent = [new_event(f"tree-{number}.1") for number in range(5)]
    receipts = await ledger.append(sent)
    await hub.reached(receipts[-1].position or 0)
    assert [record.event for record in heard] == sent


async def test_a_listener_hears_nothing_from_before_the_hub(
    database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    heard: list[RecordedEvent] = []
    hub = EventHub(database_url)
    async with hub.run():
        hub.subscribe(heard.extend)
        later = new_event()
        [receipt] = await ledger.append([later])
        await hub.reached(receipt.position or 0)
    assert [record.event for record in heard] == [later]


async def test_a_listener_that_has_ended_is_not_called(hub: EventHub, ledger: Ledger, new_event: NewEvent) -> None:
    heard: list[RecordedEvent] = []
    hub.subscribe(heard.extend)()
    [receipt] = await ledger.append([new_event()])
    await hub.reached(receipt.position or 0)
    assert heard == []


async def test_a_listener_that_fails_keeps_nothing_from_the_others(
    hub: EventHub, ledger: Ledger, new_event: NewEvent
) -> None:
    def fail(_: Sequence[RecordedEvent]) -> None:
        raise ValueError("listener")

    heard: list[RecordedEvent] = []
    hub.subscribe(fail)
    hub.subscribe(heard.extend)
    [receipt] = await ledger.append([new_event()])
    await hub.reached(receipt.position or 0)
    assert len(heard) == 1


# --- what cannot be read --------------------------------------------------------------------------------


AppendRaw = Callable[..., list[int]]


def append_unreadable(database_url: str, append_raw: AppendRaw) -> int:
    """Append an event of a later release to a task that is over; gives its position."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        [position] = append_raw(connection, [{"stream_id": "over-1", "type": "teleported"}])
    return position


async def test_an_event_that_cannot_be_read_stops_no_listener_and_is_told_in_a_line(
    hub: EventHub,
    database_url: str,
    ledger: Ledger,
    new_event: NewEvent,
    append_raw: AppendRaw,
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[RecordedEvent] = []
    passed_over: list[str] = []
    hub.subscribe(heard.extend)
    hub.on_unreadable = lambda unreadable: passed_over.append(unreadable.task_id)
    [before] = await ledger.append([new_event()])
    bad = append_unreadable(database_url, append_raw)
    [after] = await ledger.append([new_event()])
    await hub.reached(after.position or 0)
    assert [record.position for record in heard] == positions([before, after])
    assert (hub.failure, passed_over) == (None, ["over-1"])
    [told] = [line for line in caplog.messages if line.startswith("passed over: ")]
    assert told.startswith(f"passed over: the event of over-1 at position {bad}, of type 'teleported', ")


async def test_a_hub_begins_behind_an_event_that_cannot_be_read(
    database_url: str, ledger: Ledger, new_event: NewEvent, append_raw: AppendRaw
) -> None:
    await ledger.append([new_event()])
    bad = append_unreadable(database_url, append_raw)
    hub = EventHub(database_url)
    async with hub.run():
        assert hub.position == bad


async def test_a_stream_of_all_tasks_passes_over_what_cannot_be_read_in_the_past_as_in_the_present(
    database_url: str,
    ledger: Ledger,
    new_event: NewEvent,
    append_raw: AppendRaw,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "_WARM_EVENTS", 1)
    sent = []
    for _ in range(2):
        sent += await ledger.append([new_event()])
        append_unreadable(database_url, append_raw)
    sent += await ledger.append([new_event()])
    hub = EventHub(database_url)
    async with hub.run():
        stream = await hub.open(0, Wanted())
        found: list[int] = []
        async with asyncio.timeout(30):
            while len(found) < 4:
                chunk = await anext(stream)
                found += [int(part.split()[1]) for part in chunk.split(b"\n\n") if part.startswith(b"id:")]
                if len(found) == 3:
                    append_unreadable(database_url, append_raw)
                    sent += await ledger.append([new_event()])
        await stream.aclose()
    assert found == positions(sent)


# --- streams --------------------------------------------------------------------------------------------


async def test_a_stream_without_a_place_begins_now(
    read: Read, hub: EventHub, ledger: Ledger, new_event: NewEvent
) -> None:
    [before] = await ledger.append([new_event()])
    await hub.reached(before.position or 0)
    reading = await read()
    [after] = await ledger.append([new_event()])
    assert (await reading.event())["position"] == after.position


async def test_a_stream_goes_on_from_any_place(read: Read, ledger: Ledger, new_event: NewEvent) -> None:
    receipts = await ledger.append([new_event() for _ in range(6)])
    reading = await read(after=receipts[2].position)
    assert await reading.positions(3) == positions(receipts[3:])


async def test_a_place_below_the_ring_is_read_from_the_ledger_and_goes_over_into_the_present(
    database_url: str, ledger: Ledger, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "_WARM_EVENTS", 2)
    receipts = list(await ledger.append([new_event() for _ in range(20)]))
    hub = EventHub(database_url)
    async with hub.run():
        stream = await hub.open(0, Wanted())
        frames_read: list[bytes] = []
        async with asyncio.timeout(30):
            async for chunk in stream:
                frames_read += [frame for frame in chunk.split(b"\n\n") if frame.startswith(b"id:")]
                if len(frames_read) == 20:
                    receipts += await ledger.append([new_event() for _ in range(3)])
                if len(frames_read) >= 23:
                    break
        await stream.aclose()
    assert [int(frame.split()[1]) for frame in frames_read] == positions(receipts)


async def test_the_past_of_one_task_is_read_page_by_page(
    database_url: str, ledger: Ledger, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "_WARM_EVENTS", 1)
    monkeypatch.setattr(reader, "_PAGE_EVENTS", 2)
    receipts = await ledger.append([new_event(f"tree-{number % 2}.1") for number in range(10)])

    async def events(task_id: str, after: int, limit: int) -> EventPage:
        records = await ledger.read_task(TaskId(task_id), after=after)
        return EventPage(events=tuple(map(view_of, records[:limit])), next_after=None)

    hub = EventHub(database_url)
    async with hub.run():
        stream = await hub.open(0, Wanted(task_id="tree-1"), events)
        found: list[int] = []
        async with asyncio.timeout(30):
            while len(found) < 5:
                chunk = await anext(stream)
                found += [int(part.split()[1]) for part in chunk.split(b"\n\n") if part.startswith(b"id:")]
        await stream.aclose()
    assert found == positions(receipts)[1::2]


async def test_only_the_types_and_the_task_that_are_wanted_come(
    read: Read, ledger: Ledger, new_event: NewEvent
) -> None:
    reading = await read(after=0, task_id="b-1", types=frozenset({"started", "failed"}))
    sent = [new_event("a-1.1", Started()), new_event("b-1.1"), new_event("b-1.1", Failed(error="x"))]
    receipts = await ledger.append([*sent, new_event("b-1.2", Started())])
    assert await reading.positions(2) == positions(receipts[2:])


async def test_a_place_that_the_ledger_has_not_come_to_is_refused(hub: EventHub) -> None:
    with pytest.raises(CursorError, match="position 7"):
        await hub.open(7, Wanted())


async def test_more_readers_than_the_limit_are_refused(database_url: str) -> None:
    hub = EventHub(database_url, readers_max=1)
    async with hub.run():
        stream = await hub.open(None, Wanted())
        await anext(stream)
        with pytest.raises(OverloadedError):
            await hub.open(None, Wanted())
        await stream.aclose()
        await (await hub.open(None, Wanted())).aclose()


async def test_a_reader_that_takes_nothing_is_cut_off_and_the_others_are_not(
    read: Read, hub: EventHub, ledger: Ledger, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel.Channel.__init__, "__kwdefaults__", {"bytes_max": 2000})
    slow, quick = await read(after=0), await read(after=0)
    waiting_slow, waiting_quick = asyncio.create_task(slow.event()), asyncio.create_task(quick.event())
    sent = []
    for _ in range(20):
        [receipt] = await ledger.append([new_event()])
        sent.append(receipt.position)
        await waiting_quick
        waiting_quick = asyncio.create_task(quick.event())
    await waiting_slow
    with pytest.raises(StopAsyncIteration):
        await slow.chunk()
    waiting_quick.cancel()
    await asyncio.wait({waiting_quick})


async def test_readers_hear_that_the_line_is_alive(database_url: str) -> None:
    hub = EventHub(database_url, heartbeat_seconds=0.01)
    async with hub.run():
        stream = await hub.open(None, Wanted())
        async with asyncio.timeout(30):
            assert [await anext(stream) for _ in range(3)] == [HEARTBEAT] * 3
        await stream.aclose()


async def test_streams_end_with_the_hub(database_url: str) -> None:
    hub = EventHub(database_url)
    async with hub.run():
        stream = await hub.open(None, Wanted())
        await anext(stream)
        rest = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        hub.end_readers()
        with pytest.raises(StopAsyncIteration):
            await rest
        with pytest.raises(OverloadedError):
            await hub.open(None, Wanted())
    assert hub.readers == 0


async def test_a_lost_connection_loses_no_event(
    read: Read, database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    reading = await read(after=0)
    [first] = await ledger.append([new_event()])
    assert await reading.positions(1) == [first.position]
    _end_feeds(database_url)
    later = await ledger.append([new_event() for _ in range(3)])
    assert await reading.positions(3) == positions(later)


async def test_a_ledger_that_was_exchanged_ends_all_streams_and_is_said(
    hub: EventHub, database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    [receipt] = await ledger.append([new_event()])
    await hub.reached(receipt.position or 0)
    stream = await hub.open(None, Wanted())
    await anext(stream)
    rest = asyncio.create_task(anext(stream))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.incarnation SET id = gen_random_uuid()")
    _end_feeds(database_url)
    async with asyncio.timeout(30):
        with pytest.raises(StopAsyncIteration):
            await rest
    assert hub.failure is not None
    with pytest.raises(OverloadedError, match="not followed"):
        await hub.open(None, Wanted())


def _end_feeds(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pw feed' AND datname = current_database()"
        )


async def test_five_hundred_readers_get_everything_and_share_one_piece_of_memory(
    hub: EventHub, ledger: Ledger, new_event: NewEvent
) -> None:
    streams = [await hub.open(None, Wanted()) for _ in range(500)]
    for stream in streams:
        await anext(stream)
    tasks = [asyncio.create_task(anext(stream)) for stream in streams]
    await asyncio.sleep(0)
    [receipt] = await ledger.append([new_event()])
    async with asyncio.timeout(30):
        chunks = await asyncio.gather(*tasks)
    assert {int(chunk.split()[1]) for chunk in chunks} == {receipt.position}
    for stream in streams:
        await stream.aclose()


# --- what is sent ---------------------------------------------------------------------------------------


async def test_a_payload_is_sent_as_it_was_stored(read: Read, ledger: Ledger, new_event: NewEvent) -> None:
    body = Completed(summary="line\none", result={"files": 3})
    await ledger.append([new_event(body=body)])
    event = await (await read(after=0)).event()
    assert event["type"] == "completed"
    assert event["payload"] == msgspec.json.decode(encode_body(body)[1])


async def test_the_ring_forgets_the_oldest(new_event: NewEvent) -> None:
    small = ring.Ring(0, events_max=2)
    for position in range(1, 5):
        small.add(frames.Entry(position, "t", "started", b"x"))
    assert small.floor == 2
    assert [entry.position for entry in small.since(3)] == [4]


async def test_the_ring_is_bounded_in_bytes() -> None:
    small = ring.Ring(0, bytes_max=10)
    for position in range(1, 5):
        small.add(frames.Entry(position, "t", "started", b"12345"))
    assert [entry.position for entry in small.since(small.floor)] == [3, 4]
