"""Effort models that are kept: which there are, which is in use, and making one from the ledger."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow

from domain.errors import ModelError, UnknownModelError, UsageError
from domain.estimation.learner import Learner
from domain.estimation.model import VERSION, Model, restored, snapshot
from domain.estimation.shipped import SHIPPED
from eventstore.postgres.connection import Connection, connect, unreachable
from projections.learning import Training
from projections.reading import settled_position

#: What a service keeps for its own next start.
_OWN_KEPT_MAX = 3

_NEWEST: LiteralString = """
    SELECT sha256, position, completions, version, state
    FROM service.effort_model
    WHERE position <= %(position)s AND version = %(version)s
    ORDER BY position DESC, made_at DESC
    LIMIT 1
"""
_NAMED: LiteralString = """
    SELECT sha256, position, completions, version, state
    FROM service.effort_model
    WHERE starts_with(sha256, %(name)s)
    LIMIT 2
"""
_PINNED: LiteralString = """
    SELECT sha256, position, completions, version, state
    FROM service.effort_model
    JOIN service.effort_model_pin USING (sha256)
"""
_PIN: LiteralString = """
    INSERT INTO service.effort_model_pin (sha256, pinned_at) VALUES (%(sha256)s, %(now)s)
    ON CONFLICT (only_row) DO UPDATE SET sha256 = excluded.sha256, pinned_at = excluded.pinned_at
"""
# The same knowledge, found again further on in the ledger: nothing that counts came in between.
_KEEP: LiteralString = """
    INSERT INTO service.effort_model AS kept (sha256, position, completions, version, state, asked_for, made_at)
    VALUES (%(sha256)s, %(position)s, %(completions)s, %(version)s, %(state)s, %(asked_for)s, %(now)s)
    ON CONFLICT (sha256) DO UPDATE SET
        position = greatest(kept.position, excluded.position),
        asked_for = kept.asked_for OR excluded.asked_for
"""
_FORGET: LiteralString = """
    DELETE FROM service.effort_model
    WHERE NOT asked_for
        AND NOT EXISTS (SELECT FROM service.effort_model_pin AS pin WHERE pin.sha256 = effort_model.sha256)
        AND position < (
            SELECT position
            FROM service.effort_model
            WHERE NOT asked_for
            ORDER BY position DESC
            OFFSET %(kept)s
            LIMIT 1
        )
"""
_ALL: LiteralString = """
    SELECT
        sha256, position, completions, version, octet_length(state), made_at, asked_for,
        EXISTS (SELECT FROM service.effort_model_pin AS pin WHERE pin.sha256 = effort_model.sha256)
    FROM service.effort_model
    ORDER BY position DESC, made_at DESC
"""


_LOG = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A model as the ledger was read up to a position."""

    model: Model
    #: How far the ledger was read; the model's own position is that of the last attempt that counts.
    position: int


