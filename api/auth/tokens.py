"""What a key looks like: `pw_<key id>_<secret>`. The id may be shown and logged, the secret is seen once."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

from eventstore.clock import Clock

_ID_BYTES = 10
#: 256 bits: nobody guesses it, so that a fast hash of it is enough.
_SECRET_BYTES = 32

_TOKEN = re.compile(r"pw_([0-9a-z]{1,32})_([0-9a-z]{1,128})")


class Token(NamedTuple):
    """A key as its owner has it."""

    key_id: str
    secret: str

    def __str__(self) -> str:
        return f"pw_{self.key_id}_{self.secret}"

    @classmethod
    def new(cls, clock: Clock) -> Token:
        """Make one of random bytes."""
        return cls(_text(clock.entropy(_ID_BYTES)), _text(clock.entropy(_SECRET_BYTES)))

    @classmethod
    def parse(cls, text: str) -> Token | None:
        """Read what `str` gives; None for anything else."""
        found = _TOKEN.fullmatch(text)
        return None if found is None else cls(found[1], found[2])

    def hashed(self) -> bytes:
        """Give what is stored of it."""
        return hashlib.sha256(self.secret.encode()).digest()


def _text(entropy: bytes) -> str:
    return base64.b32encode(entropy).decode().rstrip("=").lower()
