from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.runner.process import Guardian, WorkerHost, WorkerProcess, run_command, shell_code
from domain.errors import ToolError


def _start(host: WorkerHost, folder: Path, script: str) -> WorkerProcess:
    (folder / "stdin").write_text("the brief")
    return host.start(
        ["/bin/sh", "-c", script], cwd=folder, env=os.environ, stdin=folder / "stdin", output=folder / "output"
    )


async def test_a_command_gives_its_exit_code_and_what_it_said(tmp_path: Path) -> None:
    outcome = await run_command(["sh", "-c", "echo out; echo err >&2; exit 3"], cwd=tmp_path)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, b"out\n", b"err\n")


async def test_a_command_runs_in_its_folder_with_its_input(tmp_path: Path) -> None:
    outcome = await run_command(["sh", "-c", "pwd; cat"], cwd=tmp_path, stdin=b"in")
    assert outcome.stdout.decode() == f"{tmp_path}\nin"


async def test_a_command_without_input_reads_the_end_of_a_file(tmp_path: Path) -> None:
    assert (await run_command(["cat"], cwd=tmp_path)).exit_code == 0


async def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot start no-such-program: No such file or directory"):
        await run_command(["no-such-program"], cwd=tmp_path)


@pytest.mark.parametrize(
    ("end", "exit_code", "timed_out"),
    [("wait", 124, True), ("exit 0", 0, False)],
    ids=["its time is over", "it ends"],
)
async def test_a_command_leaves_no_child_behind(
    tmp_path: Path, wait_until: Callable[..., object], end: str, exit_code: int, timed_out: bool
) -> None:
    outcome = await run_command(
        ["sh", "-c", f"sleep 600 & echo $! > pid; {end}"], cwd=tmp_path, timeout_seconds=1.0 if timed_out else 60.0
    )
    assert (outcome.exit_code, outcome.timed_out) == (exit_code, timed_out)
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not _running(child), "the end of the child")


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_nul_is_no_part_of_a_line(tmp_path: Path) -> None:
    assert (await run_command(["printf", "a\\000b"], cwd=tmp_path)).last_line() == "a?b"


async def test_the_last_line_is_of_the_errors_first(tmp_path: Path) -> None:
    outcome = await run_command(["sh", "-c", "echo out; echo err >&2; echo >&2"], cwd=tmp_path)
    assert outcome.last_line() == "err"


async def test_a_command_that_said_nothing_has_no_last_line(tmp_path: Path) -> None:
    assert (await run_command(["true"], cwd=tmp_path)).last_line() == ""


@pytest.mark.parametrize(("returncode", "code"), [(0, 0), (3, 3), (-9, 137)])
def test_signals_count_as_the_shell_counts_them(returncode: int, code: int) -> None:
    assert shell_code(returncode) == code


async def test_a_worker_has_files_as_input_and_output(tmp_path: Path) -> None:
    with WorkerHost(1) as host:
        ended = await _start(host, tmp_path, "cat; echo ' and more' >&2").exit
    assert (ended.exit_code, ended.signal) == (0, None)
    assert (tmp_path / "output").read_text() == "the brief and more\n"


async def test_a_worker_that_a_signal_ended_says_which(tmp_path: Path) -> None:
    with WorkerHost(1) as host:
        ended = await _start(host, tmp_path, "kill -SEGV $$").exit
    assert (ended.exit_code, ended.signal) == (139, "SIGSEGV")


async def test_a_signal_without_a_name_is_given_by_its_number(tmp_path: Path) -> None:
    with WorkerHost(1) as host:
        ended = await _start(host, tmp_path, f"kill -{signal.SIGRTMIN + 3} $$").exit
    assert ended.signal == f"signal {signal.SIGRTMIN + 3}"


async def test_what_a_worker_leaves_running_is_ended_with_it(
    tmp_path: Path, wait_until: Callable[..., object]
) -> None:
    with WorkerHost(1) as host:
        await _start(host, tmp_path, "sleep 600 & echo $! > pid").exit
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not _running(child), "the end of the child")


async def test_the_processor_time_of_children_counts(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    with WorkerHost(1) as host:
        ended = await _start(host, tmp_path, f"{sys.executable} -I -c '{burn}'; true").exit
    assert ended.cpu_seconds >= 0.3


async def test_a_stopped_worker_is_asked_first(tmp_path: Path, wait_until: Callable[..., object]) -> None:
    with WorkerHost(1) as host:
        process = _start(host, tmp_path, "trap 'echo asked; exit 5' TERM; echo ready; sleep 600 & wait")
        wait_until(lambda: (tmp_path / "output").read_text() == "ready\n", "the worker's trap")
        ended = await process.stop()
    assert (ended.exit_code, ended.signal) == (5, None)
    assert (tmp_path / "output").read_text() == "ready\nasked\n"


async def test_a_worker_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "stdin").touch()
    with WorkerHost(1) as host, pytest.raises(ToolError, match="cannot start no-such-program"):
        host.start(["no-such-program"], cwd=tmp_path, env={}, stdin=tmp_path / "stdin", output=tmp_path / "output")


class _ListeningGuardian(Guardian):
    """A guardian of which a test can see whom it watches."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: set[int] = set()

    def watch(self, pid: int) -> None:
        super().watch(pid)
        self.watched.add(pid)

    def forget(self, pid: int) -> None:
        super().forget(pid)
        self.watched.discard(pid)


async def test_the_guardian_ends_what_is_left_when_nobody_holds_its_pipe(tmp_path: Path) -> None:
    with _ListeningGuardian() as guard, WorkerHost(1) as host:
        command = asyncio.create_task(run_command(["sleep", "600"], cwd=tmp_path))
        worker = _start(host, tmp_path, "exec sleep 600")
        while len(guard.watched) < 2:  # noqa: ASYNC110 - the guardian tells nobody
            await asyncio.sleep(0)
        guard.__exit__(None, None, None)
        assert (await worker.exit).signal == "SIGTERM"
        assert (await command).exit_code == 143
    assert guard.watched == set()


async def test_the_guardian_forgets_what_has_ended(tmp_path: Path) -> None:
    with _ListeningGuardian() as guard, WorkerHost(1) as host:
        await _start(host, tmp_path, "true").exit
        await run_command(["true"], cwd=tmp_path)
        assert guard.watched == set()
