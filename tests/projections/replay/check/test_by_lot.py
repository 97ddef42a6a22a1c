"""Whatever a desk decides, by lot, is decided the same once more."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from api.service.replanning import ServiceRules
from domain import events as e
from domain.lifecycle import Draft
from domain.planning.inputs import PlanningInputs
from domain.problem import Problem
from domain.task_state import TaskState
from eventstore.ledger import Ledger
from projections.replay.check.walk import Walk
from projections.replay.recording import Recording
from tests.projections.test_views_agree import Chance

SEEDS = range(15)
_ENDS = (e.TaskCompleted(summary="nothing is left"), e.TaskStalled(reason="stuck"), e.TaskCancelled(reason="why"))


class Drawn(msgspec.Struct):
    """A look that was drawn by lot: nobody can plan on it again."""

    observed: e.ProblemsObserved
    problems: Sequence[Problem]

    def plan(self, inputs: PlanningInputs | None) -> list[Draft]:
        return []

    def ending(self, targeted: int, before: Sequence[Problem] | None) -> list[e.EventBody]:
        return []


class DrawnRules(ServiceRules):
    """The service's rules, on problems that were drawn by lot."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._problems = [Problem(tool="ruff", message="m", path=path) for path in paths]

    def look(  # type: ignore[override]
        self, state: TaskState, observed: e.ProblemsObserved, data: bytes, inputs: PlanningInputs | None
    ) -> Drawn:
        return Drawn(observed, self._problems)


class DrawnRecording(Recording, frozen=True):
    """A recording whose raw output is of no matter."""

    def artifact(self, sha256: str) -> bytes | None:
        return b"drawn"


async def played(ledger: Ledger, seed: int) -> tuple[Chance, DrawnRecording]:
    chance = Chance(ledger, seed)
    async for _ in chance.steps():
        pass
    events = await ledger.read_task(chance.task)
    # Most ends are drawn as well, and no service would end a task so.
    drawn = events[-1].event.body in _ENDS
    return chance, DrawnRecording(task_id=chance.task, events=events[:-1] if drawn else events)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_is_decided_is_decided_the_same_again(ledger: Ledger, seed: int) -> None:
    chance, task = await played(ledger, seed)
    walk = Walk(task, DrawnRules(chance._paths))
    walk.run()
    assert walk.mismatches == []
    assert walk.checked["decision"] > 5
