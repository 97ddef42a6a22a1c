"""The problems of a task's observations, read again from the raw output in the ledger, and kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from domain.errors import LedgerError
from domain.events import ProblemsObserved
from domain.ids import TaskId
from domain.problem import Problem
from domain.readers.reading import read
from domain.task_state import SubtaskState, TaskState
from eventstore.artifacts import ArtifactStore
from eventstore.postgres.connection import connect

#: Problems that are kept in memory, over all observations: some 1 kB each.
_PROBLEMS_MAX = 400_000


class Observations:
    """What tools said, by task and artifact."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: OrderedDict[tuple[str, str], Sequence[Problem]] = OrderedDict()
        self._reading: dict[tuple[str, str], asyncio.Task[Sequence[Problem]]] = {}

    async def store(self, state_id: str, data: bytes, problems: Sequence[Problem]) -> str:
        """Keep a tool's raw output in the ledger, and give its SHA-256."""
        artifact = await self.keep(TaskId(state_id), data)
        self._keep((state_id, artifact), problems)
        return artifact

    async def keep(self, task_id: TaskId, data: bytes) -> str:
        """Keep anything that an event of a task refers to, and give its SHA-256."""
        async with await connect(self._url, "artifacts") as connection:
            return await ArtifactStore(connection).store(task_id, data)

    async def latest(self, state: TaskState) -> Sequence[Problem]:
        """List the problems of the latest observation."""
        return await self._of(state, state.observations[-1])

    async def of_phase(self, state: TaskState, phase: int) -> Sequence[Problem]:
        """List the problems that a phase's subtasks refer to by their numbers."""
        seen = next((one for one in reversed(state.observations) if one.phase == phase), None)
        if seen is None:
            raise LedgerError(f"{state.id} has no observation of phase {phase}")
        return await self._of(state, seen)

    async def of_subtask(self, state: TaskState, subtask: SubtaskState) -> list[Problem]:
        """List a subtask's own problems."""
        problems = await self.of_phase(state, subtask.plan.phase)
        return [problems[number] for number in subtask.plan.problems]

    async def paths_of(self, state: TaskState, subtask: SubtaskState) -> tuple[str, ...]:
        """List the files of a subtask's problems, in their order."""
        return tuple(problem.path for problem in await self.of_subtask(state, subtask))

    async def _of(self, state: TaskState, seen: ProblemsObserved) -> Sequence[Problem]:
        key = (state.id, seen.artifact)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        if (reading := self._reading.get(key)) is None:
            reading = self._reading[key] = asyncio.create_task(self._read(state, seen))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(reading)

    async def _read(self, state: TaskState, seen: ProblemsObserved) -> Sequence[Problem]:
        async with await connect(self._url, "artifacts") as connection:
            data = await ArtifactStore(connection).fetch(state.id, seen.artifact)
        problems: Sequence[Problem] = ()
        if seen.problems:
            report = await asyncio.to_thread(
                read, data, format=seen.format, root=seen.root or None, prefix=state.submitted.prefix
            )
            problems = report.problems
        self._keep((state.id, seen.artifact), problems)
        return problems

    def _keep(self, key: tuple[str, str], problems: Sequence[Problem]) -> None:
        self._kept[key] = problems
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _PROBLEMS_MAX:
            self._kept.popitem(last=False)
