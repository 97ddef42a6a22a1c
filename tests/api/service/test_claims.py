"""Who gets what: one winner always, and nobody waits for what is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.auth.principal import Principal
from api.schemas import ClaimRequest, Lease, Outlook, ReleaseRequest
from domain.errors import NotYoursError
from domain.estimation.features import Completion, Features
from domain.events import ScopeClarification
from tests.api.service.conftest import ADMIN, FOREVER, Opening, Service, SetClock, Worker, submit, submit_tree


async def test_of_fifty_workers_that_want_one_subtask_one_gets_it(service: Service) -> None:
    await submit(service, files=1)
    workers = [Worker(service, f"w{number}") for number in range(50)]

    replies = await asyncio.gather(*(worker.claim() for worker in workers))

    assert len([reply for reply in replies if reply is not None]) == 1


async def test_of_fifty_workers_at_two_processes_one_gets_it(open_service: Opening) -> None:
    async with open_service() as one, open_service() as two:
        task = await submit(one, files=1)
        await two.desks.get(task.id)  # type: ignore[arg-type]
        workers = [Worker((one, two)[number % 2], f"w{number}") for number in range(50)]

        replies = await asyncio.gather(*(worker.claim() for worker in workers))

        [lease] = [reply for reply in replies if reply is not None]
        claimed = [event for event in (await one.events(task.id)).events if event.type == "subtask_claimed"]
        assert [(event.worker_id, event.lease_epoch) for event in claimed] == [(lease.worker_id, 1)]


async def test_each_of_many_workers_gets_another_subtask_at_the_same_moment(open_service: Opening) -> None:
    async with open_service() as one, open_service() as two:
        task = await submit(one, files=20)
        await two.desks.get(task.id)  # type: ignore[arg-type]
        workers = [Worker((one, two)[number % 2], f"w{number}") for number in range(20)]

        replies = await asyncio.gather(*(worker.claim(wait_seconds=FOREVER) for worker in workers))

        assert len({reply.subtask_id for reply in replies if reply is not None}) == 20


async def test_who_waits_gets_work_as_soon_as_there_is_some(service: Service) -> None:
    worker = Worker(service, "w1")
    waiting = asyncio.create_task(worker.claim(wait_seconds=FOREVER))
    await _until(lambda: service.dispatcher.waiting == 1)

    task = await submit(service, files=1)

    lease = await waiting
    assert lease is not None
    assert lease.task_id == task.id


async def test_who_waits_at_another_process_gets_work_too(open_service: Opening) -> None:
    async with open_service() as one, open_service() as two:
        waiting = asyncio.create_task(Worker(two, "w1").claim(wait_seconds=FOREVER))
        await _until(lambda: two.dispatcher.waiting == 1)

        await submit(one, files=1)

        assert await waiting is not None


async def test_without_work_there_is_no_lease(service: Service) -> None:
    assert await Worker(service, "w1").claim() is None
    assert service.dispatcher.waiting == 0


async def test_the_same_request_gives_the_same_lease_again(service: Service) -> None:
    await submit(service, files=3)
    request_id = service.clock.new_message_id()
    first = await Worker(service, "w1").claim(request_id=request_id)

    again = await Worker(service, "w1").claim(request_id=request_id)

    assert first is not None
    assert again is not None
    assert (again.subtask_id, again.lease_epoch) == (first.subtask_id, first.lease_epoch)


async def test_the_same_request_is_known_after_a_restart(open_service: Opening) -> None:
    async with open_service() as service:
        await submit(service, files=3)
        request_id = service.clock.new_message_id()
        first = await Worker(service, "w1").claim(request_id=request_id)

    async with open_service() as service:
        again = await Worker(service, "w1").claim(request_id=request_id)

    assert first is not None
    assert again is not None
    assert (again.subtask_id, again.lease_epoch) == (first.subtask_id, first.lease_epoch)


async def test_what_was_claimed_for_somebody_who_has_gone_is_free_again(service: Service) -> None:
    leaving = Worker(service, "w1")
    waiting = asyncio.create_task(leaving.claim(wait_seconds=FOREVER))
    await _until(lambda: service.dispatcher.waiting == 1)
    leaving.gone.set()
    assert await waiting is None

    await submit(service, files=1)

    assert await Worker(service, "w2").claim() is not None


async def test_what_is_on_its_way_to_somebody_who_goes_is_free_again(service: Service) -> None:
    await submit(service, files=1)
    leaving = Worker(service, "w1")
    waiting = asyncio.create_task(leaving.claim(wait_seconds=FOREVER))
    desk = service.desks.served()[0]
    await _until(lambda: desk.flushing)
    leaving.gone.set()
    assert await waiting is None

    assert await Worker(service, "w2").claim(wait_seconds=FOREVER) is not None


async def test_a_task_has_no_more_leases_than_its_policy_allows(service: Service) -> None:
    await submit(service, files=4, leases_max=2)

    replies = [await Worker(service, f"w{number}").claim() for number in range(4)]

    assert [reply is not None for reply in replies] == [True, True, False, False]


async def test_a_worker_that_holds_as_much_as_it_may_waits_until_it_has_done_something(open_service: Opening) -> None:
    async with open_service(worker_leases_max=2) as service:
        await submit(service, files=4)
        greedy = [Worker(service, "greedy") for _ in range(3)]

        replies = [await worker.claim() for worker in greedy]
        other = await Worker(service, "other").claim()

        assert [reply is not None for reply in [*replies, other]] == [True, True, False, True]
        waiting = asyncio.create_task(greedy[2].claim(wait_seconds=FOREVER))
        await greedy[0].start()
        await greedy[0].complete()
        assert await waiting is not None


async def test_two_processes_together_give_a_task_no_more_leases_either(open_service: Opening) -> None:
    async with open_service() as one, open_service() as two:
        task = await submit(one, files=8, leases_max=3)
        await two.desks.get(task.id)  # type: ignore[arg-type]
        workers = [Worker((one, two)[number % 2], f"w{number}") for number in range(8)]

        replies = await asyncio.gather(*(worker.claim() for worker in workers))

        assert len([reply for reply in replies if reply is not None]) == 3


async def test_a_worker_may_ask_for_the_work_of_one_task_or_repository(service: Service) -> None:
    free, tree = await submit(service, files=1), await submit_tree(service, files=1)

    of_tree = await Worker(service, "w1").claim(repository="/tree")
    of_none = await Worker(service, "w2").claim(repository="/elsewhere")
    of_task = await Worker(service, "w3").claim(task_id=free.id)

    assert of_tree is not None
    assert of_tree.task_id == tree.id
    assert of_none is None
    assert of_task is not None
    assert of_task.task_id == free.id


async def test_a_worker_may_leave_out_tasks(service: Service) -> None:
    left_out, other = await submit(service, files=2), await submit(service, files=1)

    replies = [await Worker(service, f"w{number}").claim(without_tasks=(left_out.id,)) for number in range(2)]

    assert [reply and reply.task_id for reply in replies] == [other.id, None]


# --- what may still come --------------------------------------------------------------------------------


async def test_what_rests_after_a_failure_is_announced_until_it_is_handed_out(
    service: Service, clock: SetClock
) -> None:
    task = await submit(service, files=1, backoff_seconds=60.0)
    await (await Worker(service, "w1").at_work()).fail()
    request = ClaimRequest(worker_id="w1")

    rests = await service.outlook(request)
    clock.forward(61)
    over = await service.outlook(request)
    await service.leases.sweep()
    ready = await service.outlook(request)

    assert rests.open_subtasks == 1
    assert rests.retry_after_seconds is not None
    assert 0.0 < rests.retry_after_seconds <= 60.0
    assert over.retry_after_seconds == 0.0
    assert ready == Outlook(open_subtasks=1)
    assert (await Worker(service, "w2").claim(task_id=task.id)) is not None


async def test_what_others_hold_or_an_answer_is_missing_for_is_open_and_not_announced(service: Service) -> None:
    await submit(service, files=3)
    await Worker(service, "w1").at_work()
    asking = await Worker(service, "w2").at_work()
    await asking.block(ScopeClarification(question="which?"))
    released = ReleaseRequest(worker_id="w2", lease_epoch=1)
    await service.release(asking.lease.subtask_id, released, ADMIN)
    await (await Worker(service, "w3").at_work()).complete()

    assert await service.outlook(ClaimRequest(worker_id="w4")) == Outlook(open_subtasks=2)


async def test_only_what_the_worker_could_be_given_is_announced(service: Service) -> None:
    task = await submit(service, files=1, backoff_seconds=60.0)
    await (await Worker(service, "w1").at_work()).fail()

    async def announced(**fields: Any) -> tuple[int, bool]:
        outlook = await service.outlook(ClaimRequest(worker_id="w1", **fields))
        return outlook.open_subtasks, outlook.retry_after_seconds is not None

    assert await announced(task_id=task.id) == (1, True)
    assert await announced(task_id="another") == (0, False)
    assert await announced(repository="/elsewhere") == (0, False)
    assert await announced(without_tasks=(task.id,)) == (1, False)
    await service.pause(task.id, "", ADMIN)
    assert await announced() == (1, False)
    await service.cancel(task.id, "", ADMIN)
    assert await announced() == (0, False)


async def test_work_goes_to_who_has_shown_to_be_good_at_it(service: Service) -> None:
    for worker, seconds in [("quick", 10.0), ("slow", 1000.0)] * 6:
        features = Features(category="agent local imports", worker=worker)
        service.effort_model.learner.learn(Completion(position=0, features=features, seconds=seconds))
    slow = asyncio.create_task(Worker(service, "slow").claim(wait_seconds=FOREVER))
    await _until(lambda: service.dispatcher.waiting == 1)
    quick = asyncio.create_task(Worker(service, "quick").claim(wait_seconds=FOREVER))
    await _until(lambda: service.dispatcher.waiting == 2)

    await submit(service, files=1)

    assert await quick is not None
    assert not slow.done()
    slow.cancel()


async def test_old_work_of_low_priority_goes_before_ever_new_urgent_work(service: Service, clock: SetClock) -> None:
    old = await submit(service, files=1)
    desk = await service.desks.get(old.id)  # type: ignore[arg-type]
    assert desk.state.in_phase()[0].plan.priority == 0
    clock.forward(3600.0)
    await submit(service, files=1)

    lease = await Worker(service, "w1").claim()

    assert lease is not None
    assert lease.task_id == old.id


async def test_a_worker_s_name_belongs_to_the_key_that_used_it_first(service: Service, database_url: str) -> None:
    keys = [await _key(service, name) for name in ("k1", "k2")]
    one, two = (Principal(role="worker", key_id=key) for key in keys)
    await submit(service, files=2)
    await Worker(service, "w1", one).claim()

    with pytest.raises(NotYoursError, match="w1 belongs to another key"):
        await Worker(service, "w1", two).claim()


async def test_waiting_workers_are_sent_away_when_the_service_ends(open_service: Opening) -> None:
    async with open_service() as service:
        waiting = asyncio.create_task(Worker(service, "w1").claim(wait_seconds=FOREVER))
        await _until(lambda: service.dispatcher.waiting == 1)

    assert await waiting is None


async def test_asking_again_while_one_waits_gives_no_second_lease(service: Service) -> None:
    request = ClaimRequest(worker_id="w1", request_id=service.clock.new_message_id(), wait_seconds=FOREVER)
    first = asyncio.create_task(service.claim(request, ADMIN, asyncio.Event()))
    await _until(lambda: service.dispatcher.waiting == 1)
    second = asyncio.create_task(service.claim(request, ADMIN, asyncio.Event()))
    await _until(lambda: service.dispatcher.waiting == 1 and first.done())

    await submit(service, files=2)

    assert await first is None
    assert isinstance(await second, Lease)


async def test_the_same_request_many_times_at_once_gives_one_lease(service: Service) -> None:
    task = await submit(service, files=5)
    request = ClaimRequest(worker_id="w1", request_id=service.clock.new_message_id(), wait_seconds=FOREVER)

    replies = await asyncio.gather(*(service.claim(request, ADMIN, asyncio.Event()) for _ in range(10)))

    assert len({reply.subtask_id for reply in replies if isinstance(reply, Lease)}) == 1
    assert len([view for view in (await service.subtasks(task.id)).subtasks if view.status == "claimed"]) == 1


async def _key(service: Service, name: str) -> str:
    await service.store.rows(
        "INSERT INTO service.api_key (key_id, name, role, secret_hash, created_at)"
        " VALUES (%(id)s, %(id)s, 'worker', sha256('x'), now())",
        {"id": name},
    )
    return name


async def _until(fact: object) -> None:
    assert callable(fact)
    async with asyncio.timeout(FOREVER):
        while not fact():  # noqa: ASYNC110
            # The fact is one of another task of this loop, which has its turn now.
            await asyncio.sleep(0)
