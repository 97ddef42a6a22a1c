"""Pauses between attempts grow from seconds to hours, and end."""

from __future__ import annotations

from itertools import pairwise

from api.webhooks.retries import ATTEMPTS_MAX, pause_seconds


def all_pauses(name: str) -> list[float]:
    found = [pause_seconds(attempts, name) for attempts in range(1, ATTEMPTS_MAX)]
    return [pause for pause in found if pause is not None]


def test_each_pause_is_longer_than_the_one_before() -> None:
    assert all(first < second for first, second in pairwise(all_pauses("wh_1/1")))


def test_a_target_has_hours_to_come_back() -> None:
    assert 8 * 3600 < sum(all_pauses("wh_1/1")) < 24 * 3600


def test_after_the_last_attempt_there_is_no_pause() -> None:
    assert pause_seconds(ATTEMPTS_MAX, "wh_1/1") is None


def test_deliveries_that_failed_together_do_not_come_back_together() -> None:
    assert len({pause_seconds(3, f"wh_1/{position}") for position in range(100)}) == 100


def test_a_longer_pause_that_the_target_asks_for_is_kept() -> None:
    assert pause_seconds(1, "wh_1/1", 120.0) == 120.0


def test_a_target_cannot_ask_for_a_pause_of_days() -> None:
    assert pause_seconds(1, "wh_1/1", 999_999.0) == 6 * 3600.0
