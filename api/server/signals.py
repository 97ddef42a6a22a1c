"""What ends a server: SIGTERM or Ctrl-C. The first asks it to end, the second does not wait any longer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_signals(first: Callable[[], None], second: Callable[[], None]) -> Iterator[None]:
    """Call `first` with the first signal and `second` with each one after it, until the end of the block."""
    loop = asyncio.get_running_loop()
    came = False

    def hear() -> None:
        nonlocal came
        (second if came else first)()
        came = True

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
