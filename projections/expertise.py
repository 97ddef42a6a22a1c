"""What each worker has shown to be good at, from the latest attempts in the ledger."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from domain.expertise import Expertise, domains_of
from eventstore.postgres.connection import unreachable

#: Attempts that count: the latest, so that a worker that has become better is believed.
_ATTEMPTS_MAX = 5000

# Ends of attempts, newest first, each with the codes of its subtask, the tool that found them, and how long it took.
_ATTEMPTS: LiteralString = """
    SELECT
        ended.worker_id,
        ended.type = 'subtask_accepted' AS accepted,
        observed.payload ->> 'tool' AS tool,
        ARRAY(SELECT jsonb_array_elements_text(planned.payload #> '{scope,codes}')) AS codes,
        coalesce(extract(epoch FROM completed.occurred_at - started.occurred_at), 0)::float8 AS worked_seconds,
        coalesce((planned.payload #>> '{effort,p50}')::float8, 0) AS estimated_seconds
    FROM (
        SELECT task_id, stream_id, type, worker_id, lease_epoch
        FROM ledger.event
        WHERE type IN ('subtask_accepted', 'subtask_rejected', 'failed') AND worker_id IS NOT NULL
        ORDER BY position DESC
        LIMIT %(limit)s
    ) AS ended
    JOIN ledger.event AS planned
        ON planned.task_id = ended.task_id AND planned.stream_id = ended.stream_id AND planned.version = 1
    JOIN LATERAL (
        SELECT payload
        FROM ledger.event
        WHERE event.task_id = ended.task_id AND event.stream_id = ended.task_id AND type = 'problems_observed'
        ORDER BY version
        LIMIT 1
    ) AS observed ON true
    LEFT JOIN LATERAL (
        SELECT occurred_at
        FROM ledger.event
        WHERE event.task_id = ended.task_id AND event.stream_id = ended.stream_id
            AND event.lease_epoch = ended.lease_epoch AND type = 'started'
        ORDER BY version
        LIMIT 1
    ) AS started ON true
    LEFT JOIN LATERAL (
        SELECT occurred_at
        FROM ledger.event
        WHERE event.task_id = ended.task_id AND event.stream_id = ended.stream_id
            AND event.lease_epoch = ended.lease_epoch AND type = 'completed'
        ORDER BY version
        LIMIT 1
    ) AS completed ON true
"""


async def measure_expertise(connection: psycopg.AsyncConnection[TupleRow], expertise: Expertise) -> None:
    """Count the latest attempts of all workers."""
    try:
        cursor = await connection.execute(_ATTEMPTS, {"limit": _ATTEMPTS_MAX})
        rows = await cursor.fetchall()
    except psycopg.Error as error:
        raise unreachable(error) from error
    for worker, accepted, tool, codes, worked_seconds, estimated_seconds in rows:
        domains = domains_of(tool, dict.fromkeys(codes, 1))
        if accepted:
            expertise.accepted(worker, domains, worked_seconds, estimated_seconds)
        else:
            expertise.failed(worker, domains)
