"""An event that this release cannot read stops the task that it is of, says why, and stops nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from api.service.service import Service
from domain.errors import LedgerError
from domain.ids import TaskId
from tests.api.service.conftest import ADMIN, Opening, Worker, submit

AppendRaw = Callable[..., list[int]]
Poison = Callable[..., int]


@pytest.fixture
def poison(database_url: str, append_raw: AppendRaw) -> Poison:
    """Append an event that cannot be read to a task, and those of these types behind it; gives its position."""

    def poison(task_id: str, *types: str) -> int:
        rows = [{"stream_id": task_id, "type": kind, "payload": '{"reason": "raw"}'} for kind in types]
        with psycopg.connect(database_url, autocommit=True) as connection:
            return append_raw(connection, [{"stream_id": task_id, "type": "task_forecast"}, *rows])[0]

    return poison


def of(task_id: str, position: int) -> str:
    return (
        f"^the event of {task_id} at position {position}, of type 'task_forecast', cannot be read by this release: "
    )


async def finish(service: Service, name: str) -> None:
    worker = await Worker(service, name).at_work()
    await worker.complete()


async def test_a_service_begins_and_works_beside_a_task_that_is_over_and_cannot_be_read(
    open_service: Opening, poison: Poison
) -> None:
    async with open_service() as service:
        over = await submit(service, files=1)
        await finish(service, "w1")
    position = poison(over.id)
    async with open_service() as service:
        await submit(service, files=1)
        await finish(service, "w2")
        with pytest.raises(LedgerError, match=of(over.id, position)):
            await service.task(over.id)


async def test_a_service_begins_without_a_task_under_way_that_cannot_be_read(
    open_service: Opening, poison: Poison
) -> None:
    async with open_service() as service:
        bad, good = await submit(service, files=1), await submit(service, files=1)
    position = poison(bad.id)
    async with open_service() as service:
        assert [desk.task_id for desk in service.desks.served()] == [good.id]
        with pytest.raises(LedgerError, match=of(bad.id, position)):
            await service.resume(bad.id, "try", ADMIN)


async def test_a_task_is_let_go_of_when_an_event_of_it_cannot_be_read_and_the_others_are_not(
    service: Service, poison: Poison
) -> None:
    bad, good = await submit(service, files=1), await submit(service, files=1)
    desk = await service.desks.get(TaskId(bad.id))
    waiting = asyncio.create_task(desk.wait_for(lambda state: state.status == "paused"))

    position = poison(bad.id, "task_paused")
    await service.hub.reached(position + 1)

    with pytest.raises(LedgerError, match=of(bad.id, position)):
        await waiting
    with pytest.raises(LedgerError, match=of(bad.id, position)):
        await desk.settle()
    with pytest.raises(LedgerError, match=of(bad.id, position)):
        await service.task(bad.id)
    assert [desk.task_id for desk in service.desks.served()] == [good.id]
    await finish(service, "w1")


async def test_a_task_that_is_being_read_when_an_event_of_it_turns_out_to_be_unreadable_is_not_kept(
    open_service: Opening, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_service() as one, open_service(only=TaskId("another")) as other:
        task = await submit(one, files=1)
        read_task = other.ledger.read_task

        async def read_and_be_overtaken(task_id: TaskId, *, after: int = 0) -> object:
            records = await read_task(task_id, after=after)
            await other.hub.reached(poison(task_id, "task_paused") + 1)
            return records

        monkeypatch.setattr(other.ledger, "read_task", read_and_be_overtaken)
        with pytest.raises(LedgerError, match=r"^the event of .* cannot be read by this release: "):
            await other.task(task.id)
        assert other.desks.resident(TaskId(task.id)) is None
