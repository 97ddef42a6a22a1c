"""What is told of a program of Postgres that has failed."""

from __future__ import annotations

import pytest

from eventstore.postgres.programs import last_words

REMOVING = 'initdb: removing contents of data directory ".cluster-1"\n'


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("out of memory\n" + REMOVING, "out of memory"),
        ("out of memory\n" + REMOVING + "initdb: error: failed to remove data directory\n", "out of memory"),
        ("No space left\nchild process exited with exit code 1\n" + REMOVING, "No space left"),
        ("child process was terminated by signal 9: Killed\n" + REMOVING,
         "child process was terminated by signal 9: Killed"),
        ('FATAL:  cannot write\nDETAIL:  none\ninitdb: removing WAL directory "w"\n', "cannot write"),
        ('initdb: error: invalid locale name "x"\ninitdb: hint: see locale -a\n', 'invalid locale name "x"'),
    ],
)  # fmt: skip
def test_the_reason_why_initdb_failed_is_told_and_not_that_it_cleans_up(said: str, reason: str) -> None:
    assert last_words(said) == reason


def test_an_exit_code_is_told_where_there_is_no_more() -> None:
    assert last_words("child process exited with exit code 134\n") == "child process exited with exit code 134"


def test_a_program_that_says_nothing_gave_no_reason() -> None:
    assert last_words(" \n") == "no reason given"
