"""The law that every one of these tests holds the ledger to, and what they break it with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from uuid import UUID

import psycopg
import pytest
import tenacity

from eventstore import batcher, doorbell, feed

_STORED = "SELECT message_id, count(*) FROM ledger.event GROUP BY message_id"
_TORN_STREAMS = """
    SELECT count(*)
    FROM (
        SELECT FROM ledger.event
        GROUP BY task_id, stream_id
        HAVING min(version) <> 1 OR max(version) <> count(*) OR count(DISTINCT version) <> count(*)
    ) AS torn
"""


@pytest.fixture(autouse=True)
def _quick_reconnection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has lost a connection tries again at once: here, that happens all the time."""
    for module in (batcher, doorbell, feed):
        monkeypatch.setattr(module, "_RECONNECT", tenacity.wait_fixed(0.01))


@pytest.fixture
def reckon(record_property: Callable[[str, object], None]) -> Callable[..., dict[str, int]]:
    """Hold what is stored against what senders know: `reckon(url, sent, acknowledged)`, both sets of message ids.

    The law is that all acknowledged ones are found once, and that the rest of the figures is 0.
    """

    def hold(url: str, sent: Set[UUID], acknowledged: Set[UUID], *, when: str = "at the end") -> dict[str, int]:
        with psycopg.connect(url) as connection:
            times: Counter[UUID] = Counter(dict(connection.execute(_STORED).fetchall()))
            [(torn,)] = connection.execute(_TORN_STREAMS).fetchall()
        figures = {
            "acknowledged": len(acknowledged),
            "found once": sum(times[message] == 1 for message in acknowledged),
            "missing": sum(times[message] == 0 for message in acknowledged),
            "twice": sum(count > 1 for count in times.values()),
            "never sent": len(times.keys() - sent),
            "streams with gaps": int(torn),
        }
        print(f"{when}: {len(sent)} sent,", ", ".join(f"{count} {what}" for what, count in figures.items()))
        for what, count in figures.items():
            record_property(f"{when}: {what}", count)
        return figures

    return hold


@pytest.fixture
def lawful() -> Callable[[int], dict[str, int]]:
    """The figures of a ledger in which so many messages were acknowledged and all is well."""

    def figures(acknowledged: int) -> dict[str, int]:
        return {
            "acknowledged": acknowledged,
            "found once": acknowledged,
            "missing": 0,
            "twice": 0,
            "never sent": 0,
            "streams with gaps": 0,
        }

    return figures
