"""`pw migrate`: bring a database up to date, which every other verb does by itself."""

from __future__ import annotations

from api.cli.console import one_line_errors, out
from api.cli.options import DatabaseUrl
from eventstore.postgres.database import open_database, redacted_url
from eventstore.postgres.folders import data_folder


def migrate(
    database_url: DatabaseUrl = None,
) -> None:
    """Apply the migrations and views that are missing."""
    with one_line_errors(), open_database(database_url, data_folder()) as url:
        out.print(f"{redacted_url(url)} is up to date", soft_wrap=True)
