"""Appending calls, and how many of them become the parameters of one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from domain.errors import LedgerError
from domain.events import Event, Receipt, ReceiptStatus
from eventstore import arrays
from eventstore.arrays import Array
from eventstore.codec import Row, encode_event

#: A sender's clock that is further off than this is kept as sent, and said to be odd.
CLOCK_SKEW_MAX = timedelta(days=1)

StreamKey = tuple[str, str]
MessageKey = tuple[str, int]


class Outcome(NamedTuple):
    """Where an event is, or the one that has its message id, and what that makes of it."""

    position: int
    version: int
    status: ReceiptStatus


@dataclass(slots=True)
class Call:
    """Events to be stored together, in columns, and what must hold before: versions, and a task's last position."""

    sent: list[Row]
    #: The same list, or without those that repeat a message id of the call.
    rows: list[Row]
    messages: set[MessageKey]
    streams: set[StreamKey]
    expected: dict[StreamKey, int]
    now: datetime
    #: By task the position that must be its last.
    turns: dict[str, int]

    @classmethod
    def of(
        cls, events: Sequence[Event], expected: Mapping[str, int] | None, now: datetime, *, at: int | None = None
    ) -> Call:
        """Check and encode the events; `now` is what their times are held against.

        Raises `InvalidEventError` where one cannot be kept, and `LedgerError` where a version is expected of a
        stream that none of them belongs to, or a last position of several tasks.
        """
        sent = [encode_event(event) for event in events]
        messages = {_message_key(row) for row in sent}
        rows = sent if len(messages) == len(sent) else _without_repeats(sent)
        call = cls(sent, rows, messages, {(row[0], row[1]) for row in rows}, {}, now, {})
        if expected:
            keys = {stream: (task, stream) for task, stream in call.streams}
            if foreign := sorted(expected.keys() - keys.keys()):
                raise LedgerError(f"a version is expected of {foreign[0]}, which none of the events belongs to")
            call.expected = {keys[stream]: version for stream, version in expected.items()}
        if at is not None:
            call.turns = {task: at for task, _ in call.streams}
            if len(call.turns) > 1:
                raise LedgerError(f"a last position is expected of {len(call.turns)} tasks at once")
        return call

    @property
    def tasks(self) -> set[str]:
        """The tasks that its events belong to."""
        return {task for task, _ in self.streams}

    def receipts(self, outcomes: Mapping[int, Outcome]) -> list[Receipt]:
        """Say what became of each event, given the outcomes by `id` of its row."""
        return [self._receipt(row, *(outcomes.get(id(row)) or self._repeated(row, outcomes))) for row in self.sent]

    def created(self, places: Iterable[tuple[int, int]]) -> list[Receipt]:
        """Say that all rows were stored just now, at these positions and versions."""
        if self.rows is self.sent:
            return [self._receipt(row, *place, "created") for row, place in zip(self.sent, places, strict=True)]
        return self.receipts(
            {id(row): Outcome(*place, "created") for row, place in zip(self.rows, places, strict=True)}
        )

    def _repeated(self, row: Row, outcomes: Mapping[int, Outcome]) -> Outcome:
        """Give the outcome of a row whose message is that of an earlier row, stored just now."""
        first = next(one for one in self.rows if _message_key(one) == _message_key(row))
        return outcomes[id(first)]._replace(status="duplicate" if _same(first, row) else "conflict")

    def _receipt(self, row: Row, position: int, version: int, status: ReceiptStatus) -> Receipt:
        ahead = row[7] - self.now
        warning = _skew(ahead) if abs(ahead) > CLOCK_SKEW_MAX else ""
        return Receipt(message_id=row[2], status=status, position=position, version=version, warning=warning)


def _message_key(row: Row) -> MessageKey:
    # A UUID's own hash is computed in Python.
    return (row[0], row[2].int)


def _without_repeats(rows: Iterable[Row]) -> list[Row]:
    first: dict[MessageKey, Row] = {}
    for row in rows:
        first.setdefault(_message_key(row), row)
    return list(first.values())


def _skew(ahead: timedelta) -> str:
    where = "ahead of" if ahead > timedelta() else "behind"
    return f"occurred_at is {abs(ahead).days} days {where} the ledger's clock"


def _same(one: Row, other: Row) -> bool:
    return one[:-1] == other[:-1] and msgspec.json.decode(one[-1]) == msgspec.json.decode(other[-1])


@dataclass(slots=True)
class Package:
    """Rows as the parameters of `ledger.append_v2`."""

    rows: Sequence[Row]
    parameters: list[Array]
    #: For each row its stream as an index into the heads, from 1, and its place among the rows of that stream.
    heads: list[int]
    ordinals: list[int]

    @classmethod
    def of(cls, rows: Sequence[Row], expected: Mapping[StreamKey, int], turns: Mapping[str, int]) -> Package:
        """Pack rows, the versions that streams must have before, and the last positions of tasks."""
        keys = [(row[0], row[1]) for row in rows]
        numbers = {key: number for number, key in enumerate(sorted({*keys, *expected}), 1)}
        added = dict.fromkeys(numbers, 0)
        heads, ordinals = [], []
        for key in keys:
            added[key] = ordinal = added[key] + 1
            heads.append(numbers[key])
            ordinals.append(ordinal)
        parameters = [
            arrays.texts([task.encode() for task, _ in numbers]),
            arrays.texts([stream.encode() for _, stream in numbers]),
            arrays.bigints([expected.get(key) for key in numbers]),
            arrays.integers(heads),
            arrays.integers(ordinals),
            *columns_of(rows),
            arrays.texts([task.encode() for task in turns]),
            arrays.bigints(list(turns.values())),
        ]
        return cls(rows, parameters, heads, ordinals)

    @classmethod
    def of_calls(cls, calls: Sequence[Call]) -> Package:
        """Pack everything of some calls."""
        rows = [row for call in calls for row in call.rows]
        expected = {key: version for call in calls for key, version in call.expected.items()}
        return cls.of(rows, expected, {task: at for call in calls for task, at in call.turns.items()})


def columns_of(rows: Sequence[Row]) -> list[Array]:
    """Pack what rows hold beside the names of task and stream."""
    _, _, messages, kinds, schemas, workers, epochs, occurred, payloads = zip(*rows, strict=True)
    return [
        arrays.uuids(messages),
        arrays.texts([kind.encode() for kind in kinds]),
        arrays.smallints(schemas),
        arrays.texts([None if worker is None else worker.encode() for worker in workers]),
        arrays.integers(epochs),
        arrays.times(occurred),
        arrays.texts(payloads),
    ]
