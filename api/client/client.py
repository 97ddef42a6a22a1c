"""The service as its clients see it: one method for each route, over TCP or a unix socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal, Self, TypeVar

import httpx
import msgspec
from httpx_sse import EventSource, aconnect_sse

from api.client.address import Address
from api.client.errors import retry_after_seconds
from api.client.exchange import Send, exchange
from api.postmortem.document import Postmortem
from api.schemas import (
    OPEN_SUBTASKS,
    AnswerRequest,
    AnyMessage,
    Baseline,
    BlockerPage,
    ClaimReply,
    ClaimRequest,
    EstimateView,
    EventPage,
    EventView,
    GatesRequest,
    HeartbeatReply,
    HeartbeatRequest,
    MessageReceipt,
    ObservationRequest,
    Outlook,
    ProgressView,
    ReasonRequest,
    Receipts,
    ReleaseRequest,
    ReviewRequest,
    SubtaskPage,
    SubtaskView,
    TaskPage,
    TaskRequest,
    TaskView,
    VerdictReply,
    WorkerRequest,
    WorkerView,
)
from eventstore.clock import Clock, SystemClock

#: How long a request is tried again where nobody else says.
PATIENCE_SECONDS = 30.0
#: Longest silence within an answer. A report of hundreds of megabytes takes the service as long to read.
_SILENCE_SECONDS = 120.0
#: Longest silence of a stream, which sends a comment each 15 seconds.
_STREAM_SILENCE_SECONDS = 60.0

_T = TypeVar("_T")
_Parameters = Mapping[str, str | float | Sequence[str] | None]
_CLAIM = msgspec.json.Decoder(ClaimReply)


class Client:
    """A connection to a service. Every request is harmless when sent twice, so it is tried again for a while.

    Methods raise what the service answers with (`domain/errors.py`), and `ServiceError` where it cannot be reached
    for `patience_seconds`.
    """

    def __init__(self, http: httpx.AsyncClient, address: Address, clock: Clock, patience_seconds: float) -> None:
        self._http = http
        self._address = address
        self._clock = clock
        self._patience_seconds = patience_seconds

    @classmethod
    @asynccontextmanager
    async def open(
        cls, address: Address, *, clock: Clock | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> AsyncIterator[Self]:
        """Make a client; nothing is sent before the first request."""
        async with address.connect(timeout_seconds=_SILENCE_SECONDS) as http:
            yield cls(http, address, clock or SystemClock(), patience_seconds)

    # --- tasks ---

    async def submit(self, request: TaskRequest, report: bytes, *, idempotency_key: str = "") -> TaskView:
        """Open a task for a tool's raw output; `request.report` is left out."""
        headers = {"Idempotency-Key": idempotency_key or str(self._clock.new_message_id())}
        return await self._send_report("/v1/tasks", request, report, headers)

    async def observe(self, task_id: str, request: ObservationRequest, report: bytes) -> TaskView:
        """Hand in a new look at a task's tree."""
        return await self._send_report(f"/v1/tasks/{task_id}/problems", request, report, {})

    async def tasks(self, *, status: str | None = None, cursor: str | None = None, limit: int = 100) -> TaskPage:
        """List tasks, newest first."""
        return await self._get("/v1/tasks", TaskPage, {"status": status, "cursor": cursor, "limit": limit})

    async def task(self, task_id: str) -> TaskView:
        """Give a task as it stands."""
        return await self._get(f"/v1/tasks/{task_id}", TaskView)

    async def progress(self, task_id: str) -> ProgressView:
        """Say how far the present phase is."""
        return await self._get(f"/v1/tasks/{task_id}/progress", ProgressView)

    async def estimate(
        self,
        task_id: str,
        *,
        without_worker: str | None = None,
        blocked_longer: float | None = None,
        workers: int | None = None,
    ) -> EstimateView:
        """Say when the present phase will be done; or what if a worker were lost, and so on."""
        supposed = {"without_worker": without_worker, "blocked_longer": blocked_longer, "workers": workers}
        return await self._get(f"/v1/tasks/{task_id}/estimate", EstimateView, supposed)

    async def subtasks(
        self, task_id: str, *, status: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> SubtaskPage:
        """List a task's subtasks."""
        parameters = {"status": status, "cursor": cursor, "limit": limit}
        return await self._get(f"/v1/tasks/{task_id}/subtasks", SubtaskPage, parameters)

    async def events(self, task_id: str, *, after: int = 0, limit: int = 100) -> EventPage:
        """List a task's events past a position."""
        return await self._get(f"/v1/tasks/{task_id}/events", EventPage, {"after": after, "limit": limit})

    async def blockers(self, task_id: str, *, cursor: str | None = None, limit: int = 100) -> BlockerPage:
        """List what a task's workers are or were blocked by."""
        return await self._get(f"/v1/tasks/{task_id}/blockers", BlockerPage, {"cursor": cursor, "limit": limit})

    async def postmortem(self, task_id: str) -> Postmortem:
        """Say where a task's time went and what came of it."""
        return await self._get(f"/v1/tasks/{task_id}/postmortem", Postmortem)

    async def pause(self, task_id: str, reason: str = "") -> TaskView:
        """Hand out nothing more of a task."""
        return await self._change(task_id, "pause", reason)

    async def resume(self, task_id: str, reason: str = "") -> TaskView:
        """Go on with a paused or stalled task."""
        return await self._change(task_id, "resume", reason)

    async def cancel(self, task_id: str, reason: str = "") -> TaskView:
        """End a task for good."""
        return await self._change(task_id, "cancel", reason)

    async def _change(self, task_id: str, verb: Literal["pause", "resume", "cancel"], reason: str) -> TaskView:
        return await self._post(f"/v1/tasks/{task_id}/{verb}", ReasonRequest(reason=reason), TaskView)

    # --- workers ---

    async def register(self, request: WorkerRequest) -> WorkerView:
        """Introduce a worker."""
        return await self._post("/v1/workers", request, WorkerView)

    async def heartbeat(self, worker_id: str, request: HeartbeatRequest) -> HeartbeatReply:
        """Say that a worker is alive, and hear what became of its leases."""
        return await self._post(f"/v1/workers/{worker_id}/heartbeat", request, HeartbeatReply)

    async def claim(self, request: ClaimRequest) -> ClaimReply | None:
        """Wait for work; None where there is none in time."""
        reply = await self.claim_or_outlook(request)
        return None if isinstance(reply, Outlook) else reply

    async def claim_or_outlook(self, request: ClaimRequest) -> ClaimReply | Outlook:
        """Wait for work; where there is none in time, say what may still come."""
        if request.request_id is None:
            request = msgspec.structs.replace(request, request_id=self._clock.new_message_id())
        timeout = httpx.Timeout(_SILENCE_SECONDS, read=_SILENCE_SECONDS + request.wait_seconds)
        response = await self._request("POST", "/v1/claims", content=msgspec.json.encode(request), timeout=timeout)
        if response.content:
            reply: ClaimReply = _CLAIM.decode(response.content)
            return reply
        return Outlook(
            open_subtasks=int(response.headers.get(OPEN_SUBTASKS, "0")),
            retry_after_seconds=retry_after_seconds(response) if "Retry-After" in response.headers else None,
        )

    async def release(self, subtask_id: str, request: ReleaseRequest) -> SubtaskView:
        """Hand a subtask back."""
        return await self._post(f"/v1/subtasks/{subtask_id}/release", request, SubtaskView)

    # --- messages and verdicts ---

    async def post(self, messages: Sequence[AnyMessage]) -> tuple[MessageReceipt, ...]:
        """Say what workers say, and give a receipt for each, in their order."""
        return (await self._post("/v1/messages", tuple(messages), Receipts)).receipts

    async def subtask(self, subtask_id: str) -> SubtaskView:
        """Give a subtask as it stands."""
        return await self._get(f"/v1/subtasks/{subtask_id}", SubtaskView)

    async def brief(self, subtask_id: str, *, report: str = "") -> str:
        """Give a subtask's brief; `report` is the file that messages go to."""
        response = await self._request("GET", f"/v1/subtasks/{subtask_id}/brief", params={"report": report})
        return response.text

    async def baseline(self, subtask_id: str, *, files: Sequence[str] = ()) -> Baseline:
        """Give what the tool said of the scope's files, and of further ones, before the phase."""
        return await self._get(f"/v1/subtasks/{subtask_id}/baseline", Baseline, {"file": tuple(files)})

    async def answer(self, subtask_id: str, request: AnswerRequest) -> SubtaskView:
        """Answer a blocker."""
        return await self._post(f"/v1/subtasks/{subtask_id}/answers", request, SubtaskView)

    async def judge(self, subtask_id: str, request: GatesRequest) -> VerdictReply:
        """Say what the gates said of completed work, and hear the verdict."""
        return await self._post(f"/v1/subtasks/{subtask_id}/gates", request, VerdictReply)

    async def review(self, subtask_id: str, request: ReviewRequest) -> VerdictReply:
        """Judge another worker's completed work."""
        return await self._post(f"/v1/subtasks/{subtask_id}/reviews", request, VerdictReply)

    # --- events ---

    async def follow(
        self, *, task_id: str | None = None, types: Sequence[str] = (), after: int = 0
    ) -> AsyncGenerator[EventView, None]:
        """Give the events past a position as they come, without end; a stream that ends is taken up again."""
        position = after
        while True:
            async with AsyncExitStack() as stack:
                source = await self._open_stream(stack, task_id, types, position)
                try:
                    async for message in source.aiter_sse():
                        if not message.data:
                            continue
                        event = msgspec.json.decode(message.data, type=EventView)
                        position = event.position
                        yield event
                except httpx.TransportError:
                    # Opening it again has its own patience.
                    continue

    async def _open_stream(
        self, stack: AsyncExitStack, task_id: str | None, types: Sequence[str], position: int
    ) -> EventSource:
        parameters = _given({"task": task_id, "type": tuple(types), "after": position})
        sources: list[EventSource] = []

        async def send() -> httpx.Response:
            opened = aconnect_sse(
                self._http,
                "GET",
                "/v1/events",
                params=parameters,
                headers={"Last-Event-ID": str(position)},
                timeout=httpx.Timeout(_SILENCE_SECONDS, read=_STREAM_SILENCE_SECONDS),
            )
            sources.append(await stack.enter_async_context(opened))
            return sources[-1].response

        await self._exchange(send)
        return sources[-1]

    # --- how it is sent ---

    async def _get(self, path: str, kind: type[_T], parameters: _Parameters | None = None) -> _T:
        response = await self._request("GET", path, params=_given(parameters or {}))
        return msgspec.json.decode(response.content, type=kind)

    async def _post(self, path: str, body: object, kind: type[_T]) -> _T:
        response = await self._request("POST", path, content=msgspec.json.encode(body))
        return msgspec.json.decode(response.content, type=kind)

    async def _send_report(
        self, path: str, request: TaskRequest | ObservationRequest, report: bytes, headers: Mapping[str, str]
    ) -> TaskView:
        parts = {
            "request": ("request.json", msgspec.json.encode(request), "application/json"),
            "report": ("report", report, "application/octet-stream"),
        }
        response = await self._exchange(lambda: self._http.post(path, files=parts, headers=dict(headers)))
        return msgspec.json.decode(response.content, type=TaskView)

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if "content" in options:
            options["headers"] = {"Content-Type": "application/json"}
        return await self._exchange(lambda: self._http.request(method, path, **options))

    async def _exchange(self, send: Send) -> httpx.Response:
        return await exchange(send, server=self._address.name, patience_seconds=self._patience_seconds)


def _given(parameters: _Parameters) -> dict[str, Any]:
    """Leave out what nobody asked for."""
    return {name: value for name, value in parameters.items() if value not in (None, ())}
