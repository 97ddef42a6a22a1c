"""Webhooks and their deliveries, as the routes see them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from api.service.store import Store
from api.webhooks import store as stores
from api.webhooks.guard import Guard
from api.webhooks.schemas import RedeliverRequest, WebhookRequest
from api.webhooks.store import WebhookStore
from domain.errors import InvalidRequestError, UnknownWebhookError

URL = "http://127.0.0.1:9/hook"


@pytest.fixture
async def webhook_id(rows: WebhookStore) -> str:
    return (await rows.create(WebhookRequest(url=URL))).webhook.id


def deliver(url: str, webhook_id: str, count: int, **columns: str) -> None:
    """Store deliveries at positions 1, 2, 3 ..., with further columns as SQL."""
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    with psycopg.connect(url) as connection:
        connection.execute(
            f"INSERT INTO service.webhook_delivery (webhook_id, position, task_id, next_attempt_at{names})"  # type: ignore[arg-type]
            f" SELECT %s, number, 'tree-1', now(){values} FROM generate_series(1, %s) AS number",
            [webhook_id, count],
        )


async def test_a_new_webhook_is_listed_without_its_secret(rows: WebhookStore) -> None:
    created = await rows.create(WebhookRequest(url=URL, types=("started",), task_id="tree-1"))
    assert created.secret.startswith("whsec_")
    assert (await rows.list()).webhooks == (created.webhook,)
    assert created.webhook.types == ("started",)
    assert created.webhook.task_id == "tree-1"


async def test_each_webhook_has_a_secret_of_its_own(rows: WebhookStore) -> None:
    secrets = {(await rows.create(WebhookRequest(url=URL))).secret for _ in range(3)}
    assert len(secrets) == 3


async def test_a_target_that_may_not_be_reached_is_refused(store: Store, clock: Any) -> None:
    guarded = WebhookStore(store, clock, Guard(private=False))
    with pytest.raises(InvalidRequestError, match="may not reach"):
        await guarded.create(WebhookRequest(url=URL))


async def test_a_type_that_no_event_has_is_refused(rows: WebhookStore) -> None:
    with pytest.raises(InvalidRequestError, match="no events of type ended"):
        await rows.create(WebhookRequest(url=URL, types=("started", "ended")))


async def test_one_webhook_too_many_is_refused(rows: WebhookStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "WEBHOOKS_MAX", 1)
    await rows.create(WebhookRequest(url=URL))
    with pytest.raises(InvalidRequestError, match="there are 1 webhooks"):
        await rows.create(WebhookRequest(url=URL))


async def test_a_deleted_webhook_is_gone_with_its_deliveries(
    rows: WebhookStore, webhook_id: str, database_url: str
) -> None:
    deliver(database_url, webhook_id, 3)
    await rows.delete(webhook_id)
    assert (await rows.list()).webhooks == ()


async def test_an_unknown_webhook_is_an_error_everywhere(rows: WebhookStore) -> None:
    for call in (rows.get("wh_0"), rows.delete("wh_0"), rows.deliveries("wh_0")):
        with pytest.raises(UnknownWebhookError, match="wh_0"):
            await call
    with pytest.raises(UnknownWebhookError, match="wh_0"):
        await rows.redeliver("wh_0", RedeliverRequest())


async def test_deliveries_come_in_pages_newest_first(rows: WebhookStore, webhook_id: str, database_url: str) -> None:
    deliver(database_url, webhook_id, 5)
    found: list[list[int]] = []
    cursor: str | None = None
    while not found or cursor:
        page = await rows.deliveries(webhook_id, cursor=cursor, limit=2)
        found.append([delivery.position for delivery in page.deliveries])
        cursor = page.next_cursor
    assert found == [[5, 4], [3, 2], [1]]


async def test_a_cursor_of_something_else_is_refused(rows: WebhookStore, webhook_id: str) -> None:
    with pytest.raises(InvalidRequestError, match="cursor"):
        await rows.deliveries(webhook_id, cursor="x")


async def test_dead_deliveries_are_listed_by_themselves(
    rows: WebhookStore, webhook_id: str, database_url: str
) -> None:
    deliver(database_url, webhook_id, 4, dead_at="CASE WHEN number < 3 THEN now() END")
    page = await rows.deliveries(webhook_id, dead=True)
    assert [(one.position, one.status) for one in page.deliveries] == [(2, "dead"), (1, "dead")]
    webhook = await rows.get(webhook_id)
    assert (webhook.waiting, webhook.dead) == (2, 2)


async def test_what_is_dead_is_sent_again_where_nothing_is_named(
    rows: WebhookStore, webhook_id: str, database_url: str
) -> None:
    deliver(database_url, webhook_id, 4, attempts="9", dead_at="CASE WHEN number < 3 THEN now() END")
    assert (await rows.redeliver(webhook_id, RedeliverRequest())).deliveries == 2
    page = await rows.deliveries(webhook_id)
    assert [(one.status, one.attempts) for one in page.deliveries] == [
        ("waiting", 9),
        ("waiting", 9),
        ("waiting", 0),
        ("waiting", 0),
    ]


async def test_what_was_delivered_is_sent_again_where_it_is_named(
    rows: WebhookStore, webhook_id: str, database_url: str
) -> None:
    deliver(database_url, webhook_id, 3, delivered_at="now()")
    assert (await rows.redeliver(webhook_id, RedeliverRequest(positions=(2,)))).deliveries == 1
    page = await rows.deliveries(webhook_id)
    assert [one.status for one in page.deliveries] == ["delivered", "waiting", "delivered"]


async def test_only_what_is_long_over_is_forgotten(rows: WebhookStore, webhook_id: str, database_url: str) -> None:
    deliver(
        database_url,
        webhook_id,
        6,
        delivered_at="CASE number WHEN 1 THEN now() - interval '4 days' WHEN 2 THEN now() - interval '1 day' END",
        dead_at="CASE number WHEN 3 THEN now() - interval '31 days' WHEN 4 THEN now() - interval '4 days' END",
    )
    assert await rows.purge() == 2
    page = await rows.deliveries(webhook_id)
    assert [one.position for one in page.deliveries] == [6, 5, 4, 2]
