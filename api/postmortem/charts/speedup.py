"""Speed-up over the number of workers: what was measured, beside what was possible."""

from __future__ import annotations

from api.postmortem.cells import spell_seconds
from api.postmortem.charts.chart import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    Chart,
    Spec,
    chart_spec,
    quantity,
    tooltip,
    values,
)
from api.postmortem.document import Postmortem
from api.postmortem.facts import Record, number, speedup_of

_IDEAL, _SIMULATED, _EACH = "ideal", "simulated, with files held", "as many times as workers"
_LINES = {_IDEAL: BLUE, _SIMULATED: PURPLE, _EACH: MUTED}
#: Workers that are shown at least, and so many times those that there were.
_WORKERS_MIN, _BEYOND = 8, 2


def speedup(document: Postmortem) -> Chart | None:
    """Draw the ideal and the simulated speed-up as lines over the number of workers, the measured one as a point."""
    answers = document.records("how_much_faster_was_it")
    simulated = document.records("how_would_other_numbers_of_workers_have_done")
    measured = speedup_of(answers, simulated, document.report)
    most = max(_WORKERS_MIN, _BEYOND * measured.workers)
    ideal = [record for record in answers if record["kind"] == "ideal"]
    lines = [*_line(_IDEAL, ideal, most), *_line(_SIMULATED, simulated, most)]
    if not lines:
        return None
    highest = max([measured.measured, *(line["speedup"] for line in lines)])
    lines += [{"workers": each, "speedup": each, "line": _EACH, "span": ""} for each in range(1, most + 1)]
    x = quantity("workers", "workers", scale={"domain": [1, most], "nice": False}, axis={"tickMinStep": 1})
    y = quantity("speedup", "speed-up against one worker", scale={"domain": [0, 1.2 * highest], "nice": False})
    points = _line("measured", [record for record in answers if record["kind"] == "measured"], most)
    ideal_text = f", where {measured.ideal:.2f} was ideal" if measured.ideal is not None else ""
    return Chart(
        name="speedup",
        question="how_much_faster_was_it",
        title="Speed-up and number of workers",
        description=(
            f"Speed-up over 1 to {most} workers. Measured: {measured.measured:.2f} with {measured.workers:,}"
            f" workers{ideal_text}."
        ),
        spec=chart_spec(_drawn_lines(lines, x, y), *_drawn_points(points, x, y), height=300),
    )


def _line(name: str, records: list[Record], most: int) -> list[Spec]:
    found = [(number(one["workers"]), number(one["speedup"]), number(one["makespan_seconds"])) for one in records]
    return [
        {"workers": workers, "speedup": gain, "line": name, "span": spell_seconds(span or 0.0)}
        for workers, gain, span in found
        if workers is not None and gain is not None and workers <= most
    ]


def _drawn_lines(lines: list[Spec], x: Spec, y: Spec) -> Spec:
    present = [name for name in _LINES if any(line["line"] == name for line in lines)]
    colour = {
        "field": "line",
        "type": "nominal",
        "scale": {"domain": present, "range": [_LINES[name] for name in present]},
    }
    return {
        "data": values(lines),
        "mark": {"type": "line", "clip": True, "point": {"size": 25}},
        "encoding": {
            "x": x,
            "y": y,
            "color": colour,
            "tooltip": tooltip(line="line", workers="workers", speedup="speed-up", span="makespan"),
        },
    }


def _drawn_points(measured: list[Spec], x: Spec, y: Spec) -> list[Spec]:
    points = [point | {"label": f"measured: {point['speedup']:.2f}"} for point in measured]
    told = tooltip(line="line", workers="workers", speedup="speed-up", span="wall time")
    encoding = {"x": x, "y": y, "tooltip": told}
    return [
        {
            "data": values(points),
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 160, "color": ORANGE, "opacity": 1},
            "encoding": encoding,
        },
        {
            "data": values(points),
            "mark": {"type": "text", "align": "center", "dy": -16, "color": INK},
            "encoding": {"x": x, "y": y, "text": {"field": "label"}},
        },
    ]
