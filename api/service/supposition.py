"""What is supposed other than it is, when somebody asks what if."""

from __future__ import annotations

import msgspec

from domain.planning.recommendation import spell


class Supposition(msgspec.Struct, frozen=True, kw_only=True):
    """What is supposed other than it is."""

    #: This worker is lost now.
    without_worker: str = ""
    #: All blockers that are open stay open for so many seconds more.
    blocked_longer: float = 0.0
    #: So many workers are there from now on.
    workers: int | None = None

    @property
    def words(self) -> str:
        """Say what is supposed; empty where nothing is."""
        said = []
        if self.without_worker:
            said.append(f"{self.without_worker} is lost")
        if self.blocked_longer:
            said.append(f"what is blocked stays so for {spell(self.blocked_longer)} more")
        if self.workers is not None:
            said.append(f"{self.workers} worker{'' if self.workers == 1 else 's'} from now on")
        return ", ".join(said)


AS_IT_IS = Supposition()
