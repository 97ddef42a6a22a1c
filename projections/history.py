"""What the ledger's history says about how long a kind of worker takes."""

from __future__ import annotations

import math
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from domain.effort import Calibration
from eventstore.postgres.connection import unreachable

#: Attempts that count: the latest, so that a worker that has become faster is believed.
_ATTEMPTS_MAX = 200
#: Prior strength of "the shipped estimates are right", in attempts.
_SHRINKAGE = 3

# Accepted attempts of a worker, by its name in the task's options: how the time from start to completion (or the
# processor time, for workers that keep a processor busy and so slow each other down) compares with the shipped
# estimate, as a mean of logarithms.
_RATIO: LiteralString = """
    WITH attempt AS (
        SELECT
            accepted.position,
            CASE WHEN %(cpu_bound)s
                THEN (completed.payload #>> '{result,cpu_seconds}')::float8
                ELSE extract(epoch FROM completed.occurred_at - started.occurred_at)::float8
            END AS seconds,
            (planned.payload #>> '{effort,prior}')::float8 AS prior
        FROM ledger.event AS submitted
        JOIN ledger.event AS accepted
            ON accepted.task_id = submitted.task_id AND accepted.type = 'subtask_accepted'
        JOIN ledger.event AS completed
            ON completed.task_id = accepted.task_id AND completed.stream_id = accepted.stream_id
            AND completed.type = 'completed' AND completed.lease_epoch = accepted.lease_epoch
        JOIN ledger.event AS started
            ON started.task_id = accepted.task_id AND started.stream_id = accepted.stream_id
            AND started.type = 'started' AND started.lease_epoch = accepted.lease_epoch
        JOIN ledger.event AS planned
            ON planned.task_id = accepted.task_id AND planned.stream_id = accepted.stream_id
            AND planned.version = 1
        WHERE submitted.type = 'task_submitted'
            AND submitted.payload #>> '{options,worker,name}' = %(worker)s
    ),
    usable AS (
        SELECT seconds / prior AS ratio
        FROM attempt
        WHERE seconds > 0 AND prior > 0
        ORDER BY position DESC
        LIMIT %(limit)s
    )
    SELECT count(*), coalesce(sum(ln(ratio)), 0) FROM usable
"""


async def calibration(connection: psycopg.AsyncConnection[TupleRow], worker: str, *, cpu_bound: bool) -> Calibration:
    """Compare a worker's past attempts with the shipped estimates; neutral where there are none."""
    values = {"worker": worker, "cpu_bound": cpu_bound, "limit": _ATTEMPTS_MAX}
    try:
        cursor = await connection.execute(_RATIO, values)
        row = await cursor.fetchone()
    except psycopg.Error as error:
        raise unreachable(error) from error
    count, logs = row if row is not None else (0, 0.0)
    # A factor beyond these bounds says that the estimates do not apply, not that they can be scaled.
    factor = min(max(math.exp(logs / (count + _SHRINKAGE)), 0.01), 100.0)
    return Calibration(factor=round(factor, 4), attempts=count)
