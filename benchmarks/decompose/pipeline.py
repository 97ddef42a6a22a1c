"""What it takes to read, analyse and decompose one report in one go, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from reading import peak_bytes

from domain.analysis.analyze import analyse
from domain.analysis.patterns import PatternRecognizer
from domain.planning.decompose import decompose
from domain.planning.request import Request
from domain.readers.reading import read


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Seconds of each stage, the least of all rounds; decomposing groups for itself."""

    problems: int
    groups: int
    subtasks: int
    read: float
    analyse: float
    decompose: float
    #: Reading and decomposing.
    whole: float
    peak_bytes: int


def staged(path: Path, rounds: int) -> Stages:
    """Measure a plain file that can be read."""
    command = [sys.executable, __file__, str(path), str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Stages(**json.loads(done.stdout))


def _measure(path: Path, rounds: int) -> Stages:
    taken = [_once(path) for _ in range(rounds + 1)]
    # What is compiled and cached once is not the report's.
    counted = taken[1:] or taken
    return Stages(
        problems=counted[0].problems,
        groups=counted[0].groups,
        subtasks=counted[0].subtasks,
        read=min(one.read for one in counted),
        analyse=min(one.analyse for one in counted),
        decompose=min(one.decompose for one in counted),
        whole=min(one.whole for one in counted),
        peak_bytes=peak_bytes(),
    )


def _once(path: Path) -> Stages:
    started = time.perf_counter()
    with path.open("rb") as stream:
        report = read(stream)
    wanted = [index for index, problem in enumerate(report.problems) if problem.severity != "note"]
    after_read = time.perf_counter()
    patterns = PatternRecognizer().recognise(report.problems, wanted, unsafe=False)
    plan = decompose(report.problems, patterns.groups, Request())
    after_plan = time.perf_counter()
    analyse(report.problems, wanted)
    after_analysis = time.perf_counter()
    return Stages(
        problems=len(report.problems),
        groups=len(patterns.groups),
        subtasks=len(plan.subtasks),
        read=after_read - started,
        analyse=after_analysis - after_plan,
        decompose=after_plan - after_read,
        whole=after_plan - started,
        peak_bytes=0,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(Path(sys.argv[1]), int(sys.argv[2])))))
