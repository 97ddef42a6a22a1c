"""The job that seals what is settled, so that a later change of it is found."""

from __future__ import annotations

import asyncio
import logging

import psycopg

from api.jobs.scheduler import Job
from eventstore.postgres.connection import unreachable
from eventstore.sealing.seals import seal

#: What was changed before it was sealed is not found: this is how long that can be.
SECONDS = 300.0

_LOG = logging.getLogger(__name__)


def sealing(url: str) -> Job:
    """Seal the ledger at `url` every few minutes."""

    async def run() -> None:
        # In a thread, which is not ended with the job: sealers take turns by a lock, and each seal is whole.
        events = await asyncio.to_thread(_seal, url)
        if events:
            _LOG.info("events were sealed", extra={"events": events})

    return Job("seal", SECONDS, run)


def _seal(url: str) -> int:
    try:
        with psycopg.connect(url, autocommit=True, application_name="pw seal") as connection:
            return sum(new.count for new in seal(connection))
    except psycopg.Error as error:
        raise unreachable(error) from error
