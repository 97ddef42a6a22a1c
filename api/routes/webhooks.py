"""Outgoing webhooks: who is told of what, and what became of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.auth.principal import Principal
from api.routes.endpoint import HttpRequest, endpoint
from api.routes.idempotency import IDEMPOTENCY_KEY, idempotency_key
from api.routes.roles import PLANNERS
from api.schemas import Wire
from api.webhooks.schemas import (
    DeliveryPage,
    RedeliverReply,
    RedeliverRequest,
    WebhookCreated,
    WebhookPage,
    WebhookRequest,
    WebhookView,
)
from api.webhooks.webhooks import Webhooks

WebhookId = Annotated[str, Meta(min_length=1, max_length=100)]


class DeliveriesQuery(Wire, frozen=True, kw_only=True):
    """Which deliveries are listed."""

    #: Only those that were given up.
    dead: bool = False
    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


@endpoint(
    "POST",
    "/v1/webhooks",
    roles=PLANNERS,
    status=201,
    refusals=(409,),
    headers={IDEMPOTENCY_KEY: "Sent again with the same key and content, the webhook is made once."},
)
async def create_webhook(
    request: HttpRequest, webhooks: Webhooks, principal: Principal, body: WebhookRequest
) -> WebhookCreated:
    """Have events sent to a URL.

    Each event comes as a CloudEvent in JSON, signed as Standard Webhooks has it, with the secret that is answered
    here and never again, but to the same request sent again. It comes at least once, in any order (`data.position`
    tells the order), and always under the same `webhook-id`. What fails is tried again for hours, then given up, and
    can be sent again; a 410 ends all.
    """
    key = idempotency_key(request)
    # Two callers may well choose the same one.
    return await webhooks.create(body, sent_as=None if key is None else f"{principal.key_id}\0{key}")


@endpoint("GET", "/v1/webhooks", roles=PLANNERS)
async def list_webhooks(webhooks: Webhooks) -> WebhookPage:
    """List all webhooks, oldest first."""
    return await webhooks.list()


@endpoint("GET", "/v1/webhooks/{webhook_id}", roles=PLANNERS, refusals=(404,))
async def get_webhook(webhooks: Webhooks, webhook_id: WebhookId) -> WebhookView:
    """Give a webhook, and how much of it waits or was given up."""
    return await webhooks.get(webhook_id)


@endpoint("DELETE", "/v1/webhooks/{webhook_id}", roles=PLANNERS, refusals=(404,))
async def delete_webhook(webhooks: Webhooks, webhook_id: WebhookId) -> None:
    """Send nothing more, and forget what waits."""
    await webhooks.delete(webhook_id)


@endpoint("GET", "/v1/webhooks/{webhook_id}/deliveries", roles=PLANNERS, refusals=(404,))
async def list_deliveries(webhooks: Webhooks, webhook_id: WebhookId, query: DeliveriesQuery) -> DeliveryPage:
    """List what became of the latest events, newest first.

    What was delivered is forgotten after days, what was given up after a month.
    """
    return await webhooks.deliveries(webhook_id, dead=query.dead, cursor=query.cursor, limit=query.limit)


@endpoint("POST", "/v1/webhooks/{webhook_id}/redeliver", roles=PLANNERS, refusals=(404,))
async def redeliver(webhooks: Webhooks, webhook_id: WebhookId, body: RedeliverRequest) -> RedeliverReply:
    """Send events again: those that were given up, or those at the positions given.

    A webhook that was disabled by a 410 is taken up again, with all that has happened since.
    """
    return await webhooks.redeliver(webhook_id, body)


ROUTES = (create_webhook, list_webhooks, get_webhook, delete_webhook, list_deliveries, redeliver)
