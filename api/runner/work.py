"""One lease, from its claim to its verdict: tree, brief, worker, gates, merge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from api.client.client import Client
from api.runner.attempt import Attempt, Ending, GivenBack, Lost, Revoked
from api.runner.checks import Checks, Verdict
from api.runner.heartbeat import Heart
from api.runner.hold import Hold
from api.runner.process import WorkerHost
from api.runner.tool import Tool, check_installed
from api.runner.trees import Trees, WorkTree
from api.runner.verdict import hand_in
from api.runner.watcher import Watcher
from api.runner.words import check, message_of
from api.runner.workers import WorkerSpec
from api.schemas import GatesRequest, Lease, ReleaseRequest, VerdictReply
from domain import events as e
from domain.errors import (
    LifecycleError,
    PayloadTooLargeError,
    ReportError,
    RepositoryError,
    StaleLeaseError,
    ToolError,
    UnfitError,
)
from eventstore.clock import Clock

#: How often it is asked whether the reviews of finished work are in, in seconds.
_REVIEW_SECONDS = 2.0

#: A large tree takes longer to get ready than a lease waits for `started`: from then on it counts as work.
_PREPARING_SECONDS = 10.0

#: Said of work that no worker is started for.
_EMPTIED = "nothing was left to do: others had removed its problems"

_LOG = logging.getLogger(__name__)

_T = TypeVar("_T")


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers of a runner share."""

    client: Client
    clock: Clock
    heart: Heart
    host: WorkerHost
    trees: Trees
    worker: WorkerSpec
    #: Where attempts leave their files.
    folder: Path
    watcher: Watcher


