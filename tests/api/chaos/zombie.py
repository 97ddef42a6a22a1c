"""A worker of a few lines, as anybody might write one: it claims a subtask, works until it may go on, and reports.

    zombie.py URL FOLDER

It says that it is alive until the file FOLDER/go is there; then it says that it is done, and asks for the verdict.
What it was answered is in FOLDER/answers, a line of JSON each, with the status.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any


def ask(url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def main(url: str, folder: Path) -> None:
    _, lease = ask(f"{url}/v1/claims", {"worker_id": "zombie"})
    held = {"subtask_id": lease["subtask_id"], "lease_epoch": lease["lease_epoch"]}

    def say(kind: str, **fields: str) -> tuple[int, dict[str, Any]]:
        message = {"type": kind, "message_id": str(uuid.uuid4()), "worker_id": "zombie", **held, **fields}
        return ask(f"{url}/v1/messages", message)

    say("started")
    while not (folder / "go").exists():
        ask(f"{url}/v1/workers/zombie/heartbeat", {"leases": [held]})
        time.sleep(0.05)
    done = say("completed", summary="what the zombie has found")
    gates = [{"gate": "tests", "passed": True, "score": 1.0}]
    verdict = {
        "worker_id": "zombie",
        "lease_epoch": lease["lease_epoch"],
        "gates": gates,
        "commit": "f" * 40,
        "head": "c0" * 20,
    }
    judged = ask(f"{url}/v1/subtasks/{lease['subtask_id']}/gates", verdict)
    draft = folder / "draft"
    draft.write_text("".join(json.dumps([status, answer]) + "\n" for status, answer in (done, judged)))
    draft.rename(folder / "answers")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
