"""Subtasks: what one worker gets, and what becomes of its work."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.response.base import ASGIResponse
from msgspec import Meta

from api.auth.principal import Principal
from api.routes.endpoint import Reply, endpoint
from api.routes.roles import CALLERS, PLANNERS, WORKERS
from api.schemas import (
    AnswerRequest,
    Baseline,
    GatesRequest,
    Name,
    ReleaseRequest,
    ReviewRequest,
    SubtaskView,
    VerdictReply,
)
from api.service.interface import Services

_MARKDOWN = "text/markdown"
_Path = Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00]*$")]


class BriefQuery(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a brief is."""

    #: The file that the agent's messages go to, where a runner reads one; empty: over HTTP or MCP.
    report: _Path = ""


class BaselineQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of which files, beside the scope's."""

    file: tuple[_Path, ...] = ()


@endpoint("GET", "/v1/subtasks/{subtask_id}", roles=CALLERS, refusals=(404,))
async def subtask(services: Services, principal: Principal, subtask_id: Name) -> SubtaskView:
    """Give a subtask as it stands; a worker sees those that it holds or held."""
    return await services.subtask(subtask_id, principal)


@endpoint(
    "GET",
    "/v1/subtasks/{subtask_id}/brief",
    roles=CALLERS,
    replies={200: Reply(kind=bytes, media_type=_MARKDOWN, meaning="What, where, and when it is done.")},
    refusals=(404,),
)
async def brief(services: Services, principal: Principal, subtask_id: Name, query: BriefQuery) -> ASGIResponse:
    """Give a subtask as one page for an agent."""
    text = await services.brief(subtask_id, principal, report=query.report)
    return ASGIResponse(body=text.encode(), media_type=_MARKDOWN)


@endpoint("GET", "/v1/subtasks/{subtask_id}/baseline", roles=CALLERS, refusals=(404,))
async def baseline(services: Services, principal: Principal, subtask_id: Name, query: BaselineQuery) -> Baseline:
    """Give what the tool said of a subtask's files before its phase."""
    return await services.baseline(subtask_id, principal, files=query.file)


@endpoint("POST", "/v1/subtasks/{subtask_id}/answers", roles=PLANNERS, refusals=(404, 409))
async def answer(services: Services, principal: Principal, subtask_id: Name, body: AnswerRequest) -> SubtaskView:
    """Answer a blocker."""
    return await services.answer(subtask_id, body, principal)


@endpoint("POST", "/v1/subtasks/{subtask_id}/gates", roles=WORKERS, refusals=(404, 409, 422))
async def gates(services: Services, principal: Principal, subtask_id: Name, body: GatesRequest) -> VerdictReply:
    """Say what the gates said of completed work, and hear the verdict."""
    return await services.judge(subtask_id, body, principal)


@endpoint("POST", "/v1/subtasks/{subtask_id}/reviews", roles=WORKERS, refusals=(404, 409, 422))
async def review(services: Services, principal: Principal, subtask_id: Name, body: ReviewRequest) -> VerdictReply:
    """Judge another worker's completed work."""
    return await services.review(subtask_id, body, principal)


@endpoint("POST", "/v1/subtasks/{subtask_id}/release", roles=WORKERS, refusals=(404, 409))
async def release(services: Services, principal: Principal, subtask_id: Name, body: ReleaseRequest) -> SubtaskView:
    """Hand a subtask back."""
    return await services.release(subtask_id, body, principal)


ROUTES = (subtask, brief, baseline, answer, gates, review, release)
