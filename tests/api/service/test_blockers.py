"""What is done about workers that cannot go on: each of the four kinds."""

from __future__ import annotations

import pytest

from api.schemas import AnswerRequest, HeartbeatRequest, HeldLease, ReleaseRequest
from api.service.service import Service
from domain.errors import UnknownSubtaskError
from domain.events import ComplexityExceeded, DependencyWait, ExternalDependency, ScopeClarification
from tests.api.service.conftest import ADMIN, SetClock, Worker, submit


async def answers(service: Service, worker: Worker) -> list[tuple[str, str]]:
    """Hear by a heartbeat what was answered."""
    held = HeldLease(subtask_id=worker.lease.subtask_id, lease_epoch=worker.lease.lease_epoch)
    reply = await service.heartbeat(worker.name, HeartbeatRequest(leases=(held,)), ADMIN)
    return [(answer.action, answer.answer) for answer in reply.leases[0].answers]


async def test_a_question_waits_for_its_answer_and_the_work_goes_on(service: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.block(ScopeClarification(question="may I rename foo?"))
    [blocker] = (await service.blockers(task.id, open_only=True)).blockers

    await service.answer(worker.lease.subtask_id, AnswerRequest(text="yes"), ADMIN)

    assert blocker.policy == "ask"
    assert await answers(service, worker) == [("resume", "yes")]
    assert (await service.subtask(worker.lease.subtask_id, ADMIN)).status == "running"
    assert (await service.blockers(task.id, open_only=True)).blockers == ()


async def test_a_question_outlives_its_worker_and_the_next_one_has_the_answer(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.block(ScopeClarification(question="may I rename foo?"))
    request = ReleaseRequest(worker_id="w1", lease_epoch=1, reason="asked")
    parked = await service.release(worker.lease.subtask_id, request, ADMIN)
    before = await Worker(service, "w2").claim()

    await service.answer(worker.lease.subtask_id, AnswerRequest(text="yes, but keep bar"), ADMIN)

    assert parked.status == "parked"
    assert before is None
    second = await Worker(service, "w2").at_work()
    assert "yes, but keep bar" in await service.brief(second.lease.subtask_id, ADMIN)


async def test_a_question_outlives_a_worker_that_was_lost(service: Service, clock: SetClock) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.block(ScopeClarification(question="which?"))
    clock.forward(100)
    await service.leases.sweep()
    before = await Worker(service, "w2").claim()

    await service.answer(worker.lease.subtask_id, AnswerRequest(text="this"), ADMIN)

    assert before is None
    assert await Worker(service, "w2").claim() is not None


async def test_trouble_outside_is_parked_until_somebody_answers(service: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()

    await worker.block(ExternalDependency(system="registry", issue="down"))

    [blocker] = (await service.blockers(task.id)).blockers
    assert (blocker.policy, blocker.answered_at) == ("park", None)


async def test_who_waits_for_another_s_work_is_told_when_it_has_ended(service: Service) -> None:
    await submit(service, files=2)
    waiting = await Worker(service, "w1").at_work()
    other = await Worker(service, "w2").at_work()
    await waiting.block(DependencyWait(required_worker="w2", resource=other.lease.subtask_id))
    before = (await service.subtask(waiting.lease.subtask_id, ADMIN)).status

    await other.complete("foo is new")

    assert before == "blocked"
    [(action, answer)] = await answers(service, waiting)
    assert action == "resume"
    assert "is accepted: foo is new" in answer


async def test_two_that_would_wait_for_each_other_do_not(service: Service) -> None:
    await submit(service, files=2)
    one, two = await Worker(service, "w1").at_work(), await Worker(service, "w2").at_work()
    await one.block(DependencyWait(required_worker="w2", resource=two.lease.subtask_id))

    await two.block(DependencyWait(required_worker="w1", resource=one.lease.subtask_id))

    [(_, answer)] = await answers(service, two)
    assert "would never end" in answer
    assert (await service.subtask(two.lease.subtask_id, ADMIN)).status == "running"


async def test_more_time_is_granted_within_reason(service: Service, clock: SetClock) -> None:
    await submit(service, files=1, time_budget_seconds=6000.0)
    worker = await Worker(service, "w1").at_work()

    await worker.block(ComplexityExceeded(estimated_additional_time=3000.0))

    [(action, _)] = await answers(service, worker)
    assert action == "extend"
    desk = await service.desks.get(worker.lease.task_id)  # type: ignore[arg-type]
    assert desk.state.subtasks[worker.lease.subtask_id].budget_seconds >= 9000.0  # type: ignore[index]


async def test_far_more_work_than_planned_is_split_between_others(service: Service) -> None:
    task = await submit(service, files=6, workers=1, time_budget_seconds=600.0)
    worker = await Worker(service, "w1").at_work()

    await worker.block(ComplexityExceeded(estimated_additional_time=100_000.0))

    views = {view.id: view for view in (await service.subtasks(task.id)).subtasks}
    assert views.pop(worker.lease.subtask_id).status == "split"
    parts = [path for view in views.values() for path in view.scope.files]
    assert len(parts) == len(set(parts))
    first = await Worker(service, "w2").claim()
    assert first is not None
    assert first.subtask_id in views


async def test_somebody_can_give_up_what_is_blocked(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.block(ScopeClarification(question="why?"))

    view = await service.answer(worker.lease.subtask_id, AnswerRequest(text="drop it", action="give_up"), ADMIN)

    assert view.status == "held"


async def test_an_answer_without_a_question_is_refused(service: Service) -> None:
    await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()

    with pytest.raises(UnknownSubtaskError, match="no blocker that waits"):
        await service.answer(worker.lease.subtask_id, AnswerRequest(text="yes"), ADMIN)
