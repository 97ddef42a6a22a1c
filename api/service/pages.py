"""Where the next page of a list begins: an opaque text that says after what."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from domain.errors import InvalidRequestError

LIMIT_MAX = 1000
"""Rows of one page at most."""


def encode_cursor(*after: int) -> str:
    """Spell a place in a list."""
    return urlsafe_b64encode(msgspec.json.encode(after)).decode().rstrip("=")


def decode_cursor(cursor: str | None, parts: int = 1) -> tuple[int, ...] | None:
    """Read what `encode_cursor` gave, of so many parts; raises `InvalidRequestError` for anything else."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        after = msgspec.json.decode(urlsafe_b64decode(padded), type=tuple[int, ...])
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise InvalidRequestError(f"cursor {cursor[:80]!r} is none that was given out") from error
    if len(after) != parts or any(not 0 <= one < 2**63 for one in after):
        raise InvalidRequestError(f"cursor {cursor[:80]!r} is none that was given out")
    return after


def checked_limit(limit: int) -> int:
    """Give the rows of a page; raises `InvalidRequestError` where it is none or too many."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidRequestError(f"limit is {limit}: 1 to {LIMIT_MAX} are possible")
    return limit
