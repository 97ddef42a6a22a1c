"""Starts `pw` at once: its imports take seconds, so they are made here, once, and each `pw` is a fork.

    nursery.py

Each line of standard input is a JSON object with the `arguments` of a `pw`, what it has in its `environment`, and
the file of its `output`; the answer is its process id. The end of the input ends the nursery, and not what it has
started.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

from api.cli.main import main

_LATER = ("api.server.run", "api.observability.logs", "eventstore.postgres.database", "uvloop", "mcp.server.lowlevel")
"""What `pw serve` imports when it is called."""


def start(wanted: dict[str, Any]) -> int:
    """Fork, and give the child's process id."""
    if child := os.fork():
        return child
    code = 1
    try:
        become(wanted)
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def become(wanted: dict[str, Any]) -> None:
    """Make the process one of its own."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(wanted["environment"])
    output = os.open(wanted["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["pw", *wanted["arguments"]]


if __name__ == "__main__":
    for module in _LATER:
        importlib.import_module(module)
    # Nobody asks how they have ended, so none becomes a zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        print(start(json.loads(line)), flush=True)
