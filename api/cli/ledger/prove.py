"""`pw ledger prove`: proof for somebody else that an event was sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from api.cli.console import print_json
from api.cli.ledger.connect import connected
from api.cli.options import DatabaseUrl


def prove(
    position: Annotated[int, typer.Argument(min=1, help="The position of a sealed event.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; default: standard output.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write the proof that an event was sealed, which docs/check_inclusion.py checks without the ledger."""
    # Only this command needs it.
    from eventstore.sealing.proofs import prove as prove_event

    with connected(database_url) as connection:
        proof = prove_event(connection, position)
        if output is None:
            print_json(proof)
        else:
            output.write_bytes(msgspec.json.format(msgspec.json.encode(proof), indent=2) + b"\n")
