"""`pw serve`: from its one line on standard output to a clean end."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import typer
from typer.testing import CliRunner

from api.cli.serve import serve as serve_command

_PW = Path(sys.executable).parent / "pw"
_SECONDS_MAX = 60
_TASK = "pkg/m1.py:1:1: F401 'os' imported but unused"


class Served:
    """A server's process, and a client that speaks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.line = process.stdout.readline()
        found = re.search(r"serving at (\S+) ", self.line)
        if found is None:
            self.stop()
            pytest.fail(f"nothing is served: {self.line!r} {self.errors}")
        self.address = found[1]
        self.client = httpx.Client(base_url=self.address, timeout=_SECONDS_MAX)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, self.errors = self.process.communicate(timeout=_SECONDS_MAX)
        return self.process.returncode


Serve = Callable[..., Served]


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PW_", "OTEL_"))}
    own = {"PW_DATABASE_URL": database_url, "PW_DATA_DIR": str(tmp_path / "data"), "PW_READ_MODELS": "false"}
    return kept | own


@pytest.fixture
def serve(environment: dict[str, str]) -> Iterator[Serve]:
    """Start `pw serve` on a free port, with further arguments and environment; what is left is ended."""
    started: list[Served] = []

    def start(*arguments: str, **variables: str) -> Served:
        process = subprocess.Popen(
            [_PW, "serve", "--port", "0", *arguments],
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Served(process))
        return started[-1]

    yield start
    for served in started:
        served.client.close()
        served.stop(signal.SIGKILL)


def refused(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_PW, "serve", "--port", "0", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
        check=False,
    )


def make_key(environment: dict[str, str]) -> str:
    made = subprocess.run(
        [sys.executable, "-c", "from api.cli.keys import app; app()", "create", "me", "--role", "admin"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_it_says_where_it_is_and_answers_there(serve: Serve) -> None:
    served = serve()
    assert served.line.startswith("serving at http://127.0.0.1:")
    assert f"pw work --server {served.address}" in served.line
    assert served.client.get("/healthz").json() == {"status": "alive"}
    assert served.client.get("/readyz").json() == {"status": "ready"}


def test_its_numbers_can_be_read(serve: Serve) -> None:
    served = serve()
    served.client.get("/v1/tasks")
    served.client.get("/nothing/there")
    numbers = served.client.get("/metrics").text
    assert 'pw_http_requests_total{method="GET",route="/v1/tasks",status="200"} 1.0' in numbers
    assert 'pw_http_requests_total{method="GET",route="none",status="404"} 1.0' in numbers
    assert "pw_claims_waiting 0.0" in numbers
    assert "process_resident_memory_bytes" in numbers


def follower_of(served: Served) -> psutil.Process:
    """Wait for the process that keeps the server's read models."""
    for _ in range(600):
        for child in psutil.Process(served.process.pid).children():
            if "api.jobs.follower" in child.cmdline():
                return child
        time.sleep(0.1)
    pytest.fail("no process keeps the read models")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_process_of_the_read_models_ends_with_the_server_whatever_ends_that(
    serve: Serve, number: signal.Signals
) -> None:
    served = serve(PW_READ_MODELS="true")
    follower = follower_of(served)
    served.stop(number)
    gone, _ = psutil.wait_procs([follower], timeout=_SECONDS_MAX)
    assert gone == [follower]


def test_read_models_can_be_left_alone(serve: Serve) -> None:
    served = serve()
    while "pw_leader 1.0" not in served.client.get("/metrics").text:
        time.sleep(0.1)
    assert psutil.Process(served.process.pid).children() == []
    assert "pw_read_model_starts_total 0.0" in served.client.get("/metrics").text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(serve: Serve, number: signal.Signals) -> None:
    served = serve()
    served.client.get("/healthz")
    assert served.stop(number) == 0
    assert "Traceback" not in served.errors


def test_at_its_end_those_who_wait_for_work_get_none(serve: Serve) -> None:
    served = serve()
    body = {"worker_id": "agent-1", "wait_seconds": 300}
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(served.client.post, "/v1/claims", json=body)
        wait_for(served, "pw_claims_waiting 1.0")
        assert served.stop() == 0
        assert waiting.result().status_code == 204


def test_at_its_end_streams_end(serve: Serve) -> None:
    served = serve()
    with served.client.stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        assert served.stop() == 0
        assert list(lines)[-1:] in ([], [""])


def test_what_was_acknowledged_is_stored_when_it_is_killed(serve: Serve, database_url: str) -> None:
    served = serve()
    task = served.client.post("/v1/tasks?format=flake8", content=_TASK).raise_for_status().json()
    served.stop(signal.SIGKILL)
    with psycopg.connect(database_url) as connection:
        query = "SELECT count(*) FROM ledger.event WHERE task_id = %s AND type = 'task_submitted'"
        assert connection.execute(query, [task["id"]]).fetchone() == (1,)


def test_two_processes_serve_one_database(serve: Serve) -> None:
    first, second = serve(), serve()
    task = first.client.post("/v1/tasks?format=flake8", content=_TASK).raise_for_status().json()
    assert second.client.get(f"/v1/tasks/{task['id']}").status_code == 200
    leaders = [served.client.get("/metrics").text.count("pw_leader 1.0") for served in (first, second)]
    assert sum(leaders) == 1


def test_another_address_is_refused_while_no_key_exists(environment: dict[str, str]) -> None:
    ended = refused(environment, "--host", "0.0.0.0")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        "pw: 0.0.0.0 can be reached from elsewhere, and there is no key that would keep anybody out:"
        " make one first (pw keys create NAME --role admin)\n"
    )


def test_with_a_key_any_address_is_served_to_whoever_has_it(serve: Serve, environment: dict[str, str]) -> None:
    token = make_key(environment)
    served = serve("--host", "0.0.0.0", PW_ALLOWED_HOSTS="*")
    address = served.address.replace("0.0.0.0", "127.0.0.1")
    assert "PW_API_KEY" in served.line
    assert httpx.get(f"{address}/v1/tasks").status_code == 401
    assert httpx.get(f"{address}/v1/tasks", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_port_that_is_taken_is_an_error_of_one_line(serve: Serve, environment: dict[str, str]) -> None:
    port = serve().address.rpartition(":")[2]
    ended = refused(environment, "--port", port)
    assert ended.returncode == 2
    assert ended.stderr == f"pw: cannot listen on 127.0.0.1:{port}: address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--port", "99999"), "--port is 99999"), (("--log-format", "xml"), "--log-format is 'xml'")],
)
def test_a_value_that_cannot_be_is_an_error_of_one_line(arguments: tuple[str, ...], said: str) -> None:
    app = typer.Typer()
    app.command()(serve_command)
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"pw: {said}")
    assert ended.stderr.count("\n") == 1


