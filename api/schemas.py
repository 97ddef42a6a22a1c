"""What goes over the wire: requests and replies of the HTTP API, as msgspec structs.

Times are UTC in RFC 3339. A field that is left out has the default that stands here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.events import GateEvaluated, Issue, Usage
from domain.plan import Effort
from domain.planning.request import Strategy
from domain.problem import Problem
from domain.scope import TaskScope

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
"""Of a task, subtask or worker."""

ObjectName = Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})?$(?!\n)")]
"""Of a commit in git, in full; empty where there is none."""

Text = Annotated[str, Meta(max_length=20_000)]
Seconds = Annotated[float, Meta(ge=0.0, le=31_536_000.0)]


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all bodies have in common."""


# --- tasks ----------------------------------------------------------------------------------------------


class ToolSpec(Wire, frozen=True, kw_only=True):
    """How the problems are found again, by whoever has the tree."""

    name: Text
    #: The command without a shell; `{files}` stands for the paths to look at.
    argv: tuple[str, ...]
    format: str = "auto"
    exit_codes: tuple[int, ...] = ()
    #: Whether fixing one of its errors may bring others to light that it could not see before.
    unmasks: bool = False

    @property
    def scoped(self) -> bool:
        """Whether it can be asked about single files."""
        return "{files}" in self.argv


class Tree(Wire, frozen=True, kw_only=True):
    """The source tree that the problems are in, as far as the sender knows it."""

    #: Where a runner finds it: an absolute path on its machine, or a URL for `git clone`.
    repository: str = ""
    #: Folder below the repository's root in which the tool runs; empty for the root.
    prefix: str = ""
    #: The commit that was looked at.
    commit: ObjectName = ""
    #: What absolute paths of the report are relative to; None: found out from the report.
    root: str | None = None
    #: The files that exist; None: those that the report names.
    files: tuple[str, ...] | None = None
    #: Which file needs which others, by path.
    imports: dict[str, tuple[str, ...]] = {}
    #: The text of CODEOWNERS.
    code_owners: str = ""


class Policy(Wire, frozen=True, kw_only=True):
    """How a task is to be done."""

    strategy: Strategy = "auto"
    #: Workers to plan for; None: as many as are worth it.
    workers: Annotated[int, Meta(ge=1, le=1024)] | None = None
    #: What the workers are, for estimates.
    worker_kind: Literal["agent", "script"] = "agent"
    #: Whose history the estimates are calibrated by.
    worker_name: str = ""
    #: Which problems are to be removed: all, or those that the tool has an edit for.
    target: Literal["all", "fixable", "fixable-unsafe"] = "all"
    #: Commands that work must pass, run by the runner in its worktree. Each must have been posted before work is
    #: accepted: by a runner as `command`, by others under the command itself.
    gates: tuple[str, ...] = ()
    #: Gates whose result must be there and good before work is accepted: names as in `GateEvaluated.gate`.
    required_gates: tuple[str, ...] = ()
    #: Reviews by other workers that work needs.
    reviews: Annotated[int, Meta(ge=0, le=5)] = 0
    time_budget_seconds: Seconds | None = None
    attempts_max: Annotated[int, Meta(ge=1, le=20)] = 3
    losses_max: Annotated[int, Meta(ge=1, le=20)] = 3
    #: Live leases at once; None: no limit.
    leases_max: Annotated[int, Meta(ge=1)] | None = None
    #: Before a failed subtask is handed out again: doubled with each failure.
    backoff_seconds: Seconds = 5.0
    #: In US dollars, over all attempts that said what they cost; None: no limit.
    cost_max: Annotated[float, Meta(ge=0.0)] | None = None
    phases_max: Annotated[int, Meta(ge=1, le=100)] = 10
    #: Processors of the workers' machine, where each worker keeps one busy.
    cores: Annotated[int, Meta(ge=1)] | None = None
    #: Whether a blocked subtask waits for its answer after its worker has gone; else it is held for this phase.
    parks: bool = True


class TaskRequest(Wire, frozen=True, kw_only=True):
    """A new task: a tool's output, and what is to be done with it."""

    #: The raw output.
    report: str
    name: Annotated[str, Meta(max_length=200)] = ""
    format: str = "auto"
    tree: Tree = Tree()
    tool: ToolSpec | None = None
    policy: Policy = Policy()
    #: Kept with the task as it is, for whoever submitted it.
    options: dict[str, Any] = {}


