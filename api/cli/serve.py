"""`pw serve`: the service over HTTP."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from api.cli.console import one_line_errors
from api.cli.options import DatabaseUrl


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; another than loopback needs a key. [127.0.0.1]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any that is free. [8787]")] = None,
    uds: Annotated[str | None, typer.Option(help="Listen on a unix socket of this path instead.")] = None,
    allowed_hosts: Annotated[
        str | None, typer.Option(help="Names under which the server is reached, separated by commas.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json. [console]")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR. [INFO]")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve tasks, workers and agents over HTTP and MCP; everything else is set by PW_... in the environment.

    Ends with SIGTERM or Ctrl-C: requests under way are answered, and what was acknowledged is stored.
    """
    # Only this command needs these.
    from api.observability.logs import configure_logs
    from api.server.run import run_server
    from api.settings import load_settings
    from eventstore.postgres.database import open_database
    from eventstore.postgres.folders import data_folder

    flags = {
        "host": host,
        "port": port,
        "uds": uds,
        "allowed_hosts": allowed_hosts,
        "log_format": log_format,
        "log_level": log_level,
        "otel_endpoint": None if "PW_OTEL_ENDPOINT" in os.environ else os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
    }
    with one_line_errors():
        settings = load_settings(os.environ, flags)
        configure_logs(settings.log_format, settings.log_level)
        folder = data_folder()
        with open_database(database_url, folder) as url, asyncio.Runner(loop_factory=_loop_factory()) as runner:
            try:
                runner.run(run_server(url, settings, folder=None if database_url else folder))
            except asyncio.CancelledError as error:
                raise KeyboardInterrupt from error


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        # There is none for this platform: the standard one does as well, at less speed.
        return None
    return uvloop.Loop
