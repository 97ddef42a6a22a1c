"""When real parallel batches were done: forecasts on the way, beside what simpler rules say."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from domain.estimation.draws import Work, drawn
from domain.estimation.features import Completion, Features, Issued
from domain.estimation.graph import Graph, Task
from domain.estimation.learner import Learner
from domain.estimation.outcomes import Chances
from domain.estimation.running import curve, outlook
from domain.estimation.simulation import Crew, run

#: Shares of a batch's time at which its end is forecast.
WAYPOINTS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
#: Trials that must have ended before a batch starts.
_EARLIER_MIN = 200
_DRAWS = 1_000
#: See `replayed`; chosen on the batches that had ended before the test of tbench begins.
CAP = 1.1
#: In these histories failures are not told apart, and nothing stands still.
NEVER = Chances(failing=(1e-6, 1e6), blocking=(1e-6, 1e6), block_mean=0.0, block_deviation=0.0)
_COMPLETED, _STARTED, _ASKED = range(3)


class Trial(NamedTuple):
    """One item of a batch; times in epoch seconds."""

    batch: str
    agent: str
    workers: int
    item: str
    start: float
    end: float


class Forecasts(NamedTuple):
    """What was said of a batch's whole time at one waypoint, in seconds."""

    batch: str
    starts: float
    actual: float
    p50: float
    p80: float
    p95: float
    #: What simpler rules say: elapsed * left / done; mean time * items / workers; sum of known means / workers.
    simple: tuple[float, float, float]


def read(folder: Path) -> list[Trial]:
    """Read all trials."""
    with gzip.open(folder / "batches.csv.gz", "rt", newline="") as file:
        return [
            Trial(
                row["batch"],
                row["agent"],
                int(row["workers"]),
                row["item"],
                float(row["start"]),
                max(float(row["end"]), float(row["start"]) + 1e-3),
            )
            for row in csv.DictReader(file)
        ]


def replayed(trials: list[Trial], *, cap: float = CAP, in_order: bool = True) -> Iterator[Forecasts]:
    """Forecast every batch at each waypoint from what had ended by then.

    `cap`: no trial of an item is taken to last longer than so many times the longest that was seen of it. `in_order`:
    items that wait are taken to start in the order of the batch before; otherwise the longest first.
    """
    batches: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        batches[trial.batch].append(trial)
    moments: list[tuple[float, int, int | tuple[str, float]]] = []
    for number, trial in enumerate(trials):
        moments += [(trial.start, _STARTED, number), (trial.end, _COMPLETED, number)]
    for name, own in batches.items():
        first, last = min(trial.start for trial in own), max(trial.end for trial in own)
        moments += [(first + share * (last - first), _ASKED, (name, share)) for share in WAYPOINTS]
    replay = _Replay(batches, cap=cap, in_order=in_order)
    for now, kind, what in sorted(moments, key=lambda moment: moment[:2]):
        if isinstance(what, int):
            replay.happened(trials[what], completed=kind == _COMPLETED)
        elif (said := replay.asked(what[0], now)) is not None:
            yield said


class _Replay:
    """What is known at a moment."""

    def __init__(self, batches: dict[str, list[Trial]], *, cap: float, in_order: bool) -> None:
        self.batches, self.cap, self.in_order = batches, cap, in_order
        self.learner = Learner()
        self.ended = 0
        self.enough: dict[str, bool] = {}
        self.longest: dict[str, float] = {}
        self.issued: dict[Trial, Issued] = {}
        #: Where in its batch an item last started.
        self.places: dict[str, int] = {}
        self.begun: defaultdict[str, int] = defaultdict(int)
        self.times: list[float] = []

    def happened(self, trial: Trial, *, completed: bool) -> None:
        features = _features(trial)
        if not completed:
            self.issued[trial] = self.learner.forecast(features).issued
            self.places[trial.item] = self.begun[trial.batch]
            self.begun[trial.batch] += 1
            return
        seconds = trial.end - trial.start
        self.ended += 1
        self.times.append(seconds)
        self.longest[trial.item] = max(self.longest.get(trial.item, 0.0), seconds)
        self.learner.learn(
            Completion(position=self.ended, features=features, seconds=seconds, issued=self.issued.pop(trial))
        )

    def asked(self, name: str, now: float) -> Forecasts | None:
        own = self.batches[name]
        if not self.enough.setdefault(name, self.ended > _EARLIER_MIN):
            return None
        first, last = min(trial.start for trial in own), max(trial.end for trial in own)
        left = [trial for trial in own if trial.end > now]
        spans = self._simulated(left, own[0].workers, now)
        elapsed = now - first
        p50, p80, p95 = (elapsed + float(np.quantile(spans, share, method="higher")) for share in (0.5, 0.8, 0.95))
        return Forecasts(name, first, last - first, p50, p80, p95, self._simple(own, left, elapsed))

    def _simulated(self, left: list[Trial], workers: int, now: float) -> np.ndarray:
        work, tasks = [], []
        residuals = curve(self.learner)
        learner = self.learner.supposing(
            Completion(position=self.ended, features=_features(trial), seconds=now - trial.start, censored=True)
            for trial in left
            if trial.start < now
        )
        for trial in left:
            running = trial.start < now
            elapsed = now - trial.start if running else None
            forecast = learner.forecast(_features(trial))
            limit = self.cap * self.longest[trial.item] if trial.item in self.longest else None
            if limit is not None and elapsed is not None and elapsed >= limit:
                limit = None
            work.append(Work(forecast=forecast, chances=NEVER, elapsed_seconds=elapsed, limit_seconds=limit))
            expected = outlook(self.learner, residuals, forecast).seconds(residuals, 0.5)
            place = self.places.get(trial.item, 0) if self.in_order else 0
            tasks.append(Task(priority=place, expected_seconds=expected, running=running))
        source = np.random.Generator(np.random.PCG64(self.ended))
        came = drawn(self.learner, work, _DRAWS, source)
        return run(Graph(tasks), came.seconds, came.waits, [Crew()] * workers).makespans

    def _simple(self, own: list[Trial], left: list[Trial], elapsed: float) -> tuple[float, float, float]:
        done, workers = len(own) - len(left), own[0].workers
        usual = sum(self.times) / len(self.times)
        grid = self.learner.state.residuals
        deviation = grid.deviation() / 1e6
        means = 0.0
        for trial in left:
            forecast = self.learner.forecast(_features(trial))
            means += float(np.exp(forecast.mean / 1e6 + (deviation * forecast.factor) ** 2 / 2))
        return (
            elapsed + (elapsed * len(left) / done if done else usual * len(own) / workers),
            elapsed + usual * len(left) / workers,
            elapsed + means / workers,
        )


def _features(trial: Trial) -> Features:
    return Features(category=trial.item, project="terminal-bench", worker=trial.agent, decomposition=trial.batch)
