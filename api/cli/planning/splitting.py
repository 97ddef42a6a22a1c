"""How a report is to be split, and for whom: the options that plans and estimates have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.runner.owners import CODEOWNERS, code_owners_of
from domain.effort import WORKER_KINDS, WorkerKind
from domain.errors import UsageError

WorkerName = Annotated[
    str, typer.Option("--worker", help="Who will work: agent (thinks) or script (a program here).")
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-j", min=1, max=256, help="How many; default: as recommended.")
]


def worker_kind_named(name: str) -> WorkerKind:
    """Give the kind of worker of a name; raises `UsageError` where there is none."""
    for kind in WORKER_KINDS:
        if kind == name:
            return kind
    raise UsageError(f"unknown worker {name!r}: {', '.join(WORKER_KINDS)}")


def code_owners_for(root: Path, strategy: str) -> str:
    """Read a tree's CODEOWNERS; raises `UsageError` where a strategy needs it and there is none."""
    text = code_owners_of(root)
    if strategy == "owner" and not text.strip():
        raise UsageError(f"the strategy owner needs a CODEOWNERS file; {root.absolute()} has none of {CODEOWNERS}")
    return text