class Work:
    """One worker's hold on one subtask."""

    def __init__(self, shop: Shop, lease: Lease) -> None:
        self._shop = shop
        self._lease = lease
        self._hold = Hold(lease)
        self._tree: WorkTree | None = None
        self._checks: Checks | None = None
        self._finished: tuple[Verdict, str] | None = None
        self._started = False

    async def run(self) -> bool:
        """Do the work, and tell the service what came of it; tell whether it waits for reviews (`await_reviews`).

        Cancelled, it ends the worker and hands the subtask back. Raises `UnfitError` where the task cannot be worked
        on from here, with the subtask handed back, and `ServiceError` where the service stays out of reach.
        """
        async with self._held():
            try:
                ending = await self._attempt()
            except UnfitError as error:
                await self._release(str(error))
                raise
            await self._take_in(ending)
        return self._finished is not None

    async def await_reviews(self) -> None:
        """Ask for the verdict on finished work again and again until the reviews are in, and hand it in then."""
        if self._finished is None:
            return
        verdict, summary = self._finished
        lease = self._lease
        # Of no head, so that nothing is accepted before it is merged.
        asking = GatesRequest(worker_id=lease.worker_id, lease_epoch=lease.lease_epoch, gates=())
        async with self._held():
            while (reply := await self._shop.client.judge(lease.subtask_id, asking)).outcome == "pending":
                await self._unless_gone(asyncio.sleep(_REVIEW_SECONDS))
            if reply.outcome == "behind":
                await self._hand_in(msgspec.structs.replace(verdict, gates=()), summary)
            else:
                self._say(reply)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        """Keep the lease alive meanwhile, and hand the subtask back when cancelled."""
        self._shop.heart.hold(self._hold)
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._release(self._shop.watcher.stop_reason))
            raise
        except LifecycleError as error:
            # The lease is over: what was done counts no more, and nobody waits for it.
            self._finished = None
            self._shop.watcher.told(self._lease, f"is not its any more: {error}")
        finally:
            self._shop.heart.drop(self._hold)

    # --- the attempt ------------------------------------------------------------------------------------

    async def _attempt(self) -> Ending:
        try:
            preparing = asyncio.ensure_future(self._prepare())
            try:
                await asyncio.wait({preparing}, timeout=_PREPARING_SECONDS)
                if not preparing.done():
                    await self._tell(e.Started())
                attempt = await preparing
            finally:
                preparing.cancel()
                await asyncio.wait({preparing})
            if self._checks is not None and self._checks.is_emptied:
                # Without a beginning, so that nobody takes it for the time that such work needs.
                return e.Completed(summary=_EMPTIED)
            return await attempt.run(self._shop.worker, self._shop.host, self._tell)
        except (RepositoryError, ToolError, ReportError) as error:
            return e.Failed(error=str(error))
        except OSError as error:
            return e.Failed(error=f"{error.filename or self._shop.folder}: {error.strerror}")

    async def _prepare(self) -> Attempt:
        """Get the tree ready, learn what it shows, and write what the worker is given."""
        lease, shop = self._lease, self._shop
        try:
            tree = await shop.trees.take(lease.worker_id, lease.task_id, lease.repository, lease.base_commit)
            _check_tool(lease, tree)
        except (RepositoryError, ToolError) as error:
            raise UnfitError(str(error)) from error
        self._tree = tree
        scope = (await shop.client.subtask(lease.subtask_id)).scope
        self._checks = Checks(
            client=shop.client,
            clock=shop.clock,
            subtask_id=lease.subtask_id,
            scope=scope,
            tool=Tool.of(lease.tool) if lease.tool is not None else None,
            commands=lease.gates,
            prefix=lease.prefix,
            tree=tree.path,
        )
        await self._checks.prepare(tree.checkout.repository if tree.checkout else None, lease.base_commit)
        number = lease.subtask_id.rpartition(".")[2]
        folder = shop.folder / lease.task_id / "attempts" / f"{number}-{lease.lease_epoch}"
        attempt = Attempt(folder, tree.path, self._hold, scope)
        attempt.prepare(await shop.client.brief(lease.subtask_id, report=str(attempt.report)))
        return attempt

    async def _tell(self, said: e.WorkerMessage) -> None:
        """Tell the service; raises what its receipt stands for."""
        if isinstance(said, e.Started):
            if self._started:
                return
            self._started = True
        [receipt] = await self._shop.client.post([message_of(self._lease, said, self._shop.clock)])
        check(receipt)
        self._hold.waits = isinstance(said, e.Blocked)
        if self._hold.waits:
            # The answer may be there already.
            self._shop.heart.hurry()

    # --- its end ----------------------------------------------------------------------------------------

    async def _take_in(self, ending: Ending) -> None:
        match ending:
            case Revoked(reason=reason):
                raise StaleLeaseError(reason)
            case Lost(reason=reason):
                await self._release(reason, lost=True)
                self._shop.watcher.told(self._lease, f"lost: {reason}")
            case GivenBack(reason=reason):
                await self._give_back(reason)
                self._shop.watcher.told(self._lease, f"handed back: {reason}")
            case e.Failed(error=error):
                await self._tell(ending)
                self._shop.watcher.told(self._lease, f"failed: {error}")
            case e.Completed():
                await self._tell(ending)
                await self._judge(ending.summary)

    async def _give_back(self, reason: str) -> None:
        """Leave a blocked subtask until its answer comes; who fails although it is there has failed."""
        view = await self._shop.client.subtask(self._lease.subtask_id)
        if any(blocker.answered_at is None for blocker in view.blockers):
            await self._release(reason)
        else:
            await self._tell(e.Failed(error=reason))

    async def _release(self, reason: str, *, lost: bool = False) -> None:
        lease = self._lease
        request = ReleaseRequest(worker_id=lease.worker_id, lease_epoch=lease.lease_epoch, reason=reason, lost=lost)
        try:
            await self._shop.client.release(lease.subtask_id, request)
        except LifecycleError as error:
            _LOG.info("nothing was left to release", extra={"subtask_id": lease.subtask_id, "reason": str(error)})

    async def _judge(self, summary: str) -> None:
        """Let the gates decide on work that is claimed to be done, and hand in what they let pass."""
        checks, tree = self._checks, self._tree
        if checks is None or tree is None:
            raise RuntimeError("work is judged that was never begun")
        repository = tree.checkout.repository if tree.checkout else None
        try:
            verdict = await self._unless_gone(checks.evaluate(repository, self._lease.base_commit))
        except (RepositoryError, ToolError, OSError) as error:
            await self._tell(e.Failed(error=f"its work could not be looked at: {error}"))
            return
        if await self._hand_in(verdict, summary) == "pending":
            self._finished = verdict, summary

    async def _hand_in(self, verdict: Verdict, summary: str) -> str:
        """Hand in and say the outcome; seen through even when cancelled, because the branch follows the ledger."""
        checkout = self._tree.checkout if self._tree else None
        handing = asyncio.ensure_future(hand_in(self._shop.client, self._lease, verdict, summary, checkout))
        try:
            reply = await asyncio.shield(handing)
        except asyncio.CancelledError:
            await asyncio.wait({handing})
            raise
        except (RepositoryError, PayloadTooLargeError) as error:
            await self._tell(e.Failed(error=f"its work could not be handed in: {error}"))
            return "failed"
        self._say(reply)
        return reply.outcome

    def _say(self, reply: VerdictReply) -> None:
        self._shop.watcher.told(self._lease, f"{reply.outcome}{f': {reply.reason}' if reply.reason else ''}")

    async def _unless_gone(self, doing: Coroutine[Any, Any, _T]) -> _T:
        """Do something while the lease holds; raises `StaleLeaseError` once it is gone."""
        running = asyncio.ensure_future(doing)
        gone = asyncio.ensure_future(self._hold.gone.wait())
        try:
            await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            raise StaleLeaseError(self._hold.reason)
        finally:
            gone.cancel()
            running.cancel()
            await asyncio.wait({running})


def _check_tool(lease: Lease, tree: WorkTree) -> None:
    """Raise `ToolError` where no work could be checked; a tool that is named by a path may come with the work."""
    argv = lease.tool.argv if lease.tool is not None else ()
    if argv and "/" not in argv[0]:
        check_installed(argv, tree.path, "the tool")
