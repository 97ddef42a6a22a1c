"""Where work is done: a git worktree for each worker, or the one folder that the user named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from api.runner.git import Repository
from domain.errors import RepositoryError, ToolError, UsageError


class Checkout:
    """A repository, and what those who work on it here share."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        #: Merges go one at a time: each continues the one before.
        self.merging = asyncio.Lock()
        #: By task the last head that is known; the service may know a later one.
        self.heads: dict[str, str] = {}


class WorkTree(msgspec.Struct, frozen=True, kw_only=True):
    """A folder to work in."""

    path: Path
    #: None where there is no git: then nothing is merged.
    checkout: Checkout | None


class Trees:
    """The trees of a runner. Everybody who works gets one, at the commit that the work starts from."""

    def __init__(self, folder: Path, *, repository: Path | None = None) -> None:
        """Keep worktrees below `folder`; `repository` is where the tree is, whatever a task says."""
        self._folder = folder
        self._given = repository
        self._checkouts: dict[Path, Checkout] = {}
        self._made: dict[Path, Checkout] = {}

    async def take(self, name: str, task_id: str, repository: str, commit: str, *, alone: bool = True) -> WorkTree:
        """Give the tree of that name at a commit; ignored files of its last use for the same task stay.

        `alone` means that whoever has the name is done with its trees of other tasks. Raises `RepositoryError` where
        there is no such repository here.
        """
        checkout = await self._checkout(repository)
        path = self._folder / task_id / name
        if alone:
            for other in [other for other in self._made if other.name == name and other != path]:
                await self._remove(other)
        known = self._made.get(path) is checkout
        # From now on, so that what is made by half is removed as well.
        self._made[path] = checkout
        if not known or not await _could_reset(checkout.repository, path, commit):
            # What a killed run left behind is not to be trusted, and what a worker has broken may not be mended.
            await checkout.repository.remove_worktree(path)
            await checkout.repository.add_worktree(path, commit)
        return WorkTree(path=path, checkout=checkout)

    async def clear(self) -> None:
        """Remove all that was made here."""
        for path in list(self._made):
            await self._remove(path)

    async def _remove(self, path: Path) -> None:
        await self._made.pop(path).repository.remove_worktree(path)

    async def _checkout(self, named: str) -> Checkout:
        root = self._given or Path(named)
        if not named and self._given is None:
            raise RepositoryError("the task does not say where its tree is: give --repository or --dir")
        if not root.is_dir():
            raise RepositoryError(f"there is no tree at {root} here: give --repository or --dir")
        if root not in self._checkouts:
            found, _ = await Repository.containing(root)
            self._checkouts[root] = self._checkouts.setdefault(found.root, Checkout(found))
        return self._checkouts[root]


class OneTree(Trees):
    """A folder of the user's in which all work is done, by one worker at a time."""

    def __init__(self, path: Path, checkout: Checkout | None) -> None:
        super().__init__(path)
        self._tree = WorkTree(path=path, checkout=checkout)

    @classmethod
    async def at(cls, path: Path) -> OneTree:
        """Take a folder by its absolute path.

        A git checkout of its own is reset for each subtask, so it must have nothing that is not committed. Raises
        `UsageError` where it has, or is no folder.
        """
        if not _is_checkout(path):
            return cls(path, None)
        repository, _ = await Repository.containing(path)
        changed, untracked = await repository.uncommitted()
        if changed or untracked:
            raise UsageError(f"{path} has changes that are not committed: each subtask starts from a clean tree")
        return cls(path, Checkout(repository))

    async def take(self, name: str, task_id: str, repository: str, commit: str, *, alone: bool = True) -> WorkTree:  # noqa: ARG002
        """Give the folder, at a commit where it is a git checkout."""
        if self._tree.checkout is not None:
            await self._tree.checkout.repository.reset_worktree(self._tree.path, commit)
        return self._tree

    async def clear(self) -> None:
        """Leave the folder as it is: it is the user's."""


async def _could_reset(repository: Repository, path: Path, commit: str) -> bool:
    try:
        await repository.reset_worktree(path, commit)
    except (RepositoryError, ToolError):
        return False
    return True


def _is_checkout(path: Path) -> bool:
    if not path.is_dir():
        raise UsageError(f"{path} is no folder")
    return (path / ".git").exists()
