"""One lease from its claim to its verdict, with a service that is told what to say."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil
import pytest

from api.client.client import Client
from api.runner.heartbeat import Heart
from api.runner.hold import Hold
from api.runner.process import WorkerHost
from api.runner.trees import Trees
from api.runner.work import Shop, Work
from api.runner.workers import worker_from
from api.schemas import (
    AnyMessage,
    Baseline,
    BlockerView,
    CompletedMessage,
    GatesRequest,
    Lease,
    MessageReceipt,
    ReleaseRequest,
    SubtaskView,
    ToolSpec,
    VerdictReply,
)
from domain import events as e
from domain.errors import StaleLeaseError, UnfitError
from domain.plan import Effort
from domain.problem import Problem
from domain.scope import TaskScope
from eventstore.clock import SystemClock

QUESTION = '{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "why?"}}'


class Service:
    """A service with one subtask, and what it was told."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.told: list[str] = []
        self.messages: list[AnyMessage] = []
        self.released: list[ReleaseRequest] = []
        self.judged: list[GatesRequest] = []
        self.blockers: tuple[BlockerView, ...] = ()
        self.observed = Baseline(commit="", problems=())
        self.refused: type[AnyMessage] | None = None
        #: Set by the test to let the brief be given.
        self.may_brief = asyncio.Event()
        self.may_brief.set()
        self.started = asyncio.Event()

    async def subtask(self, subtask_id: str) -> SubtaskView:
        return SubtaskView(
            id=subtask_id,
            task_id=self.lease.task_id,
            title=self.lease.title,
            reason="",
            status="running",
            phase=1,
            lease_epoch=1,
            worker_id="w1",
            base_commit=self.lease.base_commit,
            scope=TaskScope(files=("a.py",), codes=("E1",)),
            effort=Effort(p50=1.0, p80=2.0, p95=3.0),
            priority=0,
            depends_on=(),
            problems=1,
            fraction=0.0,
            failures=0,
            losses=0,
            note="",
            history=(),
            blockers=self.blockers,
        )

    async def baseline(self, subtask_id: str) -> Baseline:
        return self.observed

    async def brief(self, subtask_id: str, *, report: str) -> str:
        await self.may_brief.wait()
        return "the brief"

    async def post(self, messages: Sequence[AnyMessage]) -> tuple[MessageReceipt, ...]:
        [message] = messages
        self.messages.append(message)
        self.told.append(str(type(message).__struct_config__.tag))
        if self.told[-1] == "started":
            self.started.set()
        if self.refused is not None and isinstance(message, self.refused):
            return (
                MessageReceipt(
                    message_id=message.message_id, status="rejected", code="stale_lease", reason="it is held by w2"
                ),
            )
        return (MessageReceipt(message_id=message.message_id, status="created"),)

    async def judge(self, subtask_id: str, request: GatesRequest) -> VerdictReply:
        self.judged.append(request)
        failed = any(not gate.passed for gate in request.gates)
        return VerdictReply(outcome="rejected" if failed else "accepted", reason="", head=request.commit)

    async def release(self, subtask_id: str, request: ReleaseRequest) -> SubtaskView:
        self.released.append(request)
        if self.refused is not None:
            raise StaleLeaseError("it is held by w2")
        return await self.subtask(subtask_id)


class Silence:
    """A heart that does not beat."""

    def __init__(self) -> None:
        self.holds: list[Hold] = []

    def hold(self, hold: Hold) -> None:
        self.holds.append(hold)

    def drop(self, hold: Hold) -> None:
        self.holds.remove(hold)

    def hurry(self) -> None:
        """Have nothing to say."""


class Listener:
    stop_reason = "its runner was stopped"

    def __init__(self) -> None:
        self.said: list[str] = []

    def told(self, lease: Lease, what: str) -> None:
        self.said.append(what)

    def cannot_work(self, *_: object) -> None:
        """Nobody goes on here."""

    def looked(self, *_: object) -> None:
        """Nobody looks here."""

    def cannot_look(self, *_: object) -> None:
        """Nobody looks here."""


class Bench:
    def __init__(self, folder: Path, base: str, new_lease: Callable[..., Lease]) -> None:
        self.folder = folder
        self.lease = new_lease(base_commit=base, repository=str(folder))
        self.service = Service(self.lease)
        self.heart = Silence()
        self.listener = Listener()

    @contextmanager
    def work(self, source: str) -> Iterator[Work]:
        """A worker in Python, ready to begin."""
        script = self.folder / ".git" / "worker.py"
        script.write_text(
            "import os, sys, time\nfrom pathlib import Path\n"
            f"report = open(os.environ['PW_REPORT'], 'a', buffering=1)\n{source}\n"
        )
        with WorkerHost() as host:
            shop = Shop(
                client=cast("Client", self.service),
                clock=SystemClock(),
                heart=cast("Heart", self.heart),
                host=host,
                trees=Trees(self.folder / ".git" / "runs"),
                worker=worker_from(f"{sys.executable} -I {script}", shell=False),
                folder=self.folder / ".git" / "runs",
                watcher=self.listener,
            )
            yield Work(shop, self.lease)

    async def run(self, source: str) -> None:
        with self.work(source) as work:
            await work.run()


@pytest.fixture
def bench(tmp_path: Path, committed: Callable[..., str], new_lease: Callable[..., Lease]) -> Bench:
    return Bench(tmp_path, committed({"a.py": "x = 1\n"}), new_lease)


