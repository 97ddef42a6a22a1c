"""Three clocks, the fence, and retries: nothing is reaped that was alive, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.schemas import HeartbeatRequest, HeldLease, Policy, ReleaseRequest, StartedMessage, TaskRequest
from api.service.service import Service
from domain.errors import StaleLeaseError
from domain.events import ScopeClarification
from domain.ids import TaskId
from tests.api.service.conftest import ADMIN, Opening, SetClock, Worker, bad, good, submit, submit_tree


async def beat(service: Service, worker: Worker) -> bool:
    """Say that a worker is alive; tell whether it still holds its lease."""
    held = HeldLease(subtask_id=worker.lease.subtask_id, lease_epoch=worker.lease.lease_epoch)
    reply = await service.heartbeat(worker.name, HeartbeatRequest(leases=(held,)), ADMIN)
    return reply.leases[0].held


async def types(service: Service, task_id: str) -> list[str]:
    return [event.type for event in (await service.events(task_id, limit=1000)).events]


async def test_an_offer_that_is_not_taken_up_goes_to_another_worker(service: Service, clock: SetClock) -> None:
    await submit(service, files=1)
    await Worker(service, "w1").claim()
    clock.forward(service.leases.times.offer + 1)
    await service.leases.sweep()

    lease = await Worker(service, "w2").claim()

    assert lease is not None
    assert lease.lease_epoch == 2


async def test_a_worker_that_is_not_heard_of_loses_its_lease(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1)
    await Worker(service, "w1").at_work()
    clock.forward(service.leases.times.silence + 1)

    await service.leases.sweep()

    view = (await service.subtasks(task.id)).subtasks[0]
    assert (view.status, view.losses, view.failures) == ("ready", 1, 0)


async def test_a_worker_that_says_it_is_alive_keeps_its_lease(service: Service, clock: SetClock) -> None:
    await submit(service, files=1, time_budget_seconds=100_000.0)
    worker = await Worker(service, "w1").at_work()
    for _ in range(10):
        clock.forward(service.leases.times.silence - 1)
        assert await beat(service, worker)
        await service.leases.sweep()

    assert (await worker.progress(1)).status == "created"


async def test_a_worker_that_another_process_hears_of_keeps_its_lease(open_service: Opening, clock: SetClock) -> None:
    async with open_service() as leader, open_service() as other:
        task = await submit(leader, files=1)
        worker = await Worker(leader, "w1").at_work()
        clock.forward(leader.leases.times.silence + 1)
        await other.desks.get(task.id)  # type: ignore[arg-type]
        assert await beat(other, worker)
        await other.leases.save()

        await leader.leases.sweep()

        assert (await leader.subtasks(task.id)).subtasks[0].status == "running"


async def test_a_worker_that_is_alive_and_does_not_move_has_failed(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1, time_budget_seconds=1200.0)
    worker = await Worker(service, "w1").at_work()
    clock.forward(service.leases.times.progress + 1)
    await beat(service, worker)

    await service.leases.sweep()

    view = (await service.subtasks(task.id)).subtasks[0]
    assert (view.losses, view.failures) == (0, 1)
    assert "has not moved" in view.history[0].what


async def test_a_worker_whose_time_budget_is_over_has_failed(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1, time_budget_seconds=120.0)
    worker = await Worker(service, "w1").at_work()
    clock.forward(121)
    await beat(service, worker)

    await service.leases.sweep()

    view = (await service.subtasks(task.id)).subtasks[0]
    assert (view.losses, view.failures) == (0, 1)
    assert "time budget" in view.history[0].what


async def test_time_in_which_the_service_was_away_counts_on_no_clock(
    open_service: Opening, clock: SetClock, database_url: str
) -> None:
    async with open_service() as service:
        task = await submit(service, files=1, time_budget_seconds=300.0)
        await Worker(service, "w1").at_work()
        began, ended = clock.now(), clock.now() + timedelta(seconds=3600)
        await service.store.rows(
            "INSERT INTO service.outage (began_at, ended_at) VALUES (%(began)s, %(ended)s)",
            {"began": began, "ended": ended},
        )
    clock.forward(3600 + service.leases.times.silence - 5)
    async with open_service() as service:
        await service.leases.pulse()
        # Outages are dated by the database, whose clock the test cannot put forward.
        assert service.leases.outages
        await service.leases.sweep()

        assert (await service.subtasks(task.id)).subtasks[0].status == "running"


async def test_the_first_sweep_after_an_outage_knows_of_it(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1, time_budget_seconds=300.0)
    await Worker(service, "w1").at_work()
    began, ended = clock.now(), clock.now() + timedelta(seconds=3600)
    # Another process has come back first, and has written it down.
    await service.store.rows(
        "INSERT INTO service.outage (began_at, ended_at) VALUES (%(began)s, %(ended)s)",
        {"began": began, "ended": ended},
    )
    clock.forward(3600 + service.leases.times.silence - 5)

    await service.leases.sweep()

    assert (await service.subtasks(task.id)).subtasks[0].status == "running"


async def test_a_run_of_its_own_that_has_slept_takes_no_worker_for_lost(
    open_service: Opening, clock: SetClock
) -> None:
    async with open_service(only=TaskId("alone-1")) as service:
        task = await submit(service, files=1, time_budget_seconds=300.0)
        await Worker(service, "w1").at_work()
        await service.leases.sweep()
        clock.forward(3600)

        await service.leases.sweep()

        assert (await service.subtasks(task.id)).subtasks[0].status == "running"


async def test_a_gap_in_the_service_s_own_pulse_is_written_down_as_an_outage(service: Service) -> None:
    await service.store.rows("UPDATE service.pulse SET alive_at = alive_at - interval '1 hour'")

    await service.leases.pulse()

    [(began, ended)] = service.leases.outages
    assert ended - began > timedelta(minutes=59)


async def test_a_worker_that_waits_for_an_answer_has_no_clock_of_progress(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1, time_budget_seconds=100_000.0)
    worker = await Worker(service, "w1").at_work()
    await worker.block(ScopeClarification(question="which?"))
    clock.forward(service.leases.times.progress * 100)
    await beat(service, worker)

    await service.leases.sweep()

    assert (await service.subtasks(task.id)).subtasks[0].status == "blocked"


async def test_a_failed_subtask_rests_and_is_handed_out_again(service: Service, clock: SetClock) -> None:
    await submit(service, files=1, backoff_seconds=60.0)
    worker = await Worker(service, "w1").at_work()
    await worker.fail()
    at_once = await Worker(service, "w2").claim()
    clock.forward(61)
    await service.leases.sweep()

    assert at_once is None
    assert await Worker(service, "w2").claim() is not None


async def test_what_keeps_failing_is_held_with_its_history(service: Service) -> None:
    task = await submit_tree(service, files=1, attempts_max=2)
    for number in range(2):
        worker = await Worker(service, f"w{number}").at_work()
        await worker.complete()
        verdict = await worker.gates(bad(detail=f"{number} failed"))
        assert verdict.outcome == "rejected"

    view = (await service.subtasks(task.id)).subtasks[0]

    assert view.status == "held"
    assert [note.what for note in view.history] == ["tests: 0 failed", "tests: 1 failed"]


async def test_the_next_worker_is_told_what_the_last_one_found(service: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.fail("the API of foo has changed")
    second = await Worker(service, "w2").at_work()

    brief = await service.brief(second.lease.subtask_id, ADMIN)

    assert "Attempt 1 by w1: the API of foo has changed" in brief
    assert "subtask_reassigned" in await types(service, task.id)


async def test_what_is_handed_back_is_free_at_once_and_counts_as_neither(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    request = ReleaseRequest(worker_id="w1", lease_epoch=1, reason="not today")

    view = await service.release(worker.lease.subtask_id, request, ADMIN)

    assert (view.status, view.failures, view.losses) == ("ready", 0, 0)
    assert (await service.release(worker.lease.subtask_id, request, ADMIN)).status == "ready"


async def test_a_stale_hold_cannot_be_handed_back_nor_judged(service: Service, clock: SetClock) -> None:
    await submit_tree(service, files=1)
    zombie = await Worker(service, "w1").at_work()
    clock.forward(100)
    await service.leases.sweep()
    await Worker(service, "w2").at_work()

    with pytest.raises(StaleLeaseError, match="held by w2 under epoch 2"):
        await service.release(zombie.lease.subtask_id, ReleaseRequest(worker_id="w1", lease_epoch=1), ADMIN)
    with pytest.raises(StaleLeaseError, match="held by w2 under epoch 2"):
        await zombie.gates(good())


async def test_who_works_in_a_shared_file_keeps_the_others_out(service: Service) -> None:
    report = "".join(f"m001.py:{line}:1: {code} wrong\n" for code in ("F401", "E711") for line in range(1, 41))
    request = TaskRequest(report="", format="flake8", policy=Policy(strategy="code", workers=2))
    task = await service.submit(request, report.encode(), ADMIN)
    first = await Worker(service, "w1").claim()

    assert sum(task.subtasks.values()) == 2
    assert first is not None
    assert await Worker(service, "w2").claim() is None


async def test_a_worker_whose_clock_is_hours_behind_keeps_its_lease(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1, time_budget_seconds=100_000.0)
    worker = Worker(service, "w1")
    await worker.claim()
    behind = clock.now() - timedelta(hours=5)
    await worker.say(worker.message(StartedMessage, occurred_at=behind))

    await service.leases.sweep()

    assert (await service.subtasks(task.id)).subtasks[0].status == "running"


async def test_a_worker_whose_clock_is_hours_ahead_is_missed_all_the_same(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1)
    worker = Worker(service, "w1")
    await worker.claim()
    await worker.say(worker.message(StartedMessage, occurred_at=clock.now() + timedelta(hours=5)))
    clock.forward(service.leases.times.silence + 1)

    await service.leases.sweep()

    assert (await service.subtasks(task.id)).subtasks[0].status == "ready"
