"""What the service can be asked for: by the HTTP routes, by MCP, and by a run in the same process.

Everything that is refused is a `ParallelWorkersError` with the one line that the caller needs; `api/problems.py` says
which HTTP status each is. Checks of the caller's role are the route's; checks of whose worker and whose lease it
is are made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from api.auth.principal import Principal
from api.postmortem.document import Postmortem
from api.schemas import (
    AnswerRequest,
    AnyMessage,
    Baseline,
    BlockerPage,
    ClaimReply,
    ClaimRequest,
    EstimateView,
    EventPage,
    GatesRequest,
    HeartbeatReply,
    HeartbeatRequest,
    MessageReceipt,
    ObservationRequest,
    Outlook,
    ProgressView,
    ReleaseRequest,
    ReviewRequest,
    SubtaskPage,
    SubtaskView,
    TaskPage,
    TaskRequest,
    TaskView,
    VerdictReply,
    WorkerRequest,
    WorkerView,
)
from domain.experience import Experience


class Services(Protocol):
    """The service, as its callers see it."""

    # --- tasks ---

    async def submit(
        self, request: TaskRequest, report: bytes, principal: Principal, *, idempotency_key: str | None = None
    ) -> TaskView:
        """Read a report, plan its first phase, and open a task; the same key and content give the same task again.

        `report` is the tool's raw output; `request.report` is not looked at. Raises `ReportError`,
        `UnknownFormatError`, and `IdempotencyError` where the key was used for something else.
        """

    async def observe(
        self, task_id: str, request: ObservationRequest, report: bytes, principal: Principal
    ) -> TaskView:
        """Take in a new look at a task's tree, and plan the next phase, or end the task.

        Raises `NotReportedError` while the phase still has work, and `BehindError` for a look at another commit than
        the head.
        """

    async def tasks(self, *, status: str | None = None, cursor: str | None = None, limit: int = 100) -> TaskPage:
        """List tasks, newest first."""

    async def task(self, task_id: str) -> TaskView:
        """Give a task as it stands."""

    async def experience(self, repository: str) -> Experience:
        """Give what the ledger's history says of work on a repository: how long it takes, what changes together."""

    async def progress(self, task_id: str) -> ProgressView:
        """Say how far the present phase is and when it will end."""

    async def estimate(
        self, task_id: str, *, without_worker: str = "", blocked_longer: float = 0.0, workers: int | None = None
    ) -> EstimateView:
        """Say when the present phase will be done, and why; or what if.

        If a worker were lost, all open blockers stayed open for so many seconds more, or there were so many workers.
        Raises `InvalidRequestError` where that makes no sense for the task.
        """

    async def postmortem(self, task_id: str) -> Postmortem:
        """Say where a task's time went and what came of it, so far or in the end.

        Raises `LifecycleError` where it was archived, and `LedgerError` where the read models are far behind.
        """

    async def subtasks(
        self, task_id: str, *, status: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> SubtaskPage:
        """List a task's subtasks by number."""

    async def blockers(
        self, task_id: str, *, open_only: bool = False, cursor: str | None = None, limit: int = 100
    ) -> BlockerPage:
        """List what a task's workers are or were blocked by, oldest first."""

    async def events(self, task_id: str, *, after: int = 0, limit: int = 100) -> EventPage:
        """List a task's events past a position."""

    async def pause(self, task_id: str, reason: str, principal: Principal) -> TaskView:
        """Hand out nothing more; what workers hold stays theirs."""

    async def resume(self, task_id: str, reason: str, principal: Principal) -> TaskView:
        """Go on with a paused or stalled task."""

    async def cancel(self, task_id: str, reason: str, principal: Principal) -> TaskView:
        """End a task for good; leases are over."""

    # --- workers ---

    async def register(self, request: WorkerRequest, principal: Principal) -> WorkerView:
        """Bind a worker's name to the caller's key; raises `NotYoursError` where it is another key's."""

    async def heartbeat(self, worker_id: str, request: HeartbeatRequest, principal: Principal) -> HeartbeatReply:
        """Take note that a worker is alive, and say which of its leases still hold, with the answers that came."""

    async def claim(self, request: ClaimRequest, principal: Principal, gone: asyncio.Event) -> ClaimReply | None:
        """Wait for work and hand it out; None where there is none in time.

        `gone` is set by the caller when nobody waits for the answer any more: what is claimed then is released.
        """

    async def outlook(self, request: ClaimRequest) -> Outlook:
        """Say what a claim that found nothing may still hope for."""

    async def release(self, subtask_id: str, request: ReleaseRequest, principal: Principal) -> SubtaskView:
        """Take a subtask back from its worker."""

    # --- messages and verdicts ---

    async def post(self, messages: Sequence[AnyMessage], principal: Principal) -> list[MessageReceipt]:
        """Store what workers say, each by itself, and give a receipt for each, in their order."""

    async def subtask(self, subtask_id: str, principal: Principal) -> SubtaskView:
        """Give a subtask as it stands; a worker sees those that it holds or held."""

    async def brief(self, subtask_id: str, principal: Principal, *, report: str = "") -> str:
        """Write the subtask's brief in Markdown; `report` is the file for messages, if there is one."""

    async def baseline(self, subtask_id: str, principal: Principal, *, files: Sequence[str] = ()) -> Baseline:
        """Give the problems that the phase's observation found in the scope's files, and in further ones.

        All problems where the task's tool cannot be asked about single files.
        """

    async def answer(self, subtask_id: str, request: AnswerRequest, principal: Principal) -> SubtaskView:
        """Answer a blocker."""

    async def judge(self, subtask_id: str, request: GatesRequest, principal: Principal) -> VerdictReply:
        """Take in what the gates said of completed work, and decide."""

    async def review(self, subtask_id: str, request: ReviewRequest, principal: Principal) -> VerdictReply:
        """Take in another worker's judgement of completed work, and decide."""
