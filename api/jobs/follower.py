"""The process beside a server that keeps the read models up to date: `python -m api.jobs.follower`.

What it folds takes no time from those who wait for the server's answers. It is told what to do by a line of JSON on
its standard input, and ends with that stream, however the server ends. On its standard output it says, a line of JSON
each, how far the read models are behind. Whatever ends it in the middle of something does no harm: rows and place are
stored in one transaction. Nor does it where two of them run at once (`projections/runner.py`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading

import msgspec
import psycopg

from api.jobs.follower_order import FollowerOrder
from api.observability.logs import configure_logs
from eventstore.doorbell import Doorbell
from eventstore.postgres.connection import first_line
from projections.lag import Lag, lag
from projections.models import ALL
from projections.problem_tables import follow_problems
from projections.rebuild import clean_up
from projections.runner import Runner

#: How often it says how far the read models are behind.
REPORT_SECONDS = 5.0

#: Whoever answers requests comes first.
_NICENESS = 5

_INPUT, _OUTPUT = 0, 1

_LOG = logging.getLogger(__name__)


def main() -> None:
    """Follow the ledger until the standard input ends."""
    order = msgspec.json.decode(_first_line(), type=FollowerOrder)
    threading.Thread(target=_end_with_input, daemon=True).start()
    configure_logs(order.log_format, order.log_level)
    os.nice(_NICENESS)
    asyncio.run(follow(order.url))


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (more := os.read(_INPUT, 65_536)):
        line += more
    return line


def _end_with_input() -> None:
    while os.read(_INPUT, 4096):
        pass
    os._exit(0)


async def follow(url: str) -> None:
    """Keep the read models up to date, and say how far behind they are."""
    try:
        if removed := await clean_up(url):
            _LOG.info("tables that a rebuild had left were removed", extra={"tables": removed})
    except psycopg.Error as error:
        # The next start removes them as well.
        _LOG.warning("what a rebuild has left could not be removed", extra={"reason": first_line(error)})
    async with Doorbell(url) as doorbell, asyncio.TaskGroup() as group:
        group.create_task(Runner(url, ALL, doorbell=doorbell).run(), name="read models")
        group.create_task(follow_problems(url), name="problems")
        group.create_task(_report(url), name="lag of the read models")


async def _report(url: str) -> None:
    while True:
        try:
            found = await asyncio.to_thread(_lag, url)
        except psycopg.Error as error:
            _LOG.debug("the lag of the read models cannot be told", extra={"reason": first_line(error)})
        else:
            os.write(_OUTPUT, msgspec.json.encode(found) + b"\n")
        await asyncio.sleep(REPORT_SECONDS)


def _lag(url: str) -> Lag:
    with psycopg.connect(url, autocommit=True, application_name="pw lag") as connection:
        return lag(connection, ALL)


if __name__ == "__main__":
    main()
