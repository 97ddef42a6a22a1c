"""Moments: a position, a time, or so long after the task began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import events as e
from domain.errors import UsageError
from projections.replay.moments import parse_moment, until
from tests.projections.conftest import START

History = Any


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1817", 1817),
        ("1,817", 1817),
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01 10:30+01:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("+5m", timedelta(minutes=5)),
        ("+1h30m", timedelta(minutes=90)),
        ("+2d0.5s", timedelta(days=2, milliseconds=500)),
        ("+250ms", timedelta(milliseconds=250)),
    ],
)
def test_a_position_a_time_and_a_time_since_the_start_are_moments(text: str, moment: object) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["", "soon", "+5", "-5m", "+5 m", "2026-13-01T00:00:00Z", "+", "٣", "+999999999d1d"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"say a position \(1817\)"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no moment"):
        parse_moment(text)


def test_a_time_since_the_start_may_be_longer_than_the_calendar(history: History) -> None:
    history.claim(60)
    history.add(30, e.Started(), subtask=1, epoch=1)
    assert until(history.recorded, parse_moment("+999999999d")) == history.recorded


def test_a_time_without_its_zone_is_refused(history: History) -> None:
    with pytest.raises(UsageError, match="has no time zone"):
        parse_moment("2026-03-01T09:30:00")


def test_events_up_to_a_moment_are_the_same_however_it_is_named(history: History) -> None:
    history.plan(2, 30.0)
    history.start(10)
    last = history.recorded[-1].position
    history.complete(20)
    by_time = until(history.recorded, START + timedelta(seconds=12))
    assert by_time == until(history.recorded, timedelta(seconds=12)) == until(history.recorded, last)
    assert isinstance(by_time[-1].event.body, e.Started)


def test_what_comes_behind_a_later_time_counts_as_later_where_the_clock_was_set_back(history: History) -> None:
    history.plan(2, 30.0)
    history.claim(60)
    history.add(30, e.Started(), subtask=1, epoch=1)
    found = until(history.recorded, timedelta(seconds=40))
    assert [type(record.event.body) for record in found][-1] is e.SubtaskReady


def test_before_its_first_event_a_task_is_said_not_to_have_begun(history: History) -> None:
    later = [msgspec.structs.replace(record, position=record.position + 100) for record in history.recorded]
    began = "tree-1 began at position 101, on 2026-03-01 09:00:00 UTC"
    with pytest.raises(UsageError, match=f"{began}: position 100 is before that"):
        until(later, 100)
    with pytest.raises(UsageError, match="2026-03-01 08:59:59 UTC is before that"):
        until(later, START - timedelta(seconds=1))


@given(st.integers(min_value=0, max_value=2**62))
def test_every_position_is_read_as_itself(position: int) -> None:
    assert parse_moment(str(position)) == parse_moment(f"{position:,}") == position
