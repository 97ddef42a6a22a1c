from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import Result

Pw = Callable[..., Result]


@pytest.fixture(autouse=True)
def _sealed(connection: psycopg.Connection, pw_ledger: Pw) -> None:
    assert pw_ledger("seal").exit_code == 0


def test_the_proof_is_printed(pw_ledger: Pw) -> None:
    ran = pw_ledger("prove", 3)
    assert ran.exit_code == 0
    proof = json.loads(ran.stdout)
    assert (proof["position"], proof["content"]["payload"], proof["leaf_index"]) == (3, '{"n": 2}', 2)


def test_the_proof_is_the_same_in_a_file(pw_ledger: Pw, tmp_path: Path) -> None:
    ran = pw_ledger("prove", 3, "-o", tmp_path / "proof.json")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert (tmp_path / "proof.json").read_text() == pw_ledger("prove", 3).stdout


def test_an_event_that_is_not_there_is_one_line(pw_ledger: Pw) -> None:
    ran = pw_ledger("prove", 99)
    assert ran.exit_code == 1
    assert ran.stderr == "pw: the ledger holds no event at position 99\n"


def test_a_position_that_cannot_be_is_a_wrong_call(pw_ledger: Pw) -> None:
    assert pw_ledger("prove", 0).exit_code == 2
