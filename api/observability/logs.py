"""How the service logs: one line for each record, JSON for programs or plain for people, on standard error.

Everything goes through the standard library's `logging`, our own records and those of libraries alike. Beside the
message, a record carries what it was given with `extra={...}`, and the fields that are bound for the request under
way (`structlog.contextvars.bind_contextvars(request_id=..., task_id=...)`). No secret is written: what looks like a
key, a webhook's secret, a bearer token, or a password in a URL is struck out wherever it stands.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

LogFormat = Literal["json", "console"]

#: Libraries whose warnings are worth reading, and whose daily business is not.
_QUIET = ("apscheduler", "httpcore", "httpx", "mcp", "psycopg", "uvicorn")

_SECRETS = (
    (re.compile(r"\bpw_([0-9A-Za-z-]+)_[0-9A-Za-z_-]+"), r"pw_\1_***"),
    (re.compile(r"\bwhsec_[0-9A-Za-z+/=_-]+"), "whsec_***"),
    (re.compile(r"(?i)\b(bearer|basic) +[^\s'\",]+"), r"\1 ***"),
    (re.compile(r"(?i)\b(password=)('[^']*'|[^\s&'\"]+)"), r"\1***"),
    (re.compile(r"(?<=://)[^\s/@]*:[^\s/]*@"), "***@"),
)


def configure_logs(log_format: LogFormat = "console", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Have all records of the process written that way; a second call replaces the first."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_FIELDS,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*_FIELDS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def without_secrets(text: str) -> str:
    """Strike out what looks like a secret."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def _strike_out(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = without_secrets(value)
        elif value is not None and not isinstance(value, bool | int | float):
            fields[name] = without_secrets(str(value))
    return fields


_FIELDS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def _last(log_format: LogFormat) -> tuple[Processor, ...]:
    if log_format == "json":
        return (_strike_out, structlog.processors.JSONRenderer(ensure_ascii=False))
    return (
        _strike_out,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    )
