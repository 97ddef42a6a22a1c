"""Made ledgers: work whose time is known to come from its category, repository, worker and task."""

from __future__ import annotations

import random

from domain.estimation.features import Completion, Features
from domain.estimation.learner import Learner


def features(number: int, *, planned: bool = False) -> Features:
    return Features(
        category=f"c{number % 5}",
        project=f"p{number % 3}",
        worker=f"w{number * 7 % 4}",
        decomposition=f"d{number // 20}",
        planned_seconds=30.0 * (1 + number % 11) if planned else None,
        problems=number % 9,
        files=number % 4,
    )


def completion(position: int, *, source: random.Random, planned: bool = False) -> Completion:
    known = features(position, planned=planned)
    usual = 100.0 * (1 + position % 5)
    return Completion(
        position=position,
        features=known,
        seconds=usual * source.lognormvariate(0.0, 0.7),
        censored=source.random() < 0.05,
        failed=source.random() < 0.1,
        blocked_seconds=source.choice((0.0, 0.0, 0.0, 120.0)),
    )


def history(count: int, seed: int = 1, *, planned: bool = False) -> list[Completion]:
    source = random.Random(seed)
    return [completion(position, source=source, planned=planned) for position in range(1, count + 1)]


def learned(count: int, seed: int = 1) -> Learner:
    learner = Learner()
    for one in history(count, seed):
        learner.learn(one)
    return learner
