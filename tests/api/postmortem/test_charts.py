"""The charts: what they show, and that Vega-Lite draws them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import vl_convert

from api.postmortem.charts import charts_of
from api.postmortem.charts.chart import Chart, Clock
from api.postmortem.document import Postmortem

MakeDocument = Callable[..., Postmortem]


@pytest.fixture
def charts(make_document: MakeDocument) -> dict[str, Chart]:
    return {chart.name: chart for chart in charts_of(make_document())}


def drawn(chart: Chart) -> str:
    # Marks that say what they are can be counted.
    return str(vl_convert.vegalite_to_svg(chart.spec | {"config": {**chart.spec["config"], "aria": True}}))


def rows(chart: Chart, layer: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = chart.spec["layer"][layer]["data"]["values"]
    return found


def test_there_is_a_chart_for_what_a_picture_says_best(charts: dict[str, Chart]) -> None:
    assert list(charts) == ["timeline", "burndown", "forecasts", "pareto", "estimates", "speedup"]


@pytest.mark.parametrize(
    ("name", "mark", "count"),
    [
        ("timeline", "bar", 6),
        ("timeline", "point", 1),
        ("burndown", "rule mark", 8),
        ("forecasts", "rule mark", 1),
        ("pareto", "bar", 2),
        ("estimates", "point", 4),
        ("speedup", "text mark", 1),
    ],
)
def test_each_is_drawn_with_a_mark_for_each_row(charts: dict[str, Chart], name: str, mark: str, count: int) -> None:
    assert drawn(charts[name]).count(f'aria-roledescription="{mark}"') == count


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        ("timeline", ["timeline"]),
        ("burndown", ["burndown", "forecasts"]),
        ("what_blocked_whom", ["pareto"]),
        ("which_subtasks_were_misestimated", ["estimates"]),
    ],
)
def test_there_is_no_chart_of_nothing(make_document: MakeDocument, without: str, missing: list[str]) -> None:
    every = [chart.name for chart in charts_of(make_document())]
    left = [chart.name for chart in charts_of(make_document(without=[without]))]
    assert left == [name for name in every if name not in missing]


def test_the_timeline_has_a_row_for_each_worker_in_the_order_of_their_numbers(charts: dict[str, Chart]) -> None:
    assert charts["timeline"].spec["encoding"]["y"]["sort"] == ["w1", "w2", "w10"]


def test_what_still_goes_on_reaches_up_to_the_moment_of_the_report(charts: dict[str, Chart]) -> None:
    last = rows(charts["timeline"], 0)[-1]
    assert (last["outcome"], last["to"], last["span"]) == ("1: goes on", 6.0, "5 min 40 s")


def test_the_timeline_marks_where_an_attempt_came_to_nothing(charts: dict[str, Chart]) -> None:
    assert [(end["what"], end["to"]) for end in rows(charts["timeline"], 1)] == [("#2 two", 4.0)]


def test_the_burndown_draws_a_forecast_from_where_it_was_made_to_the_end_that_it_saw(
    charts: dict[str, Chart],
) -> None:
    made = [(line["at"], line["left"], line["to"]) for line in rows(charts["burndown"], 1)]
    assert made == [(0.0, 5, 1.6667), (0.5, 4, 2.0), (1.5833, 3, 3.3333), (4.0, 2, 4.8333)]


def test_a_task_that_is_not_over_has_no_end_that_came(make_document: MakeDocument) -> None:
    chart = next(chart for chart in charts_of(make_document(so_far=True)) if chart.name == "forecasts")
    assert 'aria-roledescription="rule mark"' not in drawn(chart)


def test_blockages_add_up(charts: dict[str, Chart]) -> None:
    bars = charts["pareto"].spec["data"]["values"]
    assert [(bar["cost"], bar["span"], bar["added"]) for bar in bars] == [
        (3.0, "3 min 0 s", "75%"),
        (1.0, "60 s", "100%"),
    ]


def test_an_estimate_is_coloured_by_the_quantile_that_it_kept_to(charts: dict[str, Chart]) -> None:
    points = charts["estimates"].spec["layer"][-1]["data"]["values"]
    assert [point["kept"] for point in points] == ["within P50", "beyond P95", "P50 to P80", "P80 to P95"]


def test_the_band_of_the_estimates_is_the_usual_width_up_to_p80(charts: dict[str, Chart]) -> None:
    for edge in rows(charts["estimates"], 0):
        assert edge["p80"] == pytest.approx(1.5 * float(str(edge["p50"])))


def test_the_measured_speedup_stands_beside_the_ideal_one(charts: dict[str, Chart]) -> None:
    assert [point["label"] for point in rows(charts["speedup"], 1)] == ["measured: 2.33"]
    assert charts["speedup"].description == (
        "Speed-up over 1 to 8 workers. Measured: 2.33 with 3 workers, where 2.80 was ideal."
    )


@pytest.mark.parametrize(
    ("seconds", "unit"), [(90, "seconds"), (121, "minutes"), (7_201, "hours"), (180_000, "days")]
)
def test_time_is_in_the_unit_that_fits_the_span(seconds: int, unit: str) -> None:
    begin = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    clock = Clock.over([begin + timedelta(seconds=seconds), begin])
    assert clock.title == f"{unit} since 2026-03-01 09:00 UTC"
