"""A service on a ledger of the test's own, with a clock that the test sets, and workers that speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.auth.principal import Principal
from api.schemas import (
    AnyMessage,
    BlockedMessage,
    ClaimRequest,
    CompletedMessage,
    FailedMessage,
    GatesRequest,
    Lease,
    MessageReceipt,
    Policy,
    ProgressMessage,
    StartedMessage,
    TaskRequest,
    TaskView,
    Tree,
    VerdictReply,
)
from api.service.service import Service
from domain.events import GateEvaluated, Issue
from domain.ids import TaskId
from eventstore.clock import SystemClock

ADMIN = Principal(role="admin", name="tester")
FOREVER = 30.0


class SetClock(SystemClock):
    """The machine's clock, put forward by the test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


Opening = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def open_service(database_url: str, clock: SetClock) -> Opening:
    """Open a service on the test's ledger, as one more process would."""

    @asynccontextmanager
    async def opening(only: TaskId | None = None, **options: Any) -> AsyncIterator[Service]:
        async with Service.open(database_url, clock, only=only, **options) as service:
            yield service

    return opening


@pytest.fixture
async def service(open_service: Opening) -> AsyncIterator[Service]:
    async with open_service() as service:
        yield service


def report_of(files: int, problems_each: int = 1) -> bytes:
    """What flake8 would print of so many files."""
    lines = [
        f"m{number:03}.py:{10 * line}:1: F401 'os' imported but unused\n"
        for number in range(1, files + 1)
        for line in range(1, problems_each + 1)
    ]
    return "".join(lines).encode()


async def submit(service: Service, files: int = 4, *, workers: int | None = None, **policy: Any) -> TaskView:
    """Open a task that is split by file into as many subtasks as there are workers."""
    request = TaskRequest(
        report="",
        format="flake8",
        policy=Policy(**{"strategy": "file", "workers": workers or files, "backoff_seconds": 0.0} | policy),
    )
    return await service.submit(request, report_of(files, 40), ADMIN)


async def submit_tree(service: Service, files: int = 4, **policy: Any) -> TaskView:
    """The same for a task whose work is checked and merged by a runner."""
    request = TaskRequest(
        report="",
        format="flake8",
        tree=Tree(repository="/tree", commit="c0"),
        policy=Policy(**{"strategy": "file", "workers": files, "backoff_seconds": 0.0} | policy),
    )
    return await service.submit(request, report_of(files, 40), ADMIN)


class Worker:
    """A worker and the lease that it holds."""

    def __init__(self, service: Service, name: str, principal: Principal = ADMIN) -> None:
        self.service = service
        self.name = name
        self.principal = principal
        self.gone = asyncio.Event()
        self.held: Lease | None = None

    @property
    def lease(self) -> Lease:
        assert self.held is not None
        return self.held

    async def claim(self, *, wait_seconds: float = 0.0, **fields: Any) -> Lease | None:
        request = ClaimRequest(worker_id=self.name, wait_seconds=wait_seconds, **fields)
        reply = await self.service.claim(request, self.principal, self.gone)
        assert reply is None or isinstance(reply, Lease)
        self.held = reply
        return reply

    def message(self, kind: type[AnyMessage], message_id: UUID | None = None, **fields: Any) -> AnyMessage:
        return kind(
            message_id=message_id or self.service.clock.new_message_id(),
            subtask_id=self.lease.subtask_id,
            worker_id=self.name,
            lease_epoch=self.lease.lease_epoch,
            **fields,
        )

    async def say(self, *messages: AnyMessage) -> list[MessageReceipt]:
        return await self.service.post(messages, self.principal)

    async def start(self) -> MessageReceipt:
        return (await self.say(self.message(StartedMessage)))[0]

    async def progress(self, completed: int, total: int = 10) -> MessageReceipt:
        return (await self.say(self.message(ProgressMessage, completed=completed, total=total)))[0]

    async def complete(self, summary: str = "done") -> MessageReceipt:
        return (await self.say(self.message(CompletedMessage, summary=summary)))[0]

    async def fail(self, error: str = "exit code 1", *, recoverable: bool = True) -> MessageReceipt:
        return (await self.say(self.message(FailedMessage, error=error, recoverable=recoverable)))[0]

    async def block(self, issue: Issue) -> MessageReceipt:
        return (await self.say(self.message(BlockedMessage, issue=issue)))[0]

    async def gates(self, *gates: GateEvaluated, commit: str = "c1", head: str = "c0", **fields: Any) -> VerdictReply:
        request = GatesRequest(
            worker_id=self.name, lease_epoch=self.lease.lease_epoch, gates=gates, commit=commit, head=head, **fields
        )
        return await self.service.judge(self.lease.subtask_id, request, self.principal)

    async def at_work(self, **fields: Any) -> Worker:
        """Claim something and begin with it."""
        assert await self.claim(**fields) is not None
        assert (await self.start()).status == "created"
        return self


def good(gate: str = "tests") -> GateEvaluated:
    return GateEvaluated(gate=gate, passed=True, score=1.0)


def bad(gate: str = "tests", detail: str = "2 failed") -> GateEvaluated:
    return GateEvaluated(gate=gate, passed=False, score=0.0, detail=detail)


NOW = datetime(2026, 3, 1, tzinfo=UTC)
