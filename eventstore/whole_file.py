"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written, which takes the place of the one that is there when the block has ended well.

    A link is followed, and a file keeps its owner and permissions. What is no regular file (a pipe, a device) cannot
    be replaced without breaking it, and is written into.
    """
    there = _status(path)
    if there is not None and not stat.S_ISREG(there.st_mode):
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    # In the same folder, so that it can be renamed; a folder, so that the draft gets the usual permissions.
    with _folder_beside(target, path) as folder:
        draft = Path(folder) / target.name
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if there is not None:
            with suppress(PermissionError):
                os.chown(draft, there.st_uid, there.st_gid)
            shutil.copymode(target, draft)
        draft.replace(target)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _folder_beside(target: Path, asked: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        # Whoever reads it knows the file that he has asked for, and no draft.
        raise OSError(error.errno, error.strerror, str(asked)) from error
