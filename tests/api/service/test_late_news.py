"""A process to which the others' events come late: it sends nobody away for what it has not heard of yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from api.auth.principal import Principal
from api.schemas import (
    CompletedMessage,
    ObservationRequest,
    Policy,
    ProgressMessage,
    ReleaseRequest,
    TaskRequest,
    TaskView,
    ToolSpec,
)
from api.service.service import Service
from tests.api.service.conftest import ADMIN, Opening, Worker, good, report_of, submit, submit_tree


@pytest.fixture
async def late(open_service: Opening) -> AsyncIterator[Service]:
    """One more process, which no event reaches by the feed."""
    async with open_service() as service:
        listeners, service.hub._listeners = service.hub._listeners, []
        yield service
        service.hub._listeners = listeners


async def knows(late: Service, task_id: str) -> None:
    """Have the late process read a task as it is now."""
    await late.task(task_id)


async def test_a_lease_that_another_process_has_given_is_spoken_under(service: Service, late: Service) -> None:
    task = await submit(service, files=1)
    await knows(late, task.id)
    worker = Worker(service, "w1")
    await worker.claim()
    worker.service = late

    assert (await worker.start()).status == "created"


async def test_work_that_another_process_was_told_to_be_done_is_judged(service: Service, late: Service) -> None:
    task = await submit_tree(service, files=1)
    await knows(late, task.id)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    worker.service = late

    assert (await worker.gates(good())).outcome == "accepted"


async def test_a_worker_reads_its_brief_where_its_claim_is_not_known_yet(service: Service, late: Service) -> None:
    principal = Principal(role="worker", key_id=None)
    task = await submit(service, files=1)
    await knows(late, task.id)
    worker = Worker(service, "w1", principal)
    await worker.claim()

    assert "m001.py" in await late.brief(worker.lease.subtask_id, principal)


async def test_the_same_request_gives_the_same_lease_at_another_process(service: Service, late: Service) -> None:
    task = await submit(service, files=3)
    await knows(late, task.id)
    request_id = service.clock.new_message_id()
    # The late process would hand out what the first worker has given back.
    first, worker = Worker(service, "w1"), Worker(service, "w2")
    await first.claim()
    lease = await worker.claim(request_id=request_id)
    await service.release(first.lease.subtask_id, ReleaseRequest(worker_id="w1", lease_epoch=1), ADMIN)

    again = await Worker(late, "w2").claim(request_id=request_id)

    assert lease is not None
    assert again is not None
    assert (again.subtask_id, again.lease_epoch) == (lease.subtask_id, lease.lease_epoch)


@pytest.mark.parametrize("submitting", [submit, submit_tree], ids=["accepted", "reported"])
async def test_the_last_word_that_comes_again_at_another_process_is_a_duplicate(
    service: Service, late: Service, submitting: Callable[..., Awaitable[TaskView]]
) -> None:
    task = await submitting(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await knows(late, task.id)
    message = worker.message(CompletedMessage)
    [receipt] = await worker.say(message)

    [again] = await late.post([message], ADMIN)

    assert (receipt.status, again.status) == ("created", "duplicate")
    assert again.position == receipt.position


async def test_progress_that_comes_again_at_another_process_is_a_duplicate(service: Service, late: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await knows(late, task.id)
    message = worker.message(ProgressMessage, completed=1, total=2)
    [receipt] = await worker.say(message)

    [again] = await late.post([message], ADMIN)

    assert (receipt.status, again.status) == ("created", "duplicate")
    assert again.position == receipt.position


async def test_what_was_handed_back_at_another_process_is_handed_back_once(service: Service, late: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await knows(late, task.id)
    request = ReleaseRequest(worker_id="w1", lease_epoch=1)
    await service.release(worker.lease.subtask_id, request, ADMIN)

    assert (await late.release(worker.lease.subtask_id, request, ADMIN)).status == "ready"


async def test_a_phase_that_another_process_has_planned_is_known(service: Service, late: Service) -> None:
    tool = ToolSpec(name="flake8", argv=("flake8", "{files}"), format="flake8")
    policy = Policy(strategy="file", workers=1)
    request = TaskRequest(report="", format="flake8", tool=tool, policy=policy)
    task = await service.submit(request, report_of(1, 40), ADMIN)
    await knows(late, task.id)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    await service.observe(task.id, ObservationRequest(report="", format="flake8"), report_of(1, 20), ADMIN)

    assert (await late.subtask(f"{task.id}.2", ADMIN)).phase == 2
