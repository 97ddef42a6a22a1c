"""Events: pages of one task's, and streams of everything as it is stored."""

from __future__ import annotations

from typing import Annotated, get_args

import msgspec
from litestar.response.base import ASGIResponse
from msgspec import Meta

from api.routes.endpoint import JSON, HttpRequest, Reply, endpoint
from api.routes.parameters import Limit, Position
from api.routes.reading import InvalidPartError, convert
from api.routes.roles import READERS
from api.schemas import EventPage, Name
from api.service.interface import Services
from api.streams.frames import Wanted
from api.streams.hub import EventHub
from api.streams.playback import Playback
from api.streams.sse import EventStream
from domain.errors import InvalidRequestError
from domain.events import EventBody

_SSE = "text/event-stream"
_LAST = "last-event-id"
_HEADERS = {"Last-Event-ID": "The position of the last event that was read; wins over `after`."}
_STREAM = Reply(kind=bytes, media_type=_SSE, meaning="Events as they come: `id` is the position, `event` the type.")

_TYPES = frozenset(str(cls.__struct_config__.tag) for cls in get_args(EventBody))
_Types = Annotated[tuple[str, ...], Meta(max_length=100, description="Only events of these types.")]


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, and from where."""

    #: Left out: only what is new.
    after: Position | None = None
    #: Only this task's.
    task: Name | None = None
    type: _Types = ()


class TaskEventsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a task's events, and from where."""

    after: Position = 0
    #: Of a page; a stream has no end.
    limit: Limit = 100
    #: Of a stream; a page has all types.
    type: _Types = ()
    #: Of a stream: what has been comes so many times as fast as it was recorded. Left out: at once.
    speed: Annotated[float, Meta(gt=0.0, le=1e6)] | None = None


@endpoint(
    "GET",
    "/v1/events",
    roles=READERS,
    replies={200: _STREAM},
    refusals=(404, 410, 503),
    headers=_HEADERS,
)
async def stream(request: HttpRequest, services: Services, hub: EventHub, query: StreamQuery) -> ASGIResponse:
    """Follow the ledger, as server-sent events.

    A comment comes every few seconds, so that a line that is dead is noticed. Whoever is cut off comes back with
    `Last-Event-ID`, as browsers do by themselves, and misses nothing.
    """
    if query.task is not None:
        await services.task(query.task)
    return await _stream(request, services, hub, query)


@endpoint(
    "GET",
    "/v1/tasks/{task_id}/events",
    roles=READERS,
    replies={200: Reply(kind=EventPage, meaning=f"A page; with `Accept: {_SSE}` a stream.")},
    refusals=(404, 410, 503),
    headers={**_HEADERS, "Accept": f"`{_SSE}` for a stream of what there is and what comes."},
)
async def task_events(
    request: HttpRequest, services: Services, hub: EventHub, task_id: Name, query: TaskEventsQuery
) -> ASGIResponse:
    """List a task's events past a position, or follow them; a stream may begin at the pace of the past."""
    if _SSE in request.headers.get("accept", ""):
        await services.task(task_id)
        wanted = StreamQuery(after=query.after, task=task_id, type=query.type)
        playback = Playback(query.speed) if query.speed is not None else None
        return await _stream(request, services, hub, wanted, playback)
    if query.type:
        raise InvalidRequestError(f"a page has all types: ask for {_SSE} to have some only")
    if query.speed is not None:
        raise InvalidRequestError(f"a page comes at once: ask for {_SSE} to have events at a speed")
    page = await services.events(task_id, after=query.after, limit=query.limit)
    return ASGIResponse(body=msgspec.json.encode(page), media_type=JSON)


async def _stream(
    request: HttpRequest,
    services: Services,
    hub: EventHub,
    query: StreamQuery,
    playback: Playback | None = None,
) -> ASGIResponse:
    if unknown := sorted(set(query.type) - _TYPES):
        raise InvalidPartError(f"there are no events of type {unknown[0][:100]!r}", *sorted(_TYPES))
    last = request.headers.get(_LAST)
    after = convert(last, Position, "Last-Event-ID") if last else query.after

    async def past(task_id: str, place: int, limit: int) -> EventPage:
        return await services.events(task_id, after=place, limit=limit)

    wanted = Wanted(task_id=query.task, types=frozenset(query.type))
    return EventStream(await hub.open(after, wanted, past, playback))


ROUTES = (stream, task_events)
