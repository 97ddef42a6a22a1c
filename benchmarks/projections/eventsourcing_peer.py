"""The PyPI package `eventsourcing`: its own projection of as many progress reports, on Postgres, as it documents it.

One row per subtask, written in the transaction that moves its place on, like ours. One read model; ours are ten.
"""

from __future__ import annotations

import time
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_STATUS = "ruff check --fix src/package/module_{:06}.py: 3 problems left of 17"


class Subtask(Aggregate):
    """What a worker reports on."""

    @event("Progress")
    def progress(self, completed: int, total: int, status: str) -> None:  # noqa: ARG002 - what is recorded is the arguments
        """Record how far the work is."""
        self.completed = completed


class Work(Application[Any]):
    """Where subtasks are kept."""


class View(PostgresTrackingRecorder):
    """The read model: how far each subtask is."""

    def __init__(self, datastore: Any, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS peer_subtask (id uuid PRIMARY KEY, completed integer NOT NULL)"
            ).format()
        )

    def put(self, subtask: Any, completed: int, tracking: Any) -> None:
        """Store a row together with the place."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO peer_subtask VALUES (%s, %s)"
                " ON CONFLICT (id) DO UPDATE SET completed = excluded.completed",
                (subtask, completed),
            )


class Rows(Projection[View]):
    """The fold."""

    def process_event(self, domain_event: Any, tracking: Any) -> None:
        """Take in an event."""
        self.view.put(domain_event.originator_id, getattr(domain_event, "completed", 0), tracking)


def projected_per_second(url: str, events: int) -> float:
    """Store events, and let their runner project them all; gives events per second."""
    parameters = conninfo_to_dict(url)
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parameters["dbname"]),
        "POSTGRES_HOST": str(parameters["host"]),
        "POSTGRES_PORT": str(parameters["port"]),
        "POSTGRES_USER": str(parameters["user"]),
        "POSTGRES_PASSWORD": "unused",
    }
    application = Work(environment)
    subtasks = [Subtask() for _ in range(events // 50)]
    for subtask in subtasks:
        for done in range(49):
            subtask.progress(done, 49, _STATUS.format(done))
        application.save(subtask)
    last = application.recorder.max_notification_id()
    started = time.perf_counter()
    with ProjectionRunner(application_class=Work, projection_class=Rows, view_class=View, env=environment) as runner:
        runner.projection.view.wait(application.name, last, timeout=600)
    seconds = time.perf_counter() - started
    application.close()
    return len(subtasks) * 50 / seconds
