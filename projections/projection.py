"""What a read model is: a table, and a pure fold of one task's events into its rows.

Every read model is about one task at a time: its key begins with `task_id`, and its rows follow from that task's
events and nothing else, neither the clock nor other tasks. So rows can be made by any process, in any order of tasks,
again and again, and are the same each time. What depends on the moment of reading (the age of a blocker) is a column
of the view over the table. What a fold does has no effect but its rows: it can be repeated without a second thought.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, get_args

import msgspec
from sqlalchemy import ARRAY
from sqlmodel import SQLModel

from domain.events import Event, EventBody, Progress, RecordedEvent, Usage, WorkerMessage
from domain.task_state import SubtaskState, TaskState
from projections.attempts import Attempt

Row = dict[str, Any]
"""A row of a table by its columns, all of them and in their order."""


#: What workers say.
MESSAGES: frozenset[type] = frozenset(get_args(WorkerMessage))
#: Reports of progress tell a read model nothing, but for those that move their subtask or say what was used up.
BUT_REPORTS: frozenset[type] = frozenset(get_args(EventBody)) - {Progress}


class Step(msgspec.Struct, gc=False):
    """One event of a task, and what it has made of the task; one is made for each event, as cheaply as can be."""

    record: RecordedEvent
    event: Event
    #: By the sender's clock.
    at: datetime
    body: EventBody
    #: Of the body.
    kind: type[EventBody]
    #: After the event. Its subtasks go on changing with later events.
    task: TaskState
    #: The event's subtask before and after it; None where it is about the task itself, or there was none before.
    before: SubtaskState | None = None
    after: SubtaskState | None = None
    #: Whether the subtask's status is another one than before.
    moved: bool = False
    #: What the worker says that its attempt has consumed.
    usage: Usage | None = None
    #: The subtask's latest attempt.
    attempt: Attempt | None = None
    #: How the attempt has ended with this event.
    ended: str | None = None
    #: What the event adds to the attempt's time, in seconds; blocked time is a part of worked time.
    worked_seconds: float = 0.0
    blocked_seconds: float = 0.0


class Recent(NamedTuple):
    """A task when rows are taken of it."""

    task: TaskState
    #: From its first event to its last, without the time in which nobody ran it.
    wall_seconds: float
    #: Attempts that have reported progress (`Attempt.heard`) since rows were last taken, without a step of it.
    reporting: Collection[Attempt]


class Fold(Protocol):
    """A read model of one task while its events are folded."""

    def apply(self, step: Step) -> None:
        """Take in the next event."""

    def take(self, recent: Recent) -> Iterable[Row]:
        """Give the rows that are new or other than when they were last taken, each key once."""


@dataclass(frozen=True, eq=False)
class Projection:
    """A read model."""

    name: str
    #: Raised with every change of the fold or the table: what another version has made is made anew.
    version: int
    table: type[SQLModel]
    #: Begins a task.
    fold: Callable[[], Fold]
    #: The types of events that change a row; all others are kept from the fold.
    events: frozenset[type]
    #: Those that do so where they move their subtask to another status or say what an attempt has used up, else not.
    tells: frozenset[type] = frozenset()
    #: Further columns of the view, as SQL over the table's.
    computed: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The table's columns, in their order."""
        return [column.name for column in self.table.__table__.columns]  # type: ignore[attr-defined]

    @property
    def keys(self) -> list[str]:
        """The columns of the table's key."""
        return [column.name for column in self.table.__table__.primary_key]  # type: ignore[attr-defined]

    @property
    def lists(self) -> list[str]:
        """Those of the columns that hold lists."""
        return [one.name for one in self.table.__table__.columns if isinstance(one.type, ARRAY)]  # type: ignore[attr-defined]


@lru_cache(maxsize=8_192)
def subtask_number(subtask_id: str) -> int:
    """Give a subtask's number within its task. Several rows of each subtask ask for it."""
    return int(subtask_id.rpartition(".")[2])
