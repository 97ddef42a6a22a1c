"""Tasks of a service, as the commands for tasks in the database know them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.projections.corpus.read import FOLDER, recording

if TYPE_CHECKING:
    from tests.api.conftest import Bench


@pytest.fixture
def server(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a service whose only task was archived."""
    folder = tmp_path_factory.mktemp("pw")
    for arguments in (("import", str(FOLDER / "run.ndjson")), ("archive", recording("run").task_id, "--to", folder)):
        assert bench.pw("ledger", *map(str, arguments)).returncode == 0
    service = bench.start_pw("serve", "--uds", str(folder / "api.sock"))
    assert service.stdout is not None
    assert service.stdout.readline() != "", service.communicate()[1]
    return f"unix:{folder / 'api.sock'}"


def test_of_an_archived_task_every_command_says_that_it_was_archived(bench: Bench, server: str) -> None:
    task = recording("run").task_id
    for arguments in (
        ("postmortem", task),
        ("replay", task, "--at", "+1s"),
        ("replay", task, "--speed", "1000000"),
        ("status", task),
        ("watch", task),
    ):
        ran = bench.pw(*arguments, "--server", server)
        assert "archived " in ran.stdout + ran.stderr, arguments
        assert "ledger has no task" not in ran.stderr


def test_a_name_that_a_service_does_not_know_is_one_line(bench: Bench, server: str) -> None:
    for name in ("nothing-0", "no/thing"):
        ran = bench.pw("postmortem", name, "--server", server)
        assert (ran.returncode, ran.stderr) == (2, f"pw: the ledger has no task {name!r}\n")
