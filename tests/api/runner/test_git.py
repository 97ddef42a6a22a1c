from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.runner.git import Repository
from domain.errors import RepositoryError


async def _commit(repository: Repository, parent: str, changes: dict[str, str | None], folder: Path) -> str:
    """Make a commit through a worktree, as a worker's change comes about."""
    await repository.add_worktree(folder, parent)
    for name, content in changes.items():
        path = folder / name
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
    tree = await repository.snapshot(folder)
    await repository.remove_worktree(folder)
    return await repository.commit_tree(tree, parent, "work")


async def test_a_repository_is_found_from_a_folder_inside_it(repository: Path) -> None:
    found, prefix = await Repository.containing(repository / "pkg")
    assert (found.root, prefix) == (repository, "pkg")


async def test_the_root_has_no_prefix(repository: Path) -> None:
    assert (await Repository.containing(repository))[1] == ""


async def test_a_folder_outside_any_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="is not inside a git checkout"):
        await Repository.containing(tmp_path)


async def test_a_repository_without_a_commit_has_no_head(tmp_path: Path, run_git) -> None:
    run_git(tmp_path, "init", "-q")
    with pytest.raises(RepositoryError, match="has no commit yet"):
        await Repository(tmp_path).head()


async def test_uncommitted_and_untracked_files_are_told_apart(repository: Path) -> None:
    (repository / "pkg" / "m01.py").write_text("")
    (repository / "notes.txt").write_text("")
    assert await Repository(repository).uncommitted() == (["pkg/m01.py"], 1)


async def test_the_variables_of_a_hook_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert (await Repository.containing(repository))[0].root == repository


async def test_a_worktree_holds_the_commit_and_is_gone_when_removed(
    repository: Path, tmp_path: Path, run_git
) -> None:
    git, worktree = Repository(repository), tmp_path / "w1"
    await git.add_worktree(worktree, await git.head())
    assert (worktree / "pkg" / "m01.py").exists()
    await git.remove_worktree(worktree)
    assert not worktree.exists()
    assert run_git(repository, "worktree", "list", "--porcelain").count("worktree ") == 1


async def test_removing_a_worktree_that_is_gone_is_no_error(repository: Path, tmp_path: Path) -> None:
    await Repository(repository).remove_worktree(tmp_path / "w1")


async def test_a_reset_undoes_everything_but_ignored_files(repository: Path, tmp_path: Path, run_git) -> None:
    git, worktree = Repository(repository), tmp_path / "w1"
    head = await git.head()
    await git.add_worktree(worktree, head)
    (repository / ".git" / "info" / "exclude").write_text("cache\n")
    for name in ("cache", "new.py", "pkg/m01.py"):
        (worktree / name).write_text("changed")
    run_git(worktree, "commit", "-q", "-a", "-m", "own")
    await git.reset_worktree(worktree, head)
    assert run_git(worktree, "status", "--porcelain", "--ignored") == "!! cache"
    assert run_git(worktree, "rev-parse", "HEAD") == head


async def test_a_reset_moves_no_branch_that_was_checked_out(
    repository: Path, tmp_path: Path, run_git: Callable[..., str]
) -> None:
    git, worktree = Repository(repository), tmp_path / "w1"
    head = await git.head()
    precious = run_git(repository, "commit-tree", f"{head}^{{tree}}", "-p", head, "-m", "precious")
    run_git(repository, "branch", "feature", precious)
    await git.add_worktree(worktree, head)
    run_git(worktree, "checkout", "-q", "feature")
    await git.reset_worktree(worktree, head)
    assert run_git(worktree, "rev-parse", "HEAD") == head
    assert run_git(repository, "rev-parse", "feature") == precious


async def test_a_reset_removes_a_repository_inside_the_worktree(
    repository: Path, tmp_path: Path, run_git: Callable[..., str]
) -> None:
    git, worktree = Repository(repository), tmp_path / "w1"
    head = await git.head()
    await git.add_worktree(worktree, head)
    run_git(worktree, "init", "-q", "sub")
    (worktree / "sub" / "x").touch()
    await git.reset_worktree(worktree, head)
    assert not (worktree / "sub").exists()


