"""Everything that can be said in the ledger: what workers report and what the service decides.

`WorkerMessage` is the union that workers send; `ServiceEvent` is what the coordinator adds. On the wire and
in the ledger the kind is the tag `type` in snake case. Times are the sender's, in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from domain.ids import StreamId, SubtaskId, TaskId, WorkerId
from domain.plan import Effort, StartForecast, WorkerCurvePoint
from domain.scope import TaskScope


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """What all event bodies have in common: frozen, tagged by `type`, defaults left out.

    Events hold plain data and never themselves, so the garbage collector need not go through them: of a feed's
    time that is a third.
    """


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an attempt consumed; an absent field means unknown, never zero."""

    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    #: In US dollars.
    cost: float | None = None


# --- what a worker may be blocked by ---------------------------------------------------------------


class DependencyWait(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="dependency_wait"):
    """Waits for what another worker holds."""

    required_worker: str
    resource: str


class ExternalDependency(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="external_dependency"):
    """Waits for a system outside."""

    system: str
    issue: str


class ComplexityExceeded(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="complexity_exceeded"):
    """The subtask is larger than its budget."""

    #: In seconds.
    estimated_additional_time: float


class ScopeClarification(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="scope_clarification"):
    """A question that must be answered before the work can go on."""

    question: str


Issue = DependencyWait | ExternalDependency | ComplexityExceeded | ScopeClarification


# --- from workers ----------------------------------------------------------------------------------


class Started(Body, frozen=True, kw_only=True, tag="started"):
    """The worker has taken the subtask up."""

    usage: Usage | None = None


class Progress(Body, frozen=True, kw_only=True, tag="progress"):
    """So many of so many parts are done."""

    completed: Annotated[int, msgspec.Meta(ge=0)]
    total: Annotated[int, msgspec.Meta(ge=0)]
    status: str = ""
    #: Since the attempt began.
    usage: Usage | None = None


class Blocked(Body, frozen=True, kw_only=True, tag="blocked"):
    """The worker cannot go on."""

    issue: Issue
    context: str = ""
    usage: Usage | None = None


class Completed(Body, frozen=True, kw_only=True, tag="completed"):
    """The worker claims to be done; gates decide whether it is."""

    summary: str = ""
    result: dict[str, Any] = {}
    usage: Usage | None = None


class Failed(Body, frozen=True, kw_only=True, tag="failed"):
    """The attempt has failed."""

    error: str
    recoverable: bool = True
    usage: Usage | None = None


WorkerMessage = Started | Progress | Blocked | Completed | Failed


# --- from the service ------------------------------------------------------------------------------


class TaskSubmitted(Body, frozen=True, kw_only=True, tag="task_submitted"):
    """A task was taken in. All that a resumed run must know again."""

    #: Absolute path of the repository on the machine that runs the task.
    repository: str
    #: Folder below the repository's root in which the tool runs; empty for the root.
    prefix: str = ""
    #: Commit that the work starts from.
    base_commit: str
    #: Branch that collects the accepted work.
    branch: str
    #: What is to be done and how (tool, worker, gates, limits), as whoever submitted it wrote it.
    options: dict[str, Any]
    #: Whether a service hands its subtasks out to whoever asks; else one `pw run` does it all.
    served: bool = False


class ProblemsObserved(Body, frozen=True, kw_only=True, tag="problems_observed"):
    """The tool has looked at the tree."""

    phase: int
    #: Commit that was looked at.
    commit: str
    #: Folder that absolute paths of the output are relative to; empty where they are to be refused.
    root: str = ""
    format: str
    tool: str
    tool_version: str = ""
    #: SHA-256 of the raw output, kept in `ledger.artifact`, in hexadecimal digits.
    artifact: str
    problems: int
    #: Problems that this task's worker is to remove (see `docs/concepts.md`, target).
    targeted: int
    codes: dict[str, int]
    duplicates: int = 0
    damaged: int = 0


class TaskAnalyzed(Body, frozen=True, kw_only=True, tag="task_analyzed"):
    """The problems were grouped by root cause."""

    phase: int
    groups: int
    files: int
    #: The largest groups, one line each.
    largest: tuple[str, ...] = ()
    #: SHA-256 of what the plan rests on beside the output, kept in `ledger.artifact`; not recorded by early releases.
    inputs: str = ""


class TaskDecomposed(Body, frozen=True, kw_only=True, tag="task_decomposed"):
    """The groups were packed into subtasks."""

    phase: int
    strategy: str
    subtasks: int
    plan_hash: str
    recommended_workers: int
    recommendation: str
    curve: tuple[WorkerCurvePoint, ...] = ()
    left_out: int = 0


