"""One attempt: a worker process in its tree, from its start to its last word.

What the worker reports (a line of JSON in the file that `PW_REPORT` names) and how it ends become messages:

- it reported `failed`: so it has, whatever its exit code;
- exit code 0: `completed`; any other: `failed`, with the last line that it printed;
- ended by a signal from outside: the worker is lost, which says nothing about the subtask;
- its time budget over: it is stopped, and the attempt has `failed`;
- it ended without success and its last report was `blocked`: it gives the subtask back until that is answered;
- the lease is gone: it is stopped, and nobody is told anything.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Awaitable, Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from api.runner.git import environment_without_git
from api.runner.hold import Hold
from api.runner.process import WorkerExit, WorkerHost, WorkerProcess
from api.runner.signs import Signs
from api.runner.workers import WorkerSpec, fill_in
from domain import events as e
from domain.blockers import describe_issue
from domain.errors import InvalidEventError
from domain.scope import TaskScope

#: How often the report file is looked at while the worker runs, in seconds.
_POLL_SECONDS = 0.1
#: How long a worker may say nothing before it is looked at from outside, in seconds: often enough for people, and
#: rare beside the service's clock of progress.
_SILENT_SECONDS = 30.0
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


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """The worker cannot go on before somebody else has done something."""

    reason: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """The lease is gone: nothing of the work counts any more."""

    reason: str


Ending = e.Completed | e.Failed | Lost | GivenBack | Revoked


class Attempt:
    """A worker's hold on a subtask, in files: its tree, brief, report, answers and output."""

    def __init__(self, folder: Path, tree: Path, hold: Hold, scope: TaskScope) -> None:
        self.tree = tree
        self.hold = hold
        self.scope = scope
        self.report = folder / "report.ndjson"
        self.answers = folder / "answers.ndjson"
        self._folder = folder
        self._output = folder / "output.log"
        self._brief = folder / "brief.md"
        self._files = folder / "files.txt"
        self._read_bytes = 0
        self._said_last: e.Completed | e.Failed | None = None
        self._blocked: e.Blocked | None = None
        #: What it has said last of how far it is.
        self._progress: e.Progress | None = None
        #: Whether it has said anything since it was looked at.
        self._spoke = False

    def prepare(self, brief: str) -> None:
        """Write the files that the worker is given."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._brief.write_text(brief, encoding="utf-8")
        self._files.write_text("".join(f"{path}\n" for path in self.scope.files), encoding="utf-8")
        self.report.touch()
        self.answers.touch()
        self.hold.answers_go_to(self.answers)

    async def run(self, worker: WorkerSpec, host: WorkerHost, tell: Tell) -> Ending:
        """Start the worker, pass on what it reports, and say how it ended.

        Raises `ToolError` where it cannot be started, and what `tell` raises, with the worker stopped.
        """
        argv = fill_in(worker, brief=str(self._brief), files=self.scope.files, codes=self.scope.codes)
        stdin = self._brief if worker.brief_on_stdin else Path(os.devnull)
        process = host.start(argv, cwd=self.tree, env=self._environment(worker), stdin=stdin, output=self._output)
        try:
            await tell(e.Started())
            ended = await self._follow(process, tell)
        except BaseException:
            await asyncio.shield(process.stop())
            raise
        if self.hold.gone.is_set():
            return Revoked(reason=self.hold.reason)
        await self._pass_on(tell)
        return self._ending(ended)

    async def _follow(self, process: WorkerProcess, tell: Tell) -> WorkerExit:
        loop = asyncio.get_running_loop()
        began = now = loop.time()
        waited = 0.0
        signs, looked_at = Signs(self.tree, self.scope.files, self._output), began
        gone = asyncio.ensure_future(self.hold.gone.wait())
        either: set[asyncio.Future[Any]] = {process.exit, gone}
        try:
            while not process.exit.done():
                if gone.done():
                    return await process.stop()
                if now >= began + self._budget_seconds(waited):
                    return msgspec.structs.replace(await process.stop(), timed_out=True)
                await asyncio.wait(either, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await self._pass_on(tell)
                before, now = now, loop.time()
                waited += now - before if self._blocked is not None else 0.0
                if self._spoke or now >= looked_at + _SILENT_SECONDS:
                    await self._look_on(signs, tell)
                    looked_at = now
            return process.exit.result()
        finally:
            gone.cancel()

    def _budget_seconds(self, waited: float) -> float:
        """Give the time that the worker may take, as far as it is known now: more may have been granted meanwhile.

        What the service grants has time in it that the worker waited for an answer, but is heard of later.
        """
        return max(self.hold.budget_seconds, self.hold.lease.time_budget_seconds + waited)

    async def _look_on(self, signs: Signs, tell: Tell) -> None:
        """Tell for a worker that has said nothing for a while that it gets on, where that can be seen."""
        seen = signs.progress(self._last_output_line())
        spoke, self._spoke = self._spoke, False
        # What moves while it waits for an answer does not mean that it went on.
        if seen is None or spoke or self._blocked is not None:
            return
        own = self._progress
        await tell(msgspec.structs.replace(own, status=seen.status or own.status) if own is not None else seen)

    async def _pass_on(self, tell: Tell) -> None:
        """Tell what has been reported since the last look, whole lines only."""
        messages = [message for line in self._new_lines() if (message := self._decode(line)) is not None]
        for message, following in zip_longest(messages, messages[1:]):
            # Of several reports of progress in one look, the last says all.
            if not (isinstance(message, e.Progress) and isinstance(following, e.Progress)):
                await self._take(message, tell)

    def _new_lines(self) -> list[bytes]:
        look = _read_plain(self.report, self._read_bytes, _LOOK_BYTES)
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
            self._ignore(str(error), line)
            return None
        return message

    def _ignore(self, reason: str, line: bytes) -> None:
        with (self._folder / "ignored.log").open("ab") as log:
            log.write(f"{reason}: ".encode() + line[:1000] + b"\n")

    async def _take(self, message: _Reported, tell: Tell) -> None:
        match message:
            case e.Completed() | e.Failed():
                # How it ends is what counts; this is what it has to say about it.
                self._said_last = message
            case e.Blocked() | e.Progress():
                self._blocked = message if isinstance(message, e.Blocked) else None
                self._progress = message if isinstance(message, e.Progress) else self._progress
                self._spoke = True
                try:
                    await tell(message)
                except InvalidEventError as error:
                    # What it has said is its own; what it does may still be good.
                    self._ignore(str(error), msgspec.json.encode(message))

    def _ending(self, ended: WorkerExit) -> Ending:
        if ended.timed_out:
            budget = self.hold.budget_seconds
            return e.Failed(error=f"its time budget of {budget:g} s was over and it was stopped")
        if ended.signal is not None:
            return Lost(reason=f"the worker process was ended by {ended.signal}")
        if isinstance(self._said_last, e.Failed):
            return self._said_last
        if ended.exit_code == 0:
            said = self._said_last or e.Completed()
            result = {**said.result, "cpu_seconds": round(ended.cpu_seconds, 3)}
            return msgspec.structs.replace(said, result=result)
        if self._blocked is not None:
            return GivenBack(reason=f"blocked: {describe_issue(self._blocked.issue)}")
        said_last = self._last_output_line()
        return e.Failed(error=f"exit code {ended.exit_code}" + (f": {said_last}" if said_last else ""))

    def _last_output_line(self) -> str:
        said = _read_plain(self._output, -_TAIL_BYTES, _TAIL_BYTES).decode(errors="replace")
        lines = [line for line in said.splitlines() if line.strip()]
        return lines[-1].strip()[:300].replace("\0", "?") if lines else ""

    def _environment(self, worker: WorkerSpec) -> dict[str, str]:
        lease = self.hold.lease
        return (
            environment_without_git()
            | worker.environment
            | {
                # Some programs believe this rather than where they are.
                "PWD": str(self.tree),
                # What looks for a repository must find this tree's, or none.
                "GIT_CEILING_DIRECTORIES": str(self.tree.resolve().parent),
                "PW_TASK": lease.task_id,
                "PW_SUBTASK": lease.subtask_id,
                "PW_WORKER": lease.worker_id,
                "PW_EPOCH": str(lease.lease_epoch),
                "PW_BRIEF": str(self._brief),
                "PW_FILES": str(self._files),
                "PW_CODES": ",".join(self.scope.codes),
                "PW_EXCLUDED_CODES": ",".join(self.scope.excluded_codes),
                "PW_REPORT": str(self.report),
                "PW_ANSWERS": str(self.answers),
                "PW_CHECK": msgspec.json.encode(lease.tool.argv if lease.tool else ()).decode(),
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
