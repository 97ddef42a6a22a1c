"""`pw keys`: make, list and end keys."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.auth.tokens import Token
from api.cli.keys import app

Pw = Callable[..., Result]


@pytest.fixture
def pw_keys(database_url: str) -> Pw:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--database-url", database_url])

    return run


def test_the_token_alone_is_printed_on_standard_output(pw_keys: Pw) -> None:
    ran = pw_keys("create", "Ada")
    assert ran.exit_code == 0
    assert Token.parse(ran.stdout.strip()) is not None


def test_a_key_for_programs_is_one_object(pw_keys: Pw) -> None:
    made = json.loads(pw_keys("create", "Ada", "--role", "planner", "--days", "1", "-o", "json").stdout)
    assert made["role"] == "planner"
    assert made["token"].startswith(f"pw_{made['key_id']}_")
    assert made["expires_at"] is not None


def test_keys_are_listed_without_secrets(pw_keys: Pw) -> None:
    made = json.loads(pw_keys("create", "Ada", "-o", "json").stdout)
    listed = pw_keys("list", "-o", "json").stdout
    assert [key["key_id"] for key in json.loads(listed)] == [made["key_id"]]
    assert made["token"].rpartition("_")[2] not in listed


def test_the_table_says_what_has_become_of_a_key(pw_keys: Pw) -> None:
    made = json.loads(pw_keys("create", "Ada", "-o", "json").stdout)
    assert pw_keys("revoke", made["key_id"]).exit_code == 0
    assert "revoked" in pw_keys("list").stdout


def test_an_unknown_role_is_refused_in_one_line(pw_keys: Pw) -> None:
    ran = pw_keys("create", "Ada", "--role", "king")
    assert ran.exit_code == 2
    assert ran.stderr == "pw: unknown role 'king': admin, planner, worker, viewer\n"


def test_an_unknown_key_is_refused_in_one_line(pw_keys: Pw) -> None:
    ran = pw_keys("revoke", "nobody")
    assert ran.exit_code == 2
    assert ran.stderr == "pw: there is no key 'nobody'\n"
