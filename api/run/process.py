"""Starting processes so that none is left behind.

Every process gets a group of its own, so that it can be ended with all that it has started. A worker's end is
awaited with `wait4`, which tells the processor time of the whole tree that it waited for. What a killed
coordinator cannot end any more, the guardian ends (`api/run/guardian.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from api.run import guardian
from domain.errors import ToolError

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
        """Give the last line that it said, of its errors first; empty where it said nothing."""
        for output in (self.stderr, self.stdout):
            lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
            if lines:
                return lines[-1].strip()[:300]
        return ""


async def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_seconds: float | None = None,
) -> Outcome:
    """Run a command to its end and collect what it says.

    Raises `ToolError` where it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"cannot start {argv[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_seconds):
            stdout, stderr = await process.communicate(stdin)
    except TimeoutError:
        kill_group(process.pid)
        await process.wait()
        return Outcome(exit_code=124, timed_out=True)
    except BaseException:
        kill_group(process.pid)
        raise
    return Outcome(exit_code=shell_code(process.returncode or 0), stdout=stdout, stderr=stderr)


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


class ProcessHost:
    """Starts worker processes and answers for their end, even when this process is killed."""

    def __init__(self, workers: int) -> None:
        # One thread per worker sits in wait4.
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="wait4")
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # A session of its own, so that what kills this process's group spares it.
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait()
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
        self._tell(f"+{process.pid}")
        loop = asyncio.get_running_loop()
        return WorkerProcess(process, loop.run_in_executor(self._threads, self._wait, process))

    def _wait(self, process: subprocess.Popen[bytes]) -> WorkerExit:
        _, status, usage = os.wait4(process.pid, 0)
        returncode = os.waitstatus_to_exitcode(status)
        process.returncode = returncode
        # What the worker left running in its group is no longer wanted.
        kill_group(process.pid)
        self._tell(f"-{process.pid}")
        return WorkerExit(
            exit_code=shell_code(returncode),
            signal=signal.Signals(-returncode).name if returncode < 0 else None,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )

    def _tell(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            # A guardian that somebody killed must not take the run with it.
            with contextlib.suppress(BrokenPipeError, ValueError):
                self._guardian.stdin.write(f"{line}\n".encode())
                self._guardian.stdin.flush()