async def test_work_is_begun_reported_judged_and_on_the_branch(bench: Bench, run_git: Callable[..., str]) -> None:
    await bench.run(
        'Path(\'a.py\').write_text(\'x = 2\\n\'); report.write(\'{"type": "completed", "summary": "so"}\\n\')'
    )
    assert bench.service.told == ["started", "completed"]
    assert [request.files for request in bench.service.judged] == [("a.py",)]
    assert run_git(bench.folder, "show", "pw/tree-1:a.py") == "x = 2"
    assert run_git(bench.folder, "log", "-1", "--format=%b", "pw/tree-1").startswith("so")
    assert (bench.listener.said, bench.heart.holds) == (["accepted"], [])


async def test_what_others_have_emptied_is_done_without_a_worker(
    bench: Bench, committed: Callable[..., str], run_git: Callable[..., str]
) -> None:
    # When it was observed the file had a problem, which is gone at the commit that the work starts from.
    problem = Problem(tool="grep", code="E1", path="a.py", message="x is not 1")
    observed = committed({"a.py": "x = 0\n"})
    base = committed({"a.py": "x = 1\n"})
    bench.service.observed = Baseline(commit=observed, problems=(problem,))
    tool = ToolSpec(name="true", argv=("true", "{files}"), format="flake8")
    bench.lease = bench.service.lease = msgspec.structs.replace(bench.lease, base_commit=base, tool=tool)

    await bench.run("Path('a.py').write_text('never')")

    # Never begun, so that nobody learns from it how long such work takes.
    assert bench.service.told == ["completed"]
    [request] = bench.service.judged
    assert [gate.gate for gate in request.gates if gate.passed] == ["scope", "no new problems", "effect"]
    assert (request.commit, request.files) == (base, ())
    assert run_git(bench.folder, "rev-parse", "pw/tree-1") == base


async def test_each_message_has_an_id_of_its_own(bench: Bench) -> None:
    await bench.run("")
    ids = {message.message_id for message in bench.service.messages}
    assert len(ids) == len(bench.service.messages) == 2


async def test_who_takes_long_to_get_ready_has_started_and_says_so_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.runner.work._PREPARING_SECONDS", 0.0)
    bench.service.may_brief.clear()
    running = asyncio.create_task(bench.run(""))
    await bench.service.started.wait()
    bench.service.may_brief.set()
    await running
    assert bench.service.told == ["started", "completed"]


async def test_who_is_cancelled_ends_its_worker_and_hands_the_subtask_back(
    bench: Bench, wait_until: Callable[..., Any]
) -> None:
    source = "Path('../pid').write_text(str(os.getpid())); time.sleep(600)"
    running = asyncio.create_task(bench.run(source))
    pid = bench.folder / ".git" / "runs" / "tree-1" / "pid"
    await asyncio.to_thread(wait_until, lambda: pid.exists() and pid.read_text(), "the worker")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [(request.reason, request.lost) for request in bench.service.released] == [
        ("its runner was stopped", False)
    ]
    assert not psutil.pid_exists(int(pid.read_text()))


async def test_a_worker_that_was_killed_is_lost(bench: Bench) -> None:
    await bench.run("os.kill(os.getpid(), 9)")
    assert [(request.reason, request.lost) for request in bench.service.released] == [
        ("the worker process was ended by SIGKILL", True)
    ]


async def test_a_worker_that_fails_says_why(bench: Bench) -> None:
    await bench.run("sys.exit('no idea')")
    assert msgspec.structs.asdict(bench.service.messages[-1])["error"] == "exit code 1: no idea"
    assert bench.service.judged == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"base_commit": "0" * 40}, "git worktree failed: "),
        ({"repository": ""}, "the task does not say where its tree is"),
        ({"tool": ToolSpec(name="nolint", argv=("nolint", "{files}"))}, "the tool 'nolint' is not installed"),
    ],
)
async def test_a_task_that_cannot_be_worked_on_from_here_is_handed_back_and_costs_no_attempt(
    bench: Bench, missing: dict[str, Any], said: str
) -> None:
    bench.lease = msgspec.structs.replace(bench.lease, **missing)
    with pytest.raises(UnfitError, match=said):
        await bench.run("")
    [request] = bench.service.released
    assert (request.lost, request.reason.startswith(said)) == (False, True)
    assert (bench.service.told, bench.heart.holds) == ([], [])


@pytest.mark.parametrize(("answered", "said"), [(False, []), (True, ["failed"])])
async def test_a_blocked_worker_that_ends_gives_back_what_still_waits_and_fails_where_the_answer_was_there(
    bench: Bench, answered: bool, said: list[str]
) -> None:
    blocker = BlockerView(
        task_id="tree-1",
        subtask_id="tree-1.1",
        number=1,
        issue=e.ScopeClarification(question="why?"),
        context="",
        policy="ask",
        waits_for=None,
        worker_id="w1",
        opened_at=bench.lease.expires_at,
        answered_at=bench.lease.expires_at if answered else None,
        answer="because",
        action="resume",
    )
    bench.service.blockers = (blocker,)
    await bench.run(f"report.write('{QUESTION}\\n'); sys.exit(1)")
    assert bench.service.told == ["started", "blocked", *said]
    assert [request.reason for request in bench.service.released] == ([] if answered else ["blocked: asks: why?"])


async def test_what_comes_too_late_is_thrown_away(bench: Bench) -> None:
    bench.service.refused = CompletedMessage
    await bench.run("Path('a.py').write_text('x = 2\\n')")
    assert bench.service.judged == []
    assert bench.listener.said == ["is not its any more: it is held by w2"]
