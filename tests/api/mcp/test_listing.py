"""What an agent gets to see of the tools."""

import pytest
from mcp import Client

from api.auth.principal import Principal
from api.mcp.tools import TOOLS

WORK_LOOP = {
    "claim_subtask",
    "start_subtask",
    "report_progress",
    "report_blocked",
    "submit_subtask",
    "release_subtask",
}
STATUS = {"list_tasks", "get_task", "get_subtask", "list_blockers"}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_says_what_it_is_and_what_it_changes(tool):
    listed = tool.listing()

    assert listed.title
    assert listed.description
    assert listed.annotations.read_only_hint == (tool.name in STATUS)
    assert listed.annotations.destructive_hint is False


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_argument_has_one_plain_type_and_a_description(tool):
    schema = tool.listing().input_schema

    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    for name, argument in schema["properties"].items():
        assert isinstance(argument["type"], str), name
        assert argument["description"], name
        assert not {"$ref", "anyOf", "oneOf", "allOf"} & set(argument), name


def test_arguments_that_may_be_left_out_are_not_required():
    claim = next(tool for tool in TOOLS if tool.name == "claim_subtask").listing().input_schema

    assert claim["required"] == ["worker_id"]
    assert claim["properties"]["wait_seconds"]["default"] == 25.0
    assert "default" not in claim["properties"]["request_id"]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("admin", WORK_LOOP | STATUS),
        ("worker", WORK_LOOP | {"get_subtask"}),
        ("planner", STATUS),
        ("viewer", STATUS),
    ],
)
async def test_a_key_sees_the_tools_of_its_role(serve, connect, stub, role, names):
    async with serve(stub(), Principal(role=role, key_id="k1")) as url, connect(url) as client:
        listed = await client.list_tools()

    assert {tool.name for tool in listed.tools} == names


async def test_what_one_key_sees_is_not_kept_for_another(serve, connect, stub):
    async with serve(stub()) as url, connect(url) as client:
        listed = await client.list_tools()

    assert (listed.cache_scope, listed.ttl_ms) == ("private", 0)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_server_tells_the_work_loop_when_an_agent_connects(serve, stub, mode):
    async with serve(stub()) as url, Client(url, mode=mode) as client:
        assert all(name in client.instructions for name in WORK_LOOP)