def test_a_unix_socket_is_served_and_removed(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "pw.sock"
    served = serve("--uds", str(path))
    assert served.address == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://pw") as client:
        assert client.get("/v1/tasks").status_code == 200
    assert served.stop() == 0
    assert not path.exists()


def test_its_log_has_each_request_and_no_secret(serve: Serve) -> None:
    served = serve("--log-format", "json", "--log-level", "DEBUG")
    served.client.get("/v1/tasks/tree", headers={"X-Request-Id": "mine-1"})
    served.client.get("/v1/tasks/tree", headers={"Authorization": "Bearer pw_abcd_SECRETSECRET"})
    assert served.stop() == 0
    records = [json.loads(line) for line in served.errors.splitlines()]
    [first, second] = [record for record in records if record["event"] == "a request was answered"]
    assert (first["route"], first["status"], first["request_id"]) == ("/v1/tasks/{task_id}", 404, "mine-1")
    assert first["task_id"] == "tree"
    assert second["status"] == 401
    assert "SECRETSECRET" not in served.errors


def test_with_an_embedded_database_nothing_is_left_running(
    serve: Serve, environment: dict[str, str], server_folder: Path
) -> None:
    del environment["PW_DATABASE_URL"]
    served = serve(PW_DATA_DIR=str(server_folder))
    assert served.client.get("/readyz").status_code == 200
    assert served.stop() == 0
    assert not (server_folder / "cluster" / "postmaster.pid").exists()


def wait_for(served: Served, line: str) -> None:
    """Wait until the numbers say so, asking over another connection."""
    came = threading.Event()
    asking = threading.Timer(0, _ask, (served.address, line, came))
    asking.start()
    assert came.wait(_SECONDS_MAX), f"waited in vain for {line}"
    asking.join()


def _ask(address: str, line: str, came: threading.Event) -> Any:
    with httpx.Client(base_url=address) as client:
        while line not in client.get("/metrics").text:
            pass
    came.set()
