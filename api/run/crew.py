"""The crew of a phase: workers that claim, work, are judged, and have their work merged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from api.run.attempt import Attempt, Ending, Lost
from api.run.checks import Baseline, Verdict, evaluate, looked_at
from api.run.git import Repository
from api.run.journal import Journal
from api.run.options import RunOptions
from api.run.process import WorkerHost
from domain import events as e
from domain import gates
from domain.errors import NotClaimableError, RepositoryError, ToolError
from domain.ids import WorkerId
from domain.lifecycle import (
    Accept,
    Claim,
    LoseWorker,
    Reject,
    Release,
    Report,
    SubtaskState,
    TaskState,
    claimable,
    more_to_come,
)
from domain.problem import Problem

#: As much of a worker's summary as becomes part of the commit's message, in characters.
_SUMMARY_LENGTH = 4000


class Crew:
    """The workers of one phase and what they share: the repository, the journal, and what the files show."""

    def __init__(
        self,
        *,
        repository: Repository,
        options: RunOptions,
        journal: Journal,
        folder: Path,
        problems: Sequence[Problem],
        baseline: Baseline,
    ) -> None:
        self._repository = repository
        self._options = options
        self._journal = journal
        self._folder = folder
        self._problems = problems
        self._baseline = baseline
        self._prefix = journal.state.submitted.prefix
        self._merging = asyncio.Lock()
        self._prepared: set[WorkerId] = set()

    async def work(self, workers: int) -> None:
        """Let so many workers go until the phase has nothing left to hand out."""
        with WorkerHost(workers) as host:
            async with asyncio.TaskGroup() as group:
                for number in range(1, workers + 1):
                    group.create_task(self._work(WorkerId(f"w{number}"), host))

    @property
    def _state(self) -> TaskState:
        return self._journal.state

    # --- a worker's round -------------------------------------------------------------------------------

    async def _work(self, worker_id: WorkerId, host: WorkerHost) -> None:
        while (subtask := await self._claim(worker_id)) is not None:
            attempt = Attempt(
                self._folder / "attempts" / f"{subtask.id.rpartition('.')[2]}-{subtask.epoch}",
                self._folder / worker_id,
                subtask,
                worker_id,
            )
            ending = await self._run_attempt(attempt, host)
            await self._take_in(attempt, ending)

    async def _claim(self, worker_id: WorkerId) -> SubtaskState | None:
        """Wait for a subtask and claim it; None once there is none to come in this phase."""
        while True:
            await self._journal.wait_for(lambda state: bool(claimable(state)) or not more_to_come(state))
            ready = claimable(self._state)
            if not ready:
                return None
            wanted = ready[0].id
            try:
                await self._journal.command(
                    Claim(subtask_id=wanted, worker_id=worker_id, base_commit=self._state.head)
                )
            except NotClaimableError:
                # Another worker was quicker.
                continue
            return self._state.subtasks[wanted]

    async def _run_attempt(self, attempt: Attempt, host: WorkerHost) -> Ending:
        subtask = attempt.subtask

        async def tell(message: e.WorkerMessage) -> None:
            await self._journal.command(_report(subtask, attempt.worker_id, message))

        try:
            await self._prepare_worktree(attempt.worker_id, attempt.worktree, subtask.base_commit)
            problems = [self._problems[index] for index in subtask.plan.problems]
            attempt.prepare(self._options, self._prefix, problems)
            return await attempt.run(self._options, host, tell)
        except (RepositoryError, ToolError) as error:
            return e.Failed(error=str(error))
        except OSError as error:
            return e.Failed(error=f"{attempt.folder}: {error.strerror}")

    async def _prepare_worktree(self, worker_id: WorkerId, path: Path, commit: str) -> None:
        if worker_id in self._prepared:
            # Whatever the last attempt did to it: where that cannot be undone, the next one gets a new worktree.
            self._prepared.remove(worker_id)
            await self._repository.reset_worktree(path, commit)
        else:
            # What a killed run left behind is not to be trusted.
            await self._repository.remove_worktree(path)
            await self._repository.add_worktree(path, commit)
        self._prepared.add(worker_id)

    async def _take_in(self, attempt: Attempt, ending: Ending) -> None:
        subtask = attempt.subtask
        match ending:
            case Lost(reason=reason):
                await self._journal.command(LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch, reason=reason))
            case e.Failed():
                await self._journal.command(_report(subtask, attempt.worker_id, ending))
            case e.Completed():
                await self._journal.command(_report(subtask, attempt.worker_id, ending))
                try:
                    await self._judge(attempt)
                except (RepositoryError, ToolError, OSError) as error:
                    failed = e.Failed(error=f"its work could not be looked at: {error}")
                    await self._journal.command(_report(subtask, attempt.worker_id, failed))

    async def _judge(self, attempt: Attempt) -> None:
        """Let the gates decide on work that is claimed to be done, and merge what they let pass."""
        subtask = attempt.subtask
        verdict = await evaluate(
            self._options,
            self._prefix,
            self._repository,
            attempt.worktree,
            subtask,
            self._baseline,
            self._journal.clock,
        )
        if (failed := verdict.failed) is not None:
            reject = Reject(subtask_id=subtask.id, epoch=subtask.epoch, gate=failed.gate, reason=failed.detail)
            await self._journal.command(reject, *verdict.gates)
            return
        async with self._merging:
            await self._merge(subtask, verdict)

    async def _merge(self, subtask: SubtaskState, verdict: Verdict) -> None:
        head, base = self._state.head, subtask.base_commit
        message = _commit_message(self._state.subtasks[subtask.id])
        tree, conflicts = verdict.tree, tuple[str, ...]()
        if head != base:
            work = await self._repository.commit_tree(verdict.tree, base, message)
            merged = await self._repository.merge(head, work)
            tree, conflicts = merged.tree, merged.conflicts
        gate = gates.merge_gate(conflicts)
        if conflicts:
            release = Release(subtask_id=subtask.id, epoch=subtask.epoch, reason=gate.detail)
            await self._journal.command(release, *verdict.gates, gate)
            return
        commit = await self._repository.commit_tree(tree, head, message)
        accept = Accept(
            subtask_id=subtask.id,
            epoch=subtask.epoch,
            commit=commit,
            files_changed=len(verdict.changed),
            files=tuple(sorted(verdict.changed)),
        )
        await self._journal.command(accept, *verdict.gates, gate)
        if self._options.tool.scoped:
            self._baseline.replace(looked_at(subtask.plan.scope, verdict.changed), verdict.after)
        await self._repository.set_branch(self._state.submitted.branch, commit)


def _report(subtask: SubtaskState, worker_id: WorkerId, message: e.WorkerMessage) -> Report:
    return Report(subtask_id=subtask.id, worker_id=worker_id, epoch=subtask.epoch, message=message)


def _commit_message(subtask: SubtaskState) -> str:
    title = subtask.plan.title.splitlines()[0]
    summary = f"\n\n{subtask.note[:_SUMMARY_LENGTH]}" if subtask.note else ""
    return f"{title[:72]}{summary}\n\nParallel-Workers-Subtask: {subtask.id}"
