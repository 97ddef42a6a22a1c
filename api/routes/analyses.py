"""Analyses: what is in a tool's output and how the work would be split, without opening a task."""

from __future__ import annotations

import asyncio

import msgspec

from api.planning.documents import AnalysisDocument, PlanDocument, analysis_document, plan_document
from api.routes.endpoint import HttpRequest, endpoint
from api.routes.roles import PLANNERS
from api.routes.uploads import TaskParameters, read_upload, upload_bodies
from api.schemas import TaskRequest
from api.service.interface import Services
from api.service.planning import look, plan_phase
from domain.analysis.analyze import analyse
from domain.experience import Experience

#: Each may take seconds of a processor, and many times its report in memory.
_AT_ONCE_MAX = 2

_turns = asyncio.Semaphore(_AT_ONCE_MAX)


class AnalysisReply(msgspec.Struct, frozen=True, kw_only=True):
    """What `pw analyze -o json` and `pw decompose -o json` say."""

    analysis: AnalysisDocument
    plan: PlanDocument


@endpoint(
    "POST",
    "/v1/analyses",
    roles=PLANNERS,
    query=TaskParameters,
    bodies=upload_bodies(TaskRequest),
    refusals=(413, 422),
)
async def analyze(request: HttpRequest, services: Services) -> AnalysisReply:
    """Read a tool's output and say how the work would be split; nothing is stored.

    Takes what `POST /v1/tasks` takes.
    """
    task, report = await read_upload(request, TaskRequest, TaskParameters)
    experience = await services.experience(task.tree.repository)
    async with _turns:
        return await asyncio.to_thread(_analyzed, task, report, experience)


def _analyzed(task: TaskRequest, report: bytes, experience: Experience) -> AnalysisReply:
    seen = look(report, task.format, task.tree, task.policy)
    unsafe = task.policy.target == "fixable-unsafe"
    policy = task.policy
    estimator = experience.estimator(
        policy.worker_kind, task_id="", project=task.tree.repository, worker=policy.worker_name
    )
    analysis = analyse(
        seen.report.problems, seen.targeted, unsafe=unsafe, worker=policy.worker_kind, estimator=estimator
    )
    plan = plan_phase(seen, policy, experience).plan
    return AnalysisReply(
        analysis=analysis_document(seen.report, analysis, None), plan=plan_document(seen.report, plan)
    )


ROUTES = (analyze,)
