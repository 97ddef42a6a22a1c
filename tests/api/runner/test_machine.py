"""Workers wait while the machine is full, but for one."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from api.runner import runner as running
from api.runner.machine import Room, Thresholds, measure
from api.runner.runner import Runner
from api.runner.work import Shop
from api.schemas import ClaimReply, ClaimRequest, ObservationJob, WorkerRequest
from eventstore.clock import SystemClock

QUIET = Room(cpu_percent=5.0, memory_bytes=8 * 2**30)
BUSY = Room(cpu_percent=99.0, memory_bytes=8 * 2**30)
FULL = Room(cpu_percent=5.0, memory_bytes=2**20)


@pytest.mark.parametrize(
    ("thresholds", "room", "left"),
    [
        (Thresholds(), BUSY, True),
        (Thresholds(cpu_percent_max=90.0), QUIET, True),
        (Thresholds(cpu_percent_max=90.0), BUSY, False),
        (Thresholds(memory_bytes_min=2**30), QUIET, True),
        (Thresholds(memory_bytes_min=2**30), FULL, False),
        (Thresholds(cpu_percent_max=90.0, memory_bytes_min=2**30), FULL, False),
    ],
)
def test_there_is_room_while_no_threshold_is_passed(thresholds: Thresholds, room: Room, left: bool) -> None:
    assert thresholds.leave_room(room) is left


def test_the_machine_itself_is_measured() -> None:
    room = measure()

    assert 0.0 <= room.cpu_percent <= 100.0
    assert room.memory_bytes > 0


class Asked:
    """A service that has work without end, and counts who asks; each piece lasts until the test ends it."""

    def __init__(self) -> None:
        self.claims = 0
        self.all_have_asked = asyncio.Event()
        self.trees = self
        self.worker = self
        self.client = self
        self.clock = SystemClock()
        self.name = "test"

    async def register(self, request: WorkerRequest) -> None:
        pass

    async def claim_or_outlook(self, request: ClaimRequest) -> ClaimReply:
        self.claims += 1
        if self.claims == 3:
            self.all_have_asked.set()
        return cast("ClaimReply", object())

    async def clear(self) -> None:
        pass


class Working(Runner):
    """Its work never ends by itself."""

    async def _do(self, job: ClaimReply | ObservationJob) -> bool:
        self._begin_one()
        await asyncio.Event().wait()
        return True


async def test_only_one_works_while_the_machine_is_full_and_all_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "_ROOM_SECONDS", 0.0)
    service = Asked()
    room, looks, often_looked = BUSY, 0, asyncio.Event()

    def machine() -> Room:
        nonlocal looks
        looks += 1
        if looks == 20:
            often_looked.set()
        return room

    runner = Working(
        cast("Shop", cast("Any", service)), str, thresholds=Thresholds(cpu_percent_max=90.0), machine=machine
    )
    work = asyncio.create_task(runner.run(3))
    async with asyncio.timeout(10):
        await often_looked.wait()
        assert service.claims == 1
        room = QUIET
        await service.all_have_asked.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
