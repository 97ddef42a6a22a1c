"""`pw postmortem` on a task in which everything goes wrong once, and on those of which there is nothing to tell."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app
from api.postmortem.document import Postmortem
from projections.catch_up import catch_up
from projections.postmortem import questions
from tests.projections.incident import TASK, store_incident

Pw = Callable[..., Result]


@pytest.fixture
def pw(database_url: str) -> Pw:
    """Run a command on the test's database."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--database-url", database_url])

    return run


@pytest.fixture
def incident(database_url: str) -> str:
    """The name of a task that is known to the second."""
    asyncio.run(store_incident(database_url))
    return TASK


def told(ran: Result) -> Postmortem:
    assert (ran.exit_code, ran.stderr) == (0, "")
    return msgspec.json.decode(ran.stdout, type=Postmortem)


def test_programs_get_every_answer_in_full(pw: Pw, incident: str) -> None:
    document = told(pw("postmortem", incident, "-o", "json"))
    assert (document.task_id, document.status, document.so_far) == (incident, "completed", False)
    assert [section.name for section in document.sections] == [question.name for question in questions()]
    assert all(len(row) == len(section.columns) for section in document.sections for row in section.rows)


def test_the_summary_holds_what_is_known_of_the_task(pw: Pw, incident: str) -> None:
    figures = {figure.name: figure for figure in told(pw("postmortem", incident, "-o", "json")).figures}
    assert (figures["status"].value, figures["problems"].value, figures["accepted"].value) == ("completed", 0, 7)
    # The incident's own table: active time 443 s, of 425 s from the first event to the last; 2 waited 99 s for 1.
    assert figures["wall"].value == 425.0
    assert figures["speedup"].value == round(443 / 425, 4)
    assert figures["blockage"].value == 99.0
    assert figures["blockage"].note.startswith("#2, dependency_wait: ")


def test_the_newest_task_is_told_where_none_is_named(pw: Pw, incident: str) -> None:
    ran = pw("postmortem")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"Post-mortem of {incident}, as of ")
    assert "1. Where did the time go?" in ran.stdout


def test_markdown_is_for_documents(pw: Pw, incident: str) -> None:
    ran = pw("postmortem", incident, "-o", "markdown")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"# Post-mortem of {incident}\n")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("report.html", "<!doctype html>"),
        ("report.md", "# Post-mortem of shop-1\n"),
        ("report.json", '{\n  "task_id": "shop-1"'),
        ("report.txt", "Post-mortem of shop-1, as of "),
    ],
)
def test_the_ending_of_a_file_says_what_is_written(
    pw: Pw, incident: str, tmp_path: Path, name: str, beginning: str
) -> None:
    ran = pw("postmortem", incident, "--to", str(tmp_path / name))
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == f"written: {tmp_path / name}\n"
    assert (tmp_path / name).read_text().startswith(beginning)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_a_document_is_utf_8_whatever_the_terminal_speaks(
    database_url: str, incident: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.cli.postmortem._text", lambda document, form: f"{form}: 5 \N{RIGHTWARDS ARROW} 0\n")
    ran = CliRunner(charset="latin-1").invoke(
        app, ["postmortem", incident, "-o", form, "--database-url", database_url]
    )
    assert (ran.exit_code, ran.stdout_bytes.decode()) == (0, f"{form}: 5 \N{RIGHTWARDS ARROW} 0\n")


def test_the_page_shows_the_course_of_the_task(pw: Pw, incident: str) -> None:
    ran = pw("postmortem", incident, "-o", "html")
    assert (ran.exit_code, ran.stderr) == (0, "")
    charts = ("timeline", "burndown", "pareto", "estimates", "speedup")
    assert [name for name in charts if f'data-chart="chart-{name}"' not in ran.stdout] == []


def test_a_file_that_cannot_be_written_is_one_line(pw: Pw, incident: str, tmp_path: Path) -> None:
    ran = pw("postmortem", incident, "--to", str(tmp_path / "missing" / "report.md"))
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr == f"pw: {tmp_path}/missing/report.md: No such file or directory\n"


def test_a_link_to_the_file_and_a_neighbour_of_its_name_stay(pw: Pw, incident: str, tmp_path: Path) -> None:
    (tmp_path / "report.md").symlink_to("latest.md")
    (tmp_path / "report.md.part").write_text("mine")
    assert pw("postmortem", incident, "--to", str(tmp_path / "report.md")).exit_code == 0
    assert (tmp_path / "report.md").is_symlink()
    assert (tmp_path / "latest.md").read_text().startswith("# ")
    assert (tmp_path / "report.md.part").read_text() == "mine"


def test_html_without_its_packages_is_one_line(pw: Pw, incident: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.delitem(sys.modules, "api.postmortem.html", raising=False)
    ran = pw("postmortem", incident, "-o", "html")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "pw: HTML needs two more packages: pip install 'parallel-workers[html]'\n"


def test_a_task_that_goes_on_is_told_so_far(pw: Pw, database_url: str, append_raw: Callable[..., list[int]]) -> None:
    submitted = {"repository": "/tree", "base_commit": "c0", "branch": "pw/tree", "options": {}}
    row = {"stream_id": "tree", "type": "task_submitted", "payload": json.dumps(submitted)}
    with psycopg.connect(database_url, autocommit=True) as connection:
        append_raw(connection, [row])
    document = told(pw("postmortem", "tree", "-o", "json"))
    assert (document.status, document.so_far) == ("running", True)
    assert document.summary[0].startswith("The task is running: this is how far it is.")
    page = pw("postmortem", "tree", "-o", "html")
    assert (page.exit_code, page.stderr) == (0, "")


def test_an_unknown_task_is_one_line(pw: Pw) -> None:
    ran = pw("postmortem", "nobody")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "pw: the ledger has no task 'nobody'\n"


def test_an_archived_task_is_one_line_until_it_is_back(
    pw: Pw, database_url: str, incident: str, tmp_path: Path
) -> None:
    before = told(pw("postmortem", incident, "-o", "json"))
    assert pw("ledger", "archive", incident, "--to", str(tmp_path)).exit_code == 0
    ran = pw("postmortem", incident)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"pw: {incident} was ")
    assert ran.stderr.endswith(": pw ledger import brings it back\n")
    asyncio.run(catch_up(database_url))
    [file] = tmp_path.iterdir()
    assert pw("ledger", "import", str(file)).exit_code == 0
    ran = pw("postmortem", incident)
    assert ran.stderr == f"pw: the read models do not hold {incident}: pw rebuild --all takes it in\n"
    assert pw("rebuild", "--all", "--processes", "1").exit_code == 0
    assert told(pw("postmortem", incident, "-o", "json")).sections[1:] == before.sections[1:]
