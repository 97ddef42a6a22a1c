"""What goes over the wire about webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from api.schemas import Name, Wire


class WebhookRequest(Wire, frozen=True, kw_only=True):
    """Somebody wants to be told of events."""

    #: `https://...`; `http://` is taken, too, but whoever is on the way can read it.
    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    #: Types of events, as in the ledger; none: all.
    types: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    #: Only events of this task.
    task_id: Name | None = None
    #: Events past this position; left out: those that come from now on.
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class WebhookView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Who is told of what."""

    id: str
    url: str
    types: tuple[str, ...]
    task_id: str | None
    created_at: datetime
    #: Since its target has said that it is gone for good (410), nothing is sent.
    disabled_at: datetime | None
    #: Events up to here were sent or wait to be.
    position: int
    waiting: int
    #: Given up.
    dead: int


class WebhookCreated(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A new webhook, and what its receiver checks signatures with: shown once."""

    webhook: WebhookView
    #: For any library of Standard Webhooks.
    secret: str


class WebhookPage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """All webhooks, oldest first."""

    webhooks: tuple[WebhookView, ...]


class DeliveryView(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What became of one event for one webhook."""

    position: int
    task_id: str
    status: Literal["waiting", "delivered", "dead"]
    attempts: int
    #: When it is sent (again); None where it will not be.
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None
    last_error: str


class DeliveryPage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Deliveries, newest event first, and where the next page begins."""

    deliveries: tuple[DeliveryView, ...]
    next_cursor: str | None


class RedeliverRequest(Wire, frozen=True, kw_only=True):
    """Send again what was given up, or these events, whatever became of them."""

    #: Positions; none: everything that is dead.
    positions: Annotated[tuple[int, ...], Meta(max_length=1000)] = ()


class RedeliverReply(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """How many deliveries will be made again."""

    deliveries: int
