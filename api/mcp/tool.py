"""A tool: an asynchronous function whose signature is its input schema and whose docstring is its description."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import mcp_types
import msgspec

from api.auth.principal import Principal, Role
from api.mcp.patience import Patience
from api.mcp.schema import input_schema
from domain.errors import ForbiddenError, InvalidRequestError
from eventstore.clock import Clock

if TYPE_CHECKING:
    from api.service.interface import Services

#: Who does work.
WORKERS: frozenset[Role] = frozenset({"admin", "worker"})
#: Who sees everything.
READERS: frozenset[Role] = frozenset({"admin", "planner", "viewer"})
ALL: frozenset[Role] = WORKERS | READERS


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool works with besides its arguments."""

    services: Services
    principal: Principal
    clock: Clock
    patience: Patience
    #: Set as soon as nobody waits for the answer any more.
    gone: asyncio.Event


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A tool's answer, twice: agents get to see the text or the data, depending on their client."""

    #: Markdown.
    text: str
    data: dict[str, Any]
    #: What to do now, in a sentence or two.
    next: str = ""

    def result(self) -> mcp_types.CallToolResult:
        """Give it as the protocol has it."""
        text = f"{self.text}\n\nNext: {self.next}" if self.next else self.text
        data = self.data | {"next": self.next} if self.next else self.data
        return mcp_types.CallToolResult(
            content=[mcp_types.TextContent(type="text", text=text)], structured_content=msgspec.to_builtins(data)
        )


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as it is listed and called."""

    name: str
    title: str
    description: str
    roles: frozenset[Role]
    reads_only: bool
    arguments: type[msgspec.Struct]
    run: Callable[..., Awaitable[Reply]]

    def listing(self) -> mcp_types.Tool:
        """Describe the tool to clients."""
        return mcp_types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=input_schema(self.arguments),
            annotations=mcp_types.ToolAnnotations(
                read_only_hint=self.reads_only, destructive_hint=False, open_world_hint=False
            ),
        )

    async def call(self, call: Call, arguments: Mapping[str, object]) -> Reply:
        """Check the caller's role and the arguments, and run the tool.

        Raises `ForbiddenError` for another role's tool, `InvalidRequestError` for arguments that do not fit, and what
        the services raise.
        """
        if call.principal.role not in self.roles:
            raise ForbiddenError(f"a {call.principal.role} key may not use {self.name}")
        try:
            # Lax: some clients send numbers as strings.
            given = msgspec.convert(self._said(arguments), self.arguments, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"{self.name}: {error}") from error
        return await self.run(call, **{name: getattr(given, name) for name in given.__struct_fields__})

    def _said(self, arguments: Mapping[str, object]) -> dict[str, object]:
        # Some models fill in each argument that there is: with null or nothing where they have nothing to say.
        optional = {field.name for field in msgspec.structs.fields(self.arguments) if not field.required}
        return {name: value for name, value in arguments.items() if name not in optional or value not in (None, "")}


def tool(
    title: str, *, roles: frozenset[Role], reads_only: bool = False
) -> Callable[[Callable[..., Awaitable[Reply]]], Tool]:
    """Make a tool of a function that takes a `Call` and then, as keywords, its arguments."""

    def make(function: Callable[..., Awaitable[Reply]]) -> Tool:
        return Tool(
            name=function.__name__,
            title=title,
            description=inspect.getdoc(function) or "",
            roles=roles,
            reads_only=reads_only,
            arguments=_arguments_of(function),
            run=function,
        )

    return make


def _arguments_of(function: Callable[..., object]) -> type[msgspec.Struct]:
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    fields = [
        (parameter.name, hints[parameter.name])
        if parameter.default is parameter.empty
        else (parameter.name, hints[parameter.name], parameter.default)
        for parameter in parameters
    ]
    # An unknown argument is a misunderstanding, which is better told than passed over.
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)