class ObservationRequest(Wire, frozen=True, kw_only=True):
    """A new look at a task's tree."""

    report: str
    format: str = "auto"
    tree: Tree = Tree()


class ReasonRequest(Wire, frozen=True, kw_only=True):
    """Why a task is paused, resumed or cancelled."""

    reason: Text = ""


class TaskView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A task as it stands."""

    id: str
    status: str
    reason: str
    submitted_at: datetime
    ended_at: datetime | None
    phase: int
    #: Events up to here are in this view.
    position: int
    repository: str
    branch: str
    #: The base, or the last accepted commit.
    head: str
    problems: int
    targeted: int
    subtasks: dict[str, int]
    percent: float
    recommended_workers: int
    strategy: str
    #: Whether the next phase waits for somebody to look at the tree again.
    awaits_observation: bool


class TaskPage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Tasks, newest first, and where the next page begins."""

    tasks: tuple[TaskView, ...]
    next_cursor: str | None


class ProgressView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """How far a task's phase is, and when it will be done."""

    percent: float
    accepted: int
    live: int
    waiting: int
    held: int
    total: int
    #: Seconds until the phase ends; None where there is no telling (`/estimate` says why).
    eta_p50_seconds: float | None
    eta_p80_seconds: float | None
    eta_p95_seconds: float | None