class PhaseStarted(Body, frozen=True, kw_only=True, tag="phase_started"):
    """A round of observe, decompose, work has begun."""

    phase: int
    name: str


class SubtaskPlanned(Body, frozen=True, kw_only=True, tag="subtask_planned"):
    """A subtask exists. Written once, into its own stream."""

    phase: int
    title: str
    reason: str
    scope: TaskScope
    problems: tuple[int, ...]
    effort: Effort
    priority: int
    depends_on: tuple[SubtaskId, ...] = ()


class SubtaskReady(Body, frozen=True, kw_only=True, tag="subtask_ready"):
    """All that the subtask depends on has come to an end."""


class SubtaskClaimed(Body, frozen=True, kw_only=True, tag="subtask_claimed"):
    """A worker holds the subtask from now on, under the envelope's epoch."""

    #: Commit that the work starts from.
    base_commit: str
    #: Under which the worker asked: asking again gives the same lease.
    request_id: UUID | None = None
    #: What the effort model said of this worker at this subtask.
    forecast: StartForecast | None = None


class SubtaskReassigned(Body, frozen=True, kw_only=True, tag="subtask_reassigned"):
    """Another worker than the last one goes on, with what that one found."""

    previous_worker: str
    previous_epoch: int
    found: str = ""


LeaseClock = Literal["heartbeat", "offer", "progress", "deadline"]
"""Which of a lease's clocks ran out: no sign of life, no `started`, no progress, the time budget."""


class LeaseExpired(Body, frozen=True, kw_only=True, tag="lease_expired"):
    """The holder is lost (it died, or the coordinator that started it did), or does not come on."""

    reason: str
    #: Whether it was only noticed when another coordinator took the task up.
    coordinator_gone: bool = False
    clock: LeaseClock = "heartbeat"


class SubtaskReleased(Body, frozen=True, kw_only=True, tag="subtask_released"):
    """The subtask is handed back without a result."""

    reason: str
    #: Whether it waits until its blockers are answered.
    parked: bool = False


class RetryScheduled(Body, frozen=True, kw_only=True, tag="retry_scheduled"):
    """A failed subtask is handed out again, but not at once."""

    after_seconds: float
    failures: int


class LateReported(Body, frozen=True, kw_only=True, tag="late_reported"):
    """A worker reported under a lease that had gone to another one: kept, and without effect."""

    message: WorkerMessage
    #: Who held the subtask then, and how.
    holder: str


BlockerPolicy = Literal["wait", "answered", "park", "extend", "split", "ask"]
BlockerAction = Literal["resume", "extend", "split", "give_up"]


class BlockerOpened(Body, frozen=True, kw_only=True, tag="blocker_opened"):
    """The service has taken note of what blocks a worker, and says what it does about it."""

    #: 1, 2, 3 ... within the subtask.
    number: int
    policy: BlockerPolicy
    detail: str
    #: The subtask whose end is waited for.
    waits_for: SubtaskId | None = None


class BlockerAnswered(Body, frozen=True, kw_only=True, tag="blocker_answered"):
    """The worker can go on, or is not to."""

    number: int
    text: str
    action: BlockerAction = "resume"
    #: A person's key or name, or the service itself.
    by: str = "service"
    #: Added to the time budget, with `extend`.
    extra_seconds: float = 0.0


class SubtaskSplit(Body, frozen=True, kw_only=True, tag="subtask_split"):
    """The subtask was too large: others take its place."""

    into: tuple[SubtaskId, ...]
    reason: str


class ReviewRequested(Body, frozen=True, kw_only=True, tag="review_requested"):
    """Completed work waits for the judgement of other workers."""

    reviews: int
    commit: str = ""


class ReviewGiven(Body, frozen=True, kw_only=True, tag="review_given"):
    """Another worker has judged completed work."""

    reviewer: str
    approve: bool
    #: 0 to 1.
    score: float = 1.0
    comment: str = ""


class SubtaskHeld(Body, frozen=True, kw_only=True, tag="subtask_held"):
    """The subtask is not handed out again in this phase."""

    reason: str


class GateEvaluated(Body, frozen=True, kw_only=True, tag="gate_evaluated"):
    """A check of a completed attempt."""

    gate: str
    passed: bool
    #: 0 to 1.
    score: float
    required: float = 1.0
    blocking: bool = True
    detail: str = ""
    seconds: float = 0.0


class SubtaskAccepted(Body, frozen=True, kw_only=True, tag="subtask_accepted"):
    """The work is good and part of the branch."""

    #: The branch's new head; equal to the old one where nothing had to change.
    commit: str
    files_changed: int
    summary: str = ""
    #: Which files, ascending; not recorded by early releases.
    files: tuple[str, ...] = ()


