"""Settings: where they come from, and what is said of one that cannot be."""

from __future__ import annotations

import pytest

from api.settings import Settings, is_loopback, load_settings
from domain.errors import UsageError
from domain.lease_clocks import LeaseTimes


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings({}) == Settings()


def test_the_environment_is_read() -> None:
    read = load_settings({"PW_PORT": "99", "PW_LOG_FORMAT": "json", "PW_WEBHOOKS_TO_PRIVATE": "true", "PORT": "1"})
    assert (read.port, read.log_format, read.webhooks_to_private) == (99, "json", True)


def test_a_flag_wins_over_the_environment() -> None:
    assert load_settings({"PW_PORT": "99"}, {"port": 100, "host": None}).port == 100


def test_lists_are_separated_by_commas() -> None:
    assert load_settings({"PW_ALLOWED_HOSTS": "a.example, b.example:80,"}).allowed_hosts == (
        "a.example",
        "b.example:80",
    )


@pytest.mark.parametrize(
    ("environment", "flags", "said"),
    [
        ({"PW_PORT": "http"}, {}, "PW_PORT is 'http': expected `int`"),
        ({"PW_PORT": "70000"}, {}, "PW_PORT is '70000': expected `int` <= 65535"),
        ({"PW_LOG_FORMAT": "xml"}, {}, "PW_LOG_FORMAT is 'xml': invalid enum value 'xml'"),
        ({}, {"request_burst": 0}, "--request-burst is 0: expected `int` >= 1"),
    ],
)
def test_a_value_that_cannot_be_is_named(environment: dict[str, str], flags: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_settings(environment, flags)
    assert str(refused.value).startswith(said)


def test_the_clocks_of_a_lease_keep_their_shares() -> None:
    assert Settings().lease_times == LeaseTimes()
    read = load_settings({"PW_LEASE_SECONDS": "6"})
    assert read.lease_times == LeaseTimes(offer=3.0, silence=6.0, heartbeat=1.5)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", ""])
def test_everything_else_can_be_reached_from_outside(host: str) -> None:
    assert not is_loopback(host)
    assert not Settings(host=host).on_loopback
