"""When a delivery that has failed is tried again.

Pauses grow fourfold, from seconds, for a target that is being restarted, to hours, for one that somebody has to look
after; all attempts together take some fourteen hours. A quarter of each pause is spread by a hash, so that what
failed together does not come back together.
"""

from __future__ import annotations

import hashlib

#: After so many attempts a delivery is dead.
ATTEMPTS_MAX = 9

_FIRST_SECONDS = 5.0
_GROWTH = 4.0
_SECONDS_MAX = 6 * 3600.0
_SPREAD = 0.25


def pause_seconds(attempts: int, name: str, wanted_seconds: float | None = None) -> float | None:
    """Give the pause after so many attempts, or None where there will be no further one.

    `name` is the delivery's; `wanted_seconds` is what the target has asked for, and is heeded within reason.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    pause = min(_FIRST_SECONDS * _GROWTH ** (attempts - 1), _SECONDS_MAX)
    spread = pause * (1 - _SPREAD * _share(f"{name}/{attempts}"))
    return max(spread, min(wanted_seconds or 0.0, _SECONDS_MAX))


def _share(name: str) -> float:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64
