"""What can be set about a server: by `PW_...` in the environment, and by flags of the command, which win."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from domain.errors import UsageError
from domain.lease_clocks import LeaseTimes

_PREFIX = "PW_"

_Bytes = Annotated[int, Meta(ge=1024)]
_MIB = 1024 * 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached, and what it puts up with."""

    host: str = "127.0.0.1"
    #: 0: any that is free.
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8787
    #: Path of a unix socket to listen on instead.
    uds: str = ""
    #: Names beside loopback's under which the server is reached, with or without a port; `*` for all.
    allowed_hosts: tuple[str, ...] = ()
    #: Of a tool's output, and of what comes with it.
    report_bytes_max: _Bytes = 512 * _MIB
    #: Of any other request.
    body_bytes_max: _Bytes = 8 * _MIB
    #: Per key; 0: no limit.
    requests_per_second: Annotated[float, Meta(ge=0.0)] = 2000.0
    request_burst: Annotated[int, Meta(ge=1)] = 4000
    #: A worker of which nothing is heard for so long has lost its lease; it is asked for four signs of life in that.
    lease_seconds: Annotated[float, Meta(ge=0.1, le=86_400.0)] = LeaseTimes().silence
    #: Subtasks that a worker may hold at once; None: no limit.
    worker_leases_max: Annotated[int, Meta(ge=1)] | None = None
    #: Whether this process, when it leads, has the read models kept up to date, by a process beside it.
    read_models: bool = True
    #: Readers of event streams at once.
    readers_max: Annotated[int, Meta(ge=0)] = 2000
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: An OpenTelemetry collector over HTTP, such as `http://localhost:4318`; empty: no traces.
    otel_endpoint: str = ""
    #: Whether webhooks may be sent to private addresses; None: where the server itself is on loopback.
    webhooks_to_private: bool | None = None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return bool(self.uds) or is_loopback(self.host)

    @property
    def lease_times(self) -> LeaseTimes:
        """How long each clock of a lease runs; those of the offer and of the heartbeat keep their share."""
        usual = LeaseTimes()
        share = self.lease_seconds / usual.silence
        return LeaseTimes(offer=usual.offer * share, silence=self.lease_seconds, heartbeat=usual.heartbeat * share)


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    name = host.strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def load_settings(environment: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Settings:
    """Read the settings: a flag (None: not given) over `PW_NAME` over the default.

    Lists are separated by commas. Raises `UsageError` for a value that cannot be, and names it.
    """
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        variable = f"{_PREFIX}{field.name.upper()}"
        flag = (flags or {}).get(field.name)
        if flag is None and variable not in environment:
            continue
        source, value = (variable, environment[variable]) if flag is None else (f"--{_option(field.name)}", flag)
        given[field.name] = _convert(source, value, field.type)
    return Settings(**given)


def _convert(source: str, value: object, kind: Any) -> object:
    items: object = value
    if kind == tuple[str, ...] and isinstance(value, str):
        items = [item.strip() for item in value.split(",") if item.strip()]
    try:
        return msgspec.convert(items, kind, strict=False)
    except msgspec.ValidationError as error:
        reason = str(error)
        raise UsageError(f"{source} is {value!r}: {reason[:1].lower()}{reason[1:]}") from error


def _option(name: str) -> str:
    return name.replace("_", "-")
