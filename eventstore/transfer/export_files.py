"""Opening an export of either form: a file of lines, or a folder of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eventstore.transfer.export_reader import Source, open_lines


@contextmanager
def open_export(path: Path) -> Iterator[Source]:
    """Open what `pw ledger export` has written, or standard input for `-`.

    Raises `LedgerError` where it is no export, is of a later format, or is damaged at its beginning.
    """
    if path.is_dir():
        # Parquet needs a package that is not always there.
        from eventstore.transfer.parquet import open_parquet

        with open_parquet(path) as source:
            yield source
    else:
        with open_lines(path) as source:
            yield source