class CriticalSubtask(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What a subtask means for the end of its phase."""

    id: str
    title: str
    #: Chance that the end waits for it, 0 to 1.
    critical: float
    #: Share of the variance of the end that goes with its own time, 0 to 1.
    variance: float


class EstimateView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """When the present phase of a task will be done, and what that depends on."""

    task_id: str
    phase: int
    made_at: datetime
    #: Why there is no telling, in words; then there is no time below. Empty: there is.
    unknown: str
    #: What was supposed other than it is, in words; empty: nothing.
    supposed: str
    #: Seconds from `made_at`; half, four in five and 19 in 20 of the simulated ends come no later.
    p50_seconds: float | None
    p80_seconds: float | None
    p95_seconds: float | None
    p50_at: datetime | None
    p80_at: datetime | None
    p95_at: datetime | None
    workers: int
    open_subtasks: int
    #: What one more worker, from now on, would take off P50.
    worker_saves_seconds: float | None
    #: One sentence each.
    reasons: tuple[str, ...]
    #: The subtasks that the end may wait for or is uncertain by, the most critical first.
    subtasks: tuple[CriticalSubtask, ...]
    #: The task's events up to here, and the ledger's up to where the model has learnt it, are in this estimate.
    position: int
    model: str
    model_position: int
    draws: int


# --- subtasks -------------------------------------------------------------------------------------------


class AttemptView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What an attempt that came to nothing left for the next one."""

    lease_epoch: int
    worker_id: str
    what: str


class BlockerView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What keeps a worker from going on, and who is to do something about it."""

    task_id: str
    subtask_id: str
    #: 1, 2, 3 ... within the subtask.
    number: int
    issue: Issue
    context: str
    #: What the service does about it (see `domain/blockers.py`).
    policy: str
    #: The subtask whose end is waited for.
    waits_for: str | None
    worker_id: str
    opened_at: datetime
    answered_at: datetime | None
    answer: str
    action: str


class SubtaskView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A subtask as it stands."""

    id: str
    task_id: str
    title: str
    reason: str
    status: str
    phase: int
    lease_epoch: int
    worker_id: str | None
    base_commit: str
    scope: TaskScope
    effort: Effort
    priority: int
    depends_on: tuple[str, ...]
    problems: int
    #: 0 to 1.
    fraction: float
    failures: int
    losses: int
    note: str
    history: tuple[AttemptView, ...]
    blockers: tuple[BlockerView, ...]


class SubtaskPage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Subtasks in the order of their numbers, and where the next page begins."""

    subtasks: tuple[SubtaskView, ...]
    next_cursor: str | None


class BlockerPage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Blockers, oldest first, and where the next page begins."""

    blockers: tuple[BlockerView, ...]
    next_cursor: str | None


class Baseline(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What the tool said of the tree before the subtask's phase: what work is measured against."""

    commit: str
    problems: tuple[Problem, ...]


# --- claims and leases ----------------------------------------------------------------------------------


class ClaimRequest(Wire, frozen=True, kw_only=True):
    """A worker asks for work."""

    worker_id: Name
    #: The same id gives the same lease again, however often it is asked for.
    request_id: UUID | None = None
    #: Only work of this task.
    task_id: Name | None = None
    #: Only work on this repository, as the task names it.
    repository: str | None = None
    #: No work of these tasks: the worker's machine lacks what they need.
    without_tasks: tuple[Name, ...] = ()
    #: How long to wait for work; the answer comes as soon as there is some.
    wait_seconds: Annotated[float, Meta(ge=0.0, le=300.0)] = 0.0
    #: Whether the worker can run the task's tool and report what it says (`POST /v1/tasks/{id}/problems`).
    can_observe: bool = False
    #: A commit that the work starts from, where the worker knows better than the service.
    base_commit: str | None = None


class Lease(Wire, frozen=True, kw_only=True, omit_defaults=False, tag_field="kind", tag="subtask"):
    """A subtask is the worker's."""

    task_id: str
    subtask_id: str
    worker_id: str
    lease_epoch: int
    title: str
    repository: str
    prefix: str
    base_commit: str
    #: Without `started`, or a sign of life, the lease is over then.
    expires_at: datetime
    heartbeat_seconds: float
    time_budget_seconds: float
    #: Collects the accepted work; empty where there is no repository.
    branch: str = ""
    #: How the problems are found again; None where nobody said.
    tool: ToolSpec | None = None
    #: Commands that the work must pass.
    gates: tuple[str, ...] = ()


class ObservationJob(Wire, frozen=True, kw_only=True, omit_defaults=False, tag_field="kind", tag="observation"):
    """The task's tree is to be looked at again, at its head."""

    task_id: str
    worker_id: str
    repository: str
    prefix: str
    commit: str
    tool: ToolSpec
    #: Then somebody else is asked.
    expires_at: datetime
    #: Collects the accepted work; empty where there is no repository.
    branch: str = ""


ClaimReply = Lease | ObservationJob


#: The header of an answer without work that says how many subtasks are open.
OPEN_SUBTASKS = "Pw-Open-Subtasks"


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim that found nothing may still hope for; its answer has no body, and says it in headers."""

    #: Subtasks that are not at their end, of all tasks that were asked for.
    open_subtasks: int = 0
    #: Until the first of those that rest after a failure is tried again; None: none rests.
    retry_after_seconds: float | None = None


class ReleaseRequest(Wire, frozen=True, kw_only=True):
    """A worker hands its subtask back."""

    worker_id: Name
    lease_epoch: int
    reason: Text = ""
    #: Whether the worker was ended from outside, which says nothing about the subtask; counted as a loss.
    lost: bool = False


class WorkerRequest(Wire, frozen=True, kw_only=True):
    """A worker introduces itself."""

    worker_id: Name
    name: str = ""


class WorkerView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A worker as it is known."""

    worker_id: str
    name: str
    registered_at: datetime
    heard_at: datetime | None
    leases: tuple[str, ...]


class HeldLease(Wire, frozen=True, kw_only=True):
    """A lease that a worker believes to hold."""

    subtask_id: Name
    lease_epoch: int


class HeartbeatRequest(Wire, frozen=True, kw_only=True):
    """A worker is alive."""

    leases: Annotated[tuple[HeldLease, ...], Meta(max_length=1000)] = ()


class LeaseState(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What became of a lease, and the answers that have come for it."""

    subtask_id: str
    lease_epoch: int
    held: bool
    #: Why it is not held.
    reason: str
    expires_at: datetime | None
    deadline_at: datetime | None
    answers: tuple[BlockerView, ...]


class HeartbeatReply(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """The service's view of a worker's leases."""

    leases: tuple[LeaseState, ...]


# --- messages -------------------------------------------------------------------------------------------


class Message(Wire, frozen=True, kw_only=True, tag_field="type"):
    """What a worker says, under its lease."""

    #: A UUIDv7 of the sender's: sent again, the message is stored once.
    message_id: UUID
    subtask_id: Name
    worker_id: Name
    lease_epoch: Annotated[int, Meta(ge=1, le=2_147_483_647)]
    task_id: Name | None = None
    #: The sender's clock; left out, the time in the message id.
    occurred_at: datetime | None = None
    usage: Usage | None = None


class StartedMessage(Message, frozen=True, kw_only=True, tag="started"):
    """The worker has taken the subtask up."""


class ProgressMessage(Message, frozen=True, kw_only=True, tag="progress"):
    """So many of so many parts are done."""

    completed: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=0)]
    status: Text = ""


class BlockedMessage(Message, frozen=True, kw_only=True, tag="blocked"):
    """The worker cannot go on."""

    issue: Issue
    context: Text = ""


class CompletedMessage(Message, frozen=True, kw_only=True, tag="completed"):
    """The worker claims to be done."""

    result: dict[str, Any] = {}
    summary: Text = ""


class FailedMessage(Message, frozen=True, kw_only=True, tag="failed"):
    """The attempt has failed."""

    error: Text
    recoverable: bool = True


AnyMessage = StartedMessage | ProgressMessage | BlockedMessage | CompletedMessage | FailedMessage


class MessageReceipt(Wire, frozen=True, kw_only=True):
    """What became of one message."""

    message_id: UUID
    status: Literal["created", "duplicate", "conflict", "rejected"]
    position: int | None = None
    version: int | None = None
    #: Why it was rejected, for people.
    reason: str = ""
    #: Why it was rejected, for programs: `stale_lease`, `unknown_subtask`, `not_yours`, `invalid`, `too_large`.
    code: str = ""
    warning: str = ""


class Receipts(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A receipt for each message, in their order."""

    receipts: tuple[MessageReceipt, ...]


# --- verdicts and answers -------------------------------------------------------------------------------


class GatesRequest(Wire, frozen=True, kw_only=True):
    """What the gates said of completed work, and the commit that holds it."""

    worker_id: Name
    lease_epoch: int
    gates: Annotated[tuple[GateEvaluated, ...], Meta(max_length=100)]
    #: The work merged onto `head`; empty where the task has no repository.
    commit: ObjectName = ""
    #: The task's head, which the commit continues: first the lease's `base_commit`, then what `behind` names.
    head: ObjectName = ""
    #: The files that the work changed, ascending; one outside the subtask's scope has the work rejected.
    files: tuple[str, ...] = ()
    #: Files in which the merge met a conflict: the subtask is done again on the new base.
    conflicts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Not bounded in the event: what is in the ledger must stay readable.
        for gate in self.gates:
            if not 0.0 <= gate.score <= 1.0:
                raise ValueError(f"the score of gate {gate.gate!r} is {gate.score:g}, and not from 0 to 1")


class VerdictReply(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What became of completed work.

    `accepted`, `rejected`, `released` (conflict), `pending` (gates or reviews are missing), or `behind`: the head has
    moved, merge again onto `head`.
    """

    outcome: Literal["accepted", "rejected", "released", "pending", "behind"]
    reason: str
    head: str


class ReviewRequest(Wire, frozen=True, kw_only=True):
    """Another worker's judgement of completed work."""

    reviewer: Name
    lease_epoch: int
    approve: bool
    score: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    comment: Text = ""


class AnswerRequest(Wire, frozen=True, kw_only=True):
    """An answer to a blocker; the oldest open one where no number is given."""

    text: Text
    number: int | None = None
    action: Literal["resume", "extend", "split", "give_up"] = "resume"
    #: With `extend`.
    extra_seconds: Seconds = 0.0


# --- events ---------------------------------------------------------------------------------------------


class EventView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """One event of the ledger; `payload` is the body as it was stored."""

    position: int
    task_id: str
    stream_id: str
    version: int
    type: str
    message_id: UUID
    worker_id: str | None
    lease_epoch: int | None
    occurred_at: datetime
    recorded_at: datetime
    payload: msgspec.Raw


class EventPage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Events in order of position, and the position to go on from."""

    events: tuple[EventView, ...]
    next_after: int | None


# --- errors ---------------------------------------------------------------------------------------------


class ProblemDetails(Wire, frozen=True, kw_only=True):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    #: Which part of the request is wrong, with `invalid-request`.
    errors: tuple[str, ...] = ()
    #: With 503 and 429.
    retry_after_seconds: float | None = None
    #: With `behind`: the commit that the branch is at.
    head: str = ""
