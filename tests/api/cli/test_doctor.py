"""`pw doctor` says what works and what does not, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from api.cli.doctor import doctor


def run(*arguments: str, **environment: str) -> Result:
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, list(arguments), env=environment)


def findings(result: Result) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(result.stdout)}


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def test_all_is_well_on_a_machine_that_has_everything(database_url: str, data: str) -> None:
    result = run("-o", "json", "--database-url", database_url, PW_DATA_DIR=data)
    found = findings(result)
    assert result.exit_code == 0
    assert {found[name]["status"] for name in ("Python", "git", "Postgres", "migrations", "clock")} == {"ok"}
    assert found["data folder"]["detail"].startswith(data)


def test_for_people_it_is_a_table(database_url: str, data: str) -> None:
    result = run("--database-url", database_url, PW_DATA_DIR=data)
    assert result.exit_code == 0
    assert "migrations" in result.stdout
    assert "all applied" in result.stdout


def test_a_database_out_of_reach_is_named_without_its_password(data: str, unused_tcp_port: int) -> None:
    url = f"postgresql://user:geheim@127.0.0.1:{unused_tcp_port}/pw"
    result = run("-o", "json", "--database-url", url, PW_DATA_DIR=data)
    assert result.exit_code == 1
    assert findings(result)["Postgres"]["status"] == "failed"
    assert "connection refused" in findings(result)["Postgres"]["detail"]
    assert "geheim" not in result.output


def test_missing_migrations_are_named_and_not_applied(empty_database_url: str, data: str) -> None:
    result = run("-o", "json", "--database-url", empty_database_url, PW_DATA_DIR=data)
    assert result.exit_code == 0
    migrations = findings(result)["migrations"]
    assert migrations["status"] == "warning"
    assert "0001_ledger" in migrations["detail"]
    with psycopg.connect(empty_database_url) as connection:
        row = connection.execute("SELECT to_regclass('migration._yoyo_migration')").fetchone()
    assert row == (None,)


def test_a_machine_without_git_is_told_so(
    database_url: str, data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("-o", "json", "--database-url", database_url, PW_DATA_DIR=data)
    assert result.exit_code == 1
    assert findings(result)["git"]["status"] == "failed"
    assert findings(result)["tools"]["detail"].startswith("none of")


def test_a_git_that_is_too_old_is_named(
    database_url: str, data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\necho git version 2.30.2\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = run("-o", "json", "--database-url", database_url, PW_DATA_DIR=data)
    assert findings(result)["git"]["detail"] == "git version 2.30.2: 2.38 or later is needed"


def test_a_data_folder_that_is_a_file_is_named(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    result = run("-o", "json", "--database-url", database_url, PW_DATA_DIR=str(tmp_path / "data"))
    assert result.exit_code == 1
    assert findings(result)["data folder"]["status"] == "failed"
    # The database is elsewhere, and is looked at all the same.
    assert findings(result)["Postgres"]["status"] == "ok"


def test_the_embedded_database_is_started_and_stopped(server_folder: Path) -> None:
    result = run("-o", "json", PW_DATA_DIR=str(server_folder))
    assert findings(result)["Postgres"]["status"] == "ok", result.output
    assert "embedded" in findings(result)["Postgres"]["detail"]
    assert not (server_folder / "cluster" / "postmaster.pid").exists()
