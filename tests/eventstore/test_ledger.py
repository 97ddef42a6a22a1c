"""What one caller may rely on: receipts, versions, and all of a call or nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import InvalidEventError, LedgerError, OutcomeUnknownError, VersionConflictError
from domain.events import Completed, Event, Failed, Progress, Receipt, Started, TaskSubmitted
from domain.ids import TaskId
from eventstore.append import APPEND_LOCK, Appender
from eventstore.codec import PAYLOAD_BYTES_MAX
from eventstore.ledger import Ledger

NewEvent = Callable[..., Event]
Connect = Callable[[], Awaitable[psycopg.AsyncConnection[TupleRow]]]

TASK = TaskId("tree-1")
SUBMITTED = TaskSubmitted(repository="/tree", base_commit="c0", branch="pw/tree-1", options={})


def statuses(receipts: list[Receipt]) -> list[str]:
    return [receipt.status for receipt in receipts]


async def stored(ledger: Ledger, task: TaskId = TASK) -> list[Event]:
    return [record.event for record in await ledger.read_task(task)]


# --- receipts -------------------------------------------------------------------------------------------


async def test_a_new_event_is_created_at_version_1(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    [receipt] = await ledger.append([event])
    assert (receipt.message_id, receipt.status, receipt.version) == (event.message_id, "created", 1)


async def test_a_receipt_gives_the_position_that_the_event_is_read_at(ledger: Ledger, new_event: NewEvent) -> None:
    receipts = await ledger.append([new_event(), new_event()])
    assert [record.position for record in await ledger.read_task(TASK)] == [r.position for r in receipts]


async def test_an_event_sent_again_is_a_duplicate_with_the_first_receipts_place(
    ledger: Ledger, new_event: NewEvent
) -> None:
    event = new_event()
    [first] = await ledger.append([event])
    await ledger.append([new_event()])
    assert await ledger.append([event]) == [msgspec.structs.replace(first, status="duplicate")]


async def test_a_duplicate_is_not_stored_again(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    await ledger.append([event])
    await ledger.append([event])
    assert await stored(ledger) == [event]


@pytest.mark.parametrize(
    "change",
    [
        {"body": Progress(completed=2, total=2)},
        {"body": Started()},
        {"worker_id": "w2"},
        {"lease_epoch": 8},
        {"stream_id": "tree-1.2"},
        {"occurred_at": datetime(2026, 3, 1, 9, 30, 0, 1, tzinfo=UTC)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_message_id_with_other_content_is_a_conflict_and_changes_nothing(
    ledger: Ledger, new_event: NewEvent, change: dict[str, object]
) -> None:
    event = new_event(worker="w1", epoch=7)
    [first] = await ledger.append([event])
    other = msgspec.structs.replace(event, **change)
    assert await ledger.append([other]) == [msgspec.structs.replace(first, status="conflict")]
    assert await stored(ledger) == [event]


async def test_the_same_moment_in_another_time_zone_is_the_same_content(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    east = event.occurred_at.astimezone(timezone(timedelta(hours=9)))
    await ledger.append([event])
    assert statuses(await ledger.append([msgspec.structs.replace(event, occurred_at=east)])) == ["duplicate"]


async def test_a_repeat_within_one_call_is_a_duplicate_of_the_first(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    first, second = await ledger.append([event, event])
    assert (first.status, second) == ("created", msgspec.structs.replace(first, status="duplicate"))


async def test_a_contradiction_within_one_call_is_a_conflict_with_the_first(
    ledger: Ledger, new_event: NewEvent
) -> None:
    event = new_event()
    other = msgspec.structs.replace(event, body=Started())
    first, second = await ledger.append([event, other])
    assert (first.status, second) == ("created", msgspec.structs.replace(first, status="conflict"))
    assert await stored(ledger) == [event]


async def test_new_events_are_stored_beside_duplicates_and_conflicts(ledger: Ledger, new_event: NewEvent) -> None:
    known = new_event()
    await ledger.append([known])
    new = new_event()
    receipts = await ledger.append([msgspec.structs.replace(known, body=Started()), new, known])
    assert statuses(receipts) == ["conflict", "created", "duplicate"]
    assert await stored(ledger) == [known, new]


async def test_a_message_id_counts_within_its_task_only(ledger: Ledger, new_event: NewEvent) -> None:
    message = UUID(int=99)
    receipts = await ledger.append([new_event("tree-1", message=message), new_event("other-1", message=message)])
    assert statuses(receipts) == ["created", "created"]


async def test_an_append_of_nothing_gives_no_receipts(ledger: Ledger) -> None:
    assert await ledger.append([]) == []


# --- versions and positions -----------------------------------------------------------------------------


async def test_versions_count_from_1_in_each_stream(ledger: Ledger, new_event: NewEvent) -> None:
    receipts = await ledger.append([new_event(stream) for stream in ("tree-1", "tree-1.1", "tree-1", "tree-1.1")])
    receipts += await ledger.append([new_event("tree-1")])
    assert [receipt.version for receipt in receipts] == [1, 1, 2, 2, 3]


async def test_duplicates_leave_no_gap_in_the_versions(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    await ledger.append([event])
    receipts = await ledger.append([event, new_event(), event, new_event()])
    assert [receipt.version for receipt in receipts] == [1, 2, 1, 3]


async def test_positions_rise_in_the_order_of_the_call_across_streams(ledger: Ledger, new_event: NewEvent) -> None:
    receipts = await ledger.append([new_event(stream) for stream in ("tree-1.9", "tree-1.1", "tree-1", "tree-1.5")])
    receipts += await ledger.append([new_event("tree-1.1")])
    positions = [receipt.position for receipt in receipts]
    assert positions == sorted(set(positions))


async def test_the_expected_version_lets_an_append_pass(ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event()], expected={"tree-1.1": 0})
    [receipt] = await ledger.append([new_event()], expected={"tree-1.1": 1})
    assert receipt.version == 2


@pytest.mark.parametrize("expected", [0, 2])
async def test_another_version_than_expected_stores_nothing_of_the_call(
    ledger: Ledger, new_event: NewEvent, expected: int
) -> None:
    event = new_event()
    await ledger.append([event])
    with pytest.raises(VersionConflictError, match=rf"^tree-1\.1 is at version 1, not {expected}$"):
        await ledger.append([new_event("tree-1"), new_event()], expected={"tree-1.1": expected})
    assert await stored(ledger) == [event]


async def test_sending_again_what_is_stored_is_no_conflict_of_versions(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    await ledger.append([event], expected={"tree-1.1": 0})
    [receipt] = await ledger.append([event], expected={"tree-1.1": 0})
    assert receipt.status == "duplicate"


async def test_an_append_at_the_last_position_of_its_task_passes(ledger: Ledger, new_event: NewEvent) -> None:
    [first] = await ledger.append([new_event("tree-1")], at=0)
    # Another task's events in between change nothing.
    await ledger.append([new_event("other-1")])
    [second] = await ledger.append([new_event("tree-1.1")], at=first.position)
    assert statuses([first, second]) == ["created", "created"]


@pytest.mark.parametrize("at", [0, 2, 3])
async def test_an_append_at_another_position_than_the_last_stores_nothing_of_the_call(
    ledger: Ledger, new_event: NewEvent, at: int
) -> None:
    event = new_event("tree-1.1")
    await ledger.append([event])
    with pytest.raises(VersionConflictError, match=rf"^tree-1 is at position 1, not {at}$"):
        await ledger.append([new_event("tree-1.2"), new_event("tree-1.1")], at=at)
    assert await stored(ledger) == [event]


async def test_an_append_at_a_position_of_an_unknown_task_is_refused(ledger: Ledger, new_event: NewEvent) -> None:
    with pytest.raises(VersionConflictError, match=r"^tree-1 is at position 0, not 5$"):
        await ledger.append([new_event()], at=5)


async def test_a_decision_without_a_position_can_come_between(ledger: Ledger, new_event: NewEvent) -> None:
    [first] = await ledger.append([new_event()], at=0)
    [second] = await ledger.append([new_event()])
    with pytest.raises(VersionConflictError, match=rf"^tree-1 is at position {second.position}, not "):
        await ledger.append([new_event()], at=first.position)


async def test_a_version_cannot_be_expected_of_a_stream_that_gets_nothing(
    ledger: Ledger, new_event: NewEvent
) -> None:
    with pytest.raises(
        LedgerError, match=r"^a version is expected of tree-1\.9, which none of the events belongs to"
    ):
        await ledger.append([new_event()], expected={"tree-1.9": 0})
    assert await stored(ledger) == []


async def test_text_that_only_looks_like_a_nul_is_kept(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event(body=Failed(error=r"the escape \u0000 is not allowed"))
    await ledger.append([event])
    assert await stored(ledger) == [event]


async def test_a_refused_append_leaves_no_gap_in_the_versions(ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event()])
    with pytest.raises(VersionConflictError):
        await ledger.append([new_event()], expected={"tree-1.1": 5})
    [receipt] = await ledger.append([new_event()])
    assert receipt.version == 2


# --- reading --------------------------------------------------------------------------------------------


async def test_an_event_is_read_back_as_it_was_sent(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event(worker="w1", epoch=3, occurred_at=datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC))
    await ledger.append([event])
    assert await stored(ledger) == [event]


async def test_a_read_gives_one_task_only(ledger: Ledger, new_event: NewEvent) -> None:
    own, foreign = new_event("tree-1.1"), new_event("tree-11.1")
    await ledger.append([own, foreign])
    assert await stored(ledger) == [own]


async def test_a_read_starts_behind_the_position_that_is_given(ledger: Ledger, new_event: NewEvent) -> None:
    receipts = await ledger.append([new_event() for _ in range(4)])
    records = await ledger.read_task(TASK, after=receipts[1].position)
    assert [record.position for record in records] == [receipt.position for receipt in receipts[2:]]


async def test_a_read_gives_no_more_than_asked_for_the_first_ones_first(ledger: Ledger, new_event: NewEvent) -> None:
    receipts = await ledger.append([new_event() for _ in range(5)])
    records = await ledger.read_task(TASK, after=receipts[0].position, limit=2)
    assert [record.position for record in records] == [receipts[1].position, receipts[2].position]


async def test_pages_of_a_task_make_the_whole_of_it(ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event(f"tree-1.{number}") for number in range(7)])
    pages, after = [], 0
    while page := await ledger.read_task(TASK, after=after, limit=3):
        pages.append(page)
        after = page[-1].position
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [record for page in pages for record in page] == await ledger.read_task(TASK)


async def test_a_message_is_found_by_its_id_in_whichever_stream_it_is(ledger: Ledger, new_event: NewEvent) -> None:
    events = [new_event("tree-1"), new_event("tree-1.2", worker="w1", epoch=3), new_event("tree-1.1")]
    await ledger.append(events)
    found = await ledger.find_message(TASK, events[1].message_id)
    assert found == (await ledger.read_task(TASK))[1]


async def test_another_task_s_message_is_not_found(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event("other-1")
    await ledger.append([event])
    assert await ledger.find_message(TASK, event.message_id) is None


async def test_of_a_message_with_two_contents_the_stored_one_is_found(ledger: Ledger, new_event: NewEvent) -> None:
    event = new_event()
    await ledger.append([event])
    await ledger.append([msgspec.structs.replace(event, body=Started())])
    found = await ledger.find_message(TASK, event.message_id)
    assert found is not None
    assert found.event == event


async def test_an_unknown_task_has_no_events(ledger: Ledger) -> None:
    assert await ledger.read_task(TaskId("nobody-1")) == []


async def test_the_moment_of_recording_is_the_databases(
    ledger: Ledger, new_event: NewEvent, connect: Connect
) -> None:
    connection = await connect()
    [before] = await (await connection.execute("SELECT clock_timestamp()")).fetchone() or ()
    await ledger.append([new_event()])
    [after] = await (await connection.execute("SELECT clock_timestamp()")).fetchone() or ()
    [record] = await ledger.read_task(TASK)
    assert before <= record.recorded_at <= after


async def test_tasks_are_found_newest_first(ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event(task, SUBMITTED) for task in ("boto-1", "salt-1", "boto-2")])
    assert await ledger.find_tasks("") == ["boto-2", "salt-1", "boto-1"]


async def test_tasks_are_found_by_any_part_of_their_name(ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event(task, SUBMITTED) for task in ("boto-1", "salt-1", "boto-2")])
    assert await ledger.find_tasks("oto-") == ["boto-2", "boto-1"]


async def test_the_signs_of_a_pattern_are_no_pattern_in_a_search(ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event("boto-1", SUBMITTED)])
    assert await ledger.find_tasks("b%") == []


# --- what cannot be kept --------------------------------------------------------------------------------


def _too_large() -> Completed:
    return Completed(result={"log": "x" * PAYLOAD_BYTES_MAX})


def _nested(depth: int) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for _ in range(depth):
        nested = {"x": nested}
    return nested


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_too_large(), rf"^completed: the payload has \d+ bytes, the limit is {PAYLOAD_BYTES_MAX}$"),
        (Failed(error="a\0b"), "^failed: the payload cannot be kept: a string holds a NUL character$"),
        (Completed(result={"x": math.nan}), "^completed: the payload cannot be kept: nan is not a finite number$"),
        (Failed(error="\ud800"), "^failed: the payload cannot be kept: .*surrogates not allowed$"),
        (Completed(result=_nested(5000)), "^completed: the payload cannot be kept: maximum recursion depth"),
        (Completed(result={"a\0b": 1}), "^completed: the payload cannot be kept: a string holds a NUL character$"),
    ],
    ids=["too large", "NUL", "no number", "half a pair", "too deep", "NUL in a key"],
)
async def test_a_payload_that_cannot_be_kept_is_refused_with_all_of_its_call(
    ledger: Ledger, new_event: NewEvent, body: Completed | Failed, reason: str
) -> None:
    with pytest.raises(LedgerError, match=reason):
        await ledger.append([new_event(), new_event(body=body), new_event()])
    assert await stored(ledger) == []


async def test_the_largest_payload_that_is_allowed_is_kept(ledger: Ledger, new_event: NewEvent) -> None:
    around = len('{"result":{"log":""}}')
    event = new_event(body=Completed(result={"log": "x" * (PAYLOAD_BYTES_MAX - around)}))
    await ledger.append([event])
    assert await stored(ledger) == [event]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"worker": "w\0"}, r"worker_id is 'w\\x00': one line of text is needed"),
        ({"worker": "w\ud800"}, r"worker_id is 'w\\ud800': one line of text is needed"),
        ({"worker": ""}, "worker_id is '': one line of text is needed"),
        ({"epoch": 2**31}, "lease_epoch is 2147483648: a number from 0 to 2147483647 is needed"),
        ({"epoch": "2"}, "lease_epoch is '2': a number from 0 to 2147483647 is needed"),
        ({"message": "m"}, "message_id is 'm': a UUID is needed"),
        ({"occurred_at": "now"}, "occurred_at is 'now': a time with its zone is needed"),
        (
            {"occurred_at": datetime(2026, 3, 1)},  # noqa: DTZ001
            r"occurred_at is datetime.datetime\(2026, 3, 1, 0, 0\): a time with its zone is needed",
        ),
    ],
)
async def test_an_envelope_that_cannot_be_kept_is_refused_with_all_of_its_call(
    ledger: Ledger, new_event: NewEvent, change: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidEventError, match=f"^progress: {reason}$"):
        await ledger.append([new_event(), new_event(**change)])
    assert await stored(ledger) == []


async def test_the_ledger_goes_on_after_a_refusal(ledger: Ledger, new_event: NewEvent) -> None:
    with pytest.raises(LedgerError):
        await ledger.append([new_event(epoch=2**31)])
    assert statuses(await ledger.append([new_event()])) == ["created"]


async def test_an_event_of_a_type_that_is_unknown_is_named(
    ledger: Ledger, connect: Connect, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    connection = await connect()
    # As a later version might have written it.
    await connection.execute(
        "INSERT INTO ledger.event (task_id, stream_id, version, position, message_id, type, schema_version,"
        " occurred_at, payload, content_hash)"
        " SELECT task_id, stream_id, 2, position + 1, gen_random_uuid(), 'teleported', 1, occurred_at, '{}',"
        " content_hash FROM ledger.event"
    )
    unreadable = r"^the event of tree-1 at position 2, of type 'teleported', cannot be read by this release: "
    with pytest.raises(LedgerError, match=unreadable):
        await ledger.read_task(TASK)


# --- the database is gone -------------------------------------------------------------------------------


async def test_an_append_whose_connection_the_server_ends_is_sent_again(
    ledger: Ledger, connect: Connect, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    other = await connect()
    await other.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'pw append'"
        " AND datname = current_database()"
    )
    assert statuses(await ledger.append([new_event()])) == ["created"]
    assert len(await stored(ledger)) == 2


async def test_reading_goes_on_after_its_connection_was_ended(
    ledger: Ledger, connect: Connect, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    other = await connect()
    await other.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'pw read'"
        " AND datname = current_database()"
    )
    assert len(await ledger.read_task(TASK)) == 1


async def test_a_fault_of_ours_fails_one_call_and_not_the_next(
    ledger: Ledger, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr(Appender, "append_calls", fail)
        with pytest.raises(OutcomeUnknownError, match=r"^the append has failed: ValueError\('a fault of ours'\)$"):
            await ledger.append([new_event()])
    assert statuses(await ledger.append([new_event()])) == ["created"]


async def test_a_call_that_no_queue_could_hold_is_not_told_to_come_again(ledger: Ledger, new_event: NewEvent) -> None:
    with pytest.raises(
        LedgerError, match=r"^a call of 20001 events and \d+ bytes is more than .*: send it in parts$"
    ):
        await ledger.append([new_event() for _ in range(20_001)])
    assert await stored(ledger) == []


async def test_whoever_waits_while_closing_is_cancelled_is_told(
    database_url: str, connect: Connect, new_event: NewEvent
) -> None:
    holder = await connect()
    async with holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        opened = Ledger.open(database_url)
        ledger = await opened.__aenter__()
        waiting = asyncio.create_task(ledger.append([new_event()]))
        closing = asyncio.create_task(opened.__aexit__(None, None, None))
        observer = await connect()
        blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        async with asyncio.timeout(30):
            while await (await observer.execute(blocked)).fetchone() != (True,):
                pass
        closing.cancel()
        await asyncio.wait({closing})
        with pytest.raises(OutcomeUnknownError, match=r"^the ledger was closed before the answer came$"):
            await waiting


async def test_a_database_that_is_not_there_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"^the ledger cannot be reached: [^\n]+$"):
        async with Ledger.open(f"postgresql:///ledger?host={tmp_path}"):
            pytest.fail("there is no server in an empty folder")


async def test_an_opened_ledger_is_ready_and_closes_its_connection(database_url: str, new_event: NewEvent) -> None:
    async with Ledger.open(database_url) as opened:
        assert statuses(await opened.append([new_event()])) == ["created"]
    with pytest.raises(LedgerError, match=r"^the ledger is closed$"):
        await opened.append([new_event()])