async def test_a_worktree_without_its_link_is_not_taken_for_the_repository_around_it(repository: Path) -> None:
    git, worktree = Repository(repository), repository / "data" / "w1"
    head = await git.head()
    await git.add_worktree(worktree, head)
    (worktree / ".git").unlink()
    (repository / "notes.txt").touch()
    with pytest.raises(RepositoryError, match="not a git repository"):
        await git.reset_worktree(worktree, head)
    assert (repository / "notes.txt").exists()


async def test_a_worktree_of_the_users_that_is_away_is_not_forgotten(
    repository: Path, tmp_path: Path, run_git: Callable[..., str]
) -> None:
    git, disk, away = Repository(repository), tmp_path / "disk", tmp_path / "away"
    run_git(repository, "worktree", "add", "-q", "-b", "other", str(disk))
    disk.rename(away)
    await git.add_worktree(tmp_path / "w1", await git.head())
    await git.remove_worktree(tmp_path / "w1")
    away.rename(disk)
    assert run_git(disk, "status", "--porcelain") == ""


async def test_a_snapshot_takes_new_changed_and_deleted_files(repository: Path, tmp_path: Path) -> None:
    git, worktree = Repository(repository), tmp_path / "w1"
    head = await git.head()
    await git.add_worktree(worktree, head)
    (worktree / "new é\n.py").write_text("")
    (worktree / "pkg" / "m01.py").write_text("")
    (worktree / "pkg" / "m02.py").unlink()
    tree = await git.snapshot(worktree)
    assert await git.changed_files(head, tree) == ["new é\n.py", "pkg/m01.py", "pkg/m02.py"]


async def test_changes_of_different_files_merge(repository: Path, tmp_path: Path) -> None:
    git = Repository(repository)
    base = await git.head()
    ours = await _commit(git, base, {"pkg/m01.py": "ours\n"}, tmp_path / "w1")
    theirs = await _commit(git, base, {"pkg/m02.py": "theirs\n"}, tmp_path / "w2")
    merged = await git.merge(ours, theirs)
    assert merged.conflicts == ()
    assert await git.changed_files(base, merged.tree) == ["pkg/m01.py", "pkg/m02.py"]


@pytest.mark.parametrize(("ours", "theirs"), [("ours\n", "theirs\n"), (None, "theirs\n")])
async def test_changes_of_the_same_lines_conflict(
    repository: Path, tmp_path: Path, ours: str | None, theirs: str
) -> None:
    git = Repository(repository)
    base = await git.head()
    one = await _commit(git, base, {"pkg/m01.py": ours}, tmp_path / "w1")
    other = await _commit(git, base, {"pkg/m01.py": theirs}, tmp_path / "w2")
    assert (await git.merge(one, other)).conflicts == ("pkg/m01.py",)


async def test_commits_run_no_hook(repository: Path, tmp_path: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    git = Repository(repository)
    await git.add_worktree(tmp_path / "w1", await git.head())
    await git.remove_worktree(tmp_path / "w1")


async def test_an_error_of_git_is_one_line(repository: Path) -> None:
    with pytest.raises(RepositoryError, match=r"\Agit update-ref failed: fatal: [^\n]*\Z"):
        await Repository(repository).set_branch("pw/task", "no-such-commit")


async def test_a_branch_that_has_gone_another_way_is_not_applied(repository: Path, tmp_path: Path, run_git) -> None:
    git = Repository(repository)
    base = await git.head()
    await git.set_branch("pw/task", await _commit(git, base, {"pkg/m01.py": "work\n"}, tmp_path / "w1"))
    run_git(repository, "commit", "-q", "--allow-empty", "-m", "other")
    with pytest.raises(RepositoryError, match="git merge pw/task"):
        await git.fast_forward("pw/task")
