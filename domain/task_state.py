"""What is known of a task and its subtasks: all that decisions need, folded from events (`domain/evolution.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from domain import events as e
from domain.ids import SubtaskId, TaskId, WorkerId

SubtaskStatus = Literal[
    "planned", "ready", "claimed", "running", "blocked", "reported", "parked", "accepted", "held", "split"
]
TaskStatus = Literal["running", "paused", "completed", "stalled", "cancelled", "archived"]

#: Statuses in which a worker holds the subtask and its files.
LIVE: frozenset[SubtaskStatus] = frozenset({"claimed", "running", "blocked", "reported"})
#: Statuses from which nothing more follows within the phase.
ENDED: frozenset[SubtaskStatus] = frozenset({"accepted", "held", "split"})
#: Statuses from which nothing more follows at all.
OVER: frozenset[TaskStatus] = frozenset({"completed", "stalled", "cancelled", "archived"})


class AttemptNote(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt that came to nothing left for the next one to know."""

    epoch: int
    worker_id: str
    what: str


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps a worker from going on, what is done about it, and the answer."""

    number: int
    issue: e.Issue
    context: str
    policy: e.BlockerPolicy
    detail: str
    waits_for: SubtaskId | None
    worker_id: str
    epoch: int
    opened_at: datetime
    answered_at: datetime | None = None
    text: str = ""
    action: e.BlockerAction = "resume"
    by: str = ""


class ForecastNote(msgspec.Struct, frozen=True, kw_only=True):
    """The latest forecast of when the phase will be done."""

    made_at: datetime
    #: Seconds from then on until the end, as likely too few as too many.
    p50_seconds: float
    #: The quarters of the work, in percent, that were done then.
    milestone: int
    #: 1, 2, 3 ... within the phase.
    number: int


class SubtaskState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything about one subtask that decisions need."""

    id: SubtaskId
    plan: e.SubtaskPlanned
    status: SubtaskStatus = "planned"
    epoch: int = 0
    worker_id: WorkerId | None = None
    base_commit: str = ""
    failures: int = 0
    losses: int = 0
    completed: int = 0
    total: int = 0
    note: str = ""
    issue: e.Issue | None = None
    #: When the present worker began; None before its first word.
    started_at: datetime | None = None
    #: When the present worker was last heard of.
    heard_at: datetime | None = None
    ended_at: datetime | None = None
    #: Seconds from a worker's first word to its last, over all attempts that have ended.
    worked_seconds: float = 0.0
    history: tuple[AttemptNote, ...] = ()
    #: Since when it can be handed out.
    ready_at: datetime | None = None
    #: Before that it is not handed out again.
    not_before: datetime | None = None
    claimed_at: datetime | None = None
    #: When the present worker last came on: began, or reported progress.
    moved_at: datetime | None = None
    #: Since when the present worker has been blocked.
    blocked_at: datetime | None = None
    #: How long it was blocked before: none of its active time.
    idle_seconds: float = 0.0
    #: Under which the present worker asked for it.
    request_id: UUID | None = None
    #: Who has it, or had it last.
    last_worker: WorkerId | None = None
    #: Whose lease ran out last, where nobody has the subtask since: his late word still counts.
    lost_worker: WorkerId | None = None
    blockers: tuple[Blocker, ...] = ()
    #: Added to the time budget of the present attempt and those after it.
    extra_seconds: float = 0.0
    #: By the reviewer, of the present attempt.
    reviews: Mapping[str, bool] = {}
    #: Approvals by others that the present attempt was asked to wait for; 0: none.
    reviews_wanted: int = 0
    #: When the last of the reviews came.
    reviewed_at: datetime | None = None
    #: What the gates said of the present attempt.
    gates: Mapping[str, bool] = {}
    split_into: tuple[SubtaskId, ...] = ()
    #: In US dollars over all attempts, where they said it.
    cost: float = 0.0
    #: Of it what the present attempt has said so far.
    attempt_cost: float = 0.0

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1; a claim to be done counts as 0.99 until it is accepted."""
        if self.status == "accepted":
            return 1.0
        if self.status == "reported":
            return 0.99
        if self.status in LIVE and self.total > 0:
            return min(self.completed / self.total, 0.99)
        return 0.0

    @property
    def open_blockers(self) -> tuple[Blocker, ...]:
        """The blockers that have no answer yet, oldest first."""
        return tuple([blocker for blocker in self.blockers if blocker.answered_at is None]) if self.blockers else ()

    @property
    def in_review(self) -> bool:
        """Whether completed work waits for the judgement of others."""
        return sum(self.reviews.values()) < self.reviews_wanted

    @property
    def budget_seconds(self) -> float:
        """Active time that an attempt may take."""
        return self.plan.scope.time_budget_seconds + self.extra_seconds


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one task, folded from its events."""

    id: TaskId
    submitted: e.TaskSubmitted
    submitted_at: datetime
    status: TaskStatus = "running"
    reason: str = ""
    phase: int = 0
    observations: tuple[e.ProblemsObserved, ...] = ()
    decompositions: tuple[e.TaskDecomposed, ...] = ()
    subtasks: Mapping[SubtaskId, SubtaskState] = {}
    #: Head of the branch: the base, or the last accepted commit.
    head: str = ""
    ended_at: datetime | None = None
    milestone: int = 0
    forecast: ForecastNote | None = None
    #: What the workers had cost when they had last used up what they may cost, in US dollars.
    cost_before: float = 0.0

    @property
    def cost(self) -> float:
        """What the workers have cost so far, in US dollars, where they said it."""
        return sum(subtask.cost for subtask in self.subtasks.values())

    def in_phase(self) -> list[SubtaskState]:
        """List the subtasks of the present phase, in the order of their numbers."""
        return [subtask for subtask in self.subtasks.values() if subtask.plan.phase == self.phase]

    def is_done(self, subtask_id: SubtaskId) -> bool:
        """Tell whether nothing more follows from a subtask, nor from those that it was split into."""
        subtask = self.subtasks[subtask_id]
        return subtask.status in ENDED and all(self.is_done(part) for part in subtask.split_into)
