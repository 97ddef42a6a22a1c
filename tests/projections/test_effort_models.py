"""Effort models that are kept, listed, pinned and taken up again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from domain.errors import UnknownModelError, UsageError
from domain.estimation.learner import Learner
from domain.estimation.model import snapshot
from domain.estimation.shipped import SHIPPED
from eventstore.ledger import Ledger
from eventstore.postgres.connection import Connection, connect
from projections import effort_models as models
from projections.effort_models import Kept
from tests.projections.conftest import History
from tests.projections.test_learning import worked

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await connect(database_url, "test") as connection:
        yield connection


async def stored(ledger: Ledger, history: History, *seconds: float) -> int:
    """Work so long at one subtask after the other; gives the position of the last event."""
    worked(history, seconds)
    receipts = await ledger.append(history.events)
    return max(receipt.position or 0 for receipt in receipts)


async def test_training_an_empty_ledger_keeps_what_is_shipped(database_url: str) -> None:
    trained = await models.train(database_url, NOW)

    assert (trained.completions, trained.position) == (0, 0)
    assert trained.sha256 == snapshot(Learner(prior=SHIPPED)).sha256


async def test_training_goes_on_from_the_model_before(ledger: Ledger, database_url: str, history: History) -> None:
    end = await stored(ledger, history, 10.0, 40.0, 25.0)
    first = await models.train(database_url, NOW, at=end - 2)
    second = await models.train(database_url, NOW)
    third = await models.train(database_url, NOW)

    assert second.before == first.sha256
    assert (first.completions, second.learnt, second.position) == (2, 1, end)
    assert (third.sha256, third.learnt) == (second.sha256, 0)


async def test_a_position_that_the_ledger_has_not_come_to_is_refused(ledger: Ledger, database_url: str) -> None:
    with pytest.raises(UsageError, match="the ledger has no position 1,000: it ends at 0"):
        await models.train(database_url, NOW, at=1000)


async def test_a_pinned_model_speaks_until_it_is_let_go(
    ledger: Ledger, database_url: str, connection: Connection, history: History
) -> None:
    shipped = await models.train(database_url, NOW)
    await models.pin(connection, shipped.sha256[:8], NOW)
    await stored(ledger, history, 10.0, 40.0)

    trained = await models.train(database_url, NOW)

    assert trained.pinned == shipped.sha256
    assert (await models.current(database_url)).sha256 == shipped.sha256
    assert [model.pinned for model in await models.listing(connection)] == [False, True]
    await models.unpin(connection)
    assert (await models.current(database_url)).sha256 == trained.sha256


@pytest.mark.parametrize("name", ["beef", "no hex", ""])
async def test_a_model_that_there_is_not_is_answered_with_those_that_there_are(
    database_url: str, connection: Connection, name: str
) -> None:
    known = (await models.train(database_url, NOW)).sha256[:12]

    with pytest.raises(UnknownModelError, match=f"no effort model is named {name}; there are {known}"):
        await models.named(connection, name)


async def test_a_damaged_model_is_passed_over_and_the_ledger_learnt_anew(
    ledger: Ledger, database_url: str, connection: Connection, history: History
) -> None:
    await stored(ledger, history, 10.0, 40.0)
    good = await models.train(database_url, NOW)
    await connection.execute("UPDATE service.effort_model SET state = 'no statistics'")

    assert (await models.current(database_url)).sha256 == good.sha256


async def test_of_what_services_keep_for_themselves_the_latest_stay(
    database_url: str, connection: Connection
) -> None:
    asked_for = await models.train(database_url, NOW)
    for position in range(1, 8):
        learner = Learner(prior=SHIPPED)
        learner.state.position = position
        await models.keep(connection, Kept(model=snapshot(learner), position=position), NOW, asked_for=False)

    kept = await models.listing(connection)

    assert [model.position for model in kept] == [7, 6, 5, 4, 0]
    assert kept[-1].sha256 == asked_for.sha256
