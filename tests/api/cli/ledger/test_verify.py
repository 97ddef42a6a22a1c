from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.ledger.app import app

Pw = Callable[..., Result]


@pytest.fixture
def copy(connection: psycopg.Connection, pw_ledger: Pw, tmp_path: Path) -> Path:
    """Seal the events of the ledger and keep a copy."""
    assert pw_ledger("seal", "--export", tmp_path / "seals.jsonl").exit_code == 0
    return tmp_path / "seals.jsonl"


def test_a_ledger_that_holds_ends_with_0(copy: Path, pw_ledger: Pw) -> None:
    ran = pw_ledger("verify", "--against", copy)
    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [
        "checked: 1 seal, 5 sealed events",
        "not sealed yet: 0 events",
        "compared with the copy: 1 seal",
    ]
    assert ran.stderr == ""


def test_what_is_not_sealed_is_counted(connection: psycopg.Connection, pw_ledger: Pw) -> None:
    ran = pw_ledger("verify")
    assert (ran.exit_code, ran.stdout) == (0, "checked: 0 seals, 0 sealed events\nnot sealed yet: 5 events\n")


def test_the_first_bad_position_is_one_line_and_ends_with_1(
    connection: psycopg.Connection, copy: Path, pw_ledger: Pw
) -> None:
    connection.execute("UPDATE ledger.event SET worker_id = 'somebody else' WHERE position > 3")
    ran = pw_ledger("verify")
    assert ran.exit_code == 1
    assert ran.stderr == (
        "pw: position 4: its content does not have the hash that is stored with it (2 bad in all)\n"
    )


def test_a_ledger_that_was_made_anew_is_found_by_the_copy(
    connection: psycopg.Connection, copy: Path, pw_ledger: Pw
) -> None:
    connection.execute("DELETE FROM ledger.seal")
    connection.execute("DELETE FROM ledger.event WHERE position = 5")
    assert pw_ledger("seal").exit_code == 0
    assert pw_ledger("verify").exit_code == 0
    ran = pw_ledger("verify", "--against", copy)
    assert ran.exit_code == 1
    assert ran.stderr == "pw: position 1: seal 1 is not the one in the copy (1 bad in all)\n"


def test_programs_get_json(connection: psycopg.Connection, copy: Path, pw_ledger: Pw) -> None:
    connection.execute("DELETE FROM ledger.event WHERE position = 2")
    ran = pw_ledger("verify", "-o", "json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout) == {
        "since": 0, "seals": 1, "events": 4, "archived": 0, "unsealed": 0, "compared": 0, "faults": 1,
        "first_fault": {"position": 2, "what": "it was sealed and is gone, and no archive has it"},
    }  # fmt: skip


def test_archived_events_are_named(
    connection: psycopg.Connection, copy: Path, pw_ledger: Pw, append_raw: Callable[..., list[int]]
) -> None:
    says = {"file_sha256": sha256().hexdigest(), "events": 2, "first_position": 1, "last_position": 2}
    row = {"stream_id": "tree", "type": "task_archived", "message_id": "0" * 30 + "ff", "payload": json.dumps(says)}
    [tombstone] = append_raw(connection, [row])
    connection.execute(
        "INSERT INTO ledger.archive (task_id, tombstone_position, positions, file_name, file_sha256)"
        " VALUES ('tree', %s, '{1, 2}', 'tree.jsonl', sha256(''))",
        [tombstone],
    )
    connection.execute("DELETE FROM ledger.event WHERE position < 3")
    ran = pw_ledger("verify")
    assert ran.exit_code == 0
    assert "archived: 2 events, of which the seals hold the hashes" in ran.stdout


def test_a_check_since_a_seal_says_so(copy: Path, pw_ledger: Pw) -> None:
    assert "checked: 0 seals after seal 1, 0 sealed events" in pw_ledger("verify", "--since", 1).stdout


@pytest.mark.parametrize("arguments", [["--since", "2"], ["--against", "missing"]])
def test_a_call_that_cannot_work_ends_with_2(copy: Path, pw_ledger: Pw, arguments: list[str]) -> None:
    assert pw_ledger("verify", *arguments).exit_code == 2


def test_a_file_that_is_no_copy_ends_with_2(copy: Path, pw_ledger: Pw) -> None:
    copy.write_text("{}\n")
    ran = pw_ledger("verify", "--against", copy)
    assert ran.exit_code == 2
    assert "line 1 is not a seal" in ran.stderr


def test_a_database_out_of_reach_is_one_line() -> None:
    ran = CliRunner().invoke(app, ["verify", "--database-url", "postgresql://localhost:1/none"])
    assert ran.exit_code == 1
    assert ran.stderr == "pw: cannot reach the database at postgresql://localhost:1/none: connection refused\n"
