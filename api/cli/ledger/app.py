"""The command group `pw ledger`."""

from __future__ import annotations

import typer

from api.cli.ledger.archive import archive
from api.cli.ledger.export import export
from api.cli.ledger.import_ import import_
from api.cli.ledger.prove import prove
from api.cli.ledger.seal import seal
from api.cli.ledger.verify import verify

app = typer.Typer(
    name="ledger", help="Prove that the ledger is unchanged, and move events in and out of it.", no_args_is_help=True
)
app.command("verify")(verify)
app.command("seal")(seal)
app.command("prove")(prove)
app.command("export")(export)
app.command("import")(import_)
app.command("archive")(archive)
