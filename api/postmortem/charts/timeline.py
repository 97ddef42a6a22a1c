"""The timeline: what each worker did when, and when it was blocked or its work was being judged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from api.postmortem.cells import moment_of, spell_seconds
from api.postmortem.charts.chart import (
    BLUE,
    ORANGE,
    PURPLE,
    RED,
    ZOOM,
    Chart,
    Clock,
    Spec,
    chart_spec,
    quantity,
    tooltip,
    values,
)
from api.postmortem.document import Postmortem
from api.postmortem.facts import Record

_STATES = {"active": BLUE, "blocked": ORANGE, "judged": PURPLE}
_ENDED_WELL = frozenset({"accepted", "split"})
_TOLD = {"what": "subtask", "worker": "worker", "state": "state", "span": "for", "outcome": "attempt"}


def timeline(document: Postmortem) -> Chart | None:
    """Draw a bar for each span of each attempt, in a row for each worker."""
    spans = list(_spans(document.records("timeline"), document.made_at))
    if not spans:
        return None
    opened = [moment for record in document.records("burndown")[:1] if (moment := moment_of(record["at"]))]
    clock = Clock.over([*opened, *(moment for _, begin, end in spans for moment in (begin, end))])
    workers = sorted({str(record["worker_id"]) for record, *_ in spans}, key=_natural)
    step = 24 if len(workers) <= 24 else 12
    bars = [_bar(record, begin, end, clock) for record, begin, end in spans]
    y = {"field": "worker", "type": "nominal", "sort": workers, "title": None}
    axes = {"y": y, "tooltip": tooltip(**_TOLD)}
    return Chart(
        name="timeline",
        question="timeline",
        title="Who did what when",
        description=_description(workers, bars),
        spec=chart_spec(
            _drawn_bars(bars, clock) | {"params": [{"name": "zoom", **ZOOM, **_ALONG_X}]},
            _drawn_ends(spans, clock),
            height=step * len(workers),
            encoding=axes,
        ),
    )


_ALONG_X = {"select": {**ZOOM["select"], "encodings": ["x"]}}  # type: ignore[dict-item]


def _spans(records: Iterable[Record], now: datetime) -> Iterator[tuple[Record, datetime, datetime]]:
    """Give the spans with both their ends; what goes on ends now."""
    for record in records:
        if (begin := moment_of(record["from_at"])) is not None:
            yield record, begin, max(moment_of(record["to_at"]) or now, begin)


def _bar(record: Record, begin: datetime, end: datetime, clock: Clock) -> Spec:
    return {
        "worker": record["worker_id"],
        "from": clock.at(begin),
        "to": clock.at(end),
        "state": record["state"],
        "what": f"#{record['subtask']} {record['title']}",
        "outcome": f"{record['attempt']}: {record['outcome'] or 'goes on'}",
        "span": spell_seconds((end - begin).total_seconds()),
    }


def _drawn_bars(bars: list[Spec], clock: Clock) -> Spec:
    colour = {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": list(_STATES), "range": list(_STATES.values())},
    }
    return {
        "data": values(bars),
        # A line around it keeps what is shorter than a pixel to be seen.
        "mark": {"type": "bar", "clip": True, "height": {"band": 0.7}, "strokeWidth": 0.5},
        "encoding": {"x": quantity("from", clock.title), "x2": {"field": "to"}, "color": colour, "stroke": colour},
    }


def _drawn_ends(spans: list[tuple[Record, datetime, datetime]], clock: Clock) -> Spec:
    """Mark the ends of attempts that came to nothing."""
    last: dict[tuple[object, object], tuple[Record, datetime, datetime]] = {}
    for span in sorted(spans, key=lambda span: span[2]):
        last[span[0]["subtask"], span[0]["attempt"]] = span
    lost = [span for span in last.values() if span[0]["outcome"] and span[0]["outcome"] not in _ENDED_WELL]
    ended = [span for span in lost if span[0]["to_at"] is not None]
    return {
        "data": values(_bar(*span, clock) for span in ended),
        "mark": {
            "type": "point",
            "shape": "cross",
            "angle": 45,
            "size": 90,
            "filled": True,
            "clip": True,
            "opacity": 1,
        },
        "encoding": {"x": quantity("to", clock.title), "color": {"value": RED}},
    }


def _description(workers: list[str], bars: list[Spec]) -> str:
    counts = {state: sum(bar["state"] == state for bar in bars) for state in _STATES}
    spans = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    return (
        f"A row for each of {len(workers):,} workers, time from left to right; {spans} spans. A red cross is the end"
        " of an attempt whose work was not taken."
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort `w2` before `w10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
