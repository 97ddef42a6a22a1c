"""What the model learns from, and what it is asked about."""

from __future__ import annotations

import msgspec


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a subtask before it starts; what is empty is not known and counts for nothing."""

    #: The kind of work: tool and kind of unit, or a task's type.
    category: str = ""
    #: The repository.
    project: str = ""
    worker: str = ""
    #: The task whose parts the siblings are.
    decomposition: str = ""
    #: The planner's own estimate of the active time, in seconds.
    planned_seconds: float | None = None
    problems: int | None = None
    files: int | None = None


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast that was given at the start, as the ledger keeps it: all are micro-logs."""

    #: Of the seconds.
    mean: int
    #: Of the factor that widens the residuals of all work to those of this.
    spread: int
    #: The part of the latter that is due to levels of which little was known.
    doubt: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's word on its own progress."""

    #: Active seconds since the start.
    elapsed_seconds: float
    #: Of the whole, from 0 to 1.
    fraction: float


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that has ended."""

    position: int
    features: Features
    #: Active time, without blocks and queues.
    seconds: float
    #: It was cut off (time-out, lost lease): the work would have taken longer than `seconds`.
    censored: bool = False
    #: None: what the model would have said just before.
    issued: Issued | None = None
    reports: tuple[Report, ...] = ()
    #: It had to be done again.
    failed: bool = False
    #: Time that it stood still for others.
    blocked_seconds: float = 0.0
