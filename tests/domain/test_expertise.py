"""Skills as the effort model has learnt them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.estimation.features import Completion, Features
from domain.estimation.learner import Learner
from domain.expertise import Expertise, domains_of

TYPES, IMPORTS = "agent local types", "agent local imports"


def attempt(worker: str, category: str, seconds: float, *, failed: bool = False) -> Completion:
    features = Features(category=category, project="/tree", worker=worker, planned_seconds=100.0)
    return Completion(position=1, features=features, seconds=seconds, failed=failed, censored=failed)


def learnt(*attempts: Completion) -> Expertise:
    learner = Learner()
    for completion in attempts:
        learner.learn(completion)
    return Expertise(learner)


def test_nothing_is_known_of_who_was_never_seen() -> None:
    expertise = learnt(attempt("w1", TYPES, 50.0))

    assert expertise.skill("w2", TYPES, "/tree") == 0.0


def test_who_is_faster_than_others_at_the_same_work_has_the_greater_skill() -> None:
    quick, slow = attempt("quick", TYPES, 25.0), attempt("slow", TYPES, 400.0)
    expertise = learnt(*[quick, slow] * 8)

    # 16 times as fast; a skill is a difference of logs, ln 16 = 2.8, and it is believed in part.
    difference = expertise.skill("quick", TYPES, "/tree") - expertise.skill("slow", TYPES, "/tree")
    assert 1.0 < difference < 2.8
    assert expertise.skill("slow", TYPES, "/tree") < 0.0 < expertise.skill("quick", TYPES, "/tree")


def test_a_skill_at_one_kind_of_work_says_less_about_another() -> None:
    at_types = [attempt("typist", TYPES, 25.0), attempt("importer", TYPES, 400.0)]
    at_imports = [attempt("typist", IMPORTS, 400.0), attempt("importer", IMPORTS, 25.0)]
    expertise = learnt(*[*at_types, *at_imports] * 8)

    assert expertise.skill("typist", TYPES, "/tree") > 0.0 > expertise.skill("typist", IMPORTS, "/tree")
    assert expertise.best(IMPORTS, "/tree") == ("importer", expertise.skill("importer", IMPORTS, "/tree"))


def test_who_fails_oftener_is_less_skilled_though_as_fast() -> None:
    good, bad = attempt("good", TYPES, 100.0), attempt("bad", TYPES, 100.0)
    failing = attempt("bad", TYPES, 1.0, failed=True)
    expertise = learnt(*[good, bad, good, failing] * 20)

    assert expertise.skill("bad", TYPES, "/tree") < expertise.skill("good", TYPES, "/tree")


def test_where_nobody_stands_out_nobody_is_best() -> None:
    assert learnt().best(TYPES, "/tree") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(1.0, 1e4)), max_size=40))
def test_who_is_best_has_a_skill_that_nobody_exceeds(history: list[tuple[str, float]]) -> None:
    expertise = learnt(*(attempt(worker, TYPES, seconds) for worker, seconds in history))

    best = expertise.best(TYPES, "/tree")

    skills = [expertise.skill(worker, TYPES, "/tree") for worker in "abc"]
    assert max(skills) <= (best[1] if best else 0.0)


def test_domains_of_codes_are_shares_of_the_problems() -> None:
    assert domains_of("ruff", {"F401": 3, "E501": 1}) == pytest.approx({"unused code": 0.75, "formatting": 0.25})
