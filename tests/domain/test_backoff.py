"""How long a subtask rests after a failure."""

from __future__ import annotations

import itertools
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.backoff import DELAY_SECONDS_MAX, delay_seconds

failures = st.integers(0, 60)
bases = st.just(0.0) | st.floats(0.001, 31_536_000.0)
names = st.text(max_size=30)
epochs = st.integers(1, 1000)


def test_the_pause_doubles_with_each_failure() -> None:
    pauses = [delay_seconds(failures, 5.0, "boto-7k3mq9xd.12", 1) for failures in (1, 2, 3)]

    assert pauses[1:] == [pytest.approx(2 * pauses[0]), pytest.approx(4 * pauses[0])]
    assert 2.5 <= pauses[0] <= 5.0


def test_the_same_attempt_always_rests_as_long() -> None:
    assert delay_seconds(2, 5.0, "boto-7k3mq9xd.12", 3) == delay_seconds(2, 5.0, "boto-7k3mq9xd.12", 3)


def test_no_number_of_failures_is_too_many() -> None:
    assert 150.0 <= delay_seconds(1_000_000, 5.0, "boto-7k3mq9xd.12", 1) <= DELAY_SECONDS_MAX == 300.0


def test_nothing_rests_without_a_failure_or_a_base() -> None:
    assert delay_seconds(0, 5.0, "boto-7k3mq9xd.12", 1) == 0.0
    assert delay_seconds(9, 0.0, "boto-7k3mq9xd.12", 1) == 0.0


def test_what_failed_together_comes_back_spread_over_half_of_the_pause() -> None:
    pauses = sorted(delay_seconds(1, 100.0, f"boto-7k3mq9xd.{number}", 1) for number in range(1000))

    assert fmean(pauses) == pytest.approx(75.0, abs=1.5)
    assert max(later - earlier for earlier, later in itertools.pairwise(pauses)) < 1.0


@given(failures, bases, names, epochs)
def test_a_pause_is_half_to_all_of_what_was_doubled_up_to_the_longest(
    failures: int, base: float, name: str, epoch: int
) -> None:
    doubled = min(base * 2 ** (failures - 1), DELAY_SECONDS_MAX) if failures and base else 0.0

    assert doubled / 2 <= delay_seconds(failures, base, name, epoch) <= doubled


@given(failures, bases, names, epochs)
def test_one_failure_more_never_shortens_the_pause(failures: int, base: float, name: str, epoch: int) -> None:
    assert delay_seconds(failures + 1, base, name, epoch) >= delay_seconds(failures, base, name, epoch)
