"""The gates of an attempt, measured against what the service says that the tree showed before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from api.client.client import Client
from api.runner.checks import Checks, Verdict, looked_at
from api.runner.git import Repository
from api.runner.tool import Tool
from api.schemas import Baseline
from domain.problem import Problem
from domain.readers.reading import read
from domain.scope import TaskScope
from eventstore.clock import SystemClock

#: Finds each line with BAD in the files that it is asked about, or in all, and lists what it was asked about.
SOURCE = """
import sys
from pathlib import Path

paths = [Path(argument) for argument in sys.argv[2:]] or sorted(Path().glob("*.py"))
with open(sys.argv[1], "a") as asked:
    asked.write(" ".join(sorted(path.as_posix() for path in paths)) + "\\n")
for path in paths:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if "BAD" in line:
            print(f"{path.as_posix()}:{number}:1: E1 {line}")
"""

Committed = Callable[[dict[str, str]], str]


class Observations:
    """A service that knows what one commit showed."""

    def __init__(self, commit: str, problems: Sequence[Problem], scope: TaskScope) -> None:
        self._commit = commit
        self._problems = problems
        self._scope = scope
        self.asked: list[tuple[str, ...]] = []

    async def baseline(self, subtask_id: str, *, files: Sequence[str] = ()) -> Baseline:
        self.asked.append(tuple(files))
        wanted = {*self._scope.files, *files}
        return Baseline(commit=self._commit, problems=tuple(one for one in self._problems if one.path in wanted))


class Bench:
    """A repository in which `a.py` and `b.py` have a problem each, and a scope of `a.py`."""

    def __init__(self, folder: Path, committed: Committed) -> None:
        self.tree = folder
        self.asked = folder / ".git" / "asked"
        self.observed = committed({"a.py": "BAD 1\nBAD 2\n", "b.py": "BAD 3\n", "c.py": "fine\n"})
        self._committed = committed
        (folder / ".git" / "tool.py").write_text(SOURCE)

    def looks(self) -> list[str]:
        """List the files of each look of the tool."""
        return self.asked.read_text().splitlines() if self.asked.exists() else []

    async def verdict(
        self,
        work: dict[str, str | Path | None],
        *,
        since: dict[str, str] | None = None,
        scope: TaskScope | None = None,
        scoped: bool = True,
        commands: Sequence[str] = (),
    ) -> Verdict:
        """Judge work on top of what has happened `since` the observation; a path is a link, None no file any more."""
        scope = scope or TaskScope(files=("a.py",), codes=("E1",))
        report = "a.py:1:1: E1 BAD 1\na.py:2:1: E1 BAD 2\nb.py:1:1: E1 BAD 3\n"
        problems = read(report.encode(), format="flake8").problems
        self.service = Observations(self.observed, problems, scope)
        base = self._committed(since) if since is not None else self.observed
        argv = (sys.executable, str(self.tree / ".git" / "tool.py"), str(self.asked))
        checks = Checks(
            client=cast("Client", self.service),
            clock=SystemClock(),
            subtask_id="tree-1.1",
            scope=scope,
            tool=Tool(name="tool", argv=(*argv, "{files}") if scoped else argv, format="flake8"),
            commands=commands,
            prefix="",
            tree=self.tree,
        )
        repository = Repository(self.tree)
        await checks.prepare(repository, base)
        for name, content in work.items():
            file = self.tree / name
            file.unlink(missing_ok=True)
            if isinstance(content, Path):
                file.symlink_to(content)
            elif content is not None:
                file.write_text(content)
        return await checks.evaluate(repository, base)


@pytest.fixture
def bench(tmp_path: Path, committed: Committed) -> Bench:
    return Bench(tmp_path, committed)


async def test_work_that_removes_a_problem_passes(bench: Bench) -> None:
    verdict = await bench.verdict({"a.py": "BAD 1\nfine\n"})
    assert verdict.failed is None
    assert verdict.changed == ("a.py",)
    assert [gate.gate for gate in verdict.gates] == ["scope", "no new problems", "effect"]
    assert bench.looks() == ["a.py"]


async def test_work_outside_its_scope_is_refused_before_anything_is_run(bench: Bench) -> None:
    verdict = await bench.verdict({"b.py": "fine\n"}, commands=["false"])
    assert [gate.gate for gate in verdict.gates] == ["scope"]
    assert bench.looks() == []


@pytest.mark.parametrize("target", ["/etc/hostname", "../elsewhere.py", "up/../../elsewhere.py", "{tree}/c.py"])
async def test_a_link_that_leads_out_of_the_tree_is_refused(bench: Bench, target: str) -> None:
    scope = TaskScope(files=("a.py", "up"), codes=("E1",))
    verdict = await bench.verdict({"up": Path(), "a.py": Path(target.format(tree=bench.tree))}, scope=scope)
    assert verdict.failed is not None
    assert verdict.failed.detail == "became a link that leads out of the tree: a.py"
    assert bench.looks() == []


async def test_a_way_out_through_another_link_is_found(bench: Bench) -> None:
    # By its letters it stays inside: `up` is the root, and what is above `up` is not.
    scope = TaskScope(files=("a.py", "up"), codes=("E1",))
    verdict = await bench.verdict({"up": Path(), "a.py": Path("up/../elsewhere.py")}, scope=scope)
    assert verdict.failed is not None
    assert verdict.failed.detail == "became a link that leads out of the tree: a.py"


async def test_a_link_within_the_tree_is_work_like_any_other(bench: Bench) -> None:
    verdict = await bench.verdict({"a.py": Path("c.py")})
    assert verdict.failed is None


async def test_a_file_that_is_deleted_is_named(bench: Bench) -> None:
    verdict = await bench.verdict({"a.py": None})
    assert verdict.failed is None
    assert verdict.gates[0].detail == "1 file changed; 1 of them deleted: a.py"


async def test_the_users_gates_come_last_and_not_after_one_that_failed(bench: Bench) -> None:
    verdict = await bench.verdict({"a.py": "fine\n"}, commands=["true", "false", "true"])
    assert [(gate.gate, gate.passed) for gate in verdict.gates[3:]] == [("command", True), ("command", False)]


async def test_files_that_have_changed_since_the_observation_are_looked_at_before_the_work(bench: Bench) -> None:
    # Somebody else has brought a problem into the file meanwhile: it is not this worker's.
    verdict = await bench.verdict({"a.py": "BAD 9\n"}, since={"a.py": "BAD 9\nBAD 2\n"})
    assert verdict.failed is None
    assert verdict.gates[1].detail == "2 problems before, 1 after"
    assert bench.looks() == ["a.py", "a.py"]


async def test_what_others_have_removed_meanwhile_is_not_this_workers_merit(bench: Bench) -> None:
    verdict = await bench.verdict({"a.py": "BAD 1\n# touched\n"}, since={"a.py": "BAD 1\n"})
    assert verdict.failed is not None
    assert (verdict.failed.gate, verdict.failed.detail) == ("effect", "0 of 1 problems removed")


async def test_where_others_have_removed_all_meanwhile_nothing_needs_to_be_changed(bench: Bench) -> None:
    verdict = await bench.verdict({}, since={"a.py": "fine\n"})
    assert verdict.failed is None
    assert (verdict.changed, verdict.gates[-1].detail) == ((), "others had removed its problems")


async def test_a_change_where_others_have_removed_all_has_no_effect(bench: Bench) -> None:
    verdict = await bench.verdict({"a.py": "fine\n# touched\n"}, since={"a.py": "fine\n"})
    assert verdict.failed is not None
    assert verdict.failed.detail == "0 of 0 problems removed"


async def test_who_changes_nothing_while_some_of_its_problems_are_there_has_done_nothing(bench: Bench) -> None:
    verdict = await bench.verdict({}, since={"a.py": "BAD 1\n"})
    assert verdict.failed is not None
    assert verdict.failed.detail == "no file was changed"


async def test_who_was_to_remove_what_no_look_has_shown_has_not_found_it_gone(bench: Bench) -> None:
    scope = TaskScope(files=("a.py",), codes=("E2",))
    verdict = await bench.verdict({}, since={"a.py": "fine\n"}, scope=scope)
    assert verdict.failed is not None
    assert verdict.failed.detail == "no file was changed"


async def test_files_of_others_that_have_changed_are_not_looked_at(bench: Bench) -> None:
    await bench.verdict({"a.py": "fine\n"}, since={"b.py": "fine\n"})
    assert bench.looks() == ["a.py"]


async def test_what_a_file_outside_the_list_showed_is_asked_once_it_is_changed(bench: Bench) -> None:
    scope = TaskScope(files=("a.py",), codes=("E1",), included_files=("*.py",))
    verdict = await bench.verdict({"a.py": "fine\n", "b.py": "BAD 3\n# touched\n"}, scope=scope)
    assert verdict.failed is None
    assert bench.service.asked == [(), ("b.py",)]


async def test_a_tool_that_looks_at_everything_is_held_against_all_that_was_seen(bench: Bench) -> None:
    scope = TaskScope(files=("a.py", "b.py"), codes=("E1",))
    verdict = await bench.verdict({"a.py": "fine\n"}, scope=scope, scoped=False)
    assert verdict.gates[1].detail == "3 problems before, 1 after"
    assert bench.looks() == ["a.py b.py c.py"]


def test_a_tool_looks_at_the_scope_and_at_changed_files_of_its_kinds() -> None:
    scope = TaskScope(files=("b.py", "a.py"), codes=())
    assert looked_at(scope, ["c.py", "notes.txt", "a.py"]) == ("a.py", "b.py", "c.py")
