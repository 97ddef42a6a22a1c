"""The effort model of a service: learnt as the ledger goes on, asked at claims and plans, pinned from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from api.service.service import Service
from domain.events import SubtaskClaimed
from domain.ids import TaskId
from eventstore.postgres.connection import connect
from projections import effort_models as models
from tests.api.service.conftest import Opening, SetClock, Worker, submit


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def done(service: Service, clock: SetClock, name: str, seconds: float) -> None:
    """Have a worker claim a subtask, work at it for so long, and complete it."""
    worker = await Worker(service, name).at_work()
    clock.forward(seconds)
    await worker.complete()


def completions(service: Service) -> int:
    return service.effort_model.learner.state.completions


async def test_each_attempt_that_ends_is_learnt(service: Service, clock: SetClock) -> None:
    await submit(service, files=3)
    for seconds in (10.0, 20.0, 30.0):
        await done(service, clock, "w1", seconds)

    await until(lambda: completions(service) == 3)

    assert service.effort_model.learner.state.outcomes.workers["w1"][0] == 3


async def test_a_claim_says_what_the_model_expects_of_this_worker(service: Service, database_url: str) -> None:
    task = await submit(service, files=1)
    await Worker(service, "w1").claim()

    records = await service.ledger.read_task(TaskId(task.id))

    [claimed] = [record.event.body for record in records if isinstance(record.event.body, SubtaskClaimed)]
    assert claimed.forecast is not None
    assert 0.0 < claimed.forecast.p50 < claimed.forecast.p80 < claimed.forecast.p95


async def test_a_plan_names_the_model_that_its_efforts_are_of(service: Service, clock: SetClock) -> None:
    await submit(service, files=2)
    for _ in range(2):
        await done(service, clock, "w1", 10.0)
    await until(lambda: completions(service) == 2)
    position, sha256 = service.effort_model.position, service.effort_model.sha256

    task = await submit(service, files=1)

    desk = await service.desks.get(TaskId(task.id))
    [subtask] = desk.state.in_phase()
    assert (subtask.plan.effort.model, subtask.plan.effort.position) == (sha256, position)
    assert "all work" in subtask.plan.effort.basis


async def test_all_processes_have_the_same_model_and_so_has_who_reads_the_ledger(
    open_service: Opening, clock: SetClock, database_url: str
) -> None:
    async with open_service() as one, open_service() as other:
        await submit(one, files=2)
        await done(one, clock, "w1", 10.0)
        await until(lambda: completions(other) == 1)
        async with open_service() as late:
            await done(other, clock, "w2", 40.0)
            await until(lambda: completions(one) == completions(late) == completions(other) == 2)

            made = await models.train(database_url, clock.now())

            assert {service.effort_model.sha256 for service in (one, other, late)} == {made.sha256}


async def test_a_service_uses_the_model_that_is_pinned_until_it_is_let_go(
    service: Service, clock: SetClock, database_url: str
) -> None:
    shipped = await models.train(database_url, clock.now())
    async with await connect(database_url, "test") as connection:
        await models.pin(connection, shipped.sha256, clock.now())
        await service.effort_model.refresh()
        await submit(service, files=1)
        await done(service, clock, "w1", 10.0)

        assert service.effort_model.sha256 == shipped.sha256

        await models.unpin(connection)
        await service.effort_model.refresh()
        await until(lambda: completions(service) == 1)
    assert service.effort_model.sha256 != shipped.sha256
