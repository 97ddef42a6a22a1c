"""One attempt: a worker process in a worktree, from its start to its last word.

What the worker reports (a line of JSON in the file that `PW_REPORT` names) and how it ends become messages:

- it reported `failed`: so it has, whatever its exit code;
- exit code 0: `completed`; any other: `failed`, with the last line that it printed;
- ended by a signal from outside: the worker is lost, which says nothing about the subtask;
- its time budget over: it is stopped, and the attempt has `failed`;
- it ended without success and its last report was `blocked`: `failed`, not to be tried again as it is.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import stat
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from api.run.git import environment_without_git
from api.run.options import RunOptions
from api.run.process import WorkerExit, WorkerHost, WorkerProcess
from api.run.tool import PATHS
from api.run.workers import fill_in
from domain import events as e
from domain.brief import write_brief
from domain.ids import WorkerId, task_of
from domain.lifecycle import SubtaskState
from domain.problem import Problem

#: How often the report file is looked at while the worker runs, in seconds.
_POLL_SECONDS = 0.1
#: How much of the report is read in one look, in bytes.
_LOOK_BYTES = 1024 * 1024
#: How much of a worker's output is searched for its last line, in bytes.
_TAIL_BYTES = 8192

Tell = Callable[[e.WorkerMessage], Awaitable[None]]
_Reported = e.Progress | e.Blocked | e.Completed | e.Failed
_REPORTED = msgspec.json.Decoder(_Reported)


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """The worker was ended from outside."""

    reason: str


Ending = e.Completed | e.Failed | Lost


class Attempt:
    """A worker's hold on a subtask, in files: its worktree, brief, report and output."""

    def __init__(self, folder: Path, worktree: Path, subtask: SubtaskState, worker_id: WorkerId) -> None:
        self.folder = folder
        self.worktree = worktree
        self.subtask = subtask
        self.worker_id = worker_id
        self.output = folder / "output.log"
        self._brief = folder / "brief.md"
        self._files = folder / "files.txt"
        self._report = folder / "report.ndjson"
        self._read_bytes = 0
        self._said_last: e.Completed | e.Failed | None = None
        self._blocked: e.Blocked | None = None
        self.cpu_seconds = 0.0

    def prepare(self, options: RunOptions, prefix: str, problems: Sequence[Problem]) -> None:
        """Write the files that the worker is given."""
        self.folder.mkdir(parents=True, exist_ok=True)
        brief = write_brief(
            self.subtask,
            problems,
            check=_check(options, prefix, self.subtask.plan.scope.files),
            gates=options.gates,
            report=str(self._report),
        )
        self._brief.write_text(brief, encoding="utf-8")
        self._files.write_text("".join(f"{path}\n" for path in self.subtask.plan.scope.files), encoding="utf-8")
        self._report.touch()

    async def run(self, options: RunOptions, host: WorkerHost, tell: Tell) -> Ending:
        """Start the worker, pass on what it reports, and say how it ended.

        Raises `ToolError` where it cannot be started.
        """
        scope = self.subtask.plan.scope
        argv = fill_in(
            options.worker,
            brief=str(self._brief),
            files=scope.files,
            codes=scope.codes,
        )
        stdin = self._brief if options.worker.brief_on_stdin else Path(os.devnull)
        process = host.start(argv, cwd=self.worktree, env=self._environment(options), stdin=stdin, output=self.output)
        try:
            await tell(e.Started())
            ended = await self._follow(process, scope.time_budget_seconds, tell)
        except BaseException:
            await asyncio.shield(process.stop())
            raise
        await self._pass_on(tell)
        self.cpu_seconds = ended.cpu_seconds
        return self._ending(ended, scope.time_budget_seconds)

    async def _follow(self, process: WorkerProcess, budget_seconds: float, tell: Tell) -> WorkerExit:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget_seconds
        while not process.exit.done():
            if loop.time() >= deadline:
                return msgspec.structs.replace(await process.stop(), timed_out=True)
            await asyncio.wait({process.exit}, timeout=_POLL_SECONDS)
            await self._pass_on(tell)
        return process.exit.result()

    async def _pass_on(self, tell: Tell) -> None:
        """Tell what has been reported since the last look, whole lines only."""
        messages = [message for line in self._new_lines() if (message := self._decode(line)) is not None]
        for message, following in zip_longest(messages, messages[1:]):
            # Of several reports of progress in one look, the last says all.
            if not (isinstance(message, e.Progress) and isinstance(following, e.Progress)):
                await self._take(message, tell)

    def _new_lines(self) -> list[bytes]:
        look = _read_plain(self._report, self._read_bytes, _LOOK_BYTES)
        whole, line_break, _ = look.rpartition(b"\n")
        if not line_break and len(look) == _LOOK_BYTES:
            # A line that long is no message; what follows it may be.
            self._read_bytes += len(look)
        self._read_bytes += len(whole) + len(line_break)
        return whole.splitlines()

    def _decode(self, line: bytes) -> _Reported | None:
        try:
            # Postgres keeps no NUL. Behind a backslash that is itself escaped, the same letters are none.
            message: _Reported = _REPORTED.decode(re.sub(rb"(?<!\\)((?:\\\\)*)\\u0000", rb"\1?", line))
        except msgspec.DecodeError as error:
            with (self.folder / "ignored.log").open("ab") as log:
                log.write(f"{error}: ".encode() + line[:1000] + b"\n")
            return None
        return message

    async def _take(self, message: _Reported, tell: Tell) -> None:
        match message:
            case e.Completed() | e.Failed():
                # How it ends is what counts; this is what it has to say about it.
                self._said_last = message
            case e.Blocked():
                self._blocked = message
                await tell(message)
            case e.Progress():
                self._blocked = None
                await tell(message)

    def _ending(self, ended: WorkerExit, budget_seconds: float) -> Ending:
        if ended.timed_out:
            return e.Failed(error=f"its time budget of {budget_seconds:g} s was over and it was stopped")
        if ended.signal is not None:
            return Lost(reason=f"the worker process was ended by {ended.signal}")
        if isinstance(self._said_last, e.Failed):
            return self._said_last
        if ended.exit_code == 0:
            said = self._said_last or e.Completed()
            result = {**said.result, "cpu_seconds": round(ended.cpu_seconds, 3)}
            return msgspec.structs.replace(said, result=result)
        if self._blocked is not None:
            return e.Failed(error=f"blocked: {describe_issue(self._blocked.issue)}", recoverable=False)
        said_last = self._last_output_line()
        return e.Failed(error=f"exit code {ended.exit_code}" + (f": {said_last}" if said_last else ""))

    def _last_output_line(self) -> str:
        said = _read_plain(self.output, -_TAIL_BYTES, _TAIL_BYTES).decode(errors="replace")
        lines = [line for line in said.splitlines() if line.strip()]
        return lines[-1].strip()[:300].replace("\0", "?") if lines else ""

    def _environment(self, options: RunOptions) -> dict[str, str]:
        subtask = self.subtask
        return (
            environment_without_git()
            | options.worker.environment
            | {
                # Some programs believe this rather than where they are.
                "PWD": str(self.worktree),
                # What looks for a repository must find this worktree, or none.
                "GIT_CEILING_DIRECTORIES": str(self.worktree.resolve().parent),
                "PW_TASK": task_of(subtask.id),
                "PW_SUBTASK": subtask.id,
                "PW_WORKER": self.worker_id,
                "PW_EPOCH": str(subtask.epoch),
                "PW_BRIEF": str(self._brief),
                "PW_FILES": str(self._files),
                "PW_CODES": ",".join(subtask.plan.scope.codes),
                "PW_EXCLUDED_CODES": ",".join(subtask.plan.scope.excluded_codes),
                "PW_REPORT": str(self._report),
                "PW_CHECK": msgspec.json.encode(options.tool.argv).decode(),
            }
        )


def _read_plain(path: Path, start: int, length: int) -> bytes:
    """Read a part of a file, from the end for a negative start; empty where there is no plain file any more.

    A worker may have put anything there: a pipe would block this whole process, a device never end.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        return b""
    with os.fdopen(handle, "rb") as file:
        file.seek(max(status.st_size + start, 0) if start < 0 else start)
        return file.read(length)


def _check(options: RunOptions, prefix: str, files: Sequence[str]) -> str:
    """Spell the tool's command so that it can be run at the root of the worktree."""
    tool = options.tool
    if tool.scoped:
        return shlex.join([part for word in tool.argv for part in (files if word == PATHS else [word])])
    return (f"cd {shlex.quote(prefix)} && " if prefix else "") + shlex.join(tool.argv)


def describe_issue(issue: e.Issue) -> str:
    """Say in words what a worker is blocked by."""
    match issue:
        case e.DependencyWait(required_worker=worker, resource=resource):
            return f"waits for {resource} of {worker}"
        case e.ExternalDependency(system=system, issue=what):
            return f"{system}: {what}"
        case e.ComplexityExceeded(estimated_additional_time=seconds):
            return f"needs {seconds:g} s more than its budget"
        case e.ScopeClarification(question=question):
            return f"asks: {question}"
