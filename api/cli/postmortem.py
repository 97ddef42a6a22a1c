"""`pw postmortem`: where a task's time went, on the terminal, as Markdown, as JSON, or as a page for a browser."""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from api.cli.console import err, one_line_errors, out, print_document, print_json
from api.cli.ledger.bar import bar
from api.cli.options import DatabaseUrl, ServerUrl, address_of
from api.client.address import Address
from api.run.find import processors
from domain.errors import UsageError
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from eventstore.tasks import LAST, pick_task
from eventstore.whole_file import whole_file

if TYPE_CHECKING:
    from api.postmortem.document import Postmortem


class Form(StrEnum):
    """How a post-mortem is written."""

    table = "table"
    markdown = "markdown"
    json = "json"
    html = "html"


_BY_SUFFIX = {".md": Form.markdown, ".json": Form.json, ".html": Form.html, ".htm": Form.html}


def postmortem(
    task: Annotated[str, typer.Argument(help="A task's name, a part of it, or last.")] = "last",
    to: Annotated[
        Path | None, typer.Option("--to", help="A file to write it into; its ending says how (.html, .md, .json).")
    ] = None,
    server: ServerUrl = None,
    output: Annotated[
        Form | None, typer.Option("--output", "-o", help="For people, for documents, for programs, for a browser.")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Say where a task's time went and what came of it, with charts where it is written as HTML."""
    form = output or _BY_SUFFIX.get(to.suffix.lower() if to else "", Form.table)
    with one_line_errors():
        if form is Form.html and to is None and sys.stdout.isatty():
            raise UsageError("HTML is for a browser: say which file to write with --to FILE")
        if server:
            document = asyncio.run(_remote(address_of(server), task))
        else:
            with open_database(database_url, data_folder()) as url:
                document = asyncio.run(_local(url, task))
        if to is not None:
            text = _text(document, form)
            with whole_file(to) as file:
                file.write(text.encode())
            err.print(f"written: {to}", soft_wrap=True, markup=False)
        elif form is Form.table:
            from api.postmortem.terminal import render_terminal

            out.print(render_terminal(document, out.width))
        elif form is Form.json:
            print_json(document)
        else:
            print_document(_text(document, form).encode())


async def _local(url: str, task: str) -> Postmortem:
    # The read models take longer to load than all the rest of a command that goes wrong.
    from api.postmortem.compose import compose
    from api.postmortem.taking_in import take_in

    clock = SystemClock()
    async with Ledger.open(url) as ledger:
        task_id = pick_task(task, await ledger.find_tasks("" if task == LAST else task))
        with bar("taking in the ledger") as on_progress:
            await take_in(url, on_progress)
        return await compose(url, ledger, task_id, clock, cores=processors())


async def _remote(address: Address, task: str) -> Postmortem:
    from api.cli.remote import find_task
    from api.client.client import Client

    async with Client.open(address) as client:
        return await client.postmortem(await find_task(client, task))


def _text(document: Postmortem, form: Form) -> str:
    """Write the document in full; raises `UsageError` where a package for it is missing."""
    match form:
        case Form.html:
            from api.postmortem.html import render_html

            return render_html(document)
        case Form.markdown:
            from api.postmortem.markdown import render_markdown

            return render_markdown(document)
        case Form.json:
            return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
        case Form.table:
            from api.postmortem.terminal import render_plain

            return render_plain(document)
