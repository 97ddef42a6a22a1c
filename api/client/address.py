"""Where a service is reached, and with which key.

Commands know addresses without knowing how to connect, which takes longer to load than all the rest of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from domain.errors import UsageError

if TYPE_CHECKING:
    import httpx

#: The scheme of a socket on this machine: `unix:/run/pw.sock`.
_SOCKET = "unix"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A service's address."""

    #: As the user wrote it, for messages.
    name: str
    base_url: str
    #: Path of the unix socket; None over TCP.
    socket: str | None = None
    key: str = ""

    @classmethod
    def of(cls, server: str, key: str = "") -> Address:
        """Understand `http://HOST:PORT`, `https://...` or `unix:/PATH`; raises `UsageError` for anything else."""
        parts = urlsplit(server)
        if parts.scheme == _SOCKET and parts.path:
            return cls(name=server, base_url="http://localhost", socket=parts.path, key=key)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{server!r} is no server: http://HOST:PORT, https://HOST, or unix:/PATH is needed")
        return cls(name=server, base_url=server.rstrip("/"), key=key)

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries."""
        said = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        # Within one machine, compressing takes longer than sending.
        return {**said, "Accept-Encoding": "identity"} if self.socket else said

    def connect(self, *, timeout_seconds: float) -> httpx.AsyncClient:
        """Make a client for the event loop."""
        import httpx

        # One connection for each slot that waits for work: no limit may keep others from being used.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx.AsyncClient(
            base_url=self.base_url,
            headers=self.headers,
            timeout=timeout_seconds,
            transport=httpx.AsyncHTTPTransport(uds=self.socket, limits=limits) if self.socket else None,
            limits=limits,
        )

    def connect_blocking(self, *, timeout_seconds: float) -> httpx.Client:
        """Make a client for a thread."""
        import httpx

        return httpx.Client(
            base_url=self.base_url,
            headers=self.headers,
            timeout=timeout_seconds,
            transport=httpx.HTTPTransport(uds=self.socket) if self.socket else None,
        )
