"""Who makes a request: by its key, or, while no key was ever made, whoever is on this machine.

Without keys a browser is the danger: a page from anywhere may send requests to this machine, and a name that its
owner suddenly points to loopback even lets it read the answers. So such a request must have come for one of our own
names, and not on behalf of another site; and one that somebody else's proxy has passed on is nobody local's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from api.auth.authenticator import Authenticator
from api.auth.principal import LOCAL, Principal
from api.auth.rate_limit import RateLimit
from api.front.layer import PRINCIPAL, header
from api.settings import Settings, is_loopback
from domain.errors import ForbiddenError, UnauthenticatedError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

#: Whether the service is there is told to everybody, and what it can do.
_PUBLIC = frozenset({"/healthz", "/readyz", "/schema"})
_PUBLIC_BELOW = "/schema/"

_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})


class Callers:
    """The layer; puts the `Principal` into `scope["state"]`, or refuses.

    `private` tells that nobody but the user can reach the socket: then no key is asked for.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, limit: RateLimit, settings: Settings, *, private: bool
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._limit = limit
        self._private = private
        self._on_loopback = settings.on_loopback
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who calls, and pass the request on."""
        if scope["type"] == ScopeType.HTTP:
            path = scope["path"]
            if path not in _PUBLIC and not path.startswith(_PUBLIC_BELOW):
                principal = await self._caller(scope)
                self._limit.take(principal)
                scope["state"][PRINCIPAL] = principal
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Principal:
        if self._private:
            return LOCAL
        headers = scope["headers"]
        scheme, _, token = (header(headers, b"authorization") or "").partition(" ")
        # An agent whose settings name a variable that is not set sends no key: while none is needed, it gets in.
        if token.strip():
            if scheme.lower() != "bearer":
                raise UnauthenticatedError("a key is given as Authorization: Bearer pw_ID_SECRET")
            return await self._authenticator.authenticate(token.strip())
        if await self._authenticator.any_key_exists():
            raise UnauthenticatedError("a key is needed: Authorization: Bearer pw_ID_SECRET (pw keys create)")
        self._check_local(scope, headers)
        return LOCAL

    def _check_local(self, scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> None:
        client = scope.get("client")
        if not self._on_loopback or (client and client[0] and not is_loopback(client[0])):
            raise UnauthenticatedError("nobody from elsewhere is let in while there is no key: pw keys create")
        if any(name in _PROXIED for name, _ in headers):
            raise UnauthenticatedError("behind a proxy a key is needed: pw keys create")
        host = header(headers, b"host") or ""
        # Nothing but a program of this machine opens a unix socket, and it may name any host.
        if client and client[0] and not self._is_ours(host):
            raise ForbiddenError(f"{host[:100]!r} is no name of this service: see PW_ALLOWED_HOSTS")
        origin = header(headers, b"origin")
        if origin is not None and not self._is_ours(origin.partition("://")[2]):
            raise ForbiddenError(f"requests on behalf of {origin[:100]!r} are not taken: see PW_ALLOWED_HOSTS")

    def _is_ours(self, host: str) -> bool:
        name = host.lower()
        bare = name.rsplit(":", 1)[0] if not name.endswith("]") else name
        return is_loopback(bare) or not self._hosts.isdisjoint({name, bare, "*"})
