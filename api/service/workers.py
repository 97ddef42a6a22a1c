"""Whose worker is whose: a worker's name belongs to the key that first used it."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from api.auth.principal import Principal
from api.service.store import Store
from domain.errors import NotYoursError, UnknownSubtaskError

#: Workers whose keys are remembered; what is forgotten is read again.
_REMEMBERED_MAX = 100_000

# The first to name a worker owns it. The second statement sees the row whoever has made it.
_REGISTER: LiteralString = """
    INSERT INTO service.worker (worker_id, name, key_id, registered_at)
    VALUES (%(worker_id)s, %(name)s, %(key_id)s, clock_timestamp())
    ON CONFLICT (worker_id) DO UPDATE SET name = CASE
        WHEN worker.key_id IS NOT DISTINCT FROM excluded.key_id AND excluded.name <> '' THEN excluded.name
        ELSE worker.name
    END
    RETURNING key_id, name, registered_at, heard_at
"""

_KEY: LiteralString = "SELECT key_id FROM service.worker WHERE worker_id = %(worker_id)s"

# By age, so that the clocks of several machines need not agree.
_HEARD: LiteralString = """
    UPDATE service.worker
    SET heard_at = clock_timestamp() - make_interval(secs => heard.age_seconds)
    FROM unnest(%(workers)s::text[], %(ages)s::float8[]) AS heard (worker_id, age_seconds)
    WHERE worker.worker_id = heard.worker_id
"""

_SILENT_FOR: LiteralString = """
    SELECT worker_id, extract(epoch FROM clock_timestamp() - heard_at)::float8
    FROM service.worker
    WHERE worker_id = ANY (%(workers)s) AND heard_at IS NOT NULL
"""


class Registration:
    """What is known of a worker."""

    __slots__ = ("heard_at", "key_id", "name", "registered_at")

    def __init__(self, key_id: str | None, name: str, registered_at: datetime, heard_at: datetime | None) -> None:
        self.key_id = key_id
        self.name = name
        self.registered_at = registered_at
        self.heard_at = heard_at


class Workers:
    """The workers that have a name here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, str | None] = {}

    async def register(self, worker_id: str, principal: Principal, name: str = "") -> Registration:
        """Bind a worker's name to the caller's key; raises `NotYoursError` where it is another key's."""
        row = await self._store.one(_REGISTER, {"worker_id": worker_id, "name": name, "key_id": principal.key_id})
        if row is None:
            raise UnknownSubtaskError(f"there is no worker {worker_id!r}")
        known = Registration(*row)
        if len(self._keys) >= _REMEMBERED_MAX:
            self._keys.clear()
        self._keys[worker_id] = known.key_id
        _check(worker_id, known.key_id, principal)
        return known

    async def check(self, worker_id: str, principal: Principal) -> None:
        """Raise `NotYoursError` where the worker is another key's; an unknown one becomes the caller's."""
        if worker_id in self._keys:
            _check(worker_id, self._keys[worker_id], principal)
        else:
            await self.register(worker_id, principal)

    async def belongs_to(self, worker_id: str, principal: Principal) -> bool:
        """Tell whether a worker is of the caller's key; one that nobody knows is nobody's."""
        if worker_id not in self._keys and (row := await self._store.one(_KEY, {"worker_id": worker_id})):
            self._keys[worker_id] = row[0]
        return self.known_to_belong(worker_id, principal)

    def known_to_belong(self, worker_id: str, principal: Principal) -> bool:
        """Tell whether a worker that was heard of here is of the caller's key."""
        return worker_id in self._keys and self._keys[worker_id] == principal.key_id

    async def store_signs_of_life(self, ages_seconds: dict[str, float]) -> None:
        """Note for other processes, and for later, how long ago each was heard of."""
        await self._store.rows(_HEARD, {"workers": list(ages_seconds), "ages": list(ages_seconds.values())})

    async def silent_for(self, workers: list[str]) -> dict[str, float]:
        """Say for how many seconds each has not been heard of by any process."""
        return dict(await self._store.rows(_SILENT_FOR, {"workers": workers}))


def _check(worker_id: str, key_id: str | None, principal: Principal) -> None:
    if principal.role != "admin" and key_id != principal.key_id:
        raise NotYoursError(f"worker {worker_id} belongs to another key")
