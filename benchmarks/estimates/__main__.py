"""How good estimates and ends are, on histories of real work, beside what simpler rules say; and what they cost.

    python benchmarks/estimates [--data DIR] [--only TABLE ...] [--prior]

The folder (or PW_BENCH_DATA) holds cesaw, metr, tbench and batches as csv.gz. The last 30 % of starts are the test;
every forecast uses only what had ended before it. Choices were made on what comes before the test.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import batches
import costs
import forecasts
import histories
from rich.console import Console
from rich.table import Table
from scores import scored

from domain.estimation.export import exported
from domain.estimation.learner import Learner
from domain.estimation.shipped import SHIPPED

_OUT = Console(width=130, highlight=False)
#: When the test of tbench begins, in epoch seconds: batches before were looked at to choose, those after were not.
_LATER = 1_758_594_811.0
_BARS = {
    ("cesaw", False): "96.5 / 53.5, .78-.83 / .93-.97",
    ("cesaw", True): "77 / 41.5",
    ("metr", False): "- / 325",
    ("tbench", False): "- / 42.5",
}

#: What other methods reached on the same split, measured once: method, MAE, pb80, c80, c95.
_OTHERS = {
    "cesaw": (
        ("gradient boosting, 10 refits", "103.1", "56.8", ".77", ".92"),
        ("shrinkage, rolling residuals", "96.1", "53.3", ".81", ".95"),
        ("boosting on its residual", "95.4", "51.3", ".80", ".95"),
        ("shrinkage on plans", "76.9", "41.4", ".80", ".95"),
        ("the same, boosted", "74.9", "39.8", ".80", ".95"),
    ),
    "metr": (
        ("gradient boosting, 10 refits", "365.4", "235.2", ".76", ".91"),
        ("shrinkage, rolling residuals", "476.5", "321.3", ".84", ".96"),
        ("boosting on its residual", "424.6", "255.3", ".80", ".96"),
    ),
    "tbench": (
        ("gradient boosting, 10 refits", "95.7", "40.4", ".72", ".95"),
        ("shrinkage, rolling residuals", "92.7", "42.4", ".84", ".96"),
        ("boosting on its residual", "95.3", "38.9", ".77", ".94"),
    ),
}


def main() -> None:
    """Measure, and print tables."""
    tables: dict[str, Callable[[Path], None]] = {
        "histories": _histories,
        "boost": _boost,
        "reliability": _reliability,
        "makespan": _makespan,
        "wholes": _wholes,
        "first": _first,
        "young": _young,
        "costs": _costs,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("PW_BENCH_DATA"), help="a folder with histories")
    parser.add_argument("--only", nargs="+", choices=tables, default=list(tables), help="these tables")
    parser.add_argument("--prior", action="store_true", help="print the prior that training parts make, and stop")
    options = parser.parse_args()
    if options.data is None or not (Path(options.data) / "cesaw.csv.gz").exists():
        _OUT.print("skipped: no folder with histories is given (--data or PW_BENCH_DATA)")
        return
    if options.prior:
        _prior(Path(options.data))
        return
    for name in options.only:
        tables[name](Path(options.data))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and "|" not in column[1:] else "left")
    return table


def _histories(data: Path) -> None:
    table = _table("forecasts at starts", "history", "method", "MAE", "pb80", "c80", "c95", "|log|", "bar")
    for name in histories.UNITS:
        rows = histories.read(data, name)
        methods = {
            "quantiles of all work": forecasts.by_quantiles(name, rows, by_category=False),
            "quantiles per category": forecasts.by_quantiles(name, rows, by_category=True),
            "ours": forecasts.ours(name, rows, planned=False),
        }
        if name != "tbench":
            methods["ours, planned"] = forecasts.ours(name, rows, planned=True)
        if name == "cesaw":
            methods["the raw plan"] = [forecasts.Quantiles(row.planned, row.planned, row.planned) for row in rows]
        for method, *figures in _OTHERS[name]:
            table.add_row(name, method, *figures)
        for method, said in methods.items():
            planned = "planned" in method
            bar = _BARS.get((name, planned), "") if "ours" in method else ""
            table.add_row(name, method, *_figures(rows, said), bar)
    _OUT.print(table)


def _boost(data: Path) -> None:
    table = _table("with boosted trees", "history", "method", "MAE", "pb80", "c80", "c95", "|log|", "bar")
    for name, planned, bar in (
        ("cesaw", False, ""),
        ("cesaw", True, ""),
        ("metr", False, "- / 256"),
        ("tbench", False, ""),
    ):
        rows = histories.read(data, name)
        said = forecasts.boosted(name, rows, planned=planned)
        table.add_row(name, "ours, boosted" + ", planned" * planned, *_figures(rows, said), bar)
    _OUT.print(table)


def _figures(rows: list[histories.Row], said: list[forecasts.Quantiles]) -> list[str]:
    scores = forecasts.tested(rows, said)
    return [
        f"{scores.mae:.2f}",
        f"{scores.pb80:.2f}",
        f"{scores.c80:.3f}",
        f"{scores.c95:.3f}",
        f"{scores.ratio:.3f}",
    ]


def _reliability(data: Path) -> None:
    for name in histories.UNITS:
        shares, reasons = forecasts.reliability(name, histories.read(data, name))
        table = _table(f"{name}: how many came in under what", "quantile", "share", "o is the share, | the quantile")
        for wanted, got in shares.items():
            line = [" "] * 61
            line[round(60 * wanted)] = "|"
            line[round(60 * got)] = "o"
            table.add_row(f"P{100 * wanted:.0f}", f"{got:.3f}", "".join(line))
        _OUT.print(table)
        for reason in reasons:
            _OUT.print(f"  {reason}")


def _makespan(data: Path) -> None:
    said = list(batches.replayed(batches.read(data)))
    columns = ("batches", "n", "ours", "c80", "c95", "elapsed * left / done", "mean * n / N", "sum of means / N")
    table = _table("makespan of real batches, mean error as a share of it (bar .115, .78, .86)", *columns)
    for label, some in (
        ("all", said),
        ("looked at", [one for one in said if one.starts < _LATER]),
        ("not looked at", [one for one in said if one.starts >= _LATER]),
    ):
        table.add_row(
            label,
            str(len({one.batch for one in some})),
            f"{fmean(abs(one.p50 - one.actual) / one.actual for one in some):.3f}",
            f"{fmean(one.actual <= one.p80 for one in some):.3f}",
            f"{fmean(one.actual <= one.p95 for one in some):.3f}",
            *(f"{fmean(abs(one.simple[n] - one.actual) / one.actual for one in some):.3f}" for n in range(3)),
        )
    _OUT.print(table)
    ways: defaultdict[float, list[float]] = defaultdict(list)
    for number, one in enumerate(said):
        ways[batches.WAYPOINTS[number % len(batches.WAYPOINTS)]].append(abs(one.p50 - one.actual) / one.actual)
    table = _table("by how far the batch was", *(f"{way:.0%}" for way in ways))
    table.add_row(*(f"{fmean(errors):.3f}" for errors in ways.values()))
    _OUT.print(table)


def _wholes(data: Path) -> None:
    said = list(forecasts.wholes("cesaw", histories.read(data, "cesaw")))
    table = _table("whole decompositions of cesaw: share at or under P95 (bar .95-.97)", "n", "shared error", "alone")
    table.add_row(
        f"{len(said):,}",
        f"{fmean(actual <= shared for actual, shared, _ in said):.3f}",
        f"{fmean(actual <= alone for actual, _, alone in said):.3f}",
    )
    _OUT.print(table)


def _first(data: Path) -> None:
    rows = histories.read(data, "cesaw")
    errors = forecasts.first_starts("cesaw", rows, SHIPPED)
    errors["warm, first starts ever of projects"] = forecasts.beginnings("cesaw", rows)
    table = _table("first ten starts of an empty ledger for each project (bar 1.0 warm)", "prior", "starts", "|log|")
    for label, some in errors.items():
        table.add_row(label, str(len(some)), f"{fmean(some):.2f}")
    _OUT.print(table)


def _young(data: Path) -> None:
    table = _table(
        "the forecasts 11 to 100 of ledgers that began with the shipped prior", "of", "n", "c80 / c95", "width"
    )
    for name in histories.UNITS:
        rows = histories.read(data, name)
        for numbers in (range(10, 30), range(30, 100)):
            said = forecasts.young_ledgers(name, rows, SHIPPED, numbers)
            scores = scored([actual for actual, _ in said], [quantiles for _, quantiles in said])
            width = fmean(quantiles.p95 / quantiles.p50 for _, quantiles in said)
            of = f"{name}, {numbers.start + 1} to {numbers.stop}"
            table.add_row(of, f"{len(said):,}", f"{scores.c80:.2f} / {scores.c95:.2f}", f"{width:.1f}")
    _OUT.print(table)


def _costs(_: Path) -> None:
    table = _table("costs", "what", "measured", "bar")
    learner, took, memory = costs.folded()
    table.add_row("fold 1,000,000 attempts", f"{took:.1f} s, {memory:.0f} MB", "60 s, 500 MB")
    table.add_row("one explained estimate", f"{1e6 * costs.estimated(learner):.0f} us", "1,000 us")
    for label, depends, files in (
        ("independent", 0.0, 0),
        ("half depend on one", 0.5, 0),
        ("five share a file", 0.0, 200),
    ):
        seconds, draws = costs.simulated(learner, depends, files)
        table.add_row(f"ETA: 1,000 open, 50 workers, {label}", f"{seconds:.2f} s, {draws} draws", "1 s")
        alone = f"{costs.plain(depends, files):.1f} s, 1000 draws"
        table.add_row("  carried out one after the other, in plain Python", alone, "")
    table.add_row(
        "import of estimates and the fold", f"{1e3 * costs.imported('domain.estimation.explain'):.0f} ms", "100 ms"
    )
    table.add_row("import of the ETA, numpy with it", f"{1e3 * costs.imported('domain.estimation.eta'):.0f} ms", "")
    _OUT.print(table)


def _prior(data: Path) -> None:
    """Fold the training parts of the histories of agents, one after the other, as one ledger would have seen them."""
    learner = Learner()
    for name in ("metr", "tbench"):
        rows = histories.read(data, name)
        first = histories.split(rows)
        for position, moment in enumerate(histories.moments(rows)):
            row = rows[moment.row]
            if not moment.starts and moment.row < first and row.end < rows[first].start:
                unit = histories.UNITS[name]
                learner.learn(histories.completion(row, position, unit, row.features(unit, planned=False)))
    prior = exported(learner, "")
    _OUT.print(f"{learner.state.completions:,} completions: base={prior.base}, deviation={prior.deviation}")
    _OUT.print(f"strengths={prior.strengths}")


if __name__ == "__main__":
    main()
