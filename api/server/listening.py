"""Where a server is reached: a TCP port, or a unix socket that is its user's alone."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from api.settings import Settings
from domain.errors import UsageError

#: Connections that wait to be taken up; a thousand agents may come at once.
_BACKLOG = 2048


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen where the settings say, until the end of the block; raises `UsageError` where that is not possible."""
    if settings.uds:
        with _unix(Path(settings.uds)) as listener:
            yield listener
    else:
        with _tcp(settings.host, settings.port) as listener:
            yield listener


def address_of(listener: socket.socket) -> str:
    """Give a listener's address as clients take it: `http://host:port`, or `unix:/path`."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[0], name[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _tcp(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        listener = socket.create_server((name, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {_reason(error)}") from error
    # Connections inherit it. Without, an answer of two packets waits for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.settimeout(0.0)
    return listener


@contextmanager
def _unix(path: Path) -> Iterator[socket.socket]:
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Whoever reaches the socket may do anything: from the first moment on that is its user alone.
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {path}: {_reason(error)}") from error
    finally:
        os.umask(mask)
    try:
        listener.listen(_BACKLOG)
        listener.settimeout(0.0)
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove the socket of a server that is no more; anything else is left as it is."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(f"cannot listen on {path}: a file is there that is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            if other.connect_ex(str(path)) != errno.ECONNREFUSED:
                raise UsageError(f"cannot listen on {path}: another process listens there")
        path.unlink()


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    # Python puts what it was about behind the reason.
    text = text.partition(" (")[0]
    return text[:1].lower() + text[1:]
