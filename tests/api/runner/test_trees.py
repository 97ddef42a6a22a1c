from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.runner.trees import OneTree, Trees
from domain.errors import RepositoryError, UsageError

Committed = Callable[[dict[str, str]], str]


async def test_a_worker_finds_the_commit_and_what_was_ignored_the_last_time(
    tmp_path: Path, committed: Committed
) -> None:
    first = committed({"a.py": "1", ".gitignore": "/cache\n/runs\n"})
    second = committed({"a.py": "2"})
    trees = Trees(tmp_path / "runs")
    tree = await trees.take("w1", "task", str(tmp_path), first)
    (tree.path / "cache").write_text("kept")
    (tree.path / "stray.py").write_text("stray")
    again = await trees.take("w1", "task", str(tmp_path), second)
    assert (again.path, (again.path / "a.py").read_text()) == (tree.path, "2")
    assert sorted(path.name for path in again.path.iterdir()) == [".git", ".gitignore", "a.py", "cache"]


async def test_a_worker_that_goes_on_to_another_task_leaves_no_tree_behind(
    tmp_path: Path, committed: Committed
) -> None:
    base = committed({"a.py": "1"})
    trees = Trees(tmp_path / "runs")
    first = await trees.take("w1", "one", str(tmp_path), base)
    look = await trees.take("w1-look", "one", str(tmp_path), base, alone=False)
    await trees.take("w1", "two", str(tmp_path), base)
    assert not first.path.exists()
    assert look.path.exists()
    await trees.clear()
    assert not look.path.exists()


async def test_a_worktree_that_a_killed_run_left_is_made_again(tmp_path: Path, committed: Committed) -> None:
    base = committed({"a.py": "1"})
    left = await Trees(tmp_path / "runs").take("w1", "task", str(tmp_path), base)
    (left.path / "a.py").write_text("half")
    (left.path / ".git").unlink()
    tree = await Trees(tmp_path / "runs").take("w1", "task", str(tmp_path), base)
    assert (tree.path / "a.py").read_text() == "1"


async def test_a_worktree_that_a_worker_has_broken_is_made_again(tmp_path: Path, committed: Committed) -> None:
    base = committed({"a.py": "1"})
    trees = Trees(tmp_path / "runs")
    broken = await trees.take("w1", "task", str(tmp_path), base)
    (broken.path / ".git").unlink()
    tree = await trees.take("w1", "task", str(tmp_path), base)
    assert (tree.path / "a.py").read_text() == "1"
    assert (tree.path / ".git").exists()


async def test_what_could_not_be_made_is_removed_in_the_end(tmp_path: Path, committed: Committed) -> None:
    committed({"a.py": "1"})
    trees = Trees(tmp_path / "runs")
    in_the_way = tmp_path / "runs" / "task" / "w1"
    with pytest.raises(RepositoryError, match="git worktree failed"):
        await trees.take("w1", "task", str(tmp_path), "0" * 40)
    in_the_way.mkdir(parents=True)
    await trees.clear()
    assert not in_the_way.exists()


async def test_the_tree_is_where_the_user_says_whatever_the_task_says(tmp_path: Path, committed: Committed) -> None:
    base = committed({"a.py": "1"})
    trees = Trees(tmp_path / "runs", repository=tmp_path)
    tree = await trees.take("w1", "task", "/elsewhere", base)
    assert (tree.path / "a.py").read_text() == "1"


@pytest.mark.parametrize(("repository", "said"), [("", "does not say where its tree is"), ("/nowhere", "no tree at")])
async def test_a_tree_that_is_not_here_is_said_to_be_missing(tmp_path: Path, repository: str, said: str) -> None:
    with pytest.raises(RepositoryError, match=said):
        await Trees(tmp_path).take("w1", "task", repository, "c0")


async def test_a_folder_that_is_no_checkout_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("mine")
    trees = await OneTree.at(tmp_path)
    tree = await trees.take("w1", "task", "", "c0")
    await trees.clear()
    assert (tree.path, tree.checkout, (tmp_path / "a.py").read_text()) == (tmp_path, None, "mine")


async def test_a_checkout_of_its_own_is_at_the_commit_that_the_work_starts_from(
    tmp_path: Path, committed: Committed
) -> None:
    first = committed({"a.py": "1"})
    committed({"a.py": "2"})
    trees = await OneTree.at(tmp_path)
    tree = await trees.take("w1", "task", "", first)
    assert (tree.path / "a.py").read_text() == "1"


async def test_a_checkout_with_changes_is_refused(tmp_path: Path, committed: Committed) -> None:
    committed({"a.py": "1"})
    (tmp_path / "new.py").write_text("mine")
    with pytest.raises(UsageError, match="has changes that are not committed"):
        await OneTree.at(tmp_path)


async def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        await OneTree.at(tmp_path / "nowhere")
