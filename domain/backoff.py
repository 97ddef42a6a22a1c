"""How long a subtask rests after a failure, before it is handed out again.

Doubled with each failure, so that what keeps failing asks for little, and spread by a jitter, so that subtasks that
failed together do not come back together. Half of the pause is fixed and half is jitter ("equal jitter": M. Brooker,
Exponential Backoff and Jitter, AWS Architecture Blog, 2015). The jitter is a hash of the attempt, not a draw: whoever
folds the same events again finds the same pause.
"""

from __future__ import annotations

import hashlib

DELAY_SECONDS_MAX = 300.0
"""The longest pause, however often a subtask has failed."""

#: No base above zero that anybody would set needs more doublings to reach the longest pause; a float bears them all.
_DOUBLINGS_MAX = 64


def delay_seconds(failures: int, base_seconds: float, subtask_id: str, epoch: int) -> float:
    """Give the pause in seconds after the `failures`-th failed attempt, whose lease epoch was `epoch`.

    It lies between half of `base_seconds * 2 ** (failures - 1)`, capped at `DELAY_SECONDS_MAX`, and the whole of it;
    0 where nothing has failed or the base is 0.
    """
    if failures <= 0 or base_seconds <= 0.0:
        return 0.0
    doubled = base_seconds * 2.0 ** min(failures - 1, _DOUBLINGS_MAX)
    return min(doubled, DELAY_SECONDS_MAX) * (0.5 + 0.5 * _share(f"{subtask_id}/{epoch}"))


def _share(name: str) -> float:
    """Spread names evenly over 0 to 1."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
