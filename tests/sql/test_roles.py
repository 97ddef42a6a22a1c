"""Who may do what, tried with each role's own credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from domain.events import Event, Started
from domain.ids import StreamId, TaskId
from eventstore.feed import Feed
from eventstore.ledger import Ledger
from eventstore.postgres.database import open_database
from eventstore.postgres.migrations import migrate

EVENT = Event(
    task_id=TaskId("tree-1"),
    stream_id=StreamId("tree-1.1"),
    message_id=UUID(int=1),
    occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
    body=Started(),
)

TABLES = ["event", "artifact", "seal", "archive", "import", "incarnation"]


def url_as(url: str, user: str, password: str) -> str:
    parameters = conninfo_to_dict(url) | {"user": user, "password": password}
    return f"postgresql:///?{urlencode({name: value for name, value in parameters.items() if value})}"


@pytest.fixture
def login(database_url: str) -> Iterator[Callable[[str], str]]:
    """Make a login of its own that is a member of a role, and give the URL to connect as it."""
    name = f"{conninfo_to_dict(database_url)['dbname']}_login"

    def make(role: str) -> str:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p' IN ROLE {role}")
        return url_as(database_url, name, "p")

    yield make
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {name}")


def refusal(url: str, statement: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.DatabaseError) as refused:
        connection.execute(statement)
    return f"{refused.value.sqlstate} {str(refused.value).splitlines()[0]}"


# --- the service ----------------------------------------------------------------------------------------


async def test_the_service_appends_and_reads(login: Callable[[str], str]) -> None:
    url = login("pw_service")
    async with Ledger.open(url) as ledger:
        [receipt] = await ledger.append([EVENT])
        assert receipt.status == "created"
        assert [record.event for record in await ledger.read_task(EVENT.task_id)] == [EVENT]
    assert [len(batch.events) async for batch in Feed(url).batches(follow=False)] == [1]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["DELETE FROM ledger.{}", "TRUNCATE ledger.{}"])
async def test_the_service_cannot_remove_what_is_stored(login: Callable[[str], str], table: str, change: str) -> None:
    assert refusal(login("pw_service"), change.format(table)) == f"42501 permission denied for table {table}"


async def test_the_service_cannot_rewrite_an_event_in_any_way(login: Callable[[str], str], database_url: str) -> None:
    async with Ledger.open(database_url) as ledger:
        await ledger.append([EVENT])
    url = login("pw_service")
    for statement in (
        "UPDATE ledger.event SET payload = '{}'",
        "INSERT INTO ledger.event SELECT * FROM ledger.event ON CONFLICT (task_id, position) DO UPDATE SET type = ''",
        "MERGE INTO ledger.event USING (SELECT 1) AS x ON true WHEN MATCHED THEN DELETE",
        "SELECT * FROM ledger.event FOR UPDATE",
        "INSERT INTO ledger.archive VALUES ('tree-1', 9, '{1}', 'f', decode(repeat('00', 32), 'hex'))",
        "SELECT setval('ledger.position', 1)",
        "ALTER TABLE ledger.event DISABLE TRIGGER ALL",
        "DROP TRIGGER event_is_immutable ON ledger.event",
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "DROP TABLE ledger.event",
        "SET session_replication_role = replica",
        "SET ROLE pw_owner",
        "COPY ledger.event TO PROGRAM 'true'",
    ):
        assert refusal(url, statement).startswith("42501 "), statement
    async with Ledger.open(url) as ledger:
        assert [record.event for record in await ledger.read_task(EVENT.task_id)] == [EVENT]


def test_of_the_ledger_the_service_may_insert_and_select_and_nothing_else(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        granted = connection.execute(
            "SELECT DISTINCT privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee = 'pw_service' AND table_schema NOT IN ('service', 'projection') ORDER BY 1"
        ).fetchall()
        by_column = connection.execute(
            "SELECT DISTINCT privilege_type FROM information_schema.role_column_grants"
            " WHERE grantee = 'pw_service' AND table_schema NOT IN ('service', 'projection') ORDER BY 1"
        ).fetchall()
    assert granted == by_column == [("INSERT",), ("SELECT",)]


# --- analysts -------------------------------------------------------------------------------------------


def test_an_analyst_reads_every_view(login: Callable[[str], str]) -> None:
    with psycopg.connect(login("pw_analyst")) as connection:
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'analytics'").fetchall()
        assert views
        for (view,) in views:
            connection.execute(f"SELECT * FROM analytics.{view}")


@pytest.mark.parametrize("table", TABLES)
def test_an_analyst_sees_no_table_behind_the_views(login: Callable[[str], str], table: str) -> None:
    assert (
        refusal(login("pw_analyst"), f"SELECT * FROM ledger.{table}") == "42501 permission denied for schema ledger"
    )


# --- the owner ------------------------------------------------------------------------------------------


def test_everything_belongs_to_a_role_that_nobody_logs_in_as(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        owners = connection.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relnamespace IN ('ledger'::regnamespace, 'analytics'::regnamespace)"
            " UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace"
        ).fetchall()
    assert owners == [("pw_owner",)]


# The progress of imports is no history.
@pytest.mark.parametrize("table", [table for table in TABLES if table != "import"])
async def test_the_owner_too_is_refused_by_the_triggers(
    login: Callable[[str], str], database_url: str, table: str
) -> None:
    assert refusal(login("pw_owner"), f"DELETE FROM ledger.{table}").startswith("PW001 the ledger is append-only")


async def test_a_flag_set_by_hand_opens_no_way_to_delete(login: Callable[[str], str], database_url: str) -> None:
    async with Ledger.open(database_url) as ledger:
        await ledger.append([EVENT])
    url = f"{login('pw_owner')}&options=-c%20ledger.removing%3Dtree-1"
    assert refusal(url, "DELETE FROM ledger.event").startswith(
        "PW001 the ledger is append-only: an event that is in no"
    )


# --- which role a URL works in --------------------------------------------------------------------------


def current_user(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    return str(row[0])


def test_whoever_opens_the_database_works_as_the_service(database_url: str, tmp_path: Path) -> None:
    with open_database(database_url, tmp_path) as url:
        assert current_user(url) == "pw_service"


def test_another_role_is_taken_when_it_is_asked_for(database_url: str, tmp_path: Path) -> None:
    with open_database(database_url, tmp_path, "pw_analyst") as url:
        assert current_user(url) == "pw_analyst"


def test_a_login_keeps_its_rights_where_it_is_no_member_of_the_role(
    login: Callable[[str], str], tmp_path: Path
) -> None:
    given = login("pw_analyst")
    with open_database(given, tmp_path) as url:
        assert current_user(url) == conninfo_to_dict(given)["user"]


def test_the_embedded_server_is_logged_in_to_as_the_service(server_folder: Path) -> None:
    with open_database(None, server_folder) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT session_user, current_user").fetchone() == ("pw_service", "pw_service")


def test_roles_that_the_server_lost_are_made_again_with_the_next_change(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON ledger.event FROM pw_service")
        connection.execute("COMMENT ON SCHEMA analytics IS 'made by another release'")
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        granted = connection.execute("SELECT has_table_privilege('pw_service', 'ledger.event', 'INSERT')").fetchone()
    assert granted == (True,)
