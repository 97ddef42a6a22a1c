"""What a server tells the process that keeps its read models."""

from __future__ import annotations

import msgspec

from api.observability.logs import LogFormat


class FollowerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a follower needs to know. The address may hold a password, and a command line is everybody's to read."""

    url: str
    log_format: LogFormat = "console"
    log_level: str = "INFO"
