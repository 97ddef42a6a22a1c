"""What may be chosen otherwise when a task is simulated again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from domain.errors import UsageError
from domain.planning.request import STRATEGIES

_WORKERS_MAX = 1024
#: Above this hardly any attempt would succeed.
_FAILURES_MAX = 0.95
_ALLOWED = (
    f"workers=1..{_WORKERS_MAX}, strategy={'|'.join(STRATEGIES)}, estimator=raw|model|SHA-256, "
    f"failures=0..{_FAILURES_MAX:g}"
)


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The choices; what is empty stays as it was."""

    workers: int | None = None
    strategy: str = ""
    #: `raw`: the planner's own estimates, as they stand; `model`: what the effort model had learnt when the task
    #: began; else the first digits of a kept model's SHA-256. Empty: what was done keeps the time that it took.
    estimator: str = ""
    #: Chance that an attempt fails.
    failures: float | None = None


def changes_of(said: Sequence[str]) -> Changes:
    """Read `KEY=VALUE`s; raises `UsageError` with what is allowed where one is something else."""
    values: dict[str, str] = {}
    for change in said:
        key, equals, value = change.partition("=")
        if not equals or key not in Changes.__struct_fields__:
            raise UsageError(f"--what-if {change!r} cannot be simulated: {_ALLOWED} can")
        if key in values:
            raise UsageError(f"--what-if says {key} twice")
        values[key] = value
    if not values:
        raise UsageError(f"--what-if changes nothing: {_ALLOWED} can be changed")
    return Changes(
        workers=_workers(values.get("workers")),
        strategy=_strategy(values.get("strategy")),
        estimator=_estimator(values.get("estimator")),
        failures=_failures(values.get("failures")),
    )


def _workers(value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= _WORKERS_MAX:
        raise _refused("workers", value)
    return int(value)


def _strategy(value: str | None) -> str:
    if value is not None and value not in STRATEGIES:
        raise _refused("strategy", value)
    return value or ""


def _estimator(value: str | None) -> str:
    if value is not None and value not in ("raw", "model") and not re.fullmatch(r"[0-9a-f]{4,64}", value):
        raise _refused("estimator", value)
    return value or ""


def _failures(value: str | None) -> float | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", value) or not 0.0 <= float(value) <= _FAILURES_MAX:
        raise _refused("failures", value)
    return float(value)


def _refused(key: str, value: str) -> UsageError:
    return UsageError(f"--what-if {key}={value} cannot be simulated: {_ALLOWED} can")
