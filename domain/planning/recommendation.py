"""How many workers: what each further one would save, and where it stops paying."""

from __future__ import annotations

from collections.abc import Sequence

from domain.plan import WorkerCurvePoint

#: Further workers must save at least this share of what they would if all work could be shared out evenly.
_WORTHWHILE = 0.5


def recommend(curve: Sequence[WorkerCurvePoint], cores: int | None) -> tuple[int, str]:
    """Choose a number of workers from the curve, and say why."""
    alone = curve[0].makespan_seconds
    best = 0
    for number, point in enumerate(curve[1:], start=1):
        held = curve[best]
        ideal = held.makespan_seconds * (1 - held.workers / point.workers)
        if held.makespan_seconds - point.makespan_seconds >= _WORTHWHILE * ideal:
            best = number
    chosen = curve[best]
    taken = f"about {spell(chosen.makespan_seconds)} by simulation (P80 {spell(chosen.p80_seconds)})"
    said = f"1 takes {taken}" if best == 0 else f"{chosen.workers} of them take {taken}, 1 takes {spell(alone)}"
    if best + 1 < len(curve):
        rest = min(point.makespan_seconds for point in curve[best + 1 :])
        saved = max(chosen.makespan_seconds - rest, 0.0)
        said += f"; any more would save at most {spell(saved)} ({saved / max(alone, 1e-9):.0%})"
    if cores:
        said += f"; the worker keeps a processor busy and there are {cores}"
    return chosen.workers, said


def spell(seconds: float) -> str:
    """Spell a simulated duration with three digits, in the unit that suits it."""
    if seconds < 600:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 36_000 else f"{seconds / 3600:.3g} h"
