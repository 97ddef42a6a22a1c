"""What each worker has shown to be good at: expertise by problem domain, measured from its own attempts.

A skill is a difference of log seconds beside what is to be expected of an unknown worker, whose skill is 0: +0.7 is
twice as fast, -0.7 takes twice as long. It adds two measured parts:

- speed: the mean of log(estimated / worked seconds) over accepted attempts;
- reliability: log(p / m), where the share p of the worker's attempts is accepted, and m of the others'. A subtask is
  attempted until it is accepted, on average 1 / p times (geometric distribution), so this is what failing costs in
  time, and no weight has to be chosen between the two.

Both are shrunk towards the unknown worker: little evidence moves a skill little. The others' share m leaves the
worker itself out, so that whoever does most of the work is not compared with itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from domain.analysis.catalogue import entry_for

#: A worker is taken to have done so many attempts as an unknown one does them, beside its own. It is sigma² / tau² of
#: a normal mean with a normal prior: attempts spread by 1.2 in log seconds (`domain/effort.py`), and workers of one
#: kind are assumed to differ by 0.6.
PRIOR_ATTEMPTS = 4.0
#: Share of attempts that are accepted where nothing was measured: an assumption, worth `PRIOR_ATTEMPTS` attempts.
PRIOR_ACCEPTED_SHARE = 0.9
#: What an attempt may say at most about speed: three standard deviations of 1.2, a factor of 37. Beyond it a clock or
#: an estimate is wrong.
LOG_RATIO_MAX = 3.6


@dataclass(slots=True)
class _Tally:
    """Attempts in one domain; an attempt over several domains counts in each by its share."""

    ended: float = 0.0
    accepted: float = 0.0
    #: Accepted attempts whose time is known, and the sum of their log ratios.
    timed: float = 0.0
    log_ratios: float = 0.0


class Expertise:
    """Skills by worker and domain, folded from attempts in any order. Memory grows with the pairs that were seen."""

    def __init__(self) -> None:
        self._tallies: defaultdict[str, dict[str, _Tally]] = defaultdict(dict)
        self._totals: defaultdict[str, _Tally] = defaultdict(_Tally)

    @property
    def domains(self) -> Collection[str]:
        """The domains in which anything was measured."""
        return self._tallies.keys()

    def accepted(
        self, worker: str, domains: Mapping[str, float], worked_seconds: float, estimated_seconds: float
    ) -> None:
        """Count an attempt whose work was accepted; without both times it says nothing about speed.

        `domains` are weights of any scale, as `domains_of` gives them.
        """
        timed = worked_seconds > 0.0 and estimated_seconds > 0.0
        ratio = math.log(estimated_seconds) - math.log(worked_seconds) if timed else 0.0
        ratio = max(-LOG_RATIO_MAX, min(ratio, LOG_RATIO_MAX))
        for domain, share in _shares(domains).items():
            for tally in self._counted(worker, domain):
                tally.ended += share
                tally.accepted += share
                if timed:
                    tally.timed += share
                    tally.log_ratios += share * ratio

    def failed(self, worker: str, domains: Mapping[str, float]) -> None:
        """Count an attempt that failed or was rejected; a lost worker says nothing about its skill."""
        for domain, share in _shares(domains).items():
            for tally in self._counted(worker, domain):
                tally.ended += share

    def skill(self, worker: str, domain: str) -> float:
        """Give a worker's skill in one domain; 0.0 where nothing is known of it."""
        own = self._tallies[domain].get(worker) if domain in self._tallies else None
        if own is None:
            return 0.0
        total = self._totals[domain]
        # A difference of sums may fall short of 0 by rounding.
        others_ended = max(total.ended - own.ended, 0.0)
        others_accepted = max(total.accepted - own.accepted, 0.0)
        expected = (others_accepted + PRIOR_ATTEMPTS * PRIOR_ACCEPTED_SHARE) / (others_ended + PRIOR_ATTEMPTS)
        speed = own.log_ratios / (own.timed + PRIOR_ATTEMPTS)
        reliability = math.log((own.accepted / expected + PRIOR_ATTEMPTS) / (own.ended + PRIOR_ATTEMPTS))
        return speed + reliability

    def score(self, worker: str, domains: Mapping[str, float]) -> float:
        """Give a worker's skill for a mix of domains: the mean by weight; 0.0 where nothing is known of it."""
        return math.fsum(share * self.skill(worker, domain) for domain, share in _shares(domains).items())

    def _counted(self, worker: str, domain: str) -> tuple[_Tally, _Tally]:
        return self._tallies[domain].setdefault(worker, _Tally()), self._totals[domain]


def domains_of(tool: str, codes: Mapping[str, int]) -> dict[str, float]:
    """Give the share of each problem domain in so many problems by code, after the catalogue; the shares add to 1."""
    counts: defaultdict[str, float] = defaultdict(float)
    for code, problems in codes.items():
        counts[entry_for(tool, code).domain] += problems
    return _shares(counts)


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    whole = math.fsum(weight for weight in weights.values() if weight > 0.0)
    return {domain: weight / whole for domain, weight in sorted(weights.items()) if weight > 0.0}
