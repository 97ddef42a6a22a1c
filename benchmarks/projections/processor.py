"""Processor seconds of this process, of those that it has started, and of the database server, on Linux.

On a machine that others use as well, they say what something costs, where the clock on the wall says who else was
there.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")
#: The server counts what a connection has cost when that has ended, which is soon after its client.
_SETTLE_SECONDS = 0.5


class Cost(NamedTuple):
    """What something has taken, in seconds."""

    client: float
    server: float
    wall: float

    @property
    def processor(self) -> float:
        """Of all processors together."""
        return self.client + self.server


class Processor:
    """Measures against the server at `url`, which must run on this machine."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            [(folder,)] = connection.execute("SHOW data_directory").fetchall()
        self._postmaster = int(Path(folder, "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def cost(self, work: Callable[[], object]) -> Cost:
        """Do some work, and tell what it has cost."""
        client, server, began = _own_seconds(), self._server_seconds(), time.perf_counter()
        work()
        wall = time.perf_counter() - began
        time.sleep(_SETTLE_SECONDS)
        return Cost(_own_seconds() - client, self._server_seconds() - server, wall)

    def _server_seconds(self) -> float:
        """Sum up the postmaster, its children that have ended, and those that are there."""
        _, own, ended = _times(self._postmaster)
        total = own + ended
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    parent, seconds, _ = _times(int(folder.name))
                except OSError:
                    # It has ended meanwhile, and is counted with the postmaster's.
                    continue
                total += seconds if parent == self._postmaster else 0.0
        return total


def _times(process: int) -> tuple[int, float, float]:
    """Give a process's parent, its own seconds, and those of its children that have ended (proc(5), `stat`)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system, child_user, child_system = (int(field) / _TICKS for field in fields[11:15])
    return int(fields[1]), user + system, child_user + child_system


def _own_seconds() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)
