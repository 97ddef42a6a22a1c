"""Opening a database: which one, how its failures read, and that no password is ever shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from domain.errors import LedgerError
from eventstore.postgres.database import check_version, connection_problem, open_database, redacted_url
from eventstore.postgres.folders import data_folder


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections for as long as the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_given_database_is_migrated_and_its_url_passed_on(empty_database_url: str, tmp_path: Path) -> None:
    with open_database(empty_database_url, tmp_path) as url, psycopg.connect(url) as connection:
        assert conninfo_to_dict(url) == conninfo_to_dict(empty_database_url) | {"options": "-c role=pw_service"}
        assert connection.execute("SELECT count(*) FROM ledger.event").fetchone() == (0,)
    assert list(tmp_path.iterdir()) == []


def test_without_a_url_the_embedded_database_is_opened(server_folder: Path) -> None:
    with open_database(None, server_folder) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.event").fetchone() == (0,)


def test_a_database_that_is_down_gives_one_line_without_the_password(tmp_path: Path, closed_port: int) -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{closed_port}/name"
    with pytest.raises(LedgerError) as caught, open_database(url, tmp_path):
        pass
    assert (
        str(caught.value)
        == f"cannot reach the database at postgresql://127.0.0.1:{closed_port}/name: connection refused"
    )


def test_a_socket_that_is_missing_gives_one_line(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught, open_database(f"host={tmp_path} dbname=name", tmp_path):
        pass
    assert (
        str(caught.value)
        == f"cannot reach the database at postgresql:///name?host={tmp_path}: no such file or directory"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3c@ret@host:5432/name",
        "postgresql://me:s3:c@ret@host/name",
        "postgresql://me@host:s3cret/name",
        "postgresql://me:s3cret@host/name?bogus=1",
        "host=host password='s3cret",
        "s3cret",
        "",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str, tmp_path: Path) -> None:
    with (
        pytest.raises(LedgerError, match=r"^the database URL cannot be read") as caught,
        open_database(url, tmp_path),
    ):
        pass
    assert "s3c" not in str(caught.value)
    assert "ret@" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host/name", "postgresql://host:5432/name"),
        ("postgresql://me:s3cret@host:6000/name?sslmode=require", "postgresql://host:6000/name"),
        ("host=host user=me password=s3cret dbname=name", "postgresql://host:5432/name"),
        ("postgresql://me@/name?host=/run/pg&password=s3cret", "postgresql:///name?host=/run/pg"),
        ("postgresql://me:s3cret@one,two:6000/name", "postgresql://one:,two:6000/name"),
        ("postgresql:///name?password=s3cret", "postgresql:///name"),
    ],
)
def test_a_shown_url_has_no_user_and_no_password(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


_REFUSED = 'connection failed: connection to server at "::1", port 1 failed: Connection refused'
_WRONG_PASSWORD = 'connection to server at "h", port 1 failed: FATAL:  password authentication failed for user "me"'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"{_REFUSED}\n\tIs the server running?", "connection refused"),
        (f"connection failed: {_WRONG_PASSWORD}", 'password authentication failed for user "me"'),
        ("failed to resolve host 'h': Name unknown", "failed to resolve host 'h': Name unknown"),
        ("connection timeout expired", "connection timeout expired"),
        (
            f"no way\nAll failures were:\n- host: 'h': {_REFUSED}\n",
            "connection refused",
        ),
    ],
)
def test_the_reason_of_a_failed_connection_is_a_few_words(message: str, reason: str) -> None:
    assert connection_problem(psycopg.OperationalError(message)) == reason


def test_a_server_before_version_15_is_refused() -> None:
    with pytest.raises(
        LedgerError, match=r"^the database at postgresql://h:5432/d is Postgres 14: 15 or later is needed"
    ):
        check_version(140012, "postgresql://h:5432/d")


@pytest.mark.parametrize("version", [150000, 180006, 190000])
def test_servers_from_version_15_on_are_accepted(version: int) -> None:
    check_version(version, "postgresql://h:5432/d")


def test_the_data_folder_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW_DATA_DIR", str(tmp_path / "a" / "b"))
    assert data_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PW_DATA_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(LedgerError, match=rf"^cannot use {tmp_path}/file/below as data folder: .*PW_DATA_DIR$"):
        data_folder()
