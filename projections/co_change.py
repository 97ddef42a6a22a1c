"""Which files the accepted subtasks of a repository have changed together."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from domain.analysis.co_change import FILES_MAX, CoChange
from eventstore.postgres.connection import unreachable

#: Merges that count: the latest, because what belonged together years ago may not today.
_MERGES_MAX = 5000

_MERGES: LiteralString = """
    SELECT ARRAY(SELECT jsonb_array_elements_text(accepted.payload -> 'files'))
    FROM ledger.event AS submitted
    JOIN ledger.event AS accepted
        ON accepted.task_id = submitted.task_id AND accepted.type = 'subtask_accepted'
    WHERE submitted.type = 'task_submitted'
        AND submitted.payload ->> 'repository' = %(repository)s
        AND jsonb_array_length(accepted.payload -> 'files') BETWEEN 1 AND %(files_max)s
    ORDER BY accepted.position DESC
    LIMIT %(limit)s
"""


async def co_change(connection: psycopg.AsyncConnection[TupleRow], repository: str) -> CoChange:
    """Learn from what was merged into a repository, given as its absolute path; empty where nothing was."""
    binds = {"repository": repository, "files_max": FILES_MAX, "limit": _MERGES_MAX}
    try:
        cursor = await connection.execute(_MERGES, binds)
        rows = await cursor.fetchall()
    except psycopg.Error as error:
        raise unreachable(error) from error
    return CoChange.from_merges([files for (files,) in rows])
