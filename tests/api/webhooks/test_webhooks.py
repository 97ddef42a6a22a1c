"""From an event in the ledger to a receiver, whatever the receiver does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import psycopg
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks import Webhook

from api.observability.metrics import Metrics
from api.webhooks.retries import ATTEMPTS_MAX
from api.webhooks.schemas import RedeliverRequest, WebhookRequest
from api.webhooks.webhooks import Webhooks
from domain.events import Event, Progress
from eventstore.ledger import Ledger

NewEvent = Callable[..., Event]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def position_in(received: Any) -> int:
    position: int = msgspec.json.decode(received.body)["data"]["position"]
    return position


async def test_an_event_arrives_signed_and_in_its_envelope(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent
) -> None:
    created = await webhooks.create(WebhookRequest(url=receiver.url))
    event = new_event(body=Progress(completed=3, total=4, status="going"))
    [receipt] = await ledger.append([event])
    received = await receiver.next()
    Webhook(created.secret).verify(received.body, received.headers)
    envelope = from_structured_event(HTTPMessage(headers=received.headers, body=received.body))
    assert received.headers["content-type"].startswith("application/cloudevents+json")
    assert received.headers["webhook-id"] == envelope.get_id() == str(event.message_id)
    assert envelope.get_type() == "parallel-workers.progress"
    data = envelope.get_data()
    assert isinstance(data, dict)
    assert data["position"] == receipt.position
    assert data["payload"] == {"completed": 3, "total": 4, "status": "going"}


async def test_the_past_that_is_wanted_arrives(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent
) -> None:
    receipts = await ledger.append([new_event() for _ in range(10)])
    await webhooks.create(WebhookRequest(url=receiver.url, after=0))
    arrived = {position_in(await receiver.next()) for _ in receipts}
    assert arrived == {receipt.position for receipt in receipts}


async def test_a_failed_delivery_comes_again_under_the_same_id(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent, clock: Any, until: Until
) -> None:
    webhook = (await webhooks.create(WebhookRequest(url=receiver.url))).webhook
    receiver.answers = [(500, {})]
    await ledger.append([new_event()])
    first = await receiver.next()

    async def failed() -> bool:
        return (await webhooks.deliveries(webhook.id)).deliveries[0].last_error == "the target answered 500"

    await until(failed)
    clock.forward(hours=6)
    second = await receiver.next()
    assert second.headers["webhook-id"] == first.headers["webhook-id"]
    assert second.body == first.body


async def test_a_pause_is_kept(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent, clock: Any, until: Until
) -> None:
    webhook = (await webhooks.create(WebhookRequest(url=receiver.url))).webhook
    receiver.answers = [(503, {"retry-after": "3600"})]
    await ledger.append([new_event()])
    await receiver.next()

    async def waits_for_an_hour() -> bool:
        again = (await webhooks.deliveries(webhook.id)).deliveries[0].next_attempt_at
        return again is not None and (again - clock.now()).total_seconds() > 3500

    await until(waits_for_an_hour)
    clock.forward(minutes=30)
    await ledger.append([new_event("tree-2.1")])
    # What is due comes, and what is not does not.
    assert msgspec.json.decode((await receiver.next()).body)["subject"] == "tree-2.1"
    assert receiver.nothing_waits


async def test_what_fails_every_time_is_dead_and_can_be_sent_again(
    webhooks: Webhooks,
    receiver: Any,
    ledger: Ledger,
    new_event: NewEvent,
    clock: Any,
    until: Until,
    metrics: Metrics,
) -> None:
    webhook = (await webhooks.create(WebhookRequest(url=receiver.url))).webhook
    receiver.answers = [(500, {})] * ATTEMPTS_MAX
    await ledger.append([new_event()])
    for attempts in range(1, ATTEMPTS_MAX + 1):
        await receiver.next()

        async def noted(attempts: int = attempts) -> bool:
            done = metrics.deliveries.labels("failed"), metrics.deliveries.labels("dead")
            return sum(counter._value.get() for counter in done) == attempts

        await until(noted)
        clock.forward(hours=6)
    [dead] = (await webhooks.deliveries(webhook.id, dead=True)).deliveries
    assert (dead.status, dead.attempts, dead.last_error) == ("dead", ATTEMPTS_MAX, "the target answered 500")
    assert (await webhooks.redeliver(webhook.id, RedeliverRequest())).deliveries == 1
    await receiver.next()


async def test_410_disables_the_webhook(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent, until: Until
) -> None:
    webhook = (await webhooks.create(WebhookRequest(url=receiver.url))).webhook
    receiver.answers = [(410, {})]
    await ledger.append([new_event()])

    async def dead() -> bool:
        return bool((await webhooks.deliveries(webhook.id, dead=True)).deliveries)

    await until(dead)
    assert (await webhooks.get(webhook.id)).disabled_at is not None


async def test_a_target_that_does_not_answer_holds_up_no_other(
    webhooks: Webhooks, receiver: Any, other_receiver: Any, ledger: Ledger, new_event: NewEvent
) -> None:
    receiver.open.clear()
    await webhooks.create(WebhookRequest(url=receiver.url))
    await webhooks.create(WebhookRequest(url=other_receiver.url))
    receipts = await ledger.append([new_event() for _ in range(20)])
    arrived = {position_in(await other_receiver.next()) for _ in receipts}
    assert arrived == {receipt.position for receipt in receipts}
    # The slow one has as many as one webhook may have under way.
    assert [bool(await receiver.next()) for _ in range(4)] == [True] * 4
    assert receiver.nothing_waits


async def test_two_processes_send_each_delivery_once(
    opened: Callable[[], AbstractAsyncContextManager[Webhooks]],
    receiver: Any,
    ledger: Ledger,
    new_event: NewEvent,
    until: Until,
) -> None:
    async with opened() as first, opened():
        webhook = (await first.create(WebhookRequest(url=receiver.url))).webhook
        receipts = await ledger.append([new_event() for _ in range(100)])
        arrived = [position_in(await receiver.next()) for _ in receipts]

        async def all_are_noted() -> bool:
            return (await first.get(webhook.id)).waiting == 0

        await until(all_are_noted)
    assert sorted(arrived) == [receipt.position for receipt in receipts]
    assert receiver.nothing_waits


async def test_what_a_dead_process_had_under_way_is_sent_by_another(
    opened: Callable[[], AbstractAsyncContextManager[Webhooks]],
    receiver: Any,
    ledger: Ledger,
    new_event: NewEvent,
    clock: Any,
) -> None:
    receiver.open.clear()
    async with opened() as first:
        await first.create(WebhookRequest(url=receiver.url))
        await ledger.append([new_event()])
        await receiver.next()
    receiver.open.set()
    clock.forward(hours=1)
    async with opened():
        await receiver.next()


async def test_deliveries_go_on_after_the_database_was_away(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent, database_url: str
) -> None:
    await webhooks.create(WebhookRequest(url=receiver.url))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    [receipt] = await ledger.append([new_event()])
    assert position_in(await receiver.next()) == receipt.position


async def test_an_archived_event_is_given_up(
    webhooks: Webhooks, receiver: Any, database_url: str, until: Until
) -> None:
    webhook = (await webhooks.create(WebhookRequest(url=receiver.url))).webhook
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO service.webhook_delivery (webhook_id, position, task_id, next_attempt_at)"
            " VALUES (%s, 99, 'tree-9', now())",
            [webhook.id],
        )

    async def dead() -> bool:
        return bool((await webhooks.deliveries(webhook.id, dead=True)).deliveries)

    await until(dead)
    assert receiver.nothing_waits


async def test_no_secret_of_a_target_is_kept(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent, until: Until
) -> None:
    webhook = (await webhooks.create(WebhookRequest(url=receiver.url))).webhook
    receiver.answers = [(500, {"x-inner": "10.0.0.7"})]
    await ledger.append([new_event()])

    async def failed() -> bool:
        return bool((await webhooks.deliveries(webhook.id)).deliveries[0].last_error)

    await receiver.next()
    await until(failed)
    assert (await webhooks.deliveries(webhook.id)).deliveries[0].last_error == "the target answered 500"


@pytest.mark.parametrize("count", [300])
async def test_more_than_a_few_arrive_in_the_end(
    webhooks: Webhooks, receiver: Any, ledger: Ledger, new_event: NewEvent, count: int
) -> None:
    await webhooks.create(WebhookRequest(url=receiver.url))
    receipts = await ledger.append([new_event() for _ in range(count)])
    async with asyncio.timeout(60):
        arrived = {position_in(await receiver.next()) for _ in receipts}
    assert arrived == {receipt.position for receipt in receipts}
