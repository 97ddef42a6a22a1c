"""The burn-down: how many subtasks were left when, and when each forecast said that none would be."""

from __future__ import annotations

from datetime import datetime

from api.postmortem.cells import moment_of
from api.postmortem.charts.chart import (
    BLUE,
    MUTED,
    ORANGE,
    Chart,
    Clock,
    Spec,
    chart_spec,
    quantity,
    tooltip,
    values,
)
from api.postmortem.document import Postmortem
from api.postmortem.facts import Record, number

#: More forecasts than this would hide what they foretell.
_FORECASTS_MAX = 25

_LEFT = quantity("left", "subtasks left", axis={"tickMinStep": 1})

_FILL = {"color": BLUE, "opacity": 0.25}

Point = tuple[datetime, float]

Forecast = tuple[datetime, datetime, datetime | None]
"""When it was made, and the end that it saw at P50 and P95."""


def burndown(document: Postmortem) -> Chart | None:
    """Draw what was left as steps, and a line from where each forecast was made to where it saw the end."""
    records = document.records("burndown")
    points = _points(records)
    if len(points) < 2:
        return None
    if document.so_far:
        points.append((max(document.made_at, points[-1][0]), points[-1][1]))
    forecasts = _evenly(_forecasts(records))
    clock = Clock.over(at for at, _ in points)
    foretold = (moment for _, *quantiles in forecasts for moment in quantiles if moment is not None)
    x = quantity("at", clock.title, scale={"domain": clock.until(points[-1][0], foretold), "nice": False})
    return Chart(
        name="burndown",
        question="burndown",
        title="What was left when",
        description=_description(points, forecasts),
        spec=chart_spec(_drawn_steps(points, clock, x), *_drawn_forecasts(forecasts, points, clock, x), height=260),
    )


def _description(points: list[Point], forecasts: list[Forecast]) -> str:
    most = max(left for _, left in points)
    steps = f"Subtasks left over time: from {most:,.0f} at most to {points[-1][1]:,.0f}."
    if not forecasts:
        return f"{steps} No forecast was made."
    return (
        f"{steps} {len(forecasts):,} dashed lines lead from where a forecast was made to the end that it saw (P50);"
        " the thick line at the bottom spans P50 to P95. What lies far beyond what came is cut off."
    )


def _points(records: list[Record]) -> list[Point]:
    pairs = [(moment_of(record["at"]), number(record["subtasks_left"])) for record in records]
    return sorted((at, left) for at, left in pairs if at is not None and left is not None)


def _forecasts(records: list[Record]) -> list[Forecast]:
    found: set[Forecast] = set()
    for record in records:
        made, p50 = moment_of(record["forecast_made_at"]), moment_of(record["forecast_p50_end"])
        if made is not None and p50 is not None:
            found.add((made, p50, moment_of(record["forecast_p95_end"]) or moment_of(record["forecast_p80_end"])))
    return sorted(found, key=lambda forecast: forecast[:2])


def _evenly(forecasts: list[Forecast]) -> list[Forecast]:
    stride = -(-len(forecasts) // _FORECASTS_MAX)
    return forecasts[:: max(stride, 1)]


def _drawn_steps(points: list[Point], clock: Clock, x: Spec) -> Spec:
    return {
        "data": values({"at": clock.at(at), "left": left} for at, left in points),
        "mark": {"type": "area", "interpolate": "step-after", "clip": True, "line": {"color": BLUE}, **_FILL},
        "encoding": {"x": x, "y": _LEFT},
    }


def _drawn_forecasts(forecasts: list[Forecast], points: list[Point], clock: Clock, x: Spec) -> list[Spec]:
    if not forecasts:
        return []
    lines, spans = [], []
    for made, p50, late in forecasts:
        told = {"p50": f"{clock.at(p50):,.3g} {clock.unit}", "made": f"{clock.at(made):,.3g} {clock.unit}"}
        left = next((left for at, left in reversed(points) if at <= made), points[0][1])
        lines.append({"at": clock.at(made), "left": left, "to": clock.at(p50), "none": 0, **told})
        if late is not None:
            spans.append({"at": clock.at(p50), "to": clock.at(late), "left": 0, **told})
    told_of = tooltip(made="forecast made at", p50="end foretold (P50)")
    shared = {"x": x, "y": _LEFT, "x2": {"field": "to"}, "tooltip": told_of}
    return [
        {
            "data": values(lines),
            "mark": {"type": "rule", "strokeDash": [5, 4], "color": MUTED, "opacity": 0.8, "clip": True},
            "encoding": {**shared, "y2": {"field": "none"}},
        },
        {
            "data": values(spans),
            "mark": {"type": "rule", "strokeWidth": 5, "color": ORANGE, "opacity": 0.5, "clip": True},
            "encoding": shared,
        },
    ]
