"""Requests that may be sent again: by their `Idempotency-Key` they are known."""

from __future__ import annotations

import re

from api.routes.endpoint import HttpRequest
from domain.errors import InvalidRequestError

#: As it is called in descriptions.
IDEMPOTENCY_KEY = "Idempotency-Key"

_KEYS = re.compile(r"[!-~]{1,200}")


def idempotency_key(request: HttpRequest) -> str | None:
    """Give a request's key; raises `InvalidRequestError` for one that cannot be."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEYS.fullmatch(key):
        raise InvalidRequestError(f"{IDEMPOTENCY_KEY} is up to 200 printable characters without blanks")
    return key
