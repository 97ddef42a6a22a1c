"""What a run asks of git: worktrees, commits without hooks, and merges without a checkout.

The user's own checkout is only read. Commits are made with `commit-tree` and merged with `merge-tree`, which
work on objects alone, so that neither a hook nor the index of anybody is involved.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.runner.process import Outcome, run_command
from domain.errors import RepositoryError, ToolError

_GIT_MIN = (2, 38)
_LINK_MODE = "120000"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Parallel Workers",
    "GIT_AUTHOR_EMAIL": "parallel-workers@localhost",
    "GIT_COMMITTER_NAME": "Parallel Workers",
    "GIT_COMMITTER_EMAIL": "parallel-workers@localhost",
}


#: Lets its holder speak for every worker of the runner: nothing that the runner starts is to have it.
API_KEY = "PW_API_KEY"


def environment_without_git() -> dict[str, str]:
    """Give this process's environment without what binds git to one repository (as inside a hook), nor our key."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != API_KEY}


def readable(path: bytes) -> str:
    """Decode a path for people and for the ledger, which keep no bytes that are not UTF-8."""
    return path.decode(errors="replace")


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a merge: a tree, or the paths that stand in its way."""

    tree: str
    conflicts: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A path that differs between two trees."""

    #: As the file system has it.
    name: str
    is_deleted: bool
    #: The object that holds where it leads, where it is a symbolic link now.
    link: str = ""

    @property
    def path(self) -> str:
        """The name as it is told."""
        return readable(os.fsencode(self.name))


def _leads_out(tree: Path, name: str, target: Path) -> bool:
    # A full path into the tree leads out, too: the tree goes, and the link stays.
    leads_to = Path(os.path.realpath((tree / name).parent / target))
    return target.is_absolute() or not leads_to.is_relative_to(tree.resolve())


