"""Signs that a worker gets on, for one that does not say so itself: what it prints, and the files that it changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain import events as e

_Stamp = tuple[int, int]


class Signs:
    """What can be seen of a worker from outside."""

    def __init__(self, tree: Path, files: Sequence[str], output: Path) -> None:
        self._paths = [tree / name for name in files]
        self._output = output
        self._before = [_stamp(path) for path in self._paths]
        self._last = self._seen()

    def progress(self, status: str) -> e.Progress | None:
        """Say how many files it has changed, where anything has happened since the last look; else None."""
        seen = self._seen()
        if seen == self._last:
            return None
        self._last = seen
        changed = sum(now != before for now, before in zip(seen[1:], self._before, strict=True))
        return e.Progress(completed=changed, total=len(self._paths), status=status)

    def _seen(self) -> list[_Stamp]:
        return [_stamp(self._output), *(_stamp(path) for path in self._paths)]


def _stamp(path: Path) -> _Stamp:
    """Give what changes when a file does; nothing for one that is not there."""
    try:
        found = path.lstat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
