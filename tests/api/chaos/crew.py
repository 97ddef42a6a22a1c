"""Workers that speak HTTP, keep a journal of what they were told, and do no work."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import uuid6

from api.client.client import Client
from api.schemas import (
    AnyMessage,
    ClaimRequest,
    CompletedMessage,
    GatesRequest,
    HeartbeatRequest,
    HeldLease,
    Lease,
    MessageReceipt,
    Policy,
    ProgressMessage,
    StartedMessage,
    TaskRequest,
    TaskView,
    Tree,
)
from domain.events import GateEvaluated
from tests.api.chaos.processes import FOREVER

#: The commit that work begins on, where there is no git.
BASE = "c0" * 20
_GOOD = GateEvaluated(gate="tests", passed=True, score=1.0)
#: How long a worker waits for work before it looks whether its task is over.
_WAIT_SECONDS = 0.5
_BEAT_SECONDS = 0.1
#: Reports of progress before a worker is done.
_PARTS = 3


class Journal:
    """What workers have said, what they were told of it, and which commits are accepted, over all of them."""

    def __init__(self) -> None:
        self.sent: set[UUID] = set()
        #: By message, the position that it was said to have.
        self.acknowledged: dict[UUID, int] = {}
        #: By subtask, the commits that were said to be accepted.
        self.accepted: dict[str, list[str]] = {}
        self.refused: list[MessageReceipt] = []
        self._changed = asyncio.Condition()

    async def note(self, receipts: Sequence[MessageReceipt]) -> None:
        for receipt in receipts:
            if receipt.status in ("created", "duplicate") and receipt.position is not None:
                self.acknowledged[receipt.message_id] = receipt.position
            else:
                self.refused.append(receipt)
        async with self._changed:
            self._changed.notify_all()

    async def until_acknowledged(self, more: int) -> None:
        """Wait until so many more messages were acknowledged."""
        wanted = len(self.acknowledged) + more
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.acknowledged) >= wanted)


class Worker:
    """A worker and the lease that it holds; each request goes to the client that `which` gives."""

    def __init__(self, which: Callable[[], Client], name: str, journal: Journal | None = None) -> None:
        self.name = name
        self.journal = journal or Journal()
        self.held: Lease | None = None
        self._which = which

    @property
    def lease(self) -> Lease:
        assert self.held is not None
        return self.held

    async def claim(self, **fields: Any) -> Lease | None:
        reply = await self._which().claim(ClaimRequest(worker_id=self.name, **fields))
        assert reply is None or isinstance(reply, Lease)
        self.held = reply
        return reply

    async def look(self, task_id: str) -> TaskView:
        """Look how a task stands."""
        return await self._which().task(task_id)

    def message(self, kind: type[AnyMessage], **fields: Any) -> AnyMessage:
        message = kind(
            message_id=uuid6.uuid7(),
            subtask_id=self.lease.subtask_id,
            worker_id=self.name,
            lease_epoch=self.lease.lease_epoch,
            **fields,
        )
        self.journal.sent.add(message.message_id)
        return message

    async def say(self, *messages: AnyMessage) -> Sequence[MessageReceipt]:
        receipts = await self._which().post(messages)
        await self.journal.note(receipts)
        return receipts

    async def start(self) -> None:
        [receipt] = await self.say(self.message(StartedMessage))
        assert receipt.status in ("created", "duplicate")

    async def hand_in(self) -> str:
        """Have the work judged, on top of whatever head there is, and give the outcome."""
        lease = self.lease
        head = lease.base_commit
        while True:
            own = hashlib.sha1(f"{lease.subtask_id}-{lease.lease_epoch}".encode()).hexdigest()
            commit = own[:28] + head[:12]
            request = GatesRequest(
                worker_id=self.name, lease_epoch=lease.lease_epoch, gates=(_GOOD,), commit=commit, head=head
            )
            reply = await self._which().judge(lease.subtask_id, request)
            if reply.outcome != "behind":
                break
            head = reply.head
        if reply.outcome == "accepted":
            self.journal.accepted.setdefault(lease.subtask_id, []).append(commit)
        return reply.outcome

    async def do(self) -> None:
        """Go through the whole cycle of a lease."""
        await self.start()
        await self.finish()

    async def finish(self) -> None:
        """Go on from the first word to the verdict."""
        for part in range(1, _PARTS + 1):
            await self.say(self.message(ProgressMessage, completed=part, total=_PARTS))
        await self.say(self.message(CompletedMessage, summary=f"by {self.name}"))
        await self.hand_in()

    async def beat(self) -> bool:
        """Say that it is alive, and tell whether it still has its lease."""
        held = HeldLease(subtask_id=self.lease.subtask_id, lease_epoch=self.lease.lease_epoch)
        reply = await self._which().heartbeat(self.name, HeartbeatRequest(leases=(held,)))
        return reply.leases[0].held

    async def beat_until(self, fact: Callable[[], bool]) -> None:
        """Say again and again that it is alive, until something has come true; its lease holds all the while."""
        async with asyncio.timeout(FOREVER):
            while not fact():
                assert await self.beat()
                await asyncio.sleep(_BEAT_SECONDS)

    async def work(self, task_id: str) -> None:
        """Do what there is of a task until it is over; no lease may be lost on the way."""
        while (await self.look(task_id)).status == "running":
            if await self.claim(task_id=task_id, wait_seconds=_WAIT_SECONDS) is not None:
                await self.do()


def any_of(clients: Sequence[Client], seed: int) -> Callable[[], Client]:
    """Choose another client each time, by lot."""
    chance = random.Random(seed)
    return lambda: chance.choice(clients)


def report_of(files: Iterable[int], codes: Iterable[str] = ("F401",)) -> str:
    """What flake8 would print of so many files with each of the codes."""
    return "".join(
        f"m{number:03}.py:{10 * line}:1: {code} something is wrong\n"
        for number in files
        for code in codes
        for line in range(1, 41)
    )


async def submit(
    client: Client, files: int, *, repository: str = "/tree", report: str | None = None, **policy: Any
) -> TaskView:
    """Open a task of so many subtasks, one for each file; with a repository their work needs a verdict."""
    request = TaskRequest(
        report="",
        name="chaos",
        format="flake8",
        tree=Tree(repository=repository, commit=BASE) if repository else Tree(),
        policy=Policy(**{"strategy": "file", "workers": files, "backoff_seconds": 0.0} | policy),
    )
    view = await client.submit(request, (report or report_of(range(1, files + 1))).encode())
    assert sum(view.subtasks.values()) == files
    return view
