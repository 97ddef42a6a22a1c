"""What Claude Code runs after each of its tool calls: a sign of life for the subtasks that the session works on.

    python -I -m api.agents.hook URL KEY_VARIABLE < what-claude-code-says

An agent that reads, edits and tests is alive, but says so only when it thinks of `report_progress`. This says it for
it, and tells the agent at once when a lease is lost or an answer has come. It starts for every tool call, so it needs
nothing but the standard library; and whatever happens to it, the agent goes on.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from platformdirs import user_state_path

#: Claude Code waits for us.
_TIMEOUT_SECONDS = 2.0
_HOLDING = ("start_subtask", "report_progress")
_DONE = ("submit_subtask", "release_subtask")
_OURS = "mcp__parallel-workers__"


def main(arguments: list[str], said: TextIO, out: TextIO) -> int:
    """Take note of a tool call, and give the service a sign of life where the session holds a subtask."""
    url, key_variable = arguments
    call = json.load(said)
    notes = _notes_of(call)
    before = notes.read_text() if notes.exists() else "{}"
    held: dict[str, Any] = json.loads(before)
    tool = str(call.get("tool_name", "")).removeprefix(_OURS)
    given = call.get("tool_input") or {}
    if tool in _HOLDING and "lease_epoch" in given:
        held[given["subtask_id"]] = {"worker_id": given["worker_id"], "lease_epoch": int(given["lease_epoch"])}
    elif tool in _DONE:
        held.pop(given.get("subtask_id", ""), None)
    elif held:
        news = [
            line
            for worker in sorted({lease["worker_id"] for lease in held.values()})
            for line in _beat(url, os.environ.get(key_variable, ""), worker, held)
        ]
        if news:
            told = {"hookEventName": "PostToolUse", "additionalContext": "Parallel Workers: " + " ".join(news)}
            json.dump({"hookSpecificOutput": told}, out)
    if (now := json.dumps(held)) != before:
        _keep(notes, now)
    return 0


def _notes_of(call: dict[str, Any]) -> Path:
    session = quote(str(call.get("session_id", "none")), safe="")
    return user_state_path("parallel-workers") / "sessions" / f"{session}.json"


def _keep(notes: Path, held: str) -> None:
    if held == "{}":
        notes.unlink(missing_ok=True)
        return
    notes.parent.mkdir(parents=True, exist_ok=True)
    # Tool calls, and so hooks, may end at the same time: nobody must read half a file.
    half = notes.with_suffix(f".{os.getpid()}")
    half.write_text(held)
    half.replace(notes)


def _beat(url: str, key: str, worker_id: str, held: dict[str, Any]) -> list[str]:
    """Say that a worker is alive, forget what it does not hold any more, and give what the agent should know."""
    leases = [
        {"subtask_id": name, "lease_epoch": lease["lease_epoch"]}
        for name, lease in held.items()
        if lease["worker_id"] == worker_id
    ]
    request = urllib.request.Request(  # noqa: S310 - the address that the user has set up
        f"{url}/v1/workers/{quote(worker_id, safe='')}/heartbeat",
        data=json.dumps({"leases": leases}).encode(),
        headers={"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})},
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
        reply = json.load(response)
    news = []
    for state in reply["leases"]:
        name = state["subtask_id"]
        if not state["held"]:
            del held[name]
            news.append(f"{name} is not yours any more ({state['reason']}): stop, and put its files back.")
            continue
        told = held[name].setdefault("told", [])
        for answer in state["answers"]:
            if answer["number"] not in told:
                told.append(answer["number"])
                news.append(f"Answer to blocker {answer['number']} of {name}: {answer['answer']}")
    return news


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout))
    except (OSError, ValueError, KeyError) as error:
        # Not the agent's business: it hears of a lost lease from its next call.
        print(f"parallel-workers: no sign of life: {error!r}", file=sys.stderr)
        sys.exit(0)
