"""The service is killed with SIGKILL while callers wait: what they were told is true, and nothing is there twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

Figures = dict[str, int]

SERVICE = Path(__file__).with_name("service.py")
CALLS_AT_THE_END = 100


class Journal:
    """What the callers know, over all lives of the service: the numbers of their calls."""

    def __init__(self) -> None:
        self.sent: set[int] = set()
        self.acknowledged: set[int] = set()

    @property
    def open(self) -> list[int]:
        return sorted(self.sent - self.acknowledged)

    @property
    def next(self) -> int:
        return max(self.sent, default=0) + 1

    def note(self, line: str) -> None:
        what, number = line.split()
        {"sent": self.sent, "acknowledged": self.acknowledged}[what].add(int(number))


def messages(calls: set[int]) -> set[UUID]:
    return {UUID(int=2 * number + place) for number in calls for place in (0, 1)}


@contextmanager
def running(url: str, journal: Journal, end: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A service that makes the open calls again and then new ones; what it has written is noted afterwards."""
    command = [sys.executable, str(SERVICE), url, str(journal.next), *([str(end)] if end else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdin is not None
        assert service.stdout is not None
        service.stdin.write(" ".join(map(str, journal.open)))
        service.stdin.close()
        try:
            yield service
            for line in service.stdout:
                journal.note(line)
        except BaseException:
            service.kill()
            raise


def kill_after(service: subprocess.Popen[str], journal: Journal, acknowledgements: int) -> None:
    assert service.stdout is not None
    wanted = len(journal.acknowledged) + acknowledgements
    for line in service.stdout:
        journal.note(line)
        if len(journal.acknowledged) == wanted:
            break
    service.kill()


@pytest.mark.parametrize("seed", range(4), ids="seed={}".format)
def test_a_killed_service_has_stored_once_what_it_acknowledged(
    database_url: str, reckon: Callable[..., Figures], lawful: Callable[[int], Figures], seed: int
) -> None:
    chance = random.Random(seed)
    journal = Journal()

    for life in ("killed once", "killed twice"):
        with running(database_url, journal) as service:
            kill_after(service, journal, chance.randint(1, 800))
        assert service.returncode == -signal.SIGKILL
        told = messages(journal.acknowledged)
        assert reckon(database_url, messages(journal.sent), told, when=life) == lawful(len(told))

    with running(database_url, journal, end=journal.next + CALLS_AT_THE_END) as service:
        pass
    assert service.returncode == 0
    assert journal.open == []
    told = messages(journal.acknowledged)
    assert reckon(database_url, messages(journal.sent), told) == lawful(len(told))


def test_a_call_that_was_cut_off_by_the_kill_is_stored_whole_or_not_at_all(database_url: str) -> None:
    journal = Journal()
    for _ in range(3):
        with running(database_url, journal) as service:
            kill_after(service, journal, 50)

    with psycopg.connect(database_url) as connection:
        stored = {message for (message,) in connection.execute("SELECT message_id FROM ledger.event")}
    halves = [number for number in journal.sent if len(messages({number}) & stored) == 1]
    assert halves == []
