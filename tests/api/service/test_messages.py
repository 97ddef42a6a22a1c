"""What workers say: a receipt for each message, whatever becomes of its neighbours."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from api.schemas import CompletedMessage, ProgressMessage, StartedMessage
from domain.events import Usage
from tests.api.service.conftest import Opening, Service, SetClock, Worker, submit, submit_tree


async def test_each_message_has_a_receipt_with_its_place(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()

    receipts = await worker.say(
        worker.message(ProgressMessage, completed=1, total=2), worker.message(ProgressMessage, completed=2, total=2)
    )

    assert [receipt.status for receipt in receipts] == ["created", "created"]
    first, second = receipts
    assert (first.position or 0) < (second.position or 0)
    assert (second.version or 0) == (first.version or 0) + 1


async def test_a_message_that_comes_again_is_stored_once(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    message = worker.message(ProgressMessage, completed=1, total=2)

    first, again = (await worker.say(message))[0], (await worker.say(message))[0]

    assert (first.status, again.status) == ("created", "duplicate")
    assert again.position == first.position


async def test_a_message_that_comes_many_times_at_once_is_stored_once(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    message = worker.message(CompletedMessage)

    receipts = await asyncio.gather(*(worker.say(message) for _ in range(20)))

    assert sorted(receipt.status for [receipt] in receipts) == ["created", *["duplicate"] * 19]


async def test_a_message_is_known_to_another_process(open_service: Opening) -> None:
    async with open_service() as one:
        task = await submit_tree(one, files=1)
        worker = await Worker(one, "w1").at_work()
        message = worker.message(ProgressMessage, completed=1, total=2)
        await worker.say(message)
        async with open_service() as two:
            await two.desks.get(task.id)  # type: ignore[arg-type]
            [receipt] = await two.post([message], worker.principal)

    assert receipt.status == "duplicate"


async def test_the_same_id_with_another_content_is_a_conflict(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    message = worker.message(ProgressMessage, completed=1, total=2)
    await worker.say(message)

    [receipt] = await worker.say(msgspec.structs.replace(message, completed=2))

    assert receipt.status == "conflict"
    assert (await service.subtask(worker.lease.subtask_id, worker.principal)).fraction == 0.5


async def test_the_last_word_of_a_worker_is_known_after_its_lease_is_over(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    message = worker.message(CompletedMessage)

    first, again = (await worker.say(message))[0], (await worker.say(message))[0]

    assert (first.status, again.status) == ("created", "duplicate")


async def test_the_last_word_that_comes_again_before_its_verdict_is_a_duplicate(service: Service) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()
    message = worker.message(CompletedMessage)

    first, again = (await worker.say(message))[0], (await worker.say(message))[0]

    assert (first.status, again.status) == ("created", "duplicate")


async def test_what_was_stored_before_a_lease_was_lost_is_a_duplicate_after_it(
    service: Service, clock: SetClock
) -> None:
    await submit(service, files=1)
    zombie = await Worker(service, "zombie").at_work()
    message = zombie.message(ProgressMessage, completed=1, total=2)
    [first] = await zombie.say(message)
    clock.forward(100.0)
    await service.leases.sweep()
    await Worker(service, "holder").at_work()

    [again] = await zombie.say(message)

    assert (first.status, again.status) == ("created", "duplicate")
    assert again.position == first.position


async def test_one_bad_message_harms_no_other(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    good = worker.message(ProgressMessage, completed=1, total=2)
    first, second = service.clock.new_message_id(), service.clock.new_message_id()
    unknown = msgspec.structs.replace(good, subtask_id="nothing-00000000.1", message_id=first)
    stale = msgspec.structs.replace(good, lease_epoch=7, message_id=second)
    nul = worker.message(ProgressMessage, completed=1, total=2, status="a\0b")

    receipts = await worker.say(unknown, stale, nul, good)

    assert [(receipt.status, receipt.code) for receipt in receipts] == [
        ("rejected", "unknown_subtask"), ("rejected", "stale_lease"), ("rejected", "invalid"), ("created", ""),
    ]  # fmt: skip


async def test_a_message_over_the_limit_is_refused_with_the_limit(service: Service) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()

    [receipt] = await worker.say(worker.message(CompletedMessage, result={"log": "x" * 5_000_000}))

    assert (receipt.status, receipt.code) == ("rejected", "too_large")
    assert "the limit is 4194304" in receipt.reason


async def test_a_zombie_s_result_is_refused_with_the_holder_s_name_and_kept(
    service: Service, clock: SetClock
) -> None:
    task = await submit(service, files=1)
    zombie = await Worker(service, "zombie").at_work()
    clock.forward(100.0)
    await service.leases.sweep()
    holder = await Worker(service, "holder").at_work()

    late = await zombie.complete("what I have found")

    assert (late.status, late.code) == ("rejected", "stale_lease")
    assert "held by holder under epoch 2" in late.reason
    kept = [event for event in (await service.events(task.id)).events if event.type == "late_reported"]
    assert [msgspec.json.decode(event.payload)["message"]["summary"] for event in kept] == ["what I have found"]
    assert (await holder.progress(5)).status == "created"


async def test_a_zombie_s_result_that_comes_again_is_kept_once(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1)
    zombie = await Worker(service, "zombie").at_work()
    clock.forward(100.0)
    await service.leases.sweep()
    await Worker(service, "holder").at_work()
    message = zombie.message(CompletedMessage)

    first, again = (await zombie.say(message))[0], (await zombie.say(message))[0]

    assert (first.code, again.code) == ("stale_lease", "stale_lease")
    assert first.position == again.position
    types = [event.type for event in (await service.events(task.id)).events]
    assert types.count("late_reported") == 1


async def test_a_late_report_counts_until_the_subtask_is_leased_again(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    clock.forward(100.0)
    await service.leases.sweep()

    receipt = await worker.complete()

    assert receipt.status == "created"
    assert (await service.task(task.id)).status == "completed"


async def test_another_worker_cannot_speak_under_a_lease(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    message = msgspec.structs.replace(worker.message(CompletedMessage), worker_id="w2")

    [receipt] = await worker.say(message)

    assert (receipt.status, receipt.code) == ("rejected", "stale_lease")


async def test_a_clock_that_is_far_off_is_kept_as_it_was_sent_and_noted(service: Service, clock: SetClock) -> None:
    await submit(service, files=1)
    worker = Worker(service, "w1")
    await worker.claim()
    sent = clock.now().replace(year=2012)

    [receipt] = await worker.say(worker.message(StartedMessage, occurred_at=sent))

    assert receipt.status == "created"
    assert receipt.warning != ""


async def test_what_an_attempt_cost_adds_up_and_unknown_stays_unknown(service: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.say(worker.message(ProgressMessage, completed=1, total=2, usage=Usage(cost=0.5)))
    await worker.say(worker.message(ProgressMessage, completed=1, total=2))
    await worker.say(worker.message(ProgressMessage, completed=2, total=2, usage=Usage(cost=0.7)))

    desk = await service.desks.get(task.id)  # type: ignore[arg-type]

    assert desk.state.subtasks[worker.lease.subtask_id].cost == pytest.approx(0.7)  # type: ignore[index]


async def test_a_task_whose_workers_have_used_up_its_budget_is_paused(service: Service) -> None:
    task = await submit(service, files=2, cost_max=1.0)
    worker = await Worker(service, "w1").at_work()

    await worker.say(worker.message(CompletedMessage, usage=Usage(cost=1.5)))

    view = await service.task(task.id)
    assert view.status == "paused"
    assert "$1.50" in view.reason
    assert await Worker(service, "w2").claim() is None
