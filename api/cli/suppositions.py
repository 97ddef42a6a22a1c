"""What `--what-if` of `pw status` supposes."""

from __future__ import annotations

from api.service.supposition import Supposition
from domain.errors import UsageError

_KEYS = "without-worker=NAME, blocked-longer=SECONDS, workers=NUMBER"


def supposition_of(changes: list[str]) -> Supposition:
    """Read what `--what-if` says; raises `UsageError` with what it may say."""
    said: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not value or key not in ("without-worker", "blocked-longer", "workers"):
            raise UsageError(f"--what-if {change!r} cannot be supposed: {_KEYS} can")
        if key in said:
            raise UsageError(f"--what-if says {key} twice")
        said[key] = value
    return Supposition(
        without_worker=said.get("without-worker", ""),
        blocked_longer=_number(said, "blocked-longer", 31_536_000.0) or 0.0,
        workers=None if (workers := _number(said, "workers", 1024.0)) is None else int(workers),
    )


def _number(said: dict[str, str], key: str, most: float) -> float | None:
    if key not in said:
        return None
    try:
        number = float(said[key])
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= most or (key == "workers" and not number.is_integer()):
        raise UsageError(f"--what-if {key}={said[key]}: a number from 0 to {most:g} is needed")
    return number
