"""The bar that commands on the whole ledger show on standard error, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.console import err


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far the work is: call what this yields with the position that was reached and the last one."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        shown = progress.add_task(what, total=None)
        yield lambda reached, end: progress.update(shown, completed=reached, total=end)
