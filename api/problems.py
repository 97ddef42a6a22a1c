"""Errors over HTTP: which status each of ours is, and its problem details (RFC 9457).

The only place that knows statuses. The last part of a problem's `type` is stable: programs go by it, and a client
makes the same error of it again (`ERRORS`).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from api.schemas import ProblemDetails
from domain import errors as e

MEDIA_TYPE = "application/problem+json"

_URN = "urn:problem-type:parallel-workers/"

#: Where nobody knows better how long a database is away.
_LEDGER_RETRY_SECONDS = 1.0

_ENCODE = msgspec.json.Encoder().encode


class Kind(NamedTuple):
    """What an error is over HTTP."""

    status: int
    slug: str
    title: str


KINDS: dict[type[e.ParallelWorkersError], Kind] = {
    e.ParallelWorkersError: Kind(500, "internal", "The service has failed"),
    e.UsageError: Kind(400, "usage", "The request cannot work"),
    e.InvalidRequestError: Kind(400, "invalid-request", "The request is not valid"),
    e.UnknownFormatError: Kind(422, "unknown-format", "No reader knows the report's format"),
    e.UnknownTaskError: Kind(404, "unknown-task", "There is no such task"),
    e.UnknownSubtaskError: Kind(404, "unknown-subtask", "There is no such subtask, blocker or worker"),
    e.UnknownWebhookError: Kind(404, "unknown-webhook", "There is no such webhook"),
    e.UnknownModelError: Kind(404, "unknown-model", "There is no such effort model"),
    e.UnknownProjectionError: Kind(404, "unknown-projection", "There is no such read model"),
    e.UnauthenticatedError: Kind(401, "unauthenticated", "A valid key is needed"),
    e.ForbiddenError: Kind(403, "forbidden", "The caller may not do this"),
    e.NotYoursError: Kind(403, "not-yours", "The worker or lease is somebody else's"),
    e.TooManyRequestsError: Kind(429, "too-many-requests", "Too many requests"),
    e.ServiceError: Kind(502, "service", "Another service has failed"),
    e.ReportError: Kind(422, "unusable-report", "The report cannot be used"),
    e.ToolError: Kind(422, "tool", "The tool has failed"),
    e.RepositoryError: Kind(422, "repository", "The repository cannot be used"),
    e.UnfitError: Kind(422, "unfit", "The machine lacks what the task needs"),
    e.LedgerError: Kind(503, "ledger", "The ledger cannot be reached"),
    e.VersionConflictError: Kind(409, "version-conflict", "Somebody else was first"),
    e.RepeatedMessageError: Kind(409, "repeated-message", "The message is stored already"),
    e.InvalidEventError: Kind(422, "invalid-event", "The event cannot be kept"),
    e.PayloadTooLargeError: Kind(413, "payload-too-large", "Too large"),
    e.OverloadedError: Kind(503, "overloaded", "The service has too much to do"),
    e.OutcomeUnknownError: Kind(503, "outcome-unknown", "It may be stored or not: send it again"),
    e.CursorError: Kind(410, "unknown-place", "The ledger does not have this place"),
    e.RebuildError: Kind(503, "rebuild", "The read models could not be made anew"),
    e.ModelError: Kind(500, "model", "The model of efforts cannot be used"),
    e.LifecycleError: Kind(409, "lifecycle", "The present state does not allow it"),
    e.NotClaimableError: Kind(409, "not-claimable", "The subtask cannot be handed out now"),
    e.NotReportedError: Kind(409, "not-reported", "Nobody has said that this is done"),
    e.AlreadyReportedError: Kind(409, "already-reported", "The worker has said the last word already"),
    e.BehindError: Kind(409, "behind", "The head has moved"),
    e.StaleLeaseError: Kind(409, "stale-lease", "The lease is over"),
    e.IdempotencyError: Kind(409, "idempotency", "The name or key was used for something else"),
}

#: What has no class of its own: said by the router, or by nobody.
INTERNAL = KINDS[e.ParallelWorkersError]
NOT_FOUND = Kind(404, "not-found", "There is nothing here")
METHOD_NOT_ALLOWED = Kind(405, "method-not-allowed", "The method is not allowed here")
UNSUPPORTED_MEDIA_TYPE = Kind(415, "unsupported-media-type", "The media type is not read here")
NOT_READY = Kind(503, "not-ready", "The service is not ready")

#: Which error of ours a problem stands for, by the last part of its `type`.
ERRORS = {kind.slug: cls for cls, kind in KINDS.items() if cls is not e.ParallelWorkersError}


def kind_of(error: e.ParallelWorkersError) -> Kind:
    """Give what an error is over HTTP: what its nearest class is."""
    return next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)


def problem_of(error: e.ParallelWorkersError, instance: str = "") -> ProblemDetails:
    """Put an error into problem details; `instance` is the id of the request, which is in the log as well."""
    kind = kind_of(error)
    retry = getattr(error, "retry_after_seconds", _LEDGER_RETRY_SECONDS if kind.status == 503 else None)
    return ProblemDetails(
        type=_URN + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=" ".join(str(error).split()),
        instance=instance,
        errors=tuple(getattr(error, "errors", ())),
        retry_after_seconds=retry,
        head=error.head if isinstance(error, e.BehindError) else "",
    )


def plain_problem(kind: Kind, detail: str, instance: str = "", errors: tuple[str, ...] = ()) -> ProblemDetails:
    """Give the problem details of what is no error of ours."""
    return ProblemDetails(
        type=_URN + kind.slug, title=kind.title, status=kind.status, detail=detail, instance=instance, errors=errors
    )


def encode(problem: ProblemDetails) -> tuple[bytes, dict[str, str]]:
    """Give the body of an answer, and the headers that go with it."""
    headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
    if problem.retry_after_seconds is not None:
        # Whole seconds, and never none: a client that comes back at once helps nobody.
        headers["retry-after"] = str(max(1, -int(-problem.retry_after_seconds // 1)))
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="parallel-workers"'
    return _ENCODE(problem), headers
