"""Skills that are measured from attempts."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.expertise import LOG_RATIO_MAX, PRIOR_ACCEPTED_SHARE, PRIOR_ATTEMPTS, Expertise, domains_of

IMPORTS = {"imports": 1.0}
TYPES = {"types": 1.0}

mixes = st.dictionaries(st.sampled_from(["imports", "types", "names"]), st.floats(0.01, 100.0), min_size=1)
seconds = st.floats(0.01, 1e5)
workers = st.sampled_from(["w1", "w2", "w3"])
#: Worker, domains, and the times of an accepted attempt; None: a failed one.
attempts = st.tuples(workers, mixes, st.none() | st.tuples(seconds, seconds))

Attempt = tuple[str, dict[str, float], tuple[float, float] | None]


def learnt(*history: Attempt) -> Expertise:
    expertise = Expertise()
    for worker, domains, times in history:
        if times is None:
            expertise.failed(worker, domains)
        else:
            expertise.accepted(worker, domains, *times)
    return expertise


def accepted(worker: str, domains: dict[str, float], worked: float, estimated: float) -> Attempt:
    return worker, domains, (worked, estimated)


def failed(worker: str, domains: dict[str, float]) -> Attempt:
    return worker, domains, None


# --- scores


def test_an_unknown_worker_is_average() -> None:
    expertise = learnt(accepted("w1", IMPORTS, 50.0, 100.0))

    assert expertise.score("w2", IMPORTS) == 0.0
    assert expertise.score("w1", TYPES) == 0.0
    assert expertise.score("w1", {}) == 0.0


def test_who_is_faster_than_estimated_is_better_than_average() -> None:
    expertise = learnt(accepted("quick", IMPORTS, 50.0, 100.0), accepted("slow", IMPORTS, 200.0, 100.0))

    assert expertise.score("quick", IMPORTS) > 0.0 > expertise.score("slow", IMPORTS)


def test_who_fails_more_than_the_others_is_worse_than_average() -> None:
    expertise = learnt(
        *[failed("w1", TYPES)] * 3,
        *[accepted("w2", TYPES, 100.0, 100.0)] * 3,
    )

    assert expertise.score("w2", TYPES) > 0.0 > expertise.score("w1", TYPES)


def test_a_failure_is_judged_by_how_often_the_others_fail() -> None:
    half_failed = [failed("w1", TYPES), accepted("w1", TYPES, 100.0, 100.0)]
    easy = learnt(*half_failed, *[accepted("w2", TYPES, 100.0, 100.0)] * 20)
    hard = learnt(*half_failed, *[failed("w2", TYPES)] * 20)

    assert easy.score("w1", TYPES) < 0.0 < hard.score("w1", TYPES)


def test_a_skill_is_the_shrunk_log_ratio_and_the_cost_of_failing() -> None:
    expertise = learnt(*[accepted("w1", TYPES, 50.0, 100.0)] * 4, *[failed("w1", TYPES)] * 4)

    # Four attempts at twice the speed beside four that are assumed; half of eight accepted where 0.9 are expected.
    speed = 4 * math.log(2) / (4 + PRIOR_ATTEMPTS)
    share = (4 + PRIOR_ATTEMPTS * PRIOR_ACCEPTED_SHARE) / (8 + PRIOR_ATTEMPTS)
    reliability = math.log(share / PRIOR_ACCEPTED_SHARE)
    assert expertise.skill("w1", "types") == pytest.approx(speed + reliability)


def test_an_attempt_without_times_says_nothing_about_speed() -> None:
    untimed = learnt(*[accepted("w1", TYPES, 0.0, 100.0)] * 9)
    as_estimated = learnt(*[accepted("w1", TYPES, 100.0, 100.0)] * 9)

    assert untimed.score("w1", TYPES) == as_estimated.score("w1", TYPES) > 0.0


def test_an_absurd_time_does_not_outweigh_many_plain_ones() -> None:
    expertise = learnt(accepted("w1", TYPES, 1e-9, 1e9), *[accepted("w1", TYPES, 200.0, 100.0)] * 9)

    assert expertise.score("w1", TYPES) < 0.0


def test_a_mix_of_domains_counts_by_weight() -> None:
    expertise = learnt(accepted("w1", {"imports": 3.0, "types": 1.0}, 50.0, 100.0))

    assert expertise.skill("w1", "imports") > expertise.skill("w1", "types") > 0.0
    assert expertise.score("w1", {"imports": 1.0, "names": 1.0}) == expertise.skill("w1", "imports") / 2


# --- laws


@given(workers, mixes, st.floats(0.01, 50.0) | st.floats(200.0, 1e5), st.integers(1, 30))
def test_more_of_the_same_evidence_moves_further_from_average(
    worker: str, domains: dict[str, float], worked: float, times: int
) -> None:
    history = [accepted(worker, domains, worked, 100.0)] * times
    scores = [abs(learnt(*history[:length]).score(worker, domains)) for length in range(times + 1)]

    assert all(more > less for less, more in pairwise(scores))


@given(workers, mixes, st.integers(1, 30))
def test_each_failure_more_lowers_a_score(worker: str, domains: dict[str, float], times: int) -> None:
    history = [failed(worker, domains)] * times
    scores = [learnt(*history[:length]).score(worker, domains) for length in range(times + 1)]

    assert all(more < less for less, more in pairwise(scores))


@given(st.lists(attempts, max_size=8).flatmap(lambda history: st.tuples(st.just(history), st.permutations(history))))
def test_the_order_of_attempts_does_not_matter(histories: tuple[list[Attempt], list[Attempt]]) -> None:
    one, other = (learnt(*history) for history in histories)

    for worker in ("w1", "w2", "w3"):
        for domain in ("imports", "types", "names"):
            assert one.skill(worker, domain) == pytest.approx(other.skill(worker, domain), abs=1e-9)


@given(st.lists(attempts, max_size=8), mixes, st.sampled_from([0.5, 4.0, 1024.0]))
def test_only_the_proportions_of_weights_matter(
    history: list[Attempt], domains: dict[str, float], scale: float
) -> None:
    scaled = {domain: weight * scale for domain, weight in domains.items()}

    expertise = learnt(*history)

    assert expertise.score("w1", scaled) == pytest.approx(expertise.score("w1", domains))


@given(st.lists(attempts, max_size=30))
def test_a_score_is_bounded(history: list[Attempt]) -> None:
    expertise = learnt(*history)

    all_failed = math.log(PRIOR_ATTEMPTS / (30 + PRIOR_ATTEMPTS))
    only_one_accepted = math.log((30 + PRIOR_ATTEMPTS) / (PRIOR_ATTEMPTS * PRIOR_ACCEPTED_SHARE))
    for domain in expertise.domains:
        assert -LOG_RATIO_MAX + all_failed < expertise.skill("w1", domain) < LOG_RATIO_MAX + only_one_accepted


# --- domains


def test_the_domains_of_codes_are_shares_of_their_problems() -> None:
    # Two unused imports and a name that nobody has defined.
    assert domains_of("ruff", {"F401": 6, "F821": 2}) == {"unused code": 0.75, "names": 0.25}


def test_codes_of_one_domain_are_added() -> None:
    assert domains_of("ruff", {"F401": 1, "F841": 1}) == {"unused code": 1.0}


def test_codes_that_the_catalogue_does_not_know_are_a_domain_as_well() -> None:
    assert domains_of("frobnicate", {"X": 3}) == {"other": 1.0}


def test_no_problems_have_no_domains() -> None:
    assert domains_of("ruff", {}) == domains_of("ruff", {"F401": 0}) == {}
