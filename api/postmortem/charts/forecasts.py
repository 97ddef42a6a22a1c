"""Forecasts over time: when each saw the end, beside the end that came."""

from __future__ import annotations

from datetime import datetime

from api.postmortem.cells import moment_of
from api.postmortem.charts.chart import BLUE, INK, Chart, Clock, Spec, chart_spec, quantity, tooltip, values
from api.postmortem.document import Postmortem
from api.postmortem.facts import Record, number

_LEVEL = " A level line is the end of a round that came."
#: Fewer are seen well enough in the burn-down.
_FORECASTS_MIN = 4

Forecast = tuple[datetime, datetime, datetime, datetime, int]
"""When it was made, the end that it saw at P50, P80 and P95, and of which round."""


def forecasts(document: Postmortem) -> Chart | None:
    """Draw the foretold end over the moment of foretelling, with the band from P50 to P95, round by round."""
    records = document.records("burndown")
    made = _forecasts(records)
    moments = [at for record in records if (at := moment_of(record["at"])) is not None]
    if len(made) < _FORECASTS_MIN or not moments:
        return None
    clock = Clock.over([*moments, *(at for at, *_ in made)])
    ends = clock.until(max(moments), (moment for _, *quantiles, _ in made for moment in quantiles))
    x = quantity("made", clock.title)
    y = quantity("p50", f"end foretold, {clock.unit}", scale={"domain": ends, "nice": False})
    came = [] if document.so_far else [_drawn_ends(records, made, clock, x, y)]
    return Chart(
        name="forecasts",
        question="burndown",
        title="When the end was seen",
        description=(
            f"{len(made):,} forecasts of the end, each over the moment at which it was made: P50 as a line, a band up"
            f" to P80 and a lighter one up to P95.{'' if document.so_far else _LEVEL} What lies beyond is cut off."
        ),
        spec=chart_spec(*_drawn(made, clock, x, y), *came, height=220),
    )


def _forecasts(records: list[Record]) -> list[Forecast]:
    found: set[Forecast] = set()
    for record in records:
        made, p50 = moment_of(record["forecast_made_at"]), moment_of(record["forecast_p50_end"])
        if made is None or p50 is None:
            continue
        p80 = moment_of(record["forecast_p80_end"]) or p50
        found.add((made, p50, p80, moment_of(record["forecast_p95_end"]) or p80, _round(record)))
    return sorted(found)


def _round(record: Record) -> int:
    return int(number(record.get("phase")) or 0)


def _drawn(made: list[Forecast], clock: Clock, x: Spec, y: Spec) -> list[Spec]:
    names = ("made", "p50", "p80", "p95")
    rows = [{"round": one[-1], **dict(zip(names, map(clock.at, one[:-1]), strict=True))} for one in made]
    rounds = {"detail": {"field": "round", "type": "nominal"}, "x": x, "y": y}
    told = tooltip(made="made at", p50="P50", p80="P80", p95="P95")
    bands = [
        {
            "data": values(rows),
            "mark": {"type": "area", "color": BLUE, "opacity": opacity, "clip": True},
            "encoding": {**rounds, "y2": {"field": late}},
        }
        for late, opacity in (("p95", 0.15), ("p80", 0.25))
    ]
    line = {"type": "line", "color": BLUE, "clip": True, "point": {"color": BLUE, "size": 20}}
    return [*bands, {"data": values(rows), "mark": line, "encoding": {**rounds, "tooltip": told}}]


def _drawn_ends(records: list[Record], made: list[Forecast], clock: Clock, x: Spec, y: Spec) -> Spec:
    """Draw the end of each round that was foretold, from its first forecast on."""
    ends: dict[int, datetime] = {}
    for record in records:
        if (at := moment_of(record["at"])) is not None:
            ends[_round(record)] = max(at, ends.get(_round(record), at))
    begins: dict[int, datetime] = {}
    for at, *_, phase in made:
        begins.setdefault(phase, at)
    rows = [
        {"made": clock.at(begin), "to": clock.at(ends[phase]), "p50": clock.at(ends[phase])}
        for phase, begin in begins.items()
    ]
    return {
        "data": values(rows),
        "mark": {"type": "rule", "color": INK, "clip": True},
        "encoding": {"x": x, "y": y, "x2": {"field": "to"}},
    }
