"""A Postgres server of our own in the data folder, shared by all who use the folder, stopped by the last one.

Layout of the data folder: `cluster/` (the database), `postgres.log`, `socket/` (mode 0700: whoever can enter
it is trusted), `users.lock`, `control.lock`, and, where root cannot hand out the wheel's programs in place,
`postgres-<version>/`.

The protocol has two `flock` files and no list of processes, because a list goes stale on kill -9 and a lock
does not:

- `users.lock` is held shared by every process for as long as it uses the server. The kernel drops it at any
  end of the process. Descriptors are close-on-exec, so a program started by a user does not count as one; a
  plain `fork` does.
- `control.lock` is held exclusively for every look-and-act: join and start, leave and stop. A process joins
  (`users` shared) only under `control`, so "nobody else holds `users`" stays true while `control` is held.

On leaving, a process that gets `users` exclusively without waiting is the last one and stops the server. What
survives:

- kill -9 of a user, or of all of them: the server runs on; the next user finds it and, being the last, stops
  it.
- kill -9 of the server, or a power cut: `postmaster.pid` is stale; the next user starts it anew, and Postgres
  recovers from its log. Where another program has meanwhile got that process id (usual in containers),
  Postgres would take it for a server and refuse; the file is removed when the process works in another folder
  than the cluster.
- kill -9 during the first start: `initdb` works in a scratch folder that gets its name only when it is
  complete.
- Ctrl-C: `pg_ctl` puts the server in a session of its own, so the terminal's signal does not reach it.

Outside the data folder two things may be made: the account `parallel-workers` for root's server, because
Postgres refuses to run as root, and a socket folder below the temporary one while the server runs, where the
data folder's name is too long for a socket. No mode of an existing folder is touched.

POSIX only (`fcntl`, Unix sockets). A data folder on NFS works as far as its `flock` does. Postgres itself cannot
run from a folder with `"`, `$` or a backtick in its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import msgspec
import psycopg

from domain.errors import LedgerError
from eventstore.postgres.folders import make_folder
from eventstore.postgres.programs import ACCOUNT_NAME, Account, Programs, find_account, find_programs, last_words

_DATABASE = "pw"
_CLUSTER = "cluster"
_LOG = "postgres.log"
_LOG_BYTES_MAX = 8 * 1024 * 1024
_PORT = 5432
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
# sockaddr_un holds 104 bytes on macOS and 108 on Linux, the closing NUL among them.
_SOCKET_PATH_BYTES_MAX = 103
# Recovery after a power cut takes its time; pg_ctl returns as soon as the server is ready or gone.
_START_SECONDS_MAX = 300
_STOP_SECONDS_MAX = 60
# For a server that another process has started or killed.
_ANSWER_SECONDS_MAX = 60
_POLL_SECONDS = 0.05
_INITDB_OPTIONS = (
    *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"),
    *("--data-checksums", "--no-instructions"),
)
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "128MB",
}


@contextmanager
def embedded_server(data_folder: Path) -> Iterator[str]:
    """Share the server of `data_folder` while the block runs, and yield the libpq URL of its database `pw`.

    Creates the cluster, the database and the folder on first use; starts the server when it does not run;
    stops it on leaving when nobody else uses it. Blocks while another process starts or stops it. Raises
    `LedgerError`, in one line, when there is no Postgres to start, when the cluster is of another major
    version, or when the server will not start.
    """
    folder = make_folder(data_folder).resolve()
    server: _Server | None = None
    with _lock_file(folder / "users.lock") as users:
        try:
            with _controlled(folder):
                fcntl.flock(users, fcntl.LOCK_SH)
                server = _find_server(folder)
                url = server.ensure_running()
            yield url
        finally:
            if server is not None:
                with _controlled(folder):
                    if _is_last(users):
                        server.stop()


@contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    try:
        # Private, because a lock that a stranger takes would keep the server up.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"cannot open {path}: {error.strerror}; is it another user's?") from error
    try:
        yield descriptor
    finally:
        # Closing the file drops its lock.
        os.close(descriptor)


@contextmanager
def _controlled(folder: Path) -> Iterator[None]:
    with _lock_file(folder / "control.lock") as control:
        fcntl.flock(control, fcntl.LOCK_EX)
        yield


def _is_last(users: int) -> bool:
    """Give up our share of the server; true when nobody else holds one. Call it under `control` only."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Server(msgspec.Struct, frozen=True, kw_only=True):
    """The server of one data folder. Every method expects `control` to be held."""

    folder: Path
    account: Account
    programs: Programs

    @property
    def cluster(self) -> Path:
        return self.folder / _CLUSTER

    def ensure_running(self) -> str:
        """Create and start what is missing; return the URL of the database once it answers."""
        if not self.cluster.exists():
            self._create()
        self._check_cluster()
        log_end = len(self._log_text(0))
        deadline = time.monotonic() + _ANSWER_SECONDS_MAX
        while not (answering := self._answering_socket()):
            if time.monotonic() > deadline:
                raise LedgerError(f"the embedded Postgres does not answer: {last_words(self._log_text(log_end))}")
            if self._is_running() or not self._start():
                # It recovers or ends, and pg_ctl has no word for waiting on what another process did.
                time.sleep(_POLL_SECONDS)
        _ensure_database(answering)
        return _socket_url(answering, _DATABASE)

    def stop(self) -> None:
        """Stop the server when it runs, waiting for its end; open connections are cut."""
        if not self._is_running():
            return
        recorded = self._recorded_socket()
        result = self._run("pg_ctl", "stop", "-m", "fast", "-w", "-t", str(_STOP_SECONDS_MAX))
        if result.returncode != 0 and self._is_running():
            raise LedgerError(f"cannot stop the embedded Postgres: {last_words(result.stderr)}")
        if recorded is not None:
            with suppress(OSError):
                recorded.rmdir()

    def _run(self, program: str, *arguments: str, cluster: str = _CLUSTER) -> subprocess.CompletedProcess[str]:
        # Named relative to the working folder: pg_ctl passes names through a shell without escaping them.
        command = [str(self.programs.folder / program), "-D", cluster, *arguments]
        return self.account.run(command, self.folder)

    def _create(self) -> None:
        for leftover in self.folder.glob(".cluster-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=".cluster-", dir=self.folder))
        self.account.own(scratch)
        result = self._run("initdb", *_INITDB_OPTIONS, cluster=scratch.name)
        if result.returncode != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            raise LedgerError(f"cannot create a database in {self.folder}: {last_words(result.stderr)}")
        scratch.rename(self.cluster)
        _sync_folder(self.folder)

    def _check_cluster(self) -> None:
        version_file = self.cluster / "PG_VERSION"
        if not self.account.owns(self.cluster):
            owner = self.cluster.lstat().st_uid
            raise LedgerError(f"{self.cluster} belongs to user {owner}: run as that user, or set PW_DATA_DIR")
        made_by = version_file.read_text().strip() if version_file.exists() else "an unknown version"
        if made_by != str(self.programs.major):
            raise LedgerError(
                f"{self.cluster} was made by Postgres {made_by}, this is Postgres {self.programs.major}:"
                f" export it with the release that made it and move the folder away, or set PW_DATABASE_URL"
            )

    def _is_running(self) -> bool:
        # A socket that takes connections has a live server, even one whose process cannot be seen from here.
        recorded = self._recorded_socket()
        if recorded is not None and _is_listening(recorded / _SOCKET_NAME):
            return True
        _forget_foreign_process(self.cluster)
        return self._run("pg_ctl", "status").returncode == 0

    def _start(self) -> bool:
        """Start the server; false while processes of one that was killed still hold its memory."""
        for other in self.folder.glob("postgres-*/"):
            if other not in self.programs.folder.parents:
                shutil.rmtree(other, ignore_errors=True)
        sockets = self._socket_folder()
        # A server that was killed leaves its lock with a process id that may be another program's by now.
        for leftover in sockets.glob(f"{_SOCKET_NAME}*"):
            leftover.unlink()
        # The setting is a list; quotes keep an entry with blanks whole, and are doubled inside.
        settings = _SETTINGS | {"unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"'}
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        log_end = self._prepare_log()
        wait = ("-w", "-t", str(_START_SECONDS_MAX))
        result = self._run("pg_ctl", "start", *wait, "-l", _LOG, "-o", options)
        if result.returncode != 0:
            said = self._log_text(log_end) or result.stderr
            if "pre-existing shared memory block" in said:
                return False
            raise LedgerError(f"the embedded Postgres in {self.folder} does not start: {last_words(said)}")
        return True

    def _prepare_log(self) -> int:
        """Let the server write its log, put a long one aside; return the log's length in bytes."""
        log = self.folder / _LOG
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        self.account.own(log)
        return log.stat().st_size

    def _log_text(self, start: int) -> str:
        with suppress(OSError):
            return (self.folder / _LOG).read_bytes()[start:].decode(errors="replace")
        return ""

    def _socket_folder(self) -> Path:
        """Return a private folder whose name libpq can take: short, and no list of hosts."""
        folder = self.folder / "socket"
        path = os.fsencode(folder / _SOCKET_NAME)
        if len(path) > _SOCKET_PATH_BYTES_MAX or b"," in path:
            name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
            folder = Path(tempfile.gettempdir()).resolve() / f"pw-{name}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self.account.own(folder)
        if not self._is_private(folder):
            raise LedgerError(f"{folder} is needed for the database's socket, but is not a private folder of ours")
        return folder

    def _is_private(self, folder: Path) -> bool:
        # The temporary folder is everybody's: without this look, a stranger's server would pass for ours.
        if not folder.is_dir() or folder.is_symlink():
            return False
        return self.account.owns(folder) and stat.S_IMODE(folder.lstat().st_mode) == 0o700

    def _recorded_socket(self) -> Path | None:
        """Return the socket folder that the server wrote down; None when there is none to trust."""
        lines = _pid_file_lines(self.cluster)
        if len(lines) < 5 or not lines[4]:
            return None
        folder = Path(lines[4])
        return folder if self._is_private(folder) else None

    def _answering_socket(self) -> Path | None:
        recorded = self._recorded_socket()
        if recorded is None:
            return None
        try:
            psycopg.connect(_socket_url(recorded, "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return None
        return recorded


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _socket_url(folder: Path, database: str) -> str:
    # The port is spelt out, so that a PGPORT meant for another server does not move it.
    return f"postgresql://postgres@/{database}?host={quote(str(folder))}&port={_PORT}"


def _ensure_database(folder: Path) -> None:
    try:
        with psycopg.connect(_socket_url(folder, "postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {_DATABASE}")
    except psycopg.Error as error:
        raise LedgerError(f"cannot create the database {_DATABASE}: {last_words(str(error))}") from error


def _pid_file_lines(cluster: Path) -> list[str]:
    """Return postmaster.pid: process id, cluster, start time, port, socket folder, ...; [] without one."""
    with suppress(OSError):
        return (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    return []


def _forget_foreign_process(cluster: Path) -> None:
    """Remove a postmaster.pid whose process is there, but is no live server of this cluster."""
    # Imported here: needed only where a server is started or stopped, and not cheap.
    import psutil

    lines = _pid_file_lines(cluster)
    if not lines or not lines[0].isdigit():
        return
    # Every process of a server works in its cluster's folder. What may not be looked at is left to pg_ctl.
    with suppress(psutil.Error):
        process = psutil.Process(int(lines[0]))
        # A dead server stays in the process table where nobody reaps it, as in containers without an init.
        if process.status() == psutil.STATUS_ZOMBIE or process.cwd() != str(cluster):
            (cluster / "postmaster.pid").unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_server(folder: Path) -> _Server:
    """Find the account and the programs for the server of `folder`; raises `LedgerError` without them."""
    try:
        account = find_account()
        # `test`, as that account: modes alone do not tell, there are access lists and mounts.
        if account.run(["test", "-x", str(folder)], Path("/")).returncode != 0:
            raise LedgerError(
                f"the user {ACCOUNT_NAME}, which runs root's Postgres, cannot enter {folder}:"
                f" choose another folder with PW_DATA_DIR"
            )
        return _Server(folder=folder, account=account, programs=find_programs(account, folder))
    except OSError as error:
        raise LedgerError(f"cannot prepare the embedded Postgres in {folder}: {error}") from error
