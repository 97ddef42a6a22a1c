"""Where the data of this machine's user lives, and how its folders are made.

Root gets a folder of its own outside root's home: the embedded Postgres must not run as root, and no other
account can enter that home.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from domain.errors import LedgerError

_APPLICATION = "parallel-workers"
_ROOT_FOLDER = Path("/var/lib/parallel-workers")


def data_folder() -> Path:
    """Return the folder of this user's ledger, made when it is missing.

    `PW_DATA_DIR` decides where it is set; else root has `/var/lib/parallel-workers` and everybody else the
    platform's own place. Raises `LedgerError` when it cannot be made.
    """
    chosen = os.environ.get("PW_DATA_DIR")
    if chosen:
        return make_folder(Path(chosen).expanduser().absolute())
    if os.geteuid() == 0:
        return make_folder(_ROOT_FOLDER)
    return make_folder(platformdirs.user_data_path(_APPLICATION, appauthor=False))


def make_folder(folder: Path) -> Path:
    """Make `folder` and its missing parents, and return it; what exists keeps its mode.

    What root makes can be entered by all, so that the server's own account can reach its cluster below; what
    anybody else makes is private. Raises `LedgerError` with the reason.
    """
    # chmod, because mkdir's own mode is cut by the umask.
    mode = 0o755 if os.geteuid() == 0 else 0o700
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        if not folder.is_dir():
            raise NotADirectoryError(None, "not a folder")
    except OSError as error:
        raise LedgerError(
            f"cannot use {folder} as data folder: {error.strerror}; choose another with PW_DATA_DIR"
        ) from error
    return folder
