"""Tasks and leases for the measurements, over HTTP like any agent's."""

from __future__ import annotations

import json
from typing import Any

import uuid6
from connection import Connection

Leased = dict[str, Any]


async def submit(line: Connection, subtasks: int, name: str = "bench") -> str:
    """Open a task of so many subtasks that may all be worked on at once, and give its name."""
    report = "".join(
        f"m{number:05}.py:{10 * place}:1: F401 'os' imported but unused\n"
        for number in range(subtasks)
        for place in range(1, 41)
    )
    # As many workers as files, so that none gets two.
    policy = {"strategy": "file", "workers": min(subtasks, 1024), "backoff_seconds": 0.0}
    body = {"report": report, "format": "flake8", "name": name, "policy": policy}
    task = await line.call("POST", "/v1/tasks", body)
    return str(task["id"])


async def claim(line: Connection, worker_id: str, wait_seconds: float = 0.0) -> Leased | None:
    """Ask for work."""
    lease: Leased | None = await line.call(
        "POST", "/v1/claims", {"worker_id": worker_id, "wait_seconds": wait_seconds}
    )
    return lease


def message(lease: Leased, kind: str, **fields: Any) -> dict[str, Any]:
    """Make a message under a lease."""
    return {
        "type": kind,
        "message_id": str(uuid6.uuid7()),
        "subtask_id": lease["subtask_id"],
        "worker_id": lease["worker_id"],
        "lease_epoch": lease["lease_epoch"],
        **fields,
    }


def progress(lease: Leased, done: int) -> bytes:
    """Make a report of progress, as it goes over the line."""
    said = message(lease, "progress", completed=done, total=1_000_000, status="going on with the next file")
    return json.dumps(said).encode()


async def say(line: Connection, said: Any) -> None:
    """Send messages; raises `RuntimeError` where one is not taken."""
    answer = await line.call("POST", "/v1/messages", said)
    refused = [receipt for receipt in answer["receipts"] if receipt["status"] != "created"]
    if refused:
        raise RuntimeError(f"a message was refused: {refused[0]}")


async def cancel_all(port: int) -> None:
    """Cancel what is under way: leases that nobody keeps alive would run out in the middle of what comes next."""
    line = await Connection.open(port)
    for task in (await line.call("GET", "/v1/tasks?status=running"))["tasks"]:
        await line.call("POST", f"/v1/tasks/{task['id']}/cancel", {"reason": "measured"})
    line.close()
