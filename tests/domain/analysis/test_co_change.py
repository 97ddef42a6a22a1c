"""What past merges say of files that belong together, and how much of it is believed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.co_change import FILES_MAX, TOGETHER_MIN, CoChange, Partners, co_change_of
from domain.events import Event, EventBody, RecordedEvent, SubtaskAccepted, SubtaskReady
from domain.ids import StreamId, TaskId

LAW = settings(deadline=None, max_examples=100)

merges = st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=4), max_size=40)


def test_two_files_that_always_change_together_are_likely_to_do_so_again() -> None:
    counted = CoChange.from_merges([{"schema.sql", "models.py"}] * 4 + [{"other.py"}] * 4)

    # Each changes in half of the merges: by chance they would meet in a quarter, and they meet in half.
    assert counted.likely("models.py", "schema.sql") == pytest.approx(2.0)
    assert counted.partners() == [Partners(first="models.py", second="schema.sql", together=4, lift=2.0)]


def test_files_that_meet_as_often_as_chance_would_have_it_are_not_likely_partners() -> None:
    counted = CoChange.from_merges([{"a", "b"}] * 4 + [{"a"}] * 4 + [{"b"}] * 4 + [{"c"}] * 4)

    assert counted.lift("a", "b") == pytest.approx(1.0)
    assert counted.likely("a", "b") == 0.0


def test_a_pair_that_was_seen_too_seldom_is_not_believed() -> None:
    rest = [{"c"}] * 100

    assert CoChange.from_merges([{"a", "b"}] * (TOGETHER_MIN - 1) + rest).likely("a", "b") == 0.0
    assert CoChange.from_merges([{"a", "b"}] * TOGETHER_MIN + rest).likely("a", "b") > 30


def test_a_merge_of_very_many_files_says_nothing() -> None:
    sweeping = [f"{number}.py" for number in range(FILES_MAX + 1)]

    assert CoChange.from_merges([sweeping] * 10) == CoChange()


def test_the_rarest_pairs_are_forgotten_where_memory_is_short() -> None:
    often, seldom = [{"a", "b"}] * 20, [{"c", "d"}] * 3

    counted = CoChange.from_merges(often + seldom, pairs_max=1)

    assert counted.together == {("a", "b"): 20}


@LAW
@given(merges)
def test_the_order_of_two_files_does_not_matter(given_merges: list[frozenset[str]]) -> None:
    counted = CoChange.from_merges(given_merges)

    for one, other in combinations("abcdef", 2):
        assert counted.likely(one, other) == counted.likely(other, one)


@LAW
@given(merges, st.integers(1, 3))
def test_counts_of_pairs_are_exact_or_too_low_and_never_more_than_fit(
    given_merges: list[frozenset[str]], pairs_max: int
) -> None:
    counted = CoChange.from_merges(given_merges, pairs_max=pairs_max)

    assert len(counted.together) <= pairs_max
    for (first, second), count in counted.together.items():
        assert first < second
        assert count <= sum({first, second} <= files for files in given_merges)


@LAW
@given(merges)
def test_with_memory_enough_every_pair_that_is_seen_often_is_counted(given_merges: list[frozenset[str]]) -> None:
    counted = CoChange.from_merges(given_merges)

    for first, second in combinations("abcdef", 2):
        seen = sum({first, second} <= files for files in given_merges)
        assert seen < TOGETHER_MIN or counted.together[first, second] == seen


# --- from the ledger


def recorded(subtask: int, body: EventBody) -> RecordedEvent:
    event = Event(
        task_id=TaskId("tree-00000000"),
        stream_id=StreamId(f"tree-00000000.{subtask}"),
        message_id=UUID(int=subtask),
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        body=body,
    )
    return RecordedEvent(event=event, version=1, position=1, recorded_at=event.occurred_at)


def accepted(*files: str) -> SubtaskAccepted:
    return SubtaskAccepted(commit="c", files_changed=2, files=files)


def test_the_ledger_teaches_from_what_accepted_subtasks_changed() -> None:
    events = [recorded(number, body) for number in range(3) for body in (SubtaskReady(), accepted("a.py", "b.py"))]

    assert co_change_of(events) == CoChange.from_merges([{"a.py", "b.py"}] * 3)


def test_a_subtask_whose_files_were_not_recorded_teaches_nothing() -> None:
    assert co_change_of([recorded(1, accepted())]) == CoChange()
