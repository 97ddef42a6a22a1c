"""Changes to the files of a repository that are shown before they are made."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import msgspec

from domain.errors import UsageError

Change = Callable[[str], str]
"""A file's text -> the text that it is to have; the empty text stands for a file that is missing."""


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds, and what it is to hold. Where all lines end in CR LF on disk, they end in LF here."""

    root: Path
    #: Relative to the root, with slashes.
    path: str
    #: None where there is no file.
    before: str | None
    after: str

    def diff(self) -> str:
        """Show the change as a unified diff."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            fromfile="/dev/null" if self.before is None else f"a/{self.path}",
            tofile=f"b/{self.path}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)

    def make(self) -> None:
        """Write the file; raises `UsageError` where it has changed since."""
        file = self.root / self.path
        present, line_end = _read(file)
        if present != self.before:
            raise UsageError(f"{self.path} has changed meanwhile: run it again")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.after, encoding="utf-8", newline=line_end)


def edit_for(root: Path, path: str, change: Change) -> Edit | None:
    """Work out what a change does to a file, without making it; None where it does nothing.

    Raises `UsageError`, with the file's name, where the change cannot be made without harm.
    """
    before, _ = _read(root / path)
    try:
        after = change(before or "")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return None if after == (before or "") else Edit(root=root, path=path, before=before, after=after)


def _read(file: Path) -> tuple[str | None, str]:
    """Give a file's text, and what its lines end in."""
    if not file.exists():
        return None, "\n"
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: it is not text in UTF-8") from error
    if "\n" not in text or text.count("\r\n") < text.count("\n"):
        # Lines that end in both ways stay as they are.
        return text, "\n"
    return text.replace("\r\n", "\n"), "\r\n"
