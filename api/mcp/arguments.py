"""What the tools' arguments have in common: their types, limits and descriptions."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from api.schemas import Name

TaskName = Annotated[Name, Meta(description="The task's id.")]
SubtaskName = Annotated[Name, Meta(description="The subtask's id, as claim_subtask gave it.")]
WorkerName = Annotated[
    Name, Meta(description="Your own name: choose one that nobody else has, and keep it for all your calls.")
]
Epoch = Annotated[
    int, Meta(ge=1, le=2_147_483_647, description="The number of your lease, as claim_subtask gave it.")
]
MessageId = Annotated[
    UUID | None, Meta(description="A UUIDv7 of yours: sent again with the same id, it counts once. Made if left out.")
]
Cursor = Annotated[str | None, Meta(description="`next_cursor` of the page before; left out for the first page.")]
Limit = Annotated[int, Meta(ge=1, le=100, description="At most so many.")]
