"""Signs of life for workers that can give none between two calls."""

import asyncio
from datetime import timedelta

import pytest

from api.auth.principal import LOCAL
from api.mcp.patience import PATIENCE_SECONDS, Patience
from api.schemas import ClaimRequest, HeartbeatReply, HeldLease, LeaseState, Policy, StartedMessage, TaskRequest
from api.service.service import Service
from domain.errors import LedgerError, NotYoursError
from eventstore.clock import SystemClock

_LEASE = HeldLease(subtask_id="t.1", lease_epoch=3)


class _Clock:
    seconds = 1000.0

    def monotonic(self):
        return self.seconds


def _reply(*, held):
    state = LeaseState(
        subtask_id="t.1", lease_epoch=3, held=held, reason="", expires_at=None, deadline_at=None, answers=()
    )
    return HeartbeatReply(leases=(state,))


@pytest.fixture
def clock():
    return _Clock()


async def test_a_worker_that_has_called_is_spoken_for(stub, clock):
    services = stub(heartbeat=_reply(held=True))
    patience = Patience(services, clock)
    patience.heard("w1", _LEASE, LOCAL)

    await patience.beat()
    await patience.beat()

    assert [(name, worker, request.leases) for name, (worker, request, _), _ in services.asked] == [
        ("heartbeat", "w1", (_LEASE,))
    ] * 2


async def test_a_worker_that_has_not_called_for_long_is_not(stub, clock):
    services = stub(heartbeat=_reply(held=True))
    patience = Patience(services, clock)
    patience.heard("w1", _LEASE, LOCAL)
    clock.seconds += PATIENCE_SECONDS + 1

    await patience.beat()

    assert services.asked == []


async def test_each_call_begins_the_patience_anew(stub, clock):
    services = stub(heartbeat=_reply(held=True))
    patience = Patience(services, clock)
    patience.heard("w1", _LEASE, LOCAL)
    clock.seconds += PATIENCE_SECONDS - 1
    patience.heard("w1", _LEASE, LOCAL)
    clock.seconds += PATIENCE_SECONDS - 1

    await patience.beat()

    assert len(services.asked) == 1


@pytest.mark.parametrize("answer", [_reply(held=False), NotYoursError("w1 belongs to another key")])
async def test_a_lease_that_is_over_is_forgotten(stub, clock, answer):
    services = stub(heartbeat=answer)
    patience = Patience(services, clock)
    patience.heard("w1", _LEASE, LOCAL)

    await patience.beat()
    await patience.beat()

    assert len(services.asked) == 1


async def test_a_database_that_is_away_costs_nobody_its_lease(stub, clock):
    services = stub(heartbeat=LedgerError("the database is away"))
    patience = Patience(services, clock)
    patience.heard("w1", _LEASE, LOCAL)

    await patience.beat()
    services.answers["heartbeat"] = _reply(held=True)
    await patience.beat()

    assert len(services.asked) == 2


class _Ahead(SystemClock):
    """The machine's clock, put forward by the test."""

    seconds = 0.0

    def now(self):
        return super().now() + timedelta(seconds=self.seconds)

    def monotonic(self):
        return super().monotonic() + self.seconds


@pytest.mark.parametrize(("beats", "status"), [(True, "running"), (False, "ready")])
async def test_an_agent_that_thinks_for_long_keeps_its_lease_for_it(database_url, beats, status):
    clock = _Ahead()
    async with Service.open(database_url, clock) as service:
        report = b"pkg/a.py:1:1: F401 'os' imported but unused\n"
        await service.submit(TaskRequest(report="", policy=Policy(workers=1)), report, LOCAL)
        claimed = await service.claim(ClaimRequest(worker_id="w1", wait_seconds=5), LOCAL, asyncio.Event())
        lease = HeldLease(subtask_id=claimed.subtask_id, lease_epoch=claimed.lease_epoch)
        started = StartedMessage(
            message_id=clock.new_message_id(), subtask_id=lease.subtask_id, worker_id="w1", lease_epoch=1
        )
        await service.post([started], LOCAL)
        patience = Patience(service, clock)
        patience.heard("w1", lease, LOCAL)

        for _ in range(3):
            clock.seconds += service.leases.times.silence - 10
            if beats:
                await patience.beat()
            await service.leases.sweep()

        assert (await service.subtask(lease.subtask_id, LOCAL)).status == status
