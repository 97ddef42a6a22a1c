"""Ends the workers of a coordinator that was killed.

Runs as a process of its own, started with the coordinator's pipe as its input: `+PID` names a process group that
must not outlive the coordinator, `-PID` one that has ended. When the pipe closes, for whatever reason, the
groups that are left are ended. It needs nothing but the standard library and starts in milliseconds.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE_SECONDS = 2.0


def guard() -> None:
    """Follow the pipe to its end, then end what is left."""
    groups: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            groups.add(pid)
        else:
            groups.discard(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)
        if groups and number == signal.SIGTERM:
            time.sleep(_GRACE_SECONDS)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guard()
