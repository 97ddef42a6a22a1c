"""`pw` processes that a test starts, stops, and kills."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

NURSERY = Path(__file__).with_name("nursery.py")
#: What is waited for is there within a few seconds; a test that waits longer has failed.
FOREVER = 60.0


async def until(fact: Callable[[], object], what: str) -> None:
    """Wait for a fact that another process brings about; fail with its name where it never comes true."""
    try:
        async with asyncio.timeout(FOREVER):
            while not fact():  # noqa: ASYNC110 - a fact of another process
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {FOREVER:g} s in vain: {what}") from None


class Nursery:
    """Forks `pw` processes (`nursery.py`)."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PW_", "GIT_"))}
        self._process = subprocess.Popen(
            [sys.executable, str(NURSERY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def start(self, arguments: list[str], environment: dict[str, str], output: Path) -> psutil.Process:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wanted = {"arguments": arguments, "environment": environment, "output": str(output)}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if answer == "ready\n":
            answer = self._process.stdout.readline()
        return psutil.Process(int(answer))

    def close(self) -> None:
        self._process.communicate()


class Pw:
    """A `pw` process."""

    def __init__(self, process: psutil.Process, output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._output.read_text() if self._output.exists() else ""

    @property
    def is_there(self) -> bool:
        return is_alive(self._process.pid)

    async def until_said(self, pattern: str) -> str:
        """Wait until it has printed something, and give the first group of the pattern."""
        found: list[re.Match[str]] = []

        def has_said() -> bool:
            found.extend(re.finditer(pattern, self.said))
            assert found or self.is_there, f"pw has ended: {self.said}"
            return bool(found)

        await until(has_said, f"{pattern}: {self.said}")
        return found[0][1]

    def stop(self) -> None:
        """Have it sleep (SIGSTOP)."""
        self._process.suspend()

    def go_on(self) -> None:
        """Let a sleeping one go on (SIGCONT)."""
        self._process.resume()

    async def kill(self) -> None:
        """End it with SIGKILL, and see it gone."""
        if self.is_there:
            self._process.kill()
        await until(lambda: not self.is_there, "a killed process is gone")

    async def ended(self) -> None:
        """Wait for its end."""
        await until(lambda: not self.is_there, f"pw ends: {self.said}")

    def ask_to_end(self) -> None:
        if self.is_there:
            self._process.send_signal(signal.SIGTERM)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


#: Read models have a process and tests of their own.
_SETTINGS = {"PW_REQUESTS_PER_SECOND": "0", "PW_READ_MODELS": "false"}


class Processes:
    """What one test has started; what is left of it at the end is killed."""

    def __init__(self, nursery: Nursery, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self._nursery = nursery
        self._started: list[Pw] = []

    async def serve(
        self, name: str = "a", *, lease_seconds: float = 60.0, url: str | None = None, **settings: str
    ) -> Pw:
        """Start `pw serve` on the socket `NAME.sock` of the folder, and wait until it can be reached."""
        settings = {"PW_LEASE_SECONDS": str(lease_seconds), **_SETTINGS, **settings}
        arguments = ["serve", "--uds", str(self.socket(name)), "--database-url", url or self.url]
        server = self.start(f"server-{name}", arguments, settings)
        await server.until_said(r"(serving at) ")
        return server

    async def serve_tcp(self, name: str) -> tuple[Pw, str]:
        """Start `pw serve` on a port of loopback, and give its address as well."""
        arguments = ["serve", "--port", "0", "--database-url", self.url]
        server = self.start(f"server-{name}", arguments, _SETTINGS)
        return server, await server.until_said(r"serving at (\S+)")

    async def until_metric(self, server: str, metric: str, value: float) -> None:
        """Wait until a server counts so many of something."""
        async with (
            asyncio.timeout(FOREVER),
            httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(self.socket(server))), base_url="http://localhost"
            ) as http,
        ):
            while f"\n{metric} {value}\n" not in (await http.get("/metrics")).text:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    def socket(self, name: str = "a") -> Path:
        return self.folder / f"{name}.sock"

    def start(self, name: str, arguments: list[str], settings: dict[str, str] | None = None) -> Pw:
        """Start any `pw`; all of one name share a file for their output."""
        number = len(self._started)
        output = self.folder / f"{name}-{number}.log"
        environment = {"PW_DATA_DIR": str(self.folder / "data"), "PW_LOG_LEVEL": "INFO", **(settings or {})}
        pw = Pw(self._nursery.start(arguments, environment, output), output)
        self._started.append(pw)
        return pw

    async def close(self) -> None:
        for pw in self._started:
            await pw.kill()
