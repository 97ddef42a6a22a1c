"""How values are kept in a document and spelt for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.postmortem.cells import cell_of, kind_of, spell, spell_seconds
from api.postmortem.document import Cell, Kind

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        (Decimal(7), 7),
        (Decimal("7.25"), 7.25),
        (datetime(2026, 3, 1, 11, 0, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T09:00:00+00:00"),
        (["a.py", "b.py"], '["a.py","b.py"]'),
        ("two\nlines", "two lines"),
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        ("right\u202eto left", "right to left"),
    ],
)
def test_a_value_of_the_database_becomes_plain(value: object, cell: Cell) -> None:
    assert cell_of(value) == cell


@pytest.mark.parametrize(
    ("column", "cells", "kind"),
    [
        ("cost_seconds", [1], "seconds"),
        ("seconds_per_problem", [1.5], "seconds"),
        ("opened_at", ["2026-03-01T09:00:00+00:00"], "moment"),
        ("forecast_p50_end", [None], "moment"),
        ("cumulative_share", [0.5], "share"),
        ("cost", [1.5], "money"),
        ("cost_per_problem", [1.5], "money"),
        ("workers", [1, None, 2], "count"),
        ("speedup", [1, 2.5], "number"),
        ("gate", ["merge"], "text"),
        ("passed", [True], "text"),
        ("why", [None], "text"),
    ],
)
def test_a_column_says_by_its_name_and_cells_what_it_means(column: str, cells: list[Cell], kind: Kind) -> None:
    assert kind_of(column, cells) == kind


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (None, "seconds", ""),
        (True, "text", "yes"),
        ("2026-03-01T09:00:00.25+00:00", "moment", "2026-03-01 09:00:00"),
        (1234, "count", "1,234"),
        (2.333, "number", "2.33"),
        (0.00217, "number", "0.0022"),
        (0.8125, "share", "81.2%"),
        (12.5, "money", "$12.50"),
        (0.003261, "money", "$0.0033"),
        (-90.4, "seconds", "-90 s"),
        ("plain", "text", "plain"),
    ],
)
def test_a_cell_is_spelt_with_its_unit(cell: Cell, kind: Kind, text: str) -> None:
    assert spell(cell, kind) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.02, "20 ms"),
        (0.0042, "4.2 ms"),
        (0.7, "700 ms"),
        (0.9999, "1.0 s"),
        (9.96, "10 s"),
        (99.6, "1 min 40 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_duration_has_two_or_three_figures(seconds: float, text: str) -> None:
    assert spell_seconds(seconds) == text


@given(st.floats(min_value=0.001, max_value=1e7))
def test_what_is_spelt_is_the_duration(seconds: float) -> None:
    parts = re.findall(r"([\d.]+) (ms|s|min|h|d)\b", spell_seconds(seconds))
    assert sum(float(number) * _UNITS[unit] for number, unit in parts) == pytest.approx(seconds, rel=0.06)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_keeps_its_second(moment: datetime) -> None:
    assert spell(cell_of(moment), "moment") == f"{moment:%Y-%m-%d %H:%M:%S}"
