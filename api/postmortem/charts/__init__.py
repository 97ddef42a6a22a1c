"""Charts of a post-mortem as Vega-Lite specifications, one module each."""

from __future__ import annotations

from collections.abc import Iterator

from api.postmortem.charts.burndown import burndown
from api.postmortem.charts.chart import Chart
from api.postmortem.charts.estimates import estimates
from api.postmortem.charts.forecasts import forecasts
from api.postmortem.charts.pareto import pareto
from api.postmortem.charts.speedup import speedup
from api.postmortem.charts.timeline import timeline
from api.postmortem.document import Postmortem

_ALL = (timeline, burndown, forecasts, pareto, estimates, speedup)


def charts_of(document: Postmortem) -> Iterator[Chart]:
    """Draw what there is something to draw of."""
    return (chart for draw in _ALL if (chart := draw(document)) is not None)
