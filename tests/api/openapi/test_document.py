"""The description says of a route what its function says."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.openapi.document import openapi
from api.openapi.page import page
from api.routes.endpoint import ENDPOINT, Reply, endpoint
from api.routes.roles import EVERYBODY, PLANNERS


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which ones."""

    status: Annotated[str, Meta(pattern="^[a-z]+$")] | None = None
    file: tuple[str, ...] = ()
    limit: Annotated[int, Meta(ge=1)]


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing <b>."""

    id: int


@endpoint("POST", "/v1/boxes/{box_id}/things", roles=PLANNERS, status=201, refusals=(404,))
async def add(box_id: Annotated[str, Meta(max_length=9)], query: Which, body: Thing) -> Thing | None:
    """Put a thing
    into a box.

    It stays there.
    """


@endpoint("GET", "/v1/boxes", roles=EVERYBODY)
async def boxes() -> Thing:
    """Look."""
    return Thing(id=1)


def document() -> dict[str, Any]:
    text = msgspec.json.encode(openapi([route.opt[ENDPOINT] for route in (add, boxes)]))
    read: dict[str, Any] = msgspec.json.decode(text)
    return read


def operation() -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"]["/v1/boxes/{box_id}/things"]["post"]
    return found


def test_the_docstring_is_summary_and_description() -> None:
    assert operation()["summary"] == "Put a thing into a box"
    assert operation()["description"] == "It stays there.\n\nRoles: admin, planner."


def test_parameters_are_those_of_the_path_and_the_query() -> None:
    found = {one["name"]: (one["in"], one["required"], one["schema"]) for one in operation()["parameters"]}
    assert found["box_id"] == ("path", True, {"type": "string", "maxLength": 9})
    assert found["limit"] == ("query", True, {"type": "integer", "minimum": 1})
    assert found["file"][2] == {"type": "array", "items": {"type": "string"}, "default": []}


def test_a_parameter_that_may_be_left_out_is_never_null() -> None:
    [status] = [one for one in operation()["parameters"] if one["name"] == "status"]
    assert (status["required"], status["schema"]) == (False, {"type": "string", "pattern": "^[a-z]+$"})


def test_body_and_answers_are_the_types_of_the_function() -> None:
    reference = {"$ref": "#/components/schemas/Thing"}
    found = operation()
    assert found["requestBody"]["content"]["application/json"]["schema"] == reference
    assert found["responses"]["201"]["content"]["application/json"]["schema"] == reference
    assert "content" not in found["responses"]["204"]


def test_headers_that_mean_something_are_named_with_the_answer() -> None:
    answer = Reply(meaning="Nothing.", headers={"Retry-After": "In how many seconds."})

    @endpoint("POST", "/v1/claims", roles=PLANNERS, replies={204: answer})
    async def ask() -> None:
        """Ask."""

    responses = openapi([ask.opt[ENDPOINT]])["paths"]["/v1/claims"]["post"]["responses"]
    assert responses["204"]["headers"] == {
        "Retry-After": {"description": "In how many seconds.", "schema": {"type": "string"}}
    }


def test_refusals_are_those_of_the_route_and_of_every_route() -> None:
    assert {"400", "401", "403", "404", "429", "500", "503"} <= set(operation()["responses"])


def test_a_route_for_everybody_needs_no_key() -> None:
    look = document()["paths"]["/v1/boxes"]["get"]
    assert (look["security"], "401" in look["responses"]) == ([], False)


def test_the_structs_of_queries_are_no_types_of_their_own() -> None:
    assert set(document()["components"]["schemas"]) == {"Thing", "ProblemDetails"}


def test_the_page_escapes_what_it_shows() -> None:
    written = page(document())
    assert "<b>" not in written
    assert "A thing &lt;b&gt;." in written
