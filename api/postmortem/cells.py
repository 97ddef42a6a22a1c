"""Cells: how values from the database are kept in a document, and how they are spelt for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from api.postmortem.document import Cell, Column, Kind, Section

#: Control characters, and those that turn the direction of text: a title is what a tool or an agent has said, and
#: must not move a terminal's cursor or write over what is beside it.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

_MOMENTS = re.compile(r"(^|_)(at|end)$")
_SHARES = re.compile(r"(^|_)(share|utilisation)$")
_MONEY = re.compile(r"^cost(_per_\w+)?$")
_NUMERIC: frozenset[Kind] = frozenset({"count", "number", "seconds", "share", "money"})


def cell_of(value: object) -> Cell:
    """Give a value of the database as JSON has it; what is not plain, such as a list, becomes its JSON as text."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _UNPRINTABLE.sub(" ", value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return cell_of(msgspec.json.encode(value, enc_hook=str).decode())


def kind_of(column: str, cells: Iterable[Cell]) -> Kind:
    """Tell by a column's name, and by what is in it, what its cells mean."""
    if "seconds" in column:
        return "seconds"
    if _MOMENTS.search(column):
        return "moment"
    if _SHARES.search(column):
        return "share"
    if _MONEY.match(column):
        return "money"
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int}:
        return "count"
    return "number" if kinds and kinds <= {int, float} else "text"


def moment_of(cell: Cell) -> datetime | None:
    """Give the moment that a cell of kind `moment` holds."""
    return datetime.fromisoformat(cell) if isinstance(cell, str) else None


def spell_rows(section: Section, rows_max: int) -> Iterator[list[str]]:
    """Spell the first rows of an answer; moments without their day where all are of one."""
    kinds = [column.kind for column in section.columns]
    moments = [place for place, kind in enumerate(kinds) if kind == "moment"]
    days = {moment.date() for row in section.rows for place in moments if (moment := moment_of(row[place]))}
    for row in section.rows[:rows_max]:
        spelt = [spell(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
        if len(days) == 1:
            for place in moments:
                spelt[place] = spelt[place].rpartition(" ")[2]
        yield spelt


def spell(cell: Cell, kind: Kind) -> str:
    """Spell a cell for people; what nobody knows is empty."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case str():
            moment = moment_of(cell) if kind == "moment" else None
            return f"{moment:%Y-%m-%d %H:%M:%S}" if moment is not None else cell
        case _:
            return _NUMBERS.get(kind, _spell_number)(cell)


def spell_seconds(seconds: float) -> str:
    """Spell a duration with two or three figures that count: `20 ms`, `1.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0:
        return f"-{spell_seconds(-seconds)}"
    if seconds < 99.5:
        return _spell_short(seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest} s"
    days, hours_left = divmod(hours, 24)
    return f"{hours} h {minutes} min" if days < 2 else f"{days} d {hours_left} h"


def _spell_short(seconds: float) -> str:
    if 0 < seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.2g} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def _spell_number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if abs(value) >= 0.0995 or value == 0 else f"{value:.2g}"


def _spell_money(dollars: float) -> str:
    return f"${dollars:,.2f}" if abs(dollars) >= 0.0995 else f"${dollars:.2g}"


_NUMBERS: dict[Kind, Callable[[float], str]] = {
    "seconds": spell_seconds,
    "share": "{:.1%}".format,
    "money": _spell_money,
    "count": "{:,.0f}".format,
}


def heading(column: Column) -> str:
    """Give a column's name as people read it: what its unit is stands in its cells."""
    name = column.name.removesuffix("_seconds").removesuffix("_id")
    return name.replace("_", " ")


def is_numeric(column: Column) -> bool:
    """Tell whether cells are to stand at the right."""
    return column.kind in _NUMERIC
