"""An agent's whole work over MCP, against the real service."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from api.auth.principal import LOCAL, Principal
from api.schemas import AnswerRequest, GatesRequest, Policy, TaskRequest
from api.service.service import Service
from domain.events import GateEvaluated
from eventstore.clock import SystemClock

_REPORT = b"""\
pkg/a.py:1:1: F401 'os' imported but unused
pkg/b.py:1:1: F401 'sys' imported but unused
"""


@pytest.fixture
def agent(database_url, serve, connect, text_of):
    """A service with one task, and a client to work on it: `call(tool, ...)` gives the data and the text."""

    @asynccontextmanager
    async def working(policy=None, principal=LOCAL):
        async with Service.open(database_url, SystemClock()) as service:
            request = TaskRequest(report="", name="demo", policy=policy or Policy(workers=1))
            await service.submit(request, _REPORT, LOCAL)
            async with serve(service, principal) as url, connect(url) as client:

                async def call(tool, **arguments):
                    result = await client.call_tool(tool, arguments)
                    return result.structured_content, text_of(result)

                yield service, call

    return working


async def _started(call, worker="w1"):
    """Claim and start a subtask, and give what every further call about it needs."""
    claimed, _ = await call("claim_subtask", worker_id=worker, wait_seconds=5)
    lease = {name: claimed["lease"][name] for name in ("subtask_id", "worker_id", "lease_epoch")}
    await call("start_subtask", **lease)
    return lease


async def test_work_goes_from_claim_to_acceptance(agent):
    async with agent() as (service, call):
        claimed, text = await call("claim_subtask", worker_id="w1", wait_seconds=5)
        lease = {name: claimed["lease"][name] for name in ("subtask_id", "worker_id", "lease_epoch")}
        assert claimed["brief"].strip() in text
        assert "start_subtask" in claimed["next"]

        await call("start_subtask", **lease)
        progress, _ = await call("report_progress", **lease, completed=1, total=2, status="pkg/a.py")
        assert progress["lease"]["held"]

        submitted, _ = await call("submit_subtask", **lease, summary="removed unused imports")
        assert submitted["status"] == "accepted"

        (task,) = (await service.tasks()).tasks
        assert (task.status, task.percent) == ("completed", 100.0)


async def test_a_question_is_answered_and_the_work_goes_on(agent):
    async with agent() as (service, call):
        lease = await _started(call)
        blocked, text = await call(
            "report_blocked", **lease, kind="scope_clarification", question="may the signature change?"
        )
        assert blocked["subtask"]["status"] == "blocked"
        assert "stays yours" in text
        (task,) = (await service.tasks()).tasks
        listed, _ = await call("list_blockers", task_id=task.id)
        assert listed["blockers"][0]["issue"]["question"] == "may the signature change?"

        await service.answer(lease["subtask_id"], AnswerRequest(text="yes, it may"), LOCAL)
        _, text = await call("report_progress", **lease, completed=1, total=2)
        assert "yes, it may" in text

        submitted, _ = await call("submit_subtask", **lease, summary="done")
        assert submitted["status"] == "accepted"


async def test_whoever_is_blocked_waits_for_the_answer_in_one_call(agent):
    async with agent() as (service, call):
        lease = await _started(call)
        await call("report_blocked", **lease, kind="external_dependency", system="registry", issue="down")
        subtask_id = lease["subtask_id"]
        waiting = asyncio.create_task(call("get_subtask", subtask_id=subtask_id, worker_id="w1", wait_seconds=30))
        await service.answer(subtask_id, AnswerRequest(text="it is up again"), LOCAL)

        shown, text = await waiting

        assert "answered: it is up again" in text
        assert shown["subtask"]["status"] == "running"


async def test_progress_without_an_answer_closes_the_blocker(agent):
    async with agent() as (service, call):
        lease = await _started(call)
        await call("report_blocked", **lease, kind="scope_clarification", question="may I?")

        await call("report_progress", **lease, completed=1, total=2)

        (task,) = (await service.tasks()).tasks
        assert (await service.blockers(task.id, open_only=True)).blockers == ()


async def test_work_with_required_gates_waits_until_they_are_posted(agent):
    async with agent(Policy(workers=1, required_gates=("tests",))) as (service, call):
        lease = await _started(call)

        submitted, text = await call("submit_subtask", **lease, summary="done")
        assert submitted["status"] == "reported"
        assert "once its gates" in text

        gate = GateEvaluated(gate="tests", passed=True, score=1.0)
        verdict = await service.judge(
            lease["subtask_id"], GatesRequest(worker_id="w1", lease_epoch=1, gates=(gate,)), LOCAL
        )
        assert verdict.outcome == "accepted"
        shown, _ = await call("get_subtask", subtask_id=lease["subtask_id"])
        assert shown["subtask"]["status"] == "accepted"


async def test_a_released_subtask_is_anybodys_again(agent):
    async with agent() as (_, call):
        lease = await _started(call)
        released, _ = await call("release_subtask", **lease, reason="not my language")
        assert released["status"] == "ready"

        again = await _started(call, "w2")
        assert (again["subtask_id"], again["lease_epoch"]) == (lease["subtask_id"], 2)

        _, text = await call("report_progress", **lease, completed=2, total=2)
        assert "w2" in text
        assert "Stop, put the files back as they were" in text
        shown, _ = await call("get_subtask", subtask_id=lease["subtask_id"], with_brief=True)
        assert "not my language" in shown["brief"]


async def test_without_work_a_claim_says_so(agent):
    async with agent() as (_, call):
        await _started(call)
        claimed, text = await call("claim_subtask", worker_id="w2", wait_seconds=0)

    assert claimed["lease"] is None
    assert "There is no work now" in text


async def test_the_same_message_id_counts_once(agent):
    async with agent() as (service, call):
        lease = await _started(call)
        message = {"message_id": "019a0000-0000-7000-8000-000000000001", "completed": 1, "total": 2}
        await call("report_progress", **lease, **message)
        await call("report_progress", **lease, **message)

        (task,) = (await service.tasks()).tasks
        events = (await service.events(task.id)).events
        assert [event.type for event in events].count("progress") == 1


async def test_the_same_request_id_gives_the_same_lease(agent):
    async with agent() as (_, call):
        request = {"worker_id": "w1", "request_id": "019a0000-0000-7000-8000-000000000002"}
        first, _ = await call("claim_subtask", **request, wait_seconds=5)
        second, _ = await call("claim_subtask", **request, wait_seconds=5)

    assert first["lease"]["subtask_id"] == second["lease"]["subtask_id"]
    assert first["lease"]["lease_epoch"] == second["lease"]["lease_epoch"]


async def test_a_worker_sees_only_its_own_subtasks(agent):
    async with agent(principal=Principal(role="worker")) as (service, call):
        (task,) = (await service.tasks()).tasks
        (subtask, *_) = (await service.subtasks(task.id)).subtasks
        _, text = await call("get_subtask", subtask_id=subtask.id)
        assert "no subtask of a worker of yours" in text

        lease = await _started(call)
        shown, _ = await call("get_subtask", subtask_id=lease["subtask_id"])
        assert shown["subtask"]["worker_id"] == "w1"


async def test_the_state_of_tasks_is_told(agent):
    async with agent() as (_, call):
        listed, text = await call("list_tasks", status="running")
        (task,) = listed["tasks"]
        assert f"- {task['id']}: running" in text

        shown, text = await call("get_task", task_id=task["id"])
        assert shown["progress"]["total"] == 1
        assert "subtasks: 1 ready" in text


async def test_what_there_is_not_is_told_in_one_line(agent):
    async with agent() as (_, call):
        assert await call("get_task", task_id="nothing") == (None, "the ledger has no task 'nothing'")
        assert await call("get_subtask", subtask_id="nothing.1") == (None, "there is no subtask nothing.1")
