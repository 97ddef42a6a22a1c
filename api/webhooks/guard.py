"""Which targets may be sent to: nobody shall reach through this service what they cannot reach themselves.

A webhook's target is its owner's choice, and the service stands where the owner does not: beside databases, on
loopback, on a cloud's network. So a target whose name leads to such an address is refused, unless the setting allows
private ones; link-local addresses (a cloud's credentials) and the like never are. The address that was looked at is
the one that is connected to, so that a name cannot lead elsewhere a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from urllib.parse import urlsplit

import httpx

from domain.errors import InvalidRequestError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
#: IPv4 addresses as a network's own translator spells them in IPv6 (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class Guard:
    """Says where a target leads; `private`: whether loopback and private networks are allowed."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    async def check(self, url: str) -> None:
        """Refuse with an `InvalidRequestError` what is no URL of a target, or leads where it must not."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidRequestError(f"url: {error}") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InvalidRequestError("url: https://host/path is needed")
        if parts.username is not None or parts.password is not None:
            raise InvalidRequestError("url: no user and password may be in it")
        await self.addresses(parts.hostname, port or _PORTS[parts.scheme])

    async def addresses(self, host: str, port: int) -> list[str]:
        """Give the addresses of a host; raises `InvalidRequestError` where there are none, or one is not allowed."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidRequestError(f"url: the host {host} is not known: {reason}") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for address in addresses:
            if not self._allows(ipaddress.ip_address(address)):
                raise InvalidRequestError(f"url: the host {host} leads to {address}, which webhooks may not reach")
        return addresses

    def _allows(self, address: Address) -> bool:
        inner = _embedded(address)
        if inner is not None:
            return self._allows(inner)
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        return address.is_global or (self._private and address.is_private)


def _embedded(address: Address) -> Address | None:
    """Give the IPv4 address that an IPv6 one stands for."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to the addresses that the guard has looked at, and to no other.

    `trust` says whose certificates are good; None: those of the authorities that browsers know.
    """

    def __init__(self, guard: Guard, *, trust: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._inner = httpx.AsyncHTTPTransport(
            verify=trust or True,
            # No connection is kept: one is known by its address, and could be taken for another name's.
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first of the host's addresses that takes it."""
        host = request.url.raw_host.decode("ascii")
        addresses = await self._guard.addresses(host, request.url.port or _PORTS[request.url.scheme])
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_to(address, host, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_to(addresses[-1], host, request))

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def _to(address: str, host: str, request: httpx.Request) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        # With the Host of the name, as httpx has set it; the certificate must be the name's, too.
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
