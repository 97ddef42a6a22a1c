"""Which files change together, learnt from merges that were accepted.

Two files that nothing in their text connects may still belong together: a schema and its migration, a parser and its
printer. How much more often than by chance they change together is the lift of the pair: with `n` merges,
`lift = together(a, b) * n / (changes(a) * changes(b))`, 1 where they have nothing to do with each other (Brin et al.
1997, "Dynamic itemset counting and implication rules for market basket data", who call it interest).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import combinations

import msgspec

from domain.events import RecordedEvent, SubtaskAccepted

#: A larger merge (a new licence header, a formatter) says nothing about which of its files belong together. Leaving
#: such out is the practice of Zimmermann et al. 2004, "Mining version histories to guide software changes"; the
#: figure is ours.
FILES_MAX = 50
#: Pairs that changed together less often may have met by chance. Ours, not measured.
TOGETHER_MIN = 3
#: What memory is given to: beyond it, the rarest pairs are forgotten.
PAIRS_MAX = 200_000


class Partners(msgspec.Struct, frozen=True, kw_only=True):
    """Two files that change together."""

    first: str
    second: str
    #: Merges that changed both.
    together: int
    #: How many times as often as by chance.
    lift: float


class CoChange(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of what changed together.

    Those of pairs are lower bounds: one that was forgotten for want of memory is counted anew when it is seen again,
    and one of which a file was changed by fewer than `TOGETHER_MIN` merges is not counted at all.
    """

    #: Merges that were counted.
    merges: int = 0
    #: By file, how many of the merges changed it.
    changes: dict[str, int] = {}
    #: By pair of files, the lesser name first, how many of the merges changed both.
    together: dict[tuple[str, str], int] = {}

    @classmethod
    def from_merges(cls, merges: Iterable[Collection[str]], *, pairs_max: int = PAIRS_MAX) -> CoChange:
        """Count merges, each given as the files that it changed; one of more than `FILES_MAX` files is left out."""
        counted = [frozenset(files) for files in merges if 0 < len(frozenset(files)) <= FILES_MAX]
        changes = Counter(path for files in counted for path in files)
        together: Counter[tuple[str, str]] = Counter()
        for files in counted:
            # No pair is seen more often than the rarer of its files (Agrawal and Srikant 1994, "Apriori").
            together.update(combinations(sorted(path for path in files if changes[path] >= TOGETHER_MIN), 2))
            if len(together) > 2 * pairs_max:
                together = Counter(dict(together.most_common(pairs_max)))
        return cls(merges=len(counted), changes=dict(changes), together=dict(together.most_common(pairs_max)))

    def lift(self, first: str, second: str) -> float:
        """Tell how many times as often as by chance two files change together; 0 where that is not known."""
        pair = (first, second) if first < second else (second, first)
        count = self.together.get(pair, 0)
        return count * self.merges / (self.changes[first] * self.changes[second]) if count else 0.0

    def likely(self, first: str, second: str) -> float:
        """Give the lift of a pair that changes together more often than by chance, and often enough to be believed.

        Any other has 0.
        """
        pair = (first, second) if first < second else (second, first)
        lift = self.lift(first, second) if self.together.get(pair, 0) >= TOGETHER_MIN else 0.0
        return lift if lift > 1.0 else 0.0

    def partners(self) -> list[Partners]:
        """List all pairs that are `likely`, the highest lift first."""
        found = [
            Partners(first=first, second=second, together=count, lift=lift)
            for (first, second), count in self.together.items()
            if (lift := self.likely(first, second))
        ]
        return sorted(found, key=lambda pair: (-pair.lift, -pair.together, pair.first, pair.second))


def co_change_of(events: Iterable[RecordedEvent]) -> CoChange:
    """Learn from the accepted subtasks of a ledger; `events` are those of any tasks, in any order.

    Subtasks that were accepted before their files were recorded are left out.
    """
    bodies = (recorded.event.body for recorded in events)
    return CoChange.from_merges([body.files for body in bodies if isinstance(body, SubtaskAccepted)])
