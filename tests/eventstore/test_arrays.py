"""Arrays that are packed here arrive in the database as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore import arrays

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))

KINDS: dict[str, tuple[Callable[[Any], arrays.Array], st.SearchStrategy[Any]]] = {
    "text": (lambda values: arrays.texts([v if v is None else v.encode() for v in values]), st.none() | texts),
    "smallint": (arrays.smallints, st.integers(-(2**15), 2**15 - 1)),
    "integer": (arrays.integers, st.none() | st.integers(-(2**31), 2**31 - 1)),
    "bigint": (arrays.bigints, st.none() | st.integers(-(2**63), 2**63 - 1)),
    "uuid": (arrays.uuids, st.uuids()),
    "timestamptz": (
        arrays.times,
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones),  # noqa: DTZ001
    ),
}


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.adapters.register_dumper(arrays.Array, arrays.ArrayDumper)
        yield connection


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_arrives_as_it_was(connection: psycopg.Connection, kind: str) -> None:
    pack, values = KINDS[kind]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(sent=st.lists(values, max_size=8))
    def check(sent: list[Any]) -> None:
        query = f"SELECT %b::{kind}[]"
        assert connection.execute(query, [pack(sent)]).fetchone() == (sent,)

    check()


def test_a_time_is_the_same_in_every_zone() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert arrays.times([noon]) == arrays.times([noon.astimezone(timezone(timedelta(hours=9)))])


def test_a_number_that_does_not_fit_is_no_other_number() -> None:
    with pytest.raises(Exception, match="'h' format requires"):
        arrays.smallints([2**15])
