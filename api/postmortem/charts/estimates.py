"""Estimates against what came, both on logarithmic axes: effort spans orders of magnitude."""

from __future__ import annotations

import math
from statistics import median

from api.postmortem.cells import spell_seconds
from api.postmortem.charts.chart import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    RED,
    ZOOM,
    Chart,
    Spec,
    chart_spec,
    quantity,
    tooltip,
    values,
)
from api.postmortem.document import Postmortem
from api.postmortem.facts import Record, calibration_of, number

_CLASSES = {"within P50": GREEN, "P50 to P80": BLUE, "P80 to P95": ORANGE, "beyond P95": RED}


def estimates(document: Postmortem) -> Chart | None:
    """Draw a point for each subtask, the diagonal on which both agree, and the band up to the usual P80."""
    records = document.records("which_subtasks_were_misestimated")
    points = [_point(record) for record in records if _is_drawable(record)]
    calibration = calibration_of(records)
    if not points or calibration is None:
        return None
    domain = _domain(points)
    width = median([point["p80"] / point["p50"] for point in points if point["p80"]] or [1.0])
    scale = {"scale": {"type": "log", "domain": domain, "nice": False}, "axis": {"tickCount": 6}}
    x, y = quantity("p50", "estimate (P50), seconds", **scale), quantity("actual", "what came, seconds", **scale)
    return Chart(
        name="estimates",
        question="which_subtasks_were_misestimated",
        title="Estimate and what came",
        description=(
            f"{len(points):,} subtasks, estimate (P50) to the right, what came upwards, both logarithmic. On the"
            f" diagonal both agree; the band above it reaches to P80. {calibration.within_p50:.0%} took no longer"
            f" than P50, {calibration.within_p80:.0%} no longer than P80, {calibration.within_p95:.0%} no longer"
            " than P95."
        ),
        spec=chart_spec(*_reference(domain, width, x, y), _drawn(points, x, y), height=380),
    )


def _is_drawable(record: Record) -> bool:
    """Tell whether a logarithmic axis has a place for it."""
    return all((number(record[name]) or 0.0) > 0.0 for name in ("p50_seconds", "actual_seconds"))


def _point(record: Record) -> Spec:
    p50, actual = number(record["p50_seconds"]) or 0.0, number(record["actual_seconds"]) or 0.0
    p80, p95 = number(record["p80_seconds"]), number(record["p95_seconds"])
    return {
        "p50": p50,
        "p80": p80,
        "actual": actual,
        "kept": _kept(actual, p50, p80, p95),
        "what": f"#{record['subtask']} {record['title']}",
        "foretold": " / ".join(spell_seconds(value) for value in (p50, p80, p95) if value is not None),
        "came": spell_seconds(actual),
        "why": record["why"],
    }


def _kept(actual: float, *quantiles: float | None) -> str:
    for name, quantile in zip(_CLASSES, quantiles, strict=False):
        if quantile is not None and actual <= quantile:
            return name
    return "beyond P95"


def _domain(points: list[Spec]) -> list[float]:
    """Span both axes alike, so that the diagonal is one, with a little room at both ends."""
    every = [point[name] for point in points for name in ("p50", "actual")]
    low, high = math.log10(min(every)), math.log10(max(every))
    room = max(0.05 * (high - low), 0.1)
    return [10 ** (low - room), 10 ** (high + room)]


def _reference(domain: list[float], width: float, x: Spec, y: Spec) -> list[Spec]:
    edge = [{"p50": end, "actual": end, "p80": end * width} for end in domain]
    return [
        {
            "data": values(edge),
            "mark": {"type": "area", "color": BLUE, "opacity": 0.15, "clip": True},
            "encoding": {"x": x, "y": y, "y2": {"field": "p80"}},
        },
        {
            "data": values(edge),
            "mark": {"type": "line", "color": MUTED, "strokeDash": [4, 4]},
            "encoding": {"x": x, "y": y},
        },
    ]


def _drawn(points: list[Spec], x: Spec, y: Spec) -> Spec:
    colour = {
        "field": "kept",
        "type": "nominal",
        "scale": {"domain": list(_CLASSES), "range": list(_CLASSES.values())},
    }
    told = tooltip(what="subtask", foretold="P50 / P80 / P95", came="came", why="why")
    return {
        "data": values(points),
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.75, "clip": True},
        "encoding": {"x": x, "y": y, "color": colour, "tooltip": told},
        "params": [{"name": "zoom", **ZOOM}],
    }
