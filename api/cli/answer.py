"""`pw answer`: an answer to what a worker is blocked by."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, get_args

import typer

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import Output, OutputFormat, ServerUrl, address_of
from api.client.address import Address
from api.schemas import AnswerRequest, SubtaskView
from domain.errors import UsageError

_Action = Literal["resume", "extend", "split", "give_up"]


def answer(
    subtask: Annotated[str, typer.Argument(help="The subtask's name, such as boto-7k3mq9xd.12.")],
    text: Annotated[str, typer.Argument(help="What the worker is to know.")],
    server: ServerUrl = None,
    number: Annotated[int | None, typer.Option(min=1, help="Which blocker; default: the oldest open one.")] = None,
    action: Annotated[str, typer.Option(help=f"What follows: {', '.join(get_args(_Action))}.")] = "resume",
    extra_seconds: Annotated[float, typer.Option(min=0.0, help="More time, with --action extend.")] = 0.0,
    output: OutputFormat = Output.table,
) -> None:
    """Answer a worker that is blocked, so that it, or whoever takes its subtask up, can go on."""
    with one_line_errors():
        request = AnswerRequest(text=text, number=number, action=_action(action), extra_seconds=extra_seconds)
        view = asyncio.run(_answer(address_of(server), subtask, request))
        if output is Output.json:
            print_json(view)
        else:
            out.print(f"{view.id} is {view.status}", markup=False)


def _action(name: str) -> _Action:
    for action in get_args(_Action):
        if action == name:
            return action  # type: ignore[no-any-return]
    raise UsageError(f"unknown action {name!r}: {', '.join(get_args(_Action))}")


async def _answer(address: Address, subtask: str, request: AnswerRequest) -> SubtaskView:
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.client.client import Client

    async with Client.open(address) as client:
        return await client.answer(subtask, request)
