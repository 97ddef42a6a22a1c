"""When a runner asks on, and when it ends, with a service that is told what to say."""

from __future__ import annotations

from typing import Any, cast

import pytest

from api.runner import runner as running
from api.runner.runner import Runner
from api.runner.work import Shop
from api.schemas import ClaimReply, ClaimRequest, Lease, Outlook, WorkerRequest
from domain.errors import UnfitError
from eventstore.clock import SystemClock

DONE = object()
NOTHING = Outlook(open_subtasks=2)


def resting(seconds: float) -> Outlook:
    return Outlook(open_subtasks=1, retry_after_seconds=seconds)


class Scripted:
    """A service that answers claims as the test says, one after the other, and all else that a runner has."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[ClaimRequest] = []
        self.refused: list[str] = []
        self.trees = self
        self.worker = self
        self.client = self
        self.watcher = self
        self.clock = SystemClock()
        self.name = "test"

    async def register(self, request: WorkerRequest) -> None:
        pass

    async def claim_or_outlook(self, request: ClaimRequest) -> object:
        self.asked.append(request)
        return self.answers.pop(0)

    def cannot_work(self, lease: Lease, error: UnfitError) -> None:
        self.refused.append(f"{lease.task_id}: {error}")

    async def clear(self) -> None:
        pass


class Idle(Runner):
    """Its work is done at once."""

    async def _do(self, job: ClaimReply) -> bool:
        return True


class Unfit:
    """Work of which nothing is to be had here."""

    def __init__(self, shop: Shop, lease: Lease) -> None:
        """Take what work takes."""

    async def run(self) -> bool:
        raise UnfitError("no tree")


def of(kind: type[Runner], service: Scripted) -> Runner:
    return kind(cast("Shop", cast("Any", service)), str, drain=True)


async def test_a_drain_asks_on_while_something_rests_and_waits_as_long_as_that() -> None:
    service = Scripted(DONE, resting(4.0), resting(200.0), DONE, NOTHING)
    runner = of(Idle, service)
    await runner.run(1)
    assert service.answers == []
    # At first, after the work, then for what rests, not longer than anybody waits, and after the work again.
    assert [request.wait_seconds for request in service.asked] == [1.0, 1.0, 5.0, 30.0, 1.0]


async def test_a_drain_ends_where_nothing_rests_and_knows_what_is_left_open() -> None:
    service = Scripted(NOTHING)
    runner = of(Idle, service)
    await runner.run(1)
    assert runner.left_open == 2


async def test_a_task_that_cannot_be_worked_on_from_here_is_asked_for_no_more(
    monkeypatch: pytest.MonkeyPatch, new_lease: Any
) -> None:
    monkeypatch.setattr(running, "Work", Unfit)
    service = Scripted(new_lease(task_id="one"), new_lease(task_id="two"), NOTHING)
    await of(Runner, service).run(1)
    assert service.refused == ["one: no tree", "two: no tree"]
    assert [request.without_tasks for request in service.asked] == [(), ("one",), ("one", "two")]
