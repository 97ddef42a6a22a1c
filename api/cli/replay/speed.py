"""`pw replay TASK --speed`: a past task once more, at a multiple of its pace."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import msgspec

from api.cli.console import err, out
from api.cli.live import LiveView
from api.cli.options import Output
from api.cli.replay.source import Events, events_of
from api.cli.tables import report_table
from api.run.find import processors
from api.streams.frames import view_of
from domain.evolution import evolve
from domain.task_state import TaskState
from eventstore.clock import Clock, SystemClock
from projections.replay.pace import Pace, Wait, play
from projections.report import build_report


def show_at_speed(task: str, speed: float, server: str | None, database_url: str | None, output: Output) -> None:
    """Show a task once more: to people as `pw watch` shows a live one, to programs as a line of JSON an event."""
    # Nonsense is refused before anything is read.
    Pace(speed, SystemClock().now(), SystemClock().monotonic)
    events = events_of(task, server, database_url)
    asyncio.run(play_back(events, speed, SystemClock(), asyncio.sleep, output))


async def play_back(events: Events, speed: float, clock: Clock, wait: Wait, output: Output) -> None:
    """Give the events at pace, and the report at the end where it is for people."""
    pace = Pace(speed, events[0].recorded_at, clock.monotonic)
    if output is Output.json:
        async for record in play(events, pace, wait):
            line = msgspec.json.encode(view_of(record)).decode()
            out.print(line, soft_wrap=True, markup=False, emoji=False)
            if out.quiet:
                # Nobody listens any more.
                return
        return
    current: list[TaskState | None] = [None]
    view = LiveView(err, lambda: current[0], lambda: None)
    with view.live if err.is_terminal else nullcontext():
        async for record in play(events, pace, wait):
            current[0] = evolve(current[0], record.event)
    out.print(report_table(build_report(events, cores=processors())))
