"""How fast one report is read, and in how much memory, beside `msgspec.json.decode` of the same bytes.

Measured in a process of its own, so that memory is that of this report alone. The two take turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from domain.readers.reading import read
from domain.readers.report import Report


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What reading one report took; the times are the least of all rounds."""

    problems: int
    bytes: int
    seconds: float
    #: The median round beside the least: how noisy the machine was.
    spread: float
    #: What untyped decoding takes; None where the report is not JSON.
    decode_seconds: float | None
    #: The greatest size of the process while it had read the report once.
    peak_bytes: int

    @property
    def ratio(self) -> float | None:
        """How many times as long as decoding."""
        return None if self.decode_seconds is None else self.seconds / self.decode_seconds


def measured(path: Path, rounds: int) -> Figures:
    """Measure the reading of a plain file that can be read."""
    command = [sys.executable, __file__, str(path), str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Figures(**json.loads(done.stdout))


def _measure(path: Path, rounds: int) -> Figures:
    problems = len(_read(path).problems)
    peak = peak_bytes()
    ours: list[float] = []
    peers: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        report = _read(path)
        ours.append(time.perf_counter() - started)
        del report
        if path.suffix in (".json", ".jsonl", ".sarif"):
            peers.append(_decode_seconds(path))
    return Figures(
        problems=problems,
        bytes=path.stat().st_size,
        seconds=min(ours),
        spread=statistics.median(ours) / min(ours),
        decode_seconds=min(peers, default=None),
        peak_bytes=peak,
    )


def _read(path: Path) -> Report:
    with path.open("rb") as stream:
        return read(stream)


def _decode_seconds(path: Path) -> float:
    """Decode without a type, and drop what comes out: line by line where each line is a value."""
    decode = msgspec.json.Decoder().decode
    started = time.perf_counter()
    with path.open("rb") as stream:
        if path.suffix != ".jsonl":
            decode(stream.read())
            return time.perf_counter() - started
        for line in stream:
            # Compilers write remarks between their values.
            if line.startswith((b"{", b"[")):
                decode(line)
    return time.perf_counter() - started


def peak_bytes() -> int:
    """Give the greatest size that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands the greatest size that `getrusage` tells on from the process that started this one.
        [peak] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(Path(sys.argv[1]), int(sys.argv[2])))))
