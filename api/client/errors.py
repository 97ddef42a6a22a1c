"""An answer that is a problem, as the same error that the service met."""

from __future__ import annotations

import httpx
import msgspec

from api.problems import ERRORS
from api.schemas import ProblemDetails
from domain.errors import BehindError, OverloadedError, ParallelWorkersError, ServiceError, TooManyRequestsError


def error_of(response: httpx.Response) -> ParallelWorkersError:
    """Give the error that a refusal stands for; `ServiceError` where it is none of ours."""
    try:
        problem = msgspec.json.decode(response.content, type=ProblemDetails)
    except msgspec.DecodeError:
        return ServiceError(f"HTTP {response.status_code} {response.reason_phrase} from {response.url.path}")
    kind = ERRORS.get(problem.type.rpartition("/")[2], ServiceError)
    detail = problem.detail or problem.title
    if problem.errors:
        detail = f"{detail}: {'; '.join(problem.errors)}"
    if issubclass(kind, TooManyRequestsError | OverloadedError):
        return kind(detail, problem.retry_after_seconds or 0.0)
    if issubclass(kind, BehindError):
        return kind(detail, problem.head)
    return kind(detail)


def retry_after_seconds(response: httpx.Response) -> float:
    """Give how long the service asks to wait; 0 where it does not say."""
    try:
        return max(float(response.headers.get("Retry-After", "0")), 0.0)
    except ValueError:
        # A date, which only what stands between us and the service would send.
        return 0.0
