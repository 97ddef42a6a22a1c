"""The analysts' views as typed rows (SQLModel), read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field, Session, SQLModel, create_engine, select

from domain.errors import LedgerError


class TaskProgress(SQLModel, table=True):
    """A row of `analytics.task_progress`: where a task stands."""

    __tablename__ = "task_progress"
    __table_args__ = {"schema": "analytics"}

    task_id: str = Field(primary_key=True)
    status: str
    phase: int
    percent: float
    subtasks: int
    accepted: int
    live: int
    held: int
    failures: int
    losses: int
    problems_before: int | None
    problems_now: int | None
    worker_seconds: float
    branch: str
    submitted_at: datetime
    reason: str


@contextmanager
def _session(url: str) -> Iterator[Session]:
    # SQLAlchemy does not read libpq's own URLs, so it is given the connection instead.
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    try:
        with Session(engine) as session:
            yield session
    except (SQLAlchemyError, psycopg.Error) as error:
        raise LedgerError(f"the ledger cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        engine.dispose()


def all_tasks(url: str, *, limit: int = 50) -> list[TaskProgress]:
    """List the tasks of the ledger, the newest first; raises `LedgerError`."""
    with _session(url) as session:
        newest = select(TaskProgress).order_by(TaskProgress.submitted_at.desc()).limit(limit)  # type: ignore[attr-defined]
        return list(session.exec(newest))