class KeptModel(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the list of models."""

    sha256: str
    position: int
    completions: int
    version: int
    bytes: int
    made_at: datetime
    #: Whether somebody asked for it, and not a service for its own next start.
    asked_for: bool
    #: Whether all estimates are made with it.
    pinned: bool


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What training came to."""

    sha256: str
    position: int
    completions: int
    #: Completions that the model before did not know, and its name; empty: it began with what is shipped.
    learnt: int
    before: str
    #: Whether estimates go on being made with another one, which is pinned.
    pinned: str


async def newest(connection: Connection, position: int) -> Kept | None:
    """Give the model that knows most of what comes up to a position."""
    binds = {"position": position, "version": VERSION}
    return _kept(await (await connection.execute(_NEWEST, binds)).fetchone())


async def pinned(connection: Connection) -> Kept | None:
    """Give the model that is in use whatever comes; None: the ledger is followed."""
    return _kept(await (await connection.execute(_PINNED)).fetchone())


async def pinned_sha256(connection: Connection) -> str:
    """Name the model that is in use whatever comes; empty: the ledger is followed."""
    row = await (await connection.execute("SELECT sha256 FROM service.effort_model_pin")).fetchone()
    return str(row[0]) if row is not None else ""


async def named(connection: Connection, name: str) -> Kept:
    """Give the model whose SHA-256 begins so; raises `UnknownModelError` where none or several do."""
    rows = []
    if re.fullmatch(r"[0-9a-f]{4,64}", name):
        rows = await (await connection.execute(_NAMED, {"name": name})).fetchall()
    if len(rows) == 1 and (kept := _kept(rows[0])) is not None:
        return kept
    if rows:
        raise UnknownModelError(f"several effort models are named {name}...: give more digits of the SHA-256")
    known = [one.sha256[:12] for one in await listing(connection)]
    there = f"there are {', '.join(known[:5])}" if known else "none is kept: pw train makes one"
    raise UnknownModelError(f"no effort model is named {name}; {there}")


async def pin(connection: Connection, name: str, now: datetime) -> Kept:
    """Have all estimates made with a model, whatever comes after it; raises what `named` does, and `ModelError`."""
    kept = await named(connection, name)
    restored(kept.model)
    await connection.execute(_PIN, {"sha256": kept.model.sha256, "now": now})
    return kept


async def unpin(connection: Connection) -> None:
    """Have the ledger followed again."""
    await connection.execute("DELETE FROM service.effort_model_pin")


async def listing(connection: Connection) -> list[KeptModel]:
    """List the models that are kept, the one that knows most first."""
    rows = await (await connection.execute(_ALL)).fetchall()
    names = KeptModel.__struct_fields__
    return [KeptModel(**dict(zip(names, row, strict=True))) for row in rows]


async def keep(connection: Connection, kept: Kept, now: datetime, *, asked_for: bool) -> None:
    """Keep a model; of those that nobody asked for the latest stay."""
    model = kept.model
    binds = {
        "sha256": model.sha256,
        "position": kept.position,
        "completions": model.completions,
        "version": model.version,
        "state": zlib.compress(model.state),
        "asked_for": asked_for,
        "now": now,
    }
    await connection.execute(_KEEP, binds)
    if not asked_for:
        await connection.execute(_FORGET, {"kept": _OWN_KEPT_MAX})


async def begun(url: str, position: int | None = None) -> Training:
    """Begin where the kept model that knows most, up to a position, has ended; from the start where it is damaged."""
    try:
        async with await connect(url, "effort models") as connection:
            # One that knows more than the ledger is of before a restore.
            settled = await settled_position(connection)
            kept = await newest(connection, settled if position is None else min(position, settled))
        if kept is not None:
            return Training(url, restored(kept.model), kept.position)
    except ModelError as error:
        _LOG.warning("the ledger is learnt anew", extra={"reason": str(error)})
    except psycopg.Error as error:
        raise unreachable(error) from error
    return Training(url, Learner(prior=SHIPPED))


async def train(
    url: str, now: datetime, *, at: int | None = None, on_progress: Callable[[int, int], None] | None = None
) -> Trained:
    """Make a model of the ledger up to a position (None: all of it) and keep it.

    Raises `UsageError` for a position that the ledger has not come to, and `LedgerError` where the database is away.
    """
    try:
        async with await connect(url, "effort models") as connection:
            settled = await settled_position(connection)
            if at is not None and not 0 <= at <= settled:
                raise UsageError(f"the ledger has no position {at:,}: it ends at {settled:,}")
            training = await begun(url, at)
            before = snapshot(training.learner)
            await training.read(at, on_progress=on_progress)
            model = snapshot(training.learner)
            await keep(connection, Kept(model=model, position=training.position), now, asked_for=True)
            return Trained(
                sha256=model.sha256,
                position=training.position,
                completions=model.completions,
                learnt=model.completions - before.completions,
                before=before.sha256 if before.completions else "",
                pinned=await pinned_sha256(connection),
            )
    except psycopg.Error as error:
        raise unreachable(error) from error


async def current(url: str) -> Model:
    """Give the model that estimates are made with now: the one that is pinned, or the ledger's up to its end."""
    try:
        async with await connect(url, "effort models") as connection:
            if (chosen := await pinned(connection)) is not None:
                return chosen.model
    except psycopg.Error as error:
        raise unreachable(error) from error
    training = await begun(url)
    await training.read()
    return snapshot(training.learner)


async def model_at(url: str, position: int) -> Model:
    """Make the model of the ledger up to a position again, from one that is kept where that is possible."""
    training = await begun(url, position)
    await training.read(position)
    return snapshot(training.learner)


class _Known(msgspec.Struct):
    """The part of a model's state that names it."""

    position: int
    strengths: tuple[int, ...]


def _kept(row: TupleRow | None) -> Kept | None:
    if row is None:
        return None
    sha256, position, completions, version, state = row
    try:
        encoded = zlib.decompress(state)
        known = msgspec.json.decode(encoded, type=_Known)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ModelError(f"the kept effort model {sha256} is damaged: {error}: train anew") from error
    model = Model(
        version=version,
        position=known.position,
        completions=completions,
        strengths=known.strengths,
        state=encoded,
        sha256=sha256,
    )
    return Kept(model=model, position=position)
