"""The sign of life that Claude Code gives after each tool call."""

import io
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.agents.hook import main

_HELD = {"subtask_id": "t.1", "lease_epoch": 3, "held": True, "reason": "", "answers": []}


class _Service:
    """Takes heartbeats and answers each with the next reply."""

    def __init__(self):
        self.heard = []
        self.replies = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.heard.append((self.path, self.headers.get("Authorization"), body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"leases": [service.replies.pop(0)]}).encode())

            def log_message(self, *arguments):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service():
    service = _Service()
    thread = threading.Thread(target=service.server.serve_forever)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def after(service, monkeypatch, tmp_path):
    """Say that a session has called a tool, and give what the hook answers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("PW_API_KEY", "pw_a_b")

    def call(tool, *, session="s1", **given):
        said = {"session_id": session, "hook_event_name": "PostToolUse", "tool_name": tool, "tool_input": given}
        out = io.StringIO()
        assert main([service.url, "PW_API_KEY"], io.StringIO(json.dumps(said)), out) == 0
        return json.loads(out.getvalue()) if out.getvalue() else None

    return call


def _start(after, **other):
    after("mcp__parallel-workers__start_subtask", subtask_id="t.1", worker_id="a/b", lease_epoch=3, **other)


def test_a_session_that_holds_nothing_says_nothing(after, service):
    assert after("Bash", command="ls") is None
    assert service.heard == []


def test_a_session_that_has_started_a_subtask_gives_signs_of_life(after, service):
    service.replies.append(_HELD)
    _start(after)

    assert after("Bash", command="make") is None

    lease = {"subtask_id": "t.1", "lease_epoch": 3}
    assert service.heard == [("/v1/workers/a%2Fb/heartbeat", "Bearer pw_a_b", {"leases": [lease]})]


@pytest.mark.parametrize("last", ["submit_subtask", "release_subtask"])
def test_a_session_that_has_handed_over_gives_none(after, service, last):
    _start(after)
    after(f"mcp__parallel-workers__{last}", subtask_id="t.1")
    after("Bash")

    assert service.heard == []


def test_another_session_is_another_worker(after, service):
    _start(after, session="s1")
    after("Bash", session="s2")

    assert service.heard == []


def test_a_lost_lease_is_told_once_and_forgotten(after, service):
    service.replies.append(_HELD | {"held": False, "reason": "w2 has it"})
    _start(after)

    told = after("Bash")["hookSpecificOutput"]

    assert told["hookEventName"] == "PostToolUse"
    assert "t.1 is not yours any more (w2 has it)" in told["additionalContext"]
    assert after("Bash") is None
    assert len(service.heard) == 1


def test_an_answer_is_told_once(after, service):
    answered = _HELD | {"answers": [{"number": 1, "answer": "yes, change the signature"}]}
    service.replies += [answered, answered]
    _start(after)

    assert "yes, change the signature" in after("Bash")["hookSpecificOutput"]["additionalContext"]
    assert after("Bash") is None


def test_an_agent_goes_on_when_the_service_is_out_of_reach(after, service, tmp_path):
    _start(after)
    service.server.shutdown()
    service.server.server_close()
    call = json.dumps({"session_id": "s1", "tool_name": "Bash", "tool_input": {}})

    ran = subprocess.run(
        [sys.executable, "-I", "-m", "api.agents.hook", service.url, "PW_API_KEY"],
        input=call,
        env={"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == ""
    assert "no sign of life" in ran.stderr
