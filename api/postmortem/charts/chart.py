"""What all charts have in common: their form, their look, and how time is put on an axis.

Colours are names of the page's own style (`report.css`), so that one drawing is right in light, in dark and on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

Spec = dict[str, Any]

#: Width of a chart where nobody can measure the page, in pixels.
WIDTH = 720

INK, MUTED, LINE = "var(--ink)", "var(--muted)", "var(--line)"
BLUE, ORANGE, PURPLE, RED, GREEN = (f"var(--{name})" for name in ("blue", "orange", "purple", "red", "green"))

_AXIS = {
    "labelColor": MUTED,
    "titleColor": MUTED,
    "gridColor": LINE,
    "domainColor": LINE,
    "tickColor": LINE,
    "titleFontWeight": "normal",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "labelOverlap": "greedy",
    "labelSeparation": 8,
}
_CONFIG = {
    # A chart is one picture with a description, and its figures are in the table: labels on thousands of marks would
    # only make the page several times as large.
    "aria": False,
    "font": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif",
    "axis": _AXIS,
    "axisY": {"labelLimit": 260},
    "legend": {"labelColor": MUTED, "labelFontSize": 12, "orient": "top", "title": None, "labelLimit": 300},
    "view": {"stroke": None},
    "text": {"color": INK, "fontSize": 12},
}

#: Dragging moves, the wheel with Shift zooms (without, it scrolls the page), a double click is the way back.
ZOOM = {"select": {"type": "interval", "zoom": "wheel![event.shiftKey]"}, "bind": "scales"}

#: So many times the time that was taken is shown of forecasts that went beyond it.
_BEYOND = 1.6

_UNITS = (("seconds", 1.0, 120.0), ("minutes", 60.0, 7_200.0), ("hours", 3_600.0, 172_800.0))


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing of a question's answer."""

    #: Unique within the document.
    name: str
    #: The question's.
    question: str
    title: str
    #: What is to be seen, for those who do not see it.
    description: str
    #: Vega-Lite.
    spec: Spec


def chart_spec(*layers: Spec, height: int | float, **more: Any) -> Spec:
    """Lay drawings over each other."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "background": None,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": _CONFIG,
        "layer": list(layers),
        **more,
    }


def values(rows: Iterable[Mapping[str, object]]) -> Spec:
    """Give rows to a drawing."""
    return {"values": list(rows)}


def quantity(field: str, title: str, **more: Any) -> Spec:
    """Put a number on an axis; layers that share one give it the same title."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def tooltip(**titles: str) -> list[Spec]:
    """Say what is told of a mark: fields, each with its title."""
    return [{"field": field, "type": "nominal", "title": title} for field, title in titles.items()]


class Clock(msgspec.Struct, frozen=True):
    """Time since a moment, in the unit in which a span is read most easily."""

    origin: datetime
    unit: str
    seconds: float

    @classmethod
    def over(cls, moments: Iterable[datetime]) -> Clock:
        """Choose for moments, of which there is at least one; begins with the first."""
        all_moments = list(moments)
        origin = min(all_moments)
        span = (max(all_moments) - origin).total_seconds()
        fitting = [(unit, seconds) for unit, seconds, until in _UNITS if span <= until]
        return cls(origin, *(fitting[0] if fitting else ("days", 86_400.0)))

    def until(self, came: datetime, foretold: Iterable[datetime]) -> list[float]:
        """Give the stretch of an axis that shows what came, and of what was foretold as much as stays readable."""
        end = self.at(came)
        latest = max((self.at(moment) for moment in foretold), default=end)
        return [0.0, max(end, min(latest, _BEYOND * end))]

    def at(self, moment: datetime) -> float:
        """Put a moment on the axis."""
        return round((moment - self.origin).total_seconds() / self.seconds, 4)

    @property
    def title(self) -> str:
        """Title of the axis."""
        return f"{self.unit} since {self.origin:%Y-%m-%d %H:%M} UTC"
