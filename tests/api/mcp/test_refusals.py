"""What an agent is told when a call is not carried out."""

from uuid import UUID

import pytest

from api.auth.principal import Principal
from api.schemas import HeartbeatReply, LeaseState, MessageReceipt
from domain import errors

_LEASE = {"subtask_id": "t.1", "worker_id": "w1", "lease_epoch": 1}
_ID = UUID("019a0000-0000-7000-8000-000000000001")


def _receipt(status, code="", reason="", warning=""):
    return [MessageReceipt(message_id=_ID, status=status, code=code, reason=reason, warning=warning)]


def _beat(*, held, reason=""):
    lease = LeaseState(
        subtask_id="t.1", lease_epoch=1, held=held, reason=reason, expires_at=None, deadline_at=None, answers=()
    )
    return HeartbeatReply(leases=(lease,))


@pytest.fixture
def refusal(serve, connect, text_of):
    """Call a tool and give the text of its refusal."""

    async def call(services, name, arguments, principal=None):
        caller = principal or Principal(role="admin")
        async with serve(services, caller) as url, connect(url) as client:
            result = await client.call_tool(name, arguments)
        assert result.is_error
        return text_of(result)

    return call


async def test_a_stale_lease_tells_the_holder_and_to_stop(refusal, stub):
    services = stub(post=_receipt("rejected", "stale_lease", "t.1 is held by w2 under lease 2"))

    text = await refusal(services, "start_subtask", _LEASE)

    assert "t.1 is held by w2 under lease 2" in text
    assert "Stop, put the files back as they were" in text


async def test_progress_under_a_lease_that_is_gone_is_an_error(refusal, stub):
    services = stub(post=_receipt("created"), heartbeat=_beat(held=False, reason="w2 has it"))

    text = await refusal(services, "report_progress", _LEASE | {"completed": 1, "total": 2})

    assert "t.1 is not yours any more: w2 has it" in text


async def test_a_message_id_that_said_something_else_is_told(refusal, stub):
    text = await refusal(stub(post=_receipt("conflict")), "start_subtask", _LEASE | {"message_id": str(_ID)})

    assert f"message {_ID} was sent before, and said something else" in text


async def test_an_unknown_argument_is_named(refusal, stub):
    text = await refusal(stub(), "claim_subtask", {"worker_id": "w1", "colour": "red"})

    assert "claim_subtask" in text
    assert "colour" in text


async def test_a_missing_argument_is_named(refusal, stub):
    assert "worker_id" in await refusal(stub(), "claim_subtask", {})


async def test_an_argument_of_the_wrong_type_is_named(refusal, stub):
    assert "lease_epoch" in await refusal(stub(), "start_subtask", _LEASE | {"lease_epoch": "first"})


async def test_a_blocker_without_its_facts_is_told_which_is_missing(refusal, stub):
    text = await refusal(stub(), "report_blocked", _LEASE | {"kind": "scope_clarification"})

    assert "scope_clarification" in text
    assert "question" in text


async def test_an_unknown_tool_is_told_those_that_there_are(refusal, stub):
    text = await refusal(stub(), "finish", {})

    assert "there is no tool finish" in text
    assert "submit_subtask" in text


async def test_a_role_that_may_not_use_a_tool_is_told_so(refusal, stub):
    text = await refusal(stub(), "claim_subtask", {"worker_id": "w1"}, Principal(role="viewer", key_id="k1"))

    assert "a viewer key may not use claim_subtask" in text


async def test_an_overloaded_service_says_when_to_come_back(refusal, stub):
    services = stub(post=errors.OverloadedError("too much waits to be stored", 2.0))

    assert "Try again in 2 seconds" in await refusal(services, "start_subtask", _LEASE)


async def test_a_fault_of_ours_tells_nothing_of_its_inside(refusal, stub):
    text = await refusal(stub(tasks=RuntimeError("password=secret")), "list_tasks", {})

    assert text == "the service has failed; its log says why"


async def test_numbers_as_text_and_empty_arguments_are_understood(serve, connect, stub):
    services = stub(claim=None)
    arguments = {"worker_id": "w1", "task_id": "", "repository": None, "request_id": "", "wait_seconds": "3"}

    async with serve(services) as url, connect(url) as client:
        result = await client.call_tool("claim_subtask", arguments)

    ((_, (request, *_), _),) = services.asked
    assert (request.task_id, request.repository, request.request_id) == (None, None, None)
    assert request.wait_seconds == 3.0
    assert not result.is_error


async def test_a_warning_of_the_receipt_reaches_the_agent(serve, connect, stub, text_of):
    services = stub(post=_receipt("created", warning="your clock is an hour fast"))

    async with serve(services) as url, connect(url) as client:
        result = await client.call_tool("start_subtask", _LEASE)

    assert "your clock is an hour fast" in text_of(result)
    assert result.structured_content["warning"] == "your clock is an hour fast"
