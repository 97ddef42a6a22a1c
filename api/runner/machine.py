"""How much more work the machine can take, for runners that are not to bring it to its knees."""

from __future__ import annotations

import msgspec
import psutil


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of the machine."""

    #: Share of all processors that was used since the last look, 0 to 100.
    cpu_percent: float
    #: Memory that can be given out without swapping, in bytes.
    memory_bytes: int


def measure() -> Room:
    """Look at the whole machine, whoever uses it; the first look at the processors says 0."""
    return Room(cpu_percent=psutil.cpu_percent(), memory_bytes=psutil.virtual_memory().available)


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where a runner takes on more than one piece of work."""

    #: Share of all processors that may be used before, in percent; None: any.
    cpu_percent_max: float | None = None
    #: Memory that must be available before, in bytes; None: any.
    memory_bytes_min: int | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is one."""
        return self.cpu_percent_max is not None or self.memory_bytes_min is not None

    def leave_room(self, room: Room) -> bool:
        """Tell whether there is room for one more piece of work."""
        too_busy = self.cpu_percent_max is not None and room.cpu_percent > self.cpu_percent_max
        too_full = self.memory_bytes_min is not None and room.memory_bytes < self.memory_bytes_min
        return not too_busy and not too_full
