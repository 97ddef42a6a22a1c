"""Starting processes so that none is left behind.

Every process gets a group of its own, so that it can be ended with all that it has started. A worker's end is
awaited with `wait4`, which tells the processor time of the whole tree that it waited for. What a killed
coordinator cannot end any more, the guardian ends (`api/runner/guardian.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from api.runner import guardian
from domain.errors import ToolError

#: Workers of one runner at most: each has a thread that waits for its end.
WORKERS_MAX = 256
#: Between asking a process to end and making it end, in seconds.
_GRACE_SECONDS = 3.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended."""

    #: As the shell counts: 128 + the signal's number where a signal ended it.
    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    #: Whether it was ended because its time was up.
    timed_out: bool = False

    def last_line(self) -> str:
        """Give the most telling line that it said, of its errors first; empty where it said nothing."""
        for output in (self.stderr, self.stdout):
            text = output.decode(errors="replace").replace("\0", "?")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            # Tools like to close with a hint at their help, behind the error itself.
            errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
            if lines:
                return (errors or lines)[-1][:300]
        return ""


class Guardian:
    """The process that ends what this one has started, should this one be killed (`api/runner/guardian.py`)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # A session of its own, so that what kills this process's group spares it.
            start_new_session=True,
        )
        _guardian.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _guardian.set(None)
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()

    def watch(self, pid: int) -> None:
        """Name a process group that must not outlive this process."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Name a process group that has ended."""
        self._tell(f"-{pid}")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # A guardian that somebody killed must not take the run with it.
            with contextlib.suppress(BrokenPipeError, ValueError):
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()


_guardian: ContextVar[Guardian | None] = ContextVar("guardian", default=None)


async def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_seconds: float | None = None,
) -> Outcome:
    """Run a command to its end and collect what it says; what it leaves running is ended with it.

    Raises `ToolError` where it cannot be started.
    """
    # Files and not pipes: a child that the command leaves behind would hold a pipe open for ever.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        source.write(stdin or b"")
        source.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=cwd, env=env, stdin=source, stdout=said, stderr=complained, start_new_session=True
            )
        except OSError as error:
            raise ToolError(f"cannot start {argv[0]}: {error.strerror}") from error
        guard = _guardian.get()
        if guard is not None:
            guard.watch(process.pid)
        timed_out = False
        try:
            async with asyncio.timeout(timeout_seconds):
                await process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            kill_group(process.pid)
            if guard is not None:
                guard.forget(process.pid)
        returncode = await process.wait()
        said.seek(0)
        complained.seek(0)
        exit_code = 124 if timed_out else shell_code(returncode)
        return Outcome(exit_code=exit_code, stdout=said.read(), stderr=complained.read(), timed_out=timed_out)


def shell_code(returncode: int) -> int:
    """Translate Python's negative signal numbers into the shell's 128 + number."""
    return 128 - returncode if returncode < 0 else returncode


def kill_group(pid: int) -> None:
    """End a process group at once; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class WorkerExit(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker process ended."""

    exit_code: int
    #: The signal that ended it from outside, by name; None where it ended by itself.
    signal: str | None
    cpu_seconds: float
    timed_out: bool = False


class WorkerProcess:
    """A running worker."""

    def __init__(self, process: subprocess.Popen[bytes], exit_future: asyncio.Future[WorkerExit]) -> None:
        self.pid = process.pid
        self.exit = exit_future

    async def stop(self) -> WorkerExit:
        """Ask the worker's whole group to end, and make it end where it does not."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        await asyncio.wait({self.exit}, timeout=_GRACE_SECONDS)
        kill_group(self.pid)
        return await self.exit


class WorkerHost:
    """Starts worker processes and waits for their end."""

    def __init__(self, workers: int = WORKERS_MAX) -> None:
        # One thread per worker sits in wait4.
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="wait4")
        self._guard = _guardian.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False)

    def start(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: Path, output: Path
    ) -> WorkerProcess:
        """Start a worker with a file as its input and another for all that it prints.

        Raises `ToolError` where it cannot be started.
        """
        try:
            with stdin.open("rb") as source, output.open("wb") as sink:
                process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=dict(env),
                    stdin=source,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise ToolError(f"cannot start {argv[0]}: {error.strerror}") from error
        if self._guard is not None:
            self._guard.watch(process.pid)
        loop = asyncio.get_running_loop()
        return WorkerProcess(process, loop.run_in_executor(self._threads, self._wait, process))

    def _wait(self, process: subprocess.Popen[bytes]) -> WorkerExit:
        _, status, usage = os.wait4(process.pid, 0)
        returncode = os.waitstatus_to_exitcode(status)
        process.returncode = returncode
        # What the worker left running in its group is no longer wanted.
        kill_group(process.pid)
        if self._guard is not None:
            self._guard.forget(process.pid)
        return WorkerExit(
            exit_code=shell_code(returncode),
            signal=_signal_name(-returncode) if returncode < 0 else None,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        # Real-time signals have numbers only.
        return f"signal {number}"
