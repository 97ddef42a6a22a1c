"""The ledger against a plain list: the same calls give the same receipts and the same history."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import VersionConflictError
from domain.events import Event, Failed, Receipt
from domain.ids import StreamId, TaskId
from eventstore.ledger import Ledger

#: A message, the stream it goes to, and what it says: few of each, so that they repeat and contradict.
Sent = tuple[int, int, str]
sent = st.tuples(st.integers(0, 7), st.integers(0, 2), st.sampled_from(["a", "b"]))
#: The events of a call, how far the expected version of the first one's stream is off (None: not given), and
#: which of two connections makes the call.
calls = st.lists(
    st.tuples(st.lists(sent, max_size=6), st.sampled_from([None, None, 0, 1, -1]), st.integers(0, 1)), max_size=8
)

_MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
_TASKS = itertools.count(1)


class ListModel:
    """What the ledger promises, in memory: a list of what was stored, with its version."""

    def __init__(self) -> None:
        self.stored: list[tuple[Sent, int]] = []

    def version(self, stream: int) -> int:
        return sum(event[1] == stream for event, _ in self.stored)

    def is_new(self, event: Sent) -> bool:
        return all(known[0] != event[0] for known, _ in self.stored)

    def append(self, event: Sent) -> tuple[str, int]:
        """Give the status and the place of the event in the list."""
        for place, (known, _) in enumerate(self.stored):
            if known[0] == event[0]:
                return ("duplicate" if known == event else "conflict"), place
        self.stored.append((event, self.version(event[1]) + 1))
        return "created", len(self.stored) - 1


def as_event(task: TaskId, one: Sent) -> Event:
    message, stream, text = one
    return Event(
        task_id=task,
        stream_id=StreamId(f"{task}.{stream}"),
        message_id=UUID(int=message),
        occurred_at=_MOMENT,
        body=Failed(error=text),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=calls)
async def test_any_calls_give_the_receipts_and_the_history_of_a_plain_list(
    ledgers: tuple[Ledger, Ledger], calls: list[tuple[list[Sent], int | None, int]]
) -> None:
    # The examples share a database, so each has a task of its own.
    task = TaskId(f"tree-{next(_TASKS)}")
    model = ListModel()
    receipts: list[Receipt] = []
    answers: list[tuple[str, int]] = []
    for batch, off, connection in calls:
        ledger, events = ledgers[connection], [as_event(task, one) for one in batch]
        expected = {}
        if batch and off is not None:
            expected = {f"{task}.{batch[0][1]}": model.version(batch[0][1]) + off}
        # What is stored already is no conflict, whatever version was expected.
        if expected and off != 0 and any(model.is_new(one) for one in batch):
            with pytest.raises(VersionConflictError):
                await ledger.append(events, expected=expected)
            continue
        receipts += await ledger.append(events, expected=expected)
        answers += [model.append(one) for one in batch]

    history = await ledgers[0].read_task(task)
    assert [(r.event, r.version) for r in history] == [(as_event(task, one), v) for one, v in model.stored]
    assert [(r.status, r.position, r.version) for r in receipts] == [
        (status, history[place].position, history[place].version) for status, place in answers
    ]


@pytest.fixture
async def ledgers(database_url: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    async with Ledger.open(database_url) as one, Ledger.open(database_url) as other:
        yield one, other
