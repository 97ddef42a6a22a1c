"""A server listens where it was told to, and says why where it cannot."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from api.server.listening import address_of, listening
from api.settings import Settings
from domain.errors import UsageError


def test_a_free_port_is_found_and_told() -> None:
    with listening(Settings(port=0)) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_an_error_of_one_line() -> None:
    with listening(Settings(port=0)) as listener:
        port = listener.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"^cannot listen on 127.0.0.1:{port}: address already in use$"),
            listening(Settings(port=port)),
        ):
            pass


def test_a_unix_socket_is_its_users_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "pw.sock"
    with listening(Settings(uds=str(path))) as listener:
        assert address_of(listener) == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_the_socket_of_a_dead_server_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "pw.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(Settings(uds=str(path))), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_the_socket_of_a_live_server_is_left_alone(tmp_path: Path) -> None:
    settings = Settings(uds=str(tmp_path / "pw.sock"))
    with (
        listening(settings),
        pytest.raises(UsageError, match="another process listens there"),
        listening(settings),
    ):
        pass


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(UsageError, match="no socket"), listening(Settings(uds=str(path))):
        pass
    assert path.read_text() == "mine"
