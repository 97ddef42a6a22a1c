"""A process beside the server keeps the read models up to date, for as long as the server wants it and lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import psycopg
import pytest

from api.jobs import projecting
from api.jobs.follower_order import FollowerOrder
from api.jobs.projecting import PATIENCE_SECONDS, ReadModels
from api.observability.metrics import Metrics
from eventstore.clock import SystemClock
from eventstore.postgres.connection import connect
from projections.builds import make_builds
from projections.models import ALL
from tests.api.chaos.processes import is_alive, until
from tests.projections.tables_of import positions_of

_SUBMITTED = '{"repository": "/tree", "base_commit": "c0", "branch": "pw/tree", "options": {}}'


class MovedClock(SystemClock):
    """The machine's clock, and more seconds than have gone by."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


def followers() -> list[psutil.Process]:
    """Find the followers of this process."""
    return [one for one in psutil.Process().children() if is_alive(one.pid) and "api.jobs.follower" in one.cmdline()]


def read_models(url: str, metrics: Metrics | None = None) -> ReadModels:
    return ReadModels(FollowerOrder(url=url), metrics or Metrics(), SystemClock())


def sample(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


def tables_in(url: str) -> int:
    with psycopg.connect(url) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'projection'").fetchall()
    return int(count)


@contextmanager
def submitted(url: str, append_raw: Callable[..., list[int]], task: str) -> Iterator[int]:
    """Submit a task; gives its position."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = {"task_id": task, "stream_id": task, "type": "task_submitted", "payload": _SUBMITTED}
        [position] = append_raw(connection, [row])
        yield position


async def test_what_is_appended_is_taken_in_and_what_a_dead_rebuild_left_is_removed(
    database_url: str, append_raw: Callable[..., list[int]]
) -> None:
    before = tables_in(database_url)
    async with await connect(database_url, "a rebuild") as connection:
        await make_builds(connection, ALL)
    assert tables_in(database_url) == before + len(ALL)
    metrics = Metrics()
    async with read_models(database_url, metrics).kept():
        with submitted(database_url, append_raw, "tree") as position:
            await until(lambda: set(positions_of(database_url).values()) == {position}, "the read models hold it")
        await until(lambda: sample(metrics, "pw_read_models_up") == 1, "it says how far it is")
        assert sample(metrics, "pw_read_models_behind_events") is not None
    assert tables_in(database_url) == before
    assert sample(metrics, "pw_read_models_up") == 0


async def test_one_that_is_killed_comes_back(database_url: str, append_raw: Callable[..., list[int]]) -> None:
    metrics = Metrics()
    async with read_models(database_url, metrics).kept():
        await until(followers, "there is one")
        [first] = followers()
        first.kill()
        await until(lambda: [one for one in followers() if one.pid != first.pid], "there is another one")
        with submitted(database_url, append_raw, "tree") as position:
            await until(lambda: set(positions_of(database_url).values()) == {position}, "it does its work")
        assert sample(metrics, "pw_read_model_starts_total") == 2
    assert followers() == []


async def test_one_that_never_comes_to_live_is_told_of(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovedClock()
    monkeypatch.setattr(projecting.sys, "executable", "/bin/false")
    models = ReadModels(FollowerOrder(url=database_url), metrics := Metrics(), clock)
    async with models.kept():
        await until(lambda: (sample(metrics, "pw_read_model_starts_total") or 0) > 1, "it is tried again")
        assert models.remarks() == []
        clock.seconds += PATIENCE_SECONDS + 1
        [remark] = models.remarks()
        assert remark.startswith("the read models are kept up to date by nobody for 2")
        assert remark.endswith("ended last with 1")
    assert models.remarks() == []


async def test_tables_of_another_version_are_told_of(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE projection.build SET version = 0 WHERE name = 'worker'")
    models = read_models(database_url)
    async with models.kept():
        await until(models.remarks, "it is told")
        assert models.remarks() == ["read models are of another version: pw rebuild worker"]
