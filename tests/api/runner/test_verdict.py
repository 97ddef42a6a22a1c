"""Handing in work, where the head has moved on in the meantime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from api.client.client import Client
from api.runner.checks import Verdict
from api.runner.git import Repository
from api.runner.trees import Checkout
from api.runner.verdict import hand_in
from api.schemas import GatesRequest, Lease, VerdictReply
from domain.events import GateEvaluated

PASSED = GateEvaluated(gate="scope", passed=True, score=1.0)
FAILED = GateEvaluated(gate="effect", passed=False, score=0.0, detail="no file was changed")


class Judge:
    """A service that has one head, and accepts what continues it."""

    def __init__(self, head: str) -> None:
        self.head = head
        self.asked: list[GatesRequest] = []

    async def judge(self, subtask_id: str, request: GatesRequest) -> VerdictReply:
        self.asked.append(request)
        if any(not gate.passed for gate in request.gates):
            return VerdictReply(outcome="rejected", reason="a gate", head=self.head)
        if request.conflicts:
            return VerdictReply(outcome="released", reason="conflict", head=self.head)
        if request.head != self.head:
            return VerdictReply(outcome="behind", reason="merge again", head=self.head)
        self.head = request.commit or self.head
        return VerdictReply(outcome="accepted", reason="", head=self.head)


class Bench:
    def __init__(
        self, folder: Path, committed: Callable[[dict[str, str]], str], new_lease: Callable[..., Lease]
    ) -> None:
        self.base = committed({"a.py": "x = 1\n", "b.py": "y = 1\n"})
        self.repository = Repository(folder)
        self.checkout = Checkout(self.repository)
        self.lease = new_lease(base_commit=self.base)
        self._committed = committed

    async def tree(self, files: dict[str, str]) -> str:
        """Give a tree with changed files, on top of the base."""
        commit = self._committed(files)
        tree = await self.repository.git("rev-parse", f"{commit}^{{tree}}")
        await self.repository.git("reset", "--quiet", "--hard", self.base)
        return tree

    async def theirs(self, files: dict[str, str]) -> str:
        """Give a commit of somebody else's on top of the base."""
        return await self.repository.commit_tree(await self.tree(files), self.base, "theirs")

    async def hand_in(self, judge: Judge, verdict: Verdict, summary: str = "") -> VerdictReply:
        return await hand_in(cast("Client", judge), self.lease, verdict, summary, self.checkout)


@pytest.fixture
def bench(tmp_path: Path, committed: Callable[[dict[str, str]], str], new_lease: Callable[..., Lease]) -> Bench:
    return Bench(tmp_path, committed, new_lease)


async def test_accepted_work_is_on_the_branch_with_what_was_said_of_it(bench: Bench) -> None:
    judge = Judge(bench.base)
    tree = await bench.tree({"a.py": "x = 2\n"})

    reply = await bench.hand_in(judge, Verdict(gates=(PASSED,), tree=tree, changed=("a.py",)), "took it out")

    assert reply.outcome == "accepted"
    assert await bench.repository.git("rev-parse", "pw/tree-1", "pw/tree-1^{tree}") == f"{judge.head}\n{tree}"
    said = await bench.repository.git("log", "-1", "--format=%B", "pw/tree-1")
    assert said.strip() == "mend a.py\n\ntook it out\n\nParallel-Workers-Subtask: tree-1.1"


async def test_work_on_an_older_base_is_merged_where_it_does_not_meet_other_work(bench: Bench) -> None:
    theirs = await bench.theirs({"b.py": "y = 2\n"})
    judge = Judge(theirs)
    tree = await bench.tree({"a.py": "x = 2\n"})

    await bench.hand_in(judge, Verdict(gates=(PASSED,), tree=tree, changed=("a.py",)))

    assert await bench.repository.git("show", "pw/tree-1:a.py") == "x = 2"
    assert await bench.repository.git("show", "pw/tree-1:b.py") == "y = 2"
    assert await bench.repository.git("rev-parse", "pw/tree-1^") == theirs
    assert [request.head for request in judge.asked] == [bench.base, theirs]


async def test_work_that_changed_nothing_is_accepted_without_a_commit(bench: Bench) -> None:
    theirs = await bench.theirs({"a.py": "x = 2\n"})
    await bench.repository.advance_branch("pw/tree-1", theirs)
    judge = Judge(theirs)
    tree = await bench.tree({})

    reply = await bench.hand_in(judge, Verdict(gates=(PASSED,), tree=tree))

    assert reply.outcome == "accepted"
    assert (judge.asked[-1].commit, judge.asked[-1].files) == (theirs, ())
    assert await bench.repository.git("rev-parse", "pw/tree-1") == theirs


async def test_a_conflict_is_told_and_moves_nothing(bench: Bench) -> None:
    theirs = await bench.theirs({"a.py": "x = 3\n"})
    judge = Judge(theirs)
    tree = await bench.tree({"a.py": "x = 2\n"})

    reply = await bench.hand_in(judge, Verdict(gates=(PASSED,), tree=tree, changed=("a.py",)))

    assert reply.outcome == "released"
    assert judge.asked[-1].conflicts == ("a.py",)
    assert not await bench.repository.has_branch("pw/tree-1")


async def test_work_that_a_gate_refuses_is_not_merged(bench: Bench) -> None:
    judge = Judge("elsewhere")
    reply = await bench.hand_in(judge, Verdict(gates=(PASSED, FAILED), tree="", changed=()))
    assert reply.outcome == "rejected"
    assert [(request.commit, request.gates) for request in judge.asked] == [("", (PASSED, FAILED))]


async def test_where_there_is_no_git_there_is_no_commit(bench: Bench) -> None:
    judge = Judge("c7")
    reply = await hand_in(cast("Client", judge), bench.lease, Verdict(gates=(PASSED,)), "", None)
    assert reply.outcome == "accepted"
    assert [(request.commit, request.head) for request in judge.asked] == [("", bench.base), ("", "c7")]


async def test_a_branch_that_another_runner_has_moved_on_is_not_moved_back(bench: Bench) -> None:
    first = await bench.theirs({"a.py": "x = 2\n"})
    second = await bench.repository.commit_tree(await bench.tree({"b.py": "y = 2\n"}), first, "later")
    await bench.repository.advance_branch("pw/tree-1", second)
    await bench.repository.advance_branch("pw/tree-1", first)
    assert await bench.repository.git("rev-parse", "pw/tree-1") == second
