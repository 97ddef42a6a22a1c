"""Blockers: what kept a worker from going on, what was done about it, its age and its cost so far."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from domain.ids import SubtaskId
from domain.task_state import LIVE, Blocker
from projections.columns import count, moment, text
from projections.projection import MESSAGES, Projection, Recent, Row, Step, subtask_number


class BlockerRow(SQLModel, table=True):
    """A row of `projection.blocker`."""

    __tablename__ = "blocker"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    subtask: int = count(key=True)
    number: int = count(key=True)
    kind: str = text()
    policy: str = text()
    detail: str = text()
    context: str = text()
    waits_for: int | None = count(null=True)
    worker_id: str = text()
    lease_epoch: int = count()
    opened_at: datetime = moment()
    freed_at: datetime | None = moment(null=True)
    answered_at: datetime | None = moment(null=True)
    answer: str = text()
    action: str | None = text(null=True)
    answered_by: str | None = text(null=True)


class _Fold:
    def __init__(self) -> None:
        self._blockers: dict[tuple[SubtaskId, int], Blocker] = {}
        #: When its worker had waited for it long enough: it went on, or was rid of the subtask.
        self._freed: dict[tuple[SubtaskId, int], datetime] = {}
        #: By subtask those that its worker still waits for.
        self._waiting: dict[SubtaskId, list[int]] = {}
        self._changed: dict[tuple[SubtaskId, int], str] = {}

    def apply(self, step: Step) -> None:
        subtask = step.after
        if subtask is None or not subtask.blockers:
            return
        if isinstance(step.body, e.BlockerOpened | e.BlockerAnswered):
            for blocker in subtask.blockers:
                if blocker.number == step.body.number:
                    self._blockers[subtask.id, blocker.number] = blocker
                    self._changed[subtask.id, blocker.number] = step.task.id
        if isinstance(step.body, e.BlockerOpened):
            self._waiting.setdefault(subtask.id, []).append(step.body.number)
        # A worker whose lease has run out, or that has handed the subtask back, works on something else.
        if subtask.id in self._waiting and (subtask.status not in LIVE or subtask.blocked_at is None):
            self._free(step, subtask.id)

    def _free(self, step: Step, subtask_id: SubtaskId) -> None:
        for number in self._waiting.pop(subtask_id):
            self._freed[subtask_id, number] = step.at
            self._changed[subtask_id, number] = step.task.id

    def take(self, _: Recent) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for (subtask_id, number), task_id in changed.items():
            if (blocker := self._blockers.get((subtask_id, number))) is None:
                continue
            answered = blocker.answered_at is not None
            yield {
                "task_id": task_id,
                "subtask": subtask_number(subtask_id),
                "number": number,
                "kind": str(type(blocker.issue).__struct_config__.tag),
                "policy": blocker.policy,
                "detail": blocker.detail,
                "context": blocker.context,
                "waits_for": subtask_number(blocker.waits_for) if blocker.waits_for else None,
                "worker_id": blocker.worker_id,
                "lease_epoch": blocker.epoch,
                "opened_at": blocker.opened_at,
                "freed_at": self._freed.get((subtask_id, number)),
                "answered_at": blocker.answered_at,
                "answer": blocker.text,
                "action": blocker.action if answered else None,
                "answered_by": blocker.by if answered else None,
            }


BLOCKER = Projection(
    name="blocker",
    version=1,
    table=BlockerRow,
    fold=_Fold,
    events=frozenset({e.BlockerOpened, e.BlockerAnswered}),
    tells=MESSAGES | {e.LeaseExpired, e.SubtaskReleased, e.SubtaskHeld, e.SubtaskSplit},
    computed={
        # A clock that was set back must not give time back.
        "age_seconds": "greatest(extract(epoch FROM coalesce(answered_at, now()) - opened_at), 0)::float8",
        "cost_seconds": "greatest(extract(epoch FROM coalesce(freed_at, now()) - opened_at), 0)::float8",
    },
)
