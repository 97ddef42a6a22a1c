"""The job that forgets webhook deliveries which are long over."""

from __future__ import annotations

from api.jobs.scheduler import Job
from api.webhooks.store import WebhookStore

_SECONDS = 3600.0


def purging(webhooks: WebhookStore) -> Job:
    """Purge deliveries every hour."""
    return Job("purge_webhook_deliveries", _SECONDS, webhooks.purge)
