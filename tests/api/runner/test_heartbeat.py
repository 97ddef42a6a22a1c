from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import msgspec
import pytest

from api.client.address import Address
from api.runner.heartbeat import Heart
from api.runner.hold import Hold
from api.schemas import HeartbeatReply, HeartbeatRequest, Lease, LeaseState
from eventstore.clock import SystemClock


class Service(ThreadingMixIn, UnixStreamServer):
    """A service in threads of its own, so that the event loop of the test may be busy."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.beats: list[tuple[str, HeartbeatRequest]] = []
        self.held = True
        self.refuse = 0
        super().__init__(path, Handler)


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        request = msgspec.json.decode(body, type=HeartbeatRequest)
        self.server.beats.append((self.path, request))
        states = tuple(
            LeaseState(
                subtask_id=lease.subtask_id,
                lease_epoch=lease.lease_epoch,
                held=self.server.held,
                reason="" if self.server.held else "it is held by w2",
                expires_at=None,
                deadline_at=None,
                answers=(),
            )
            for lease in request.leases
        )
        reply = msgspec.json.encode(HeartbeatReply(leases=states))
        refused = self.server.refuse > 0
        self.server.refuse -= refused
        self.send_response(503 if refused else 200)
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "a socket"


@pytest.fixture
def service() -> Iterator[Service]:
    with (
        tempfile.TemporaryDirectory(prefix="pw-test-") as folder,
        Service(str(Path(folder) / "api.sock")) as made,
    ):
        serving = threading.Thread(target=made.serve_forever, args=(0.01,))
        serving.start()
        yield made
        made.shutdown()
        serving.join()


def heart_of(service: Service) -> Heart:
    return Heart(Address.of(f"unix:{service.server_address}"), SystemClock())


async def test_a_busy_event_loop_does_not_keep_signs_of_life_back(
    service: Service, new_lease: Callable[..., Lease], wait_until: Callable[..., object]
) -> None:
    with heart_of(service) as heart:
        heart.hold(Hold(new_lease()))
        # Without awaiting anything: nothing else runs in this loop meanwhile.
        wait_until(lambda: len(service.beats) >= 3, "three signs of life")
    path, request = service.beats[-1]
    assert path == "/v1/workers/w1/heartbeat"
    assert [(lease.subtask_id, lease.lease_epoch) for lease in request.leases] == [("tree-1.1", 1)]


async def test_a_lease_that_is_gone_is_told_to_whoever_works_under_it(
    service: Service, new_lease: Callable[..., Lease]
) -> None:
    hold = Hold(new_lease())
    service.held = False
    with heart_of(service) as heart:
        heart.hold(hold)
        await hold.gone.wait()
    assert hold.reason == "it is held by w2"


async def test_a_service_that_is_away_for_a_while_costs_nothing(
    service: Service, new_lease: Callable[..., Lease]
) -> None:
    hold = Hold(new_lease())
    service.refuse, service.held = 3, False
    with heart_of(service) as heart:
        heart.hold(hold)
        await hold.gone.wait()
    assert len(service.beats) >= 4


async def test_who_is_in_a_hurry_does_not_wait_for_the_next_beat(
    service: Service, new_lease: Callable[..., Lease]
) -> None:
    hold = Hold(new_lease(heartbeat_seconds=3600.0))
    service.held = False
    with heart_of(service) as heart:
        heart.hold(hold)
        heart.hurry()
        await hold.gone.wait()


async def test_a_worker_that_holds_two_leases_beats_once_for_both(
    service: Service, new_lease: Callable[..., Lease], wait_until: Callable[..., object]
) -> None:
    with heart_of(service) as heart:
        for number in (1, 2):
            heart.hold(Hold(new_lease(subtask_id=f"tree-1.{number}", heartbeat_seconds=3600.0)))
        heart.hurry()
        await asyncio.to_thread(wait_until, lambda: service.beats, "a sign of life")
    assert [len(request.leases) for _, request in service.beats] == [2]
