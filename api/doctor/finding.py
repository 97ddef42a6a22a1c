"""What one check has found."""

from __future__ import annotations

from typing import Literal

import msgspec

#: `warning`: it works, but somebody should know. `failed`: what is checked does not work.
Status = Literal["ok", "warning", "failed"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check has found, in a line."""

    name: str
    status: Status
    detail: str
