"""One line for each record, with its fields and without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from api.observability.logs import configure_logs, without_secrets

LOG = logging.getLogger("api.somewhere")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Give the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail(why: str) -> None:
    raise RuntimeError(why)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    return stream


def test_a_record_is_one_line_of_json_with_its_fields(stream: io.StringIO) -> None:
    LOG.warning("an append is sent again", extra={"position": 7, "task_id": "tree"})
    [record] = written(stream)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "event": "an append is sent again",
        "level": "warning",
        "logger": "api.somewhere",
        "position": 7,
        "task_id": "tree",
    }


def test_a_record_has_the_fields_of_the_request_under_way(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1", task_id="tree"):
        LOG.info("stored")
    LOG.info("outside")
    inside, outside = written(stream)
    assert (inside["request_id"], inside["task_id"]) == ("r-1", "tree")
    assert "request_id" not in outside


def test_records_of_structlog_look_the_same(stream: io.StringIO) -> None:
    structlog.get_logger("api.elsewhere").info("stored", position=7)
    [record] = written(stream)
    assert (record["event"], record["position"], record["logger"]) == ("stored", 7, "api.elsewhere")


def test_what_the_driver_warns_of_is_written_whatever_was_said_of_it_before(stream: io.StringIO) -> None:
    driver = logging.getLogger("psycopg")
    driver.setLevel(logging.ERROR)
    configure_logs("json", stream=stream)
    driver.info("its daily business")
    driver.warning("a line is gone")
    assert [record["event"] for record in written(stream)] == ["a line is gone"]


def test_a_traceback_stays_in_its_line(stream: io.StringIO) -> None:
    try:
        fail("broken")
    except RuntimeError:
        LOG.exception("a job has failed")
    [record] = written(stream)
    assert record["exception"].startswith("Traceback")
    assert record["exception"].endswith("RuntimeError: broken")


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    configure_logs("json", "WARNING", stream)
    LOG.info("stored")
    assert stream.getvalue() == ""


def test_a_second_configuration_replaces_the_first(stream: io.StringIO) -> None:
    again = io.StringIO()
    configure_logs("json", stream=again)
    LOG.info("stored")
    assert stream.getvalue() == ""
    assert len(written(again)) == 1


def test_for_people_it_is_plain_text() -> None:
    stream = io.StringIO()
    configure_logs("console", stream=stream)
    try:
        fail("broken")
    except RuntimeError:
        LOG.exception("a job has failed", extra={"job": "seal"})
    first, *rest = stream.getvalue().splitlines()
    assert "a job has failed" in first
    assert "job=seal" in first
    assert rest[-1] == "RuntimeError: broken"
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key pw_a1b2_Zm9vYmFyYmF6 was used", "key pw_a1b2_*** was used"),
        ("secret whsec_AAECAwQFBgc=", "secret whsec_***"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("postgresql://user:geheim@host/db", "postgresql://***@host/db"),
        ("host=x password=geheim dbname=y", "host=x password=*** dbname=y"),
        ("nothing to hide in pw_service", "nothing to hide in pw_service"),
    ],
)
def test_secrets_are_struck_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_no_secret_is_written_wherever_it_stands(stream: io.StringIO) -> None:
    secret = "pw_a1b2_Zm9vYmFyYmF6"
    try:
        fail(f"cannot use {secret}")
    except RuntimeError:
        LOG.exception("failed for %s", secret, extra={"header": f"Bearer {secret}", "all": {"key": secret}})
    assert "Zm9vYmFyYmF6" not in stream.getvalue()
