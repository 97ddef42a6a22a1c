"""Tasks from their first report to their end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.schemas import (
    ClaimRequest,
    ObservationJob,
    ObservationRequest,
    Policy,
    TaskRequest,
    TaskView,
    ToolSpec,
    Tree,
)  # fmt: skip
from api.service.service import Service
from domain.errors import (
    BehindError,
    IdempotencyError,
    LifecycleError,
    NotReportedError,
    ReportError,
    UnknownTaskError,
)
from domain.events import ScopeClarification
from tests.api.service.conftest import ADMIN, Opening, Worker, good, report_of, submit, submit_tree

TOOL = ToolSpec(name="flake8", argv=("flake8", "{files}"), format="flake8")


async def submit_looked_at(service: Service, files: int = 1, **policy: Any) -> TaskView:
    """Open a task whose tree somebody can look at again."""
    request = TaskRequest(
        report="",
        format="flake8",
        tree=Tree(repository="/tree", commit="c0"),
        tool=TOOL,
        policy=Policy(**{"strategy": "file", "workers": files, "backoff_seconds": 0.0} | policy),
    )
    return await service.submit(request, report_of(files, 40), ADMIN)


async def done(service: Service, commit: str = "c1", head: str = "c0") -> None:
    """Have the one subtask of a phase done."""
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    assert (await worker.gates(good(), commit=commit, head=head)).outcome == "accepted"


def look(commit: str = "c1") -> ObservationRequest:
    return ObservationRequest(report="", format="flake8", tree=Tree(commit=commit))


async def test_a_report_without_a_usable_record_opens_no_task(service: Service) -> None:
    with pytest.raises(ReportError):
        await service.submit(TaskRequest(report="", format="mypy"), b"what is this", ADMIN)
    assert (await service.tasks()).tasks == ()


async def test_the_same_key_and_content_give_the_same_task(service: Service) -> None:
    request = TaskRequest(report="", format="flake8")

    views = await asyncio.gather(
        *(service.submit(request, report_of(2), ADMIN, idempotency_key="k1") for _ in range(5))
    )

    assert len({view.id for view in views}) == 1
    assert len((await service.tasks()).tasks) == 1


async def test_the_same_key_with_another_content_is_refused(service: Service) -> None:
    request = TaskRequest(report="", format="flake8")
    await service.submit(request, report_of(2), ADMIN, idempotency_key="k1")

    with pytest.raises(IdempotencyError):
        await service.submit(request, report_of(3), ADMIN, idempotency_key="k1")


async def test_the_same_key_with_another_name_is_refused(service: Service) -> None:
    one, other = (TaskRequest(report="", format="flake8", name=name) for name in ("i9", "i10"))
    first = await service.submit(one, report_of(2), ADMIN, idempotency_key="k1")

    with pytest.raises(IdempotencyError, match=f"for {first.id}, with another name"):
        await service.submit(other, report_of(2), ADMIN, idempotency_key="k1")

    assert [view.id for view in (await service.tasks()).tasks] == [first.id]


async def test_tasks_are_listed_newest_first_a_page_at_a_time(service: Service) -> None:
    ids = [(await submit(service, files=1)).id for _ in range(5)]

    first = await service.tasks(limit=2)
    second = await service.tasks(limit=2, cursor=first.next_cursor)
    third = await service.tasks(limit=2, cursor=second.next_cursor)

    assert [view.id for page in (first, second, third) for view in page.tasks] == ids[::-1]
    assert third.next_cursor is None


async def test_an_unknown_task_is_said_to_be_unknown(service: Service) -> None:
    with pytest.raises(UnknownTaskError, match="no task 'boto-1'"):
        await service.task("boto-1")


async def test_after_a_phase_somebody_who_can_look_is_asked_to_look(service: Service) -> None:
    task = await submit_looked_at(service)
    await done(service)
    blind = await service.claim(ClaimRequest(worker_id="w1"), ADMIN, asyncio.Event())

    job = await service.claim(ClaimRequest(worker_id="w2", can_observe=True), ADMIN, asyncio.Event())

    assert blind is None
    assert isinstance(job, ObservationJob)
    assert (job.task_id, job.commit, job.tool) == (task.id, "c1", TOOL)
    assert (await service.task(task.id)).awaits_observation


async def test_one_is_asked_to_look_and_not_two(service: Service) -> None:
    await submit_looked_at(service)
    await done(service)

    jobs = [
        await service.claim(ClaimRequest(worker_id=f"w{number}", can_observe=True), ADMIN, asyncio.Event())
        for number in range(3)
    ]

    assert [job is not None for job in jobs] == [True, False, False]


async def test_a_clean_look_completes_the_task(service: Service) -> None:
    task = await submit_looked_at(service)
    await done(service)

    view = await service.observe(task.id, look(), b"", ADMIN)

    assert (view.status, view.reason) == ("completed", "nothing is left")


async def test_what_is_left_becomes_the_next_phase(service: Service) -> None:
    task = await submit_looked_at(service, files=3)
    for number in range(3):
        await done(service, f"c{number + 1}", f"c{number}")

    view = await service.observe(task.id, look("c3"), report_of(1, 2), ADMIN)

    assert (view.status, view.phase) == ("running", 2)
    assert await Worker(service, "w2").claim() is not None


async def test_a_look_that_shows_no_change_ends_the_task_as_stalled(service: Service) -> None:
    task = await submit_looked_at(service)
    await done(service)

    view = await service.observe(task.id, look(), report_of(1, 40), ADMIN)

    assert view.status == "stalled"
    assert "removed none of them" in view.reason


async def test_a_stalled_task_that_is_taken_up_gets_another_phase(service: Service) -> None:
    task = await submit_looked_at(service)
    await done(service)
    await service.observe(task.id, look(), report_of(1, 40), ADMIN)

    resumed = await service.resume(task.id, "the tool was mended", ADMIN)
    view = await service.observe(task.id, look(), report_of(1, 40), ADMIN)

    assert resumed.awaits_observation
    assert (view.status, view.phase) == ("running", 2)


async def test_nobody_looks_while_there_is_work(service: Service) -> None:
    task = await submit_looked_at(service)

    with pytest.raises(NotReportedError, match="still has work"):
        await service.observe(task.id, look("c0"), b"", ADMIN)


async def test_a_look_at_another_commit_is_refused(service: Service) -> None:
    task = await submit_looked_at(service)
    await done(service)

    with pytest.raises(BehindError):
        await service.observe(task.id, look("c0"), b"", ADMIN)


async def test_of_two_looks_at_once_one_counts(open_service: Opening) -> None:
    async with open_service() as one, open_service() as two:
        task = await submit_looked_at(one, files=2)
        await done(one, "c1", "c0")
        await done(one, "c2", "c1")
        desk = await two.desks.get(task.id)  # type: ignore[arg-type]
        await desk.catch_up()

        looks = await asyncio.gather(
            *(service.observe(task.id, look("c2"), report_of(1, 2), ADMIN) for service in (one, two)),
            return_exceptions=True,
        )

        views = [view for view in looks if isinstance(view, TaskView)]
        assert [view.phase for view in views] == [2]
        assert isinstance(next(one for one in looks if not isinstance(one, TaskView)), NotReportedError)


async def test_a_paused_task_hands_out_nothing_and_what_is_held_stays_held(service: Service) -> None:
    task = await submit(service, files=2)
    worker = await Worker(service, "w1").at_work()

    await service.pause(task.id, "lunch", ADMIN)

    assert await Worker(service, "w2").claim() is None
    assert (await worker.complete()).status == "created"
    await service.resume(task.id, "", ADMIN)
    assert await Worker(service, "w2").claim() is not None


async def test_a_cancelled_task_takes_its_workers_leases(service: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()

    view = await service.cancel(task.id, "no longer wanted", ADMIN)

    assert view.status == "cancelled"
    assert (await worker.complete()).code == "stale_lease"
    with pytest.raises(LifecycleError):
        await service.resume(task.id, "", ADMIN)


async def test_a_cancelled_task_has_no_open_questions(service: Service) -> None:
    task = await submit(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.block(ScopeClarification(question="why?"))

    await service.cancel(task.id, "no longer wanted", ADMIN)

    assert (await service.blockers(task.id, open_only=True)).blockers == ()


async def test_a_restarted_service_goes_on_where_the_ledger_stands(open_service: Opening) -> None:
    async with open_service() as service:
        task = await submit(service, files=2)
        await Worker(service, "w1").at_work()

    async with open_service() as service:
        lease = await Worker(service, "w2").claim()
        again = await Worker(service, "w3").claim()

    assert lease is not None
    assert lease.task_id == task.id
    assert again is None


async def test_a_task_of_somebody_else_s_run_is_seen_and_not_handed_out(open_service: Opening) -> None:
    from domain.ids import TaskId

    async with open_service(TaskId("mine-00000000")) as private, open_service() as public:
        task = await submit_tree(private, files=1)

        assert await Worker(public, "w1").claim() is None
        assert (await public.task(task.id)).status == "running"
        assert await Worker(private, "w2").claim() is not None


async def test_events_come_a_page_at_a_time(service: Service) -> None:
    task = await submit(service, files=3)
    whole = (await service.events(task.id, limit=1000)).events

    pages = []
    after: int | None = 0
    while after is not None:
        page = await service.events(task.id, after=after, limit=4)
        pages += page.events
        after = page.next_after

    assert [event.position for event in pages] == [event.position for event in whole]