class SubtaskRejected(Body, frozen=True, kw_only=True, tag="subtask_rejected"):
    """The work was not taken."""

    gate: str
    reason: str


class MilestoneReached(Body, frozen=True, kw_only=True, tag="milestone_reached"):
    """A quarter, half, three quarters or all of the phase's weight is accepted."""

    phase: int
    percent: int


ForecastOccasion = Literal["planned", "milestone", "moved"]
"""Why a forecast was made: the first of its phase, a quarter of the work is done, the end has moved."""


class TaskForecast(Body, frozen=True, kw_only=True, tag="task_forecast"):
    """When the phase will be done, as far as that was known; to be held against what has come."""

    phase: int
    occasion: ForecastOccasion
    #: From the event's `occurred_at` on: half, four in five and 19 in 20 of the simulated ends come no later.
    p50_seconds: float
    p80_seconds: float
    p95_seconds: float
    workers: int
    open_subtasks: int
    #: Of the last of the task's events that it rests on.
    state_position: int
    #: SHA-256 of the effort model, and the position that it had learnt the ledger up to.
    model: str
    model_position: int


class TaskPaused(Body, frozen=True, kw_only=True, tag="task_paused"):
    """Nothing more is handed out until the task is resumed."""

    reason: str
    #: What the workers had cost, in US dollars, where that is the reason.
    cost: float | None = None


class TaskResumed(Body, frozen=True, kw_only=True, tag="task_resumed"):
    """The task goes on: somebody said so, or a coordinator has taken it up again."""

    reason: str = ""


class TaskCancelled(Body, frozen=True, kw_only=True, tag="task_cancelled"):
    """The task was given up."""

    reason: str


class TaskStalled(Body, frozen=True, kw_only=True, tag="task_stalled"):
    """Problems are left and nothing moves: the task ended without success."""

    reason: str


class TaskSynthesized(Body, frozen=True, kw_only=True, tag="task_synthesized"):
    """The accepted work as a whole was looked at again."""

    branch: str
    commit: str
    before: dict[str, int]
    after: dict[str, int]


class TaskCompleted(Body, frozen=True, kw_only=True, tag="task_completed"):
    """Nothing is left that the workers could remove."""

    summary: str = ""


class TaskArchived(Body, frozen=True, kw_only=True, tag="task_archived"):
    """The task's events before this one were moved into a file: this is what the ledger keeps of them."""

    #: Without its folder, which may change.
    file_name: str
    #: Of the file as it was written, in hexadecimal digits.
    file_sha256: str
    #: How many were moved.
    events: int
    artifacts: int
    #: Of the events that were moved.
    first_position: int
    last_position: int


ServiceEvent = (
    TaskSubmitted
    | ProblemsObserved
    | TaskAnalyzed
    | TaskDecomposed
    | PhaseStarted
    | SubtaskPlanned
    | SubtaskReady
    | SubtaskClaimed
    | SubtaskReassigned
    | LeaseExpired
    | SubtaskReleased
    | RetryScheduled
    | LateReported
    | BlockerOpened
    | BlockerAnswered
    | SubtaskSplit
    | ReviewRequested
    | ReviewGiven
    | SubtaskHeld
    | GateEvaluated
    | SubtaskAccepted
    | SubtaskRejected
    | MilestoneReached
    | TaskForecast
    | TaskPaused
    | TaskResumed
    | TaskCancelled
    | TaskStalled
    | TaskSynthesized
    | TaskCompleted
    | TaskArchived
)

EventBody = WorkerMessage | ServiceEvent

ReceiptStatus = Literal["created", "duplicate", "conflict", "rejected"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event on its way to the ledger."""

    task_id: TaskId
    stream_id: StreamId
    #: Made by the sender (UUIDv7): sending the same event twice stores it once.
    message_id: UUID
    occurred_at: datetime
    body: EventBody
    worker_id: WorkerId | None = None
    #: The hold on the subtask under which it is sent; set for all events of an attempt.
    lease_epoch: int | None = None


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as the ledger keeps it."""

    event: Event
    #: 1, 2, 3 ... within the stream.
    version: int
    #: The global order.
    position: int
    #: The database's clock.
    recorded_at: datetime
    #: Shape that the body was stored in; what is read is always of today's.
    schema_version: int = 1


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The ledger's answer for one event.

    `created`: stored now. `duplicate`: stored before with the same content. `conflict`: its message id is stored
    with other content, and nothing of this event is. `rejected`: it cannot be kept, for the reason given.
    """

    message_id: UUID
    status: ReceiptStatus
    #: Where the event, or the one that was there first, is; absent where the event was rejected.
    position: int | None = None
    version: int | None = None
    #: Why it was rejected.
    reason: str = ""
    #: What is odd about an event that was kept: its sender's clock.
    warning: str = ""
