"""What blocked whom: the costliest blockages first, and how much of all blocked time they make up together."""

from __future__ import annotations

from api.postmortem.cells import spell_seconds
from api.postmortem.charts.chart import INK, ORANGE, Chart, Spec, chart_spec, quantity, tooltip, values
from api.postmortem.document import Postmortem
from api.postmortem.facts import Record, number

_BARS_MAX = 15
_LABEL_MAX = 44

_UNITS = (("hours", 3_600.0), ("minutes", 60.0), ("seconds", 1.0))


_ON_TOP = {"format": ".0%", "orient": "top", "grid": False}


def pareto(document: Postmortem) -> Chart | None:
    """Draw a bar for each blockage, the longest at the top, and the share that has added up with it."""
    blocked = [record for record in document.records("what_blocked_whom") if number(record["cost_seconds"])]
    if not blocked:
        return None
    unit, seconds = _unit(number(blocked[0]["cost_seconds"]) or 0.0)
    bars = [_bar(record, seconds) for record in blocked[:_BARS_MAX]]
    names = [bar["name"] for bar in bars]
    y = {"field": "name", "type": "nominal", "sort": names, "title": None}
    told = tooltip(what="blockage", worker="worker", span="for", added="added up")
    share = quantity("share", "share of all blocked time", axis=_ON_TOP, scale={"domain": [0, 1]})
    return Chart(
        name="pareto",
        question="what_blocked_whom",
        title="What cost most",
        description=(
            f"The {len(bars):,} longest of {len(blocked):,} blockages as bars, the longest first, {bars[0]['what']}"
            f" for {bars[0]['span']}; the line is the share of all blocked time that has added up so far,"
            f" {bars[-1]['added']} at the last bar."
        ),
        spec=chart_spec(
            {
                "mark": {"type": "bar", "color": ORANGE, "height": {"band": 0.7}},
                "encoding": {"x": quantity("cost", f"worker time lost, {unit}")},
            },
            {"mark": {"type": "line", "color": INK, "point": {"color": INK}}, "encoding": {"x": share}},
            height=26 * len(bars),
            data=values(bars),
            encoding={"y": y, "tooltip": told},
            resolve={"scale": {"x": "independent"}},
        ),
    )


def _unit(longest: float) -> tuple[str, float]:
    return next(((unit, seconds) for unit, seconds in _UNITS if longest >= 2 * seconds), _UNITS[-1])


def _bar(record: Record, unit_seconds: float) -> Spec:
    cost = number(record["cost_seconds"]) or 0.0
    share = number(record["cumulative_share"]) or 0.0
    what = f"#{record['subtask']} {record['kind']}: {record['detail']}"
    return {
        "name": what if len(what) <= _LABEL_MAX else f"{what[: _LABEL_MAX - 1]}…",
        "what": what,
        "worker": record["worker_id"],
        "cost": round(cost / unit_seconds, 4),
        "span": spell_seconds(cost),
        "share": round(share, 4),
        "added": f"{share:.0%}",
    }
