"""What learning, estimating and simulating cost."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time

import numpy as np

from domain.estimation.eta import OpenSubtask, Question, eta
from domain.estimation.explain import estimate
from domain.estimation.features import Completion, Features
from domain.estimation.learner import Learner
from domain.estimation.model import snapshot
from domain.estimation.simulation import Crew
from domain.planning.schedule import Job, Simulation

_ATTEMPTS, _ESTIMATES = 1_000_000, 2_000
_OPEN, _WORKERS, _DRAWS, _PLAIN_DRAWS = 1_000, 50, 1_000, 20


def folded(attempts: int = _ATTEMPTS) -> tuple[Learner, float, float]:
    """Fold made attempts; give the learner, the seconds, and the peak memory in MB."""
    source = random.Random(7)
    began = time.perf_counter()
    learner = Learner()
    for position in range(attempts):
        learner.learn(
            Completion(position=position, features=_features(position), seconds=300 * source.lognormvariate(0.0, 1.0))
        )
    took = time.perf_counter() - began
    return learner, took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def estimated(learner: Learner) -> float:
    """Give the seconds of one explained estimate."""
    began = time.perf_counter()
    for number in range(_ESTIMATES):
        estimate(learner, _features(number * 7))
    return (time.perf_counter() - began) / _ESTIMATES


def simulated(learner: Learner, depends: float, files: int) -> tuple[float, int]:
    """Give the seconds of one ETA of many subtasks, and its draws."""
    question = Question(task="t", position=1, subtasks=_subtasks(depends, files), crew=(Crew(),) * _WORKERS)
    sha256 = snapshot(Learner()).sha256
    took = []
    for _ in range(3):
        began = time.perf_counter()
        draws = eta(learner, sha256, question).draws
        took.append(time.perf_counter() - began)
    return min(took), draws


def plain(depends: float, files: int) -> float:
    """Give the seconds that plain Python takes to carry out a thousand draws, without making them."""
    times = np.random.Generator(np.random.PCG64(1)).lognormal(5.7, 1.0, (_PLAIN_DRAWS, _OPEN)).tolist()
    subtasks = _subtasks(depends, files)
    simulation = Simulation([Job(seconds=300.0, files=one.files, depends_on=one.depends_on) for one in subtasks])
    began = time.perf_counter()
    for row in times:
        simulation.run(_WORKERS, row, busy=range(_WORKERS))
    return (time.perf_counter() - began) / _PLAIN_DRAWS * _DRAWS


def _subtasks(depends: float, files: int) -> tuple[OpenSubtask, ...]:
    source = random.Random(3)
    return tuple(
        OpenSubtask(
            id=f"t.{number}",
            features=_features(number),
            elapsed_seconds=100.0 if number < _WORKERS else None,
            effort_seconds=60.0 + number % 900,
            files=frozenset({f"f{source.randrange(files)}"}) if files and number >= _WORKERS else frozenset(),
            depends_on=(source.randrange(number),) if number >= _WORKERS and source.random() < depends else (),
        )
        for number in range(_OPEN)
    )


def imported(module: str) -> float:
    """Give what importing a module adds to one that imports what everything here needs, in seconds."""
    code = "import time, msgspec, statistics; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    return min(
        float(subprocess.run([sys.executable, "-c", code.format(module)], capture_output=True, check=True).stdout)
        for _ in range(5)
    )


def _features(number: int) -> Features:
    return Features(
        category=f"c{number % 40}",
        project=f"p{number % 25}",
        worker=f"w{number * 7 % 60}",
        decomposition=f"d{number // 60}",
        planned_seconds=60.0 + number % 900,
        problems=number % 50,
        files=number % 9,
    )
