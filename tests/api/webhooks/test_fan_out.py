"""Every event that a webhook wants becomes one delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from api.service.store import Store
from api.streams.hub import EventHub
from api.webhooks import fan_out as fan_outs
from api.webhooks.fan_out import FanOut
from api.webhooks.schemas import RedeliverRequest, WebhookRequest
from api.webhooks.store import WebhookStore
from domain.events import Completed, Event, Progress, Started
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger

NewEvent = Callable[..., Event]
URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def fan_out(store: Store, hub: EventHub) -> FanOut:
    return FanOut(store, hub, SystemClock(), lambda: None)


async def appended(ledger: Ledger, hub: EventHub, *events: Event) -> list[int]:
    positions = [receipt.position or 0 for receipt in await ledger.append(events)]
    await hub.reached(positions[-1])
    return positions


async def positions_of(rows: WebhookStore, webhook_id: str) -> list[int]:
    page = await rows.deliveries(webhook_id, limit=1000)
    return [delivery.position for delivery in reversed(page.deliveries)]


async def test_each_event_becomes_one_delivery(
    fan_out: FanOut, rows: WebhookStore, ledger: Ledger, hub: EventHub, new_event: NewEvent
) -> None:
    webhook = (await rows.create(WebhookRequest(url=URL))).webhook
    positions = await appended(ledger, hub, *[new_event() for _ in range(5)])
    await fan_out.catch_up()
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == positions


async def test_a_webhook_gets_the_types_it_wants(
    fan_out: FanOut, rows: WebhookStore, ledger: Ledger, hub: EventHub, new_event: NewEvent
) -> None:
    webhook = (await rows.create(WebhookRequest(url=URL, types=("completed", "started")))).webhook
    bodies = [Started(), Progress(completed=1, total=2), Completed(result={}, summary="")]
    positions = await appended(ledger, hub, *[new_event(body=body) for body in bodies])
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == [positions[0], positions[2]]


async def test_a_webhook_gets_the_task_it_wants(
    fan_out: FanOut, rows: WebhookStore, ledger: Ledger, hub: EventHub, new_event: NewEvent
) -> None:
    webhook = (await rows.create(WebhookRequest(url=URL, task_id="tree-2"))).webhook
    positions = await appended(ledger, hub, new_event("tree-1.1"), new_event("tree-2.1"))
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == positions[1:]


async def test_a_new_webhook_gets_nothing_of_the_past(
    fan_out: FanOut, rows: WebhookStore, ledger: Ledger, hub: EventHub, new_event: NewEvent
) -> None:
    await appended(ledger, hub, new_event())
    webhook = (await rows.create(WebhookRequest(url=URL))).webhook
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == []


async def test_a_new_webhook_gets_the_past_that_it_wants(
    fan_out: FanOut, rows: WebhookStore, ledger: Ledger, hub: EventHub, new_event: NewEvent
) -> None:
    positions = await appended(ledger, hub, new_event(), new_event(), new_event())
    webhook = (await rows.create(WebhookRequest(url=URL, after=positions[0]))).webhook
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == positions[1:]


async def test_a_long_past_is_gone_through_in_steps(
    fan_out: FanOut,
    rows: WebhookStore,
    ledger: Ledger,
    hub: EventHub,
    new_event: NewEvent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_outs, "STEP_POSITIONS", 3)
    webhook = (await rows.create(WebhookRequest(url=URL, after=0))).webhook
    positions = await appended(ledger, hub, *[new_event() for _ in range(10)])
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == positions


async def test_a_disabled_webhook_gets_nothing_until_it_is_taken_up_again(
    fan_out: FanOut,
    rows: WebhookStore,
    ledger: Ledger,
    hub: EventHub,
    new_event: NewEvent,
    database_url: str,
) -> None:
    webhook = (await rows.create(WebhookRequest(url=URL))).webhook
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE service.webhook SET disabled_at = now()")
    positions = await appended(ledger, hub, new_event())
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == []
    await rows.redeliver(webhook.id, RedeliverRequest())
    await fan_out.catch_up()
    assert await positions_of(rows, webhook.id) == positions


async def test_several_processes_make_each_delivery_once(
    rows: WebhookStore, ledger: Ledger, hub: EventHub, new_event: NewEvent, database_url: str
) -> None:
    made = 0

    def count() -> None:
        nonlocal made
        made += 1

    webhook = (await rows.create(WebhookRequest(url=URL))).webhook
    positions: list[int] = []
    async with Store(database_url) as first, Store(database_url) as second:
        several = [FanOut(store, hub, SystemClock(), count) for store in (first, second)]
        for _ in range(20):
            positions += await appended(ledger, hub, *[new_event() for _ in range(20)])
            await asyncio.gather(*(one.catch_up() for one in several))
    assert await positions_of(rows, webhook.id) == positions
    assert made == 20
