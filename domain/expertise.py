"""What each worker has shown to be good at, as the effort model has learnt it.

A skill is a difference of log seconds beside what is to be expected of an unknown worker, whose skill is 0: +0.7 is
twice as fast, -0.7 takes twice as long. It adds two parts:

- speed: what the model's levels of a worker take off the log of the time (the worker, the worker at this kind of
  work, the worker in this repository), each believed as far as it has been seen;
- reliability: log(p / m), where the share p of the worker's attempts comes to something, and m of all attempts. A
  subtask is attempted until it is accepted, on average 1 / p times (geometric distribution), so this is what failing
  costs in time, and no weight has to be chosen between the two.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from domain.analysis.catalogue import entry_for
from domain.estimation.features import Features
from domain.estimation.fixed import MICRO
from domain.estimation.learner import Learner
from domain.estimation.levels import WORKER_LEVELS, keys_of


class Expertise:
    """The skills that a learner knows of, at this moment."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._reliability: dict[str, float] = {}

    def skill(self, worker: str, category: str, repository: str) -> float:
        """Give a worker's skill at a kind of work in a repository; 0.0 where nothing is known of it."""
        state = self._learner.state
        if worker not in state.outcomes.workers:
            return 0.0
        keys = keys_of(Features(worker=worker, category=category, project=repository))
        slower = 0
        for level in WORKER_LEVELS:
            key = keys[level]
            cell = state.cells[level].get(key) if key else None
            slower += cell[1] if cell else 0
        return self._reliable(worker) - slower / MICRO

    def best(self, category: str, repository: str) -> tuple[str, float] | None:
        """Give who has shown the greatest skill at a kind of work, and how great; None where nobody stands out."""
        known = self._learner.state.outcomes.workers
        skills = [(self.skill(worker, category, repository), worker) for worker in sorted(known)]
        skill, worker = max(skills, default=(0.0, ""), key=lambda pair: pair[0])
        return (worker, skill) if skill > 0.0 else None

    def _reliable(self, worker: str) -> float:
        if (known := self._reliability.get(worker)) is None:
            outcomes = self._learner.state.outcomes
            failing, enduring = outcomes.chances(Features(worker=worker)).failing
            usual = 1.0 - outcomes.total[1] / outcomes.total[0]
            known = self._reliability[worker] = math.log(enduring / (failing + enduring) / usual)
        return known


def domains_of(tool: str, codes: Mapping[str, int]) -> dict[str, float]:
    """Give the share of each problem domain in so many problems by code, after the catalogue; the shares add to 1."""
    counts: defaultdict[str, float] = defaultdict(float)
    for code, problems in codes.items():
        counts[entry_for(tool, code).domain] += problems
    whole = math.fsum(weight for weight in counts.values() if weight > 0.0)
    return {domain: weight / whole for domain, weight in sorted(counts.items()) if weight > 0.0}