class Repository:
    """A git checkout at `root`, the user's or a worktree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # A worktree that has lost its `.git` must not be taken for a folder of the repository around it.
        self._bounds = {"GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
        # `git worktree` keeps its list in plain files and does not guard them against itself.
        self._worktrees = asyncio.Lock()

    @classmethod
    async def containing(cls, path: Path) -> tuple[Repository, str]:
        """Find the repository around a folder, and the folder's path inside it (empty for the root).

        Raises `RepositoryError` where there is none, or git is missing or too old.
        """
        try:
            version = (await run_command(["git", "--version"], cwd=path)).stdout.decode()
        except ToolError as error:
            raise RepositoryError(f"git cannot be run in {path}: {error}") from error
        found = re.search(r"(\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) < _GIT_MIN:
            raise RepositoryError(f"{version.strip()} is too old: 2.38 or later is needed (git merge-tree)")
        probe = cls(path)
        probe._bounds = {}
        outcome = await probe._run(["rev-parse", "--show-toplevel", "--show-prefix"])
        if outcome.exit_code:
            raise RepositoryError(f"{path} is not inside a git checkout: {outcome.last_line()}")
        top, _, prefix = os.fsdecode(outcome.stdout).partition("\n")
        return cls(Path(top)), prefix.rstrip("\n").rstrip("/")

    async def head(self) -> str:
        """Give the commit that is checked out; raises `RepositoryError` where there is no commit yet."""
        outcome = await self._run(["rev-parse", "--verify", "-q", "HEAD^{commit}"])
        if outcome.exit_code:
            raise RepositoryError(f"{self.root} has no commit yet: make one first")
        return outcome.stdout.decode().strip()

    async def uncommitted(self) -> tuple[list[str], int]:
        """List the tracked files that differ from the last commit, and count the untracked ones."""
        lines = (await self.git("status", "--porcelain", "--untracked-files=normal")).splitlines()
        changed = [line[3:] for line in lines if not line.startswith("??")]
        return changed, len(lines) - len(changed)

    # --- worktrees ---

    async def add_worktree(self, path: Path, commit: str) -> None:
        """Make a worktree without a branch."""
        async with self._worktrees:
            await self.git("worktree", "add", "--detach", "--force", "--no-checkout", "-q", str(path), commit)
        # The files take most of the time, and for them nobody has to wait in line.
        await Repository(path).git("reset", "-q", "--hard")

    async def remove_worktree(self, path: Path) -> None:
        """Remove a worktree and all in it; one that is gone already is no error."""
        async with self._worktrees:
            # The folder first: git forgets a worktree that is gone, but not one that somebody has broken.
            await asyncio.to_thread(shutil.rmtree, path, True)  # noqa: FBT003
            await self._run(["worktree", "remove", "--force", "--force", str(path)])

    async def reset_worktree(self, path: Path, commit: str) -> None:
        """Bring a worktree to a commit. Ignored files stay: build caches are what makes the next check fast."""
        worktree = Repository(path)
        # Detached first: a worker may have checked out a branch of the user's, and a reset would move that.
        await worktree.git("checkout", "-q", "-f", "--detach", commit)
        await worktree.git("reset", "-q", "--hard", commit)
        # Twice forced: also a repository that a worker has made in it.
        await worktree.git("clean", "-ffdq")

    async def snapshot(self, path: Path) -> str:
        """Give the tree of all that a worktree holds now, committed or not, but not what is ignored."""
        worktree = Repository(path)
        await worktree.git("add", "-A")
        return await worktree.git("write-tree")

    # --- objects ---

    async def changes(self, old: str, new: str) -> list[Change]:
        """List what differs between two trees or commits."""
        listed = await self.git("diff-tree", "-r", "-z", "--no-renames", "--raw", old, new)
        # `:OLD_MODE NEW_MODE OLD_OBJECT NEW_OBJECT STATUS`, then the path.
        parts = iter(listed.removesuffix("\0").split("\0") if listed else ())
        found: list[Change] = []
        for facts, name in zip(parts, parts, strict=True):
            _, mode, _, made, status = facts.split(" ")
            found.append(Change(name=name, is_deleted=status == "D", link=made if mode == _LINK_MODE else ""))
        return found

    async def changed_files(self, old: str, new: str) -> list[str]:
        """List the paths that differ between two trees or commits."""
        return [change.path for change in await self.changes(old, new)]

    async def leads_out(self, link: Change, tree: Path) -> bool:
        """Tell whether a link leads out of the tree that lies at `tree`, itself or through others on its way."""
        return _leads_out(tree, link.name, Path(await self.git("cat-file", "blob", link.link)))

    async def files(self, commit: str) -> frozenset[str]:
        """List the paths that a commit holds."""
        listed = await self.git("ls-tree", "-r", "-z", "--name-only", commit)
        return frozenset(path for path in listed.split("\0") if path)

    async def commit_tree(self, tree: str, parent: str, message: str) -> str:
        """Make a commit object; no hook runs and no branch moves."""
        outcome = await self._run(["commit-tree", tree, "-p", parent, "-F", "-"], stdin=message.encode())
        if outcome.exit_code:
            raise RepositoryError(f"git commit-tree failed: {outcome.last_line()}")
        return outcome.stdout.decode().strip()

    async def merge(self, head: str, work: str) -> Merged:
        """Merge two commits into a tree, without any checkout."""
        outcome = await self._run(["merge-tree", "--write-tree", "--name-only", "-z", "--no-messages", head, work])
        if outcome.exit_code not in (0, 1):
            raise RepositoryError(f"git merge-tree failed: {outcome.last_line()}")
        tree, *conflicts = [readable(part) for part in outcome.stdout.split(b"\0") if part]
        return Merged(tree=tree, conflicts=tuple(conflicts) if outcome.exit_code else ())

    async def has_branch(self, branch: str) -> bool:
        """Tell whether there is a branch of that name."""
        return not (await self._run(["rev-parse", "--verify", "-q", f"refs/heads/{branch}"])).exit_code

    async def set_branch(self, branch: str, commit: str) -> None:
        """Point a branch at a commit."""
        await self.git("update-ref", f"refs/heads/{branch}", commit)

    async def advance_branch(self, branch: str, commit: str) -> None:
        """Point a branch at a commit, unless it is further already: another runner may have been faster."""
        reference = f"refs/heads/{branch}"
        while True:
            found = await self._run(["rev-parse", "--verify", "-q", reference])
            present = found.stdout.decode().strip() if not found.exit_code else ""
            if present and not (await self._run(["merge-base", "--is-ancestor", commit, present])).exit_code:
                return
            # Only from where it was seen; forty zeros, that is nowhere.
            moved = await self._run(["update-ref", reference, commit, present or "0" * len(commit)])
            if not moved.exit_code:
                return
            again = await self._run(["rev-parse", "--verify", "-q", reference])
            if again.stdout.decode().strip() == present:
                raise RepositoryError(f"git update-ref {branch} failed: {moved.last_line()}")

    async def fast_forward(self, branch: str) -> None:
        """Bring the user's checkout to a branch that continues it; refuses everything else."""
        outcome = await self._run(["merge", "--ff-only", "-q", branch])
        if outcome.exit_code:
            raise RepositoryError(
                f"{branch} could not be applied to {self.root}: {outcome.last_line()}; "
                f"the work is on the branch: git merge {branch}"
            )

    async def git(self, *arguments: str) -> str:
        """Run git and give what it prints, without the last line break; raises `RepositoryError`."""
        outcome = await self._run(list(arguments))
        if outcome.exit_code:
            raise RepositoryError(f"git {arguments[0]} failed: {outcome.last_line()}")
        return os.fsdecode(outcome.stdout).rstrip("\n")

    async def _run(self, arguments: Sequence[str], stdin: bytes | None = None) -> Outcome:
        # Hooks belong to the user's own commits; a background gc would fight with the workers for the disk.
        settings = ("core.hooksPath=/dev/null", "gc.auto=0", "core.quotePath=false", "submodule.recurse=false")
        options = [word for setting in settings for word in ("-c", setting)]
        environment = environment_without_git() | _IDENTITY | self._bounds
        environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        return await run_command(["git", *options, *arguments], cwd=self.root, env=environment, stdin=stdin)
