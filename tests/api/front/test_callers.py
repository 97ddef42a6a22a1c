"""Who is let in: with a key anybody, without one only programs of this machine, and no web page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.auth.principal import LOCAL, Principal
from api.auth.rate_limit import RateLimit
from api.front.callers import Callers
from api.front.failures import Failures
from api.settings import Settings
from domain.errors import UnauthenticatedError
from eventstore.clock import SystemClock

Connect = Callable[..., httpx.AsyncClient]
ADA = Principal(role="worker", key_id="ada", name="Ada")


class Keyring:
    """Knows one key, or none."""

    def __init__(self, token: str = "") -> None:
        self.token = token

    async def any_key_exists(self) -> bool:
        return bool(self.token)

    async def authenticate(self, text: str) -> Principal:
        if text != self.token or not text:
            raise UnauthenticatedError("the key is not known")
        return ADA


def app(inner: Any, token: str = "", *, private: bool = False, burst: int = 100, **settings: Any) -> Any:
    limit = RateLimit(SystemClock(), per_second=0.001, burst=burst)
    layer = Callers(inner, Keyring(token), limit, Settings(**settings), private=private)  # type: ignore[arg-type]
    return Failures(layer)


# --- with a key -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_key_says_who_calls(connect: Connect, inner: Any, scheme: str) -> None:
    client = connect(app(inner, "good", host="0.0.0.0"), ("203.0.113.9", 1))
    answer = await client.get("/v1/tasks", headers={"Authorization": f"{scheme} good", "Host": "anything"})
    assert (answer.status_code, inner.states[0]["principal"]) == (200, ADA)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer bad", "Basic good", "good"])
async def test_a_wrong_key_is_refused(connect: Connect, inner: Any, given: str) -> None:
    answer = await connect(app(inner, "good")).get("/v1/tasks", headers={"Authorization": given})
    assert (answer.status_code, inner.states) == (401, [])


async def test_once_there_is_a_key_nobody_comes_in_without(connect: Connect, inner: Any) -> None:
    assert (await connect(app(inner, "good")).get("/v1/tasks")).status_code == 401


async def test_a_wrong_key_is_refused_while_none_is_needed(connect: Connect, inner: Any) -> None:
    answer = await connect(app(inner)).get("/v1/tasks", headers={"Authorization": "Bearer bad"})
    assert answer.status_code == 401


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer "])
async def test_an_empty_key_counts_as_none_while_none_is_needed(connect: Connect, inner: Any, given: str) -> None:
    client = connect(app(inner), ("127.0.0.1", 1))
    answer = await client.get("/v1/tasks", headers={"Authorization": given, "Host": "localhost"})
    assert (answer.status_code, inner.states[0]["principal"]) == (200, LOCAL)


async def test_a_key_has_its_limit(connect: Connect, inner: Any) -> None:
    client = connect(app(inner, "good", burst=2))
    answers = [await client.get("/v1/tasks", headers={"Authorization": "Bearer good"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/schema", "/schema/openapi.json"])
async def test_what_is_public_needs_no_key(connect: Connect, inner: Any, path: str) -> None:
    client = connect(app(inner, "good", host="0.0.0.0"), ("203.0.113.9", 1))
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz/", "/schemas", "/metrics", "/mcp", "/", "/v1/nothing"])
async def test_nothing_else_is_public(connect: Connect, inner: Any, path: str) -> None:
    assert (await connect(app(inner, "good")).get(path)).status_code == 401


# --- without one ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "localhost:8787", "127.0.0.1:8787", "[::1]:8787", "[::1]"])
async def test_a_program_of_this_machine_is_let_in(connect: Connect, inner: Any, host: str) -> None:
    answer = await connect(app(inner)).get("/v1/tasks", headers={"Host": host})
    assert (answer.status_code, inner.states[0]["principal"].role) == (200, "admin")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "localhost.evil.example", "", "127.0.0.1.nip.io"]
)
async def test_a_name_that_somebody_points_here_is_refused(connect: Connect, inner: Any, host: str) -> None:
    answer = await connect(app(inner)).get("/v1/tasks", headers={"Host": host})
    assert (answer.status_code, inner.states) == (403, [])


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://evil.example:8787", "http://["])
async def test_a_request_on_behalf_of_a_page_elsewhere_is_refused(connect: Connect, inner: Any, origin: str) -> None:
    answer = await connect(app(inner)).post("/v1/tasks", headers={"Origin": origin})
    assert (answer.status_code, inner.states) == (403, [])


async def test_a_page_of_this_machine_is_let_in(connect: Connect, inner: Any) -> None:
    answer = await connect(app(inner)).post("/v1/tasks", headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == 200


@pytest.mark.parametrize("allowed", ["box.example", "box.example:80", "*"])
async def test_further_names_can_be_allowed(connect: Connect, inner: Any, allowed: str) -> None:
    client = connect(app(inner, allowed_hosts=(allowed,)))
    assert (await client.get("/v1/tasks", headers={"Host": "box.example:80"})).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_what_a_proxy_passes_on_is_nobody_local(connect: Connect, inner: Any, header: str) -> None:
    assert (await connect(app(inner)).get("/v1/tasks", headers={header: "1.2.3.4"})).status_code == 401


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", ("203.0.113.9", 1)), ("0.0.0.0", ("203.0.113.9", 1)), ("0.0.0.0", ("127.0.0.1", 1))],
)
async def test_nobody_from_elsewhere_is_let_in(
    connect: Connect, inner: Any, host: str, address: tuple[str, int]
) -> None:
    assert (await connect(app(inner, host=host), address).get("/v1/tasks")).status_code == 401


async def test_a_unix_socket_is_local_whatever_name_is_used(connect: Connect, inner: Any) -> None:
    client = connect(app(inner, uds="/run/pw.sock"), None)
    assert (await client.get("/v1/tasks", headers={"Host": "anything"})).status_code == 200


async def test_a_unix_socket_needs_a_key_once_there_is_one(connect: Connect, inner: Any) -> None:
    client = connect(app(inner, "good", uds="/run/pw.sock"), None)
    assert (await client.get("/v1/tasks")).status_code == 401


async def test_a_private_socket_needs_none(connect: Connect, inner: Any) -> None:
    client = connect(app(inner, "good", private=True, uds="/tmp/x/api.sock"), None)
    assert (await client.get("/v1/tasks")).status_code == 200
    assert inner.states[0]["principal"] == LOCAL
