"""Types of what stands in paths and queries."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

#: Of a page.
Limit = Annotated[int, Meta(ge=1, le=1000, description="Of a page, at most.")]
#: Past the last page there is none.
Cursor = Annotated[
    str,
    Meta(max_length=500, pattern=r"^[!-~]*$", description="`next_cursor` of the page before; left out: the first."),
]
Status = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}$", description="Only those that stand so.")]
#: A place in the ledger.
Position = Annotated[int, Meta(ge=0, le=9_000_000_000_000_000_000, description="Only what came after this position.")]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list."""

    status: Status | None = None
    cursor: Cursor | None = None
    limit: Limit = 100
