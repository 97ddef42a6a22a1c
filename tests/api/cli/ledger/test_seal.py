from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import Result

from eventstore.sealing.seal_copies import read_copy
from eventstore.sealing.seals import last_seal, read_seals

Pw = Callable[..., Result]


def test_it_says_what_was_sealed(connection: psycopg.Connection, pw_ledger: Pw) -> None:
    ran = pw_ledger("seal")
    last = last_seal(connection)
    assert ran.exit_code == 0
    assert ran.stdout == f"sealed now: 5 events in 1 seal\nlast seal: 1, to position 5, {last.hash}\n"


def test_an_empty_ledger_is_sealed_to_nothing(pw_ledger: Pw) -> None:
    ran = pw_ledger("seal")
    assert (ran.exit_code, ran.stdout) == (0, "sealed now: 0 events in 0 seals\n")


def test_the_copy_holds_all_seals(connection: psycopg.Connection, pw_ledger: Pw, tmp_path: Path) -> None:
    copy = tmp_path / "seals.jsonl"
    ran = pw_ledger("seal", "--export", copy)
    assert ran.stdout.endswith(f"copy: 1 seal in {copy}\n")
    assert read_copy(copy) == list(read_seals(connection))


def test_a_copy_that_the_ledger_contradicts_stays(
    connection: psycopg.Connection, pw_ledger: Pw, tmp_path: Path
) -> None:
    copy = tmp_path / "seals.jsonl"
    pw_ledger("seal", "--export", copy)
    kept = copy.read_bytes()
    connection.execute("DELETE FROM ledger.seal")
    connection.execute("DELETE FROM ledger.event WHERE position = 3")
    ran = pw_ledger("seal", "--export", copy)
    assert ran.exit_code == 1
    assert ran.stderr == f"pw: {copy} is left as it is: position 1: seal 1 is not the one in the copy\n"
    assert copy.read_bytes() == kept


def test_an_event_that_cannot_be_sealed_is_one_line(connection: psycopg.Connection, pw_ledger: Pw) -> None:
    connection.execute("UPDATE ledger.event SET type = 'x' WHERE position = 3")
    ran = pw_ledger("seal")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("pw: position 3 cannot be sealed: its content")
    assert ran.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_one_line(
    connection: psycopg.Connection, pw_ledger: Pw, tmp_path: Path
) -> None:
    ran = pw_ledger("seal", "--export", tmp_path / "missing" / "seals.jsonl")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("pw: ")
    assert "No such file" in ran.stderr


@pytest.mark.parametrize("verb", ["seal", "verify", "prove"])
def test_every_command_says_what_it_does(pw_ledger: Pw, verb: str) -> None:
    ran = pw_ledger(verb, "--help")
    assert ran.exit_code == 0
    assert "--database-url" in ran.stdout
