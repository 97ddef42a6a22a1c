"""When tasks will be done: asked for, made unasked, and written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.schemas import EstimateView
from api.service.service import Service
from domain import events as e
from domain.errors import InvalidRequestError, UnknownTaskError
from domain.ids import TaskId
from tests.api.service.conftest import ADMIN, Opening, SetClock, Worker, submit


@pytest.fixture
async def other(open_service: Opening) -> AsyncIterator[Service]:
    """Another process on the same ledger."""
    async with open_service() as other:
        yield other


async def forecasts(service: Service, task_id: str) -> list[e.TaskForecast]:
    recorded = await service.ledger.read_task(TaskId(task_id))
    return [record.event.body for record in recorded if isinstance(record.event.body, e.TaskForecast)]


def known(view: EstimateView) -> float:
    assert view.unknown == ""
    assert view.p50_seconds is not None
    return view.p50_seconds


async def test_while_nobody_is_there_it_says_so_instead_of_a_time(service: Service) -> None:
    task = await submit(service)

    view = await service.estimate(task.id)

    assert (view.p50_seconds, view.p50_at, view.workers) == (None, None, 0)
    assert view.unknown.startswith("no worker is there to do it")
    assert view.open_subtasks == 4


async def test_with_workers_it_says_when_and_why(service: Service) -> None:
    task = await submit(service)
    await Worker(service, "w1").at_work()

    view = await service.estimate(task.id)

    assert view.p50_at is not None
    assert (view.p50_at - view.made_at).total_seconds() == pytest.approx(known(view))
    assert view.p50_seconds <= (view.p80_seconds or 0.0) <= (view.p95_seconds or 0.0)
    assert view.reasons[0] == "4 subtasks are open, 1 of them under way, on 1 worker"
    # All but: what is lost is begun anew, and not all of it counts.
    assert sum(one.critical for one in view.subtasks) == pytest.approx(4.0, abs=0.4)
    assert len(view.model) == 64
    assert view.position == service.desks.served()[0].position


async def test_workers_that_wait_for_work_count(service: Service) -> None:
    task = await submit(service, 1)
    await Worker(service, "w1").at_work()
    waiting = asyncio.create_task(Worker(service, "w2").claim(wait_seconds=30.0))
    while not service.dispatcher.waiting:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.005)

    assert (await service.estimate(task.id)).workers == 2

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_it_can_be_asked_what_if(service: Service) -> None:
    task = await submit(service, 8)
    await Worker(service, "w1").at_work()
    await Worker(service, "w2").at_work()

    as_it_is, more, less = (
        await service.estimate(task.id),
        await service.estimate(task.id, workers=8),
        await service.estimate(task.id, without_worker="w1"),
    )

    assert known(more) < known(as_it_is) < known(less)
    assert (as_it_is.supposed, more.supposed) == ("", "8 workers from now on")
    assert (more.workers, less.workers) == (8, 1)


async def test_a_blocker_that_stays_open_for_longer_makes_it_later(service: Service) -> None:
    task = await submit(service, 1)
    worker = await Worker(service, "w1").at_work()
    await worker.block(e.ScopeClarification(question="which?"))

    blocked, longer = (
        await service.estimate(task.id),
        await service.estimate(task.id, blocked_longer=7_200.0),
    )

    assert any("is blocked" in words for words in blocked.reasons)
    assert known(longer) > known(blocked) + 7_000.0


async def test_what_makes_no_sense_is_refused_in_one_line(service: Service) -> None:
    task = await submit(service)
    await Worker(service, "w1").at_work()

    with pytest.raises(InvalidRequestError, match=r"w9 neither holds work of .* nor waits for it; who does: w1"):
        await service.estimate(task.id, without_worker="w9")
    with pytest.raises(InvalidRequestError, match=r"nothing of .* is blocked"):
        await service.estimate(task.id, blocked_longer=60.0)
    with pytest.raises(UnknownTaskError):
        await service.estimate("nobody-00000000")
    assert (await service.estimate(task.id, workers=0)).p50_seconds is None


async def test_the_same_is_not_made_twice(service: Service) -> None:
    task = await submit(service)
    await Worker(service, "w1").at_work()

    first, second = await asyncio.gather(service.estimate(task.id), service.estimate(task.id))

    assert first is second
    assert await service.estimate(task.id) is first
    assert service.estimates.latest(TaskId(task.id)) is first


async def test_progress_says_when_it_will_be_done(service: Service) -> None:
    task = await submit(service)
    assert (await service.progress(task.id)).eta_p50_seconds is None

    await Worker(service, "w1").at_work()
    service.estimates.forget(TaskId(task.id))

    view = await service.progress(task.id)
    assert view.eta_p50_seconds is not None
    assert view.eta_p50_seconds <= (view.eta_p80_seconds or 0.0) <= (view.eta_p95_seconds or 0.0)


async def test_the_first_forecast_of_a_phase_is_written_down(service: Service) -> None:
    task = await submit(service)
    await service.estimates.refresh()
    assert await forecasts(service, task.id) == []

    await Worker(service, "w1").at_work()
    service.estimates.forget(TaskId(task.id))
    await service.estimates.refresh()
    await service.estimates.refresh()

    [forecast] = await forecasts(service, task.id)
    assert (forecast.occasion, forecast.workers, forecast.open_subtasks) == ("planned", 1, 4)
    view = service.estimates.latest(TaskId(task.id))
    assert view is not None
    assert (forecast.p50_seconds, forecast.model) == (view.p50_seconds, view.model)


async def test_of_two_processes_one_writes_it_down(service: Service, other: Service) -> None:
    task = await submit(service)
    await Worker(service, "w1").at_work()
    await (await other.desks.get(TaskId(task.id))).catch_up()

    await asyncio.gather(service.estimates.refresh(), other.estimates.refresh())

    assert len(await forecasts(service, task.id)) == 1


async def test_each_quarter_of_the_work_has_a_forecast(service: Service, clock: SetClock) -> None:
    task = await submit(service)
    worker = await Worker(service, "w1").at_work()
    await service.estimates.refresh()

    clock.forward(100)
    await worker.complete()
    service.estimates.forget(TaskId(task.id))
    await service.estimates.refresh()

    assert [one.occasion for one in await forecasts(service, task.id)] == ["planned", "milestone"]


async def test_a_task_that_is_over_has_no_end_to_come(service: Service) -> None:
    task = await submit(service)
    await Worker(service, "w1").at_work()
    await service.cancel(task.id, "not wanted", ADMIN)

    view = await service.estimate(task.id)

    assert view.unknown == f"{task.id} is cancelled"
    await service.estimates.refresh()
    assert service.estimates.latest(TaskId(task.id)) is None
