"""What a check of the ledger found wrong: the first position, and how many."""

from __future__ import annotations

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it was sealed."""

    #: Of the event, or the first one of the seal.
    position: int
    #: What is wrong, in a few words that follow the position.
    what: str

    def __str__(self) -> str:
        return f"position {self.position}: {self.what}"


class Faults:
    """Counts faults and keeps the one at the lowest position; of several there, the one that came first."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Fault | None = None

    def add(self, fault: Fault) -> None:
        """Take one more."""
        self.count += 1
        if self.first is None or fault.position < self.first.position:
            self.first = fault
