"""The coding agents whose settings in a repository we know, each as its own documentation has them.

Read in October and November 2026; `docs/agents.md` says where. No secret is ever written: each agent takes the key
from an environment variable, or asks for it.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping

import msgspec

from api.agents import json_edit
from api.agents.edits import Change
from api.agents.marked import toml_table

#: Under which the server stands in the settings, and in the names of its tools.
SERVER = "parallel-workers"
_INPUT = "pw-api-key"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The service that agents are to work for."""

    #: Without a path.
    url: str
    #: The environment variable that holds the key; None: it needs none.
    key_variable: str | None

    @property
    def mcp_url(self) -> str:
        """Give the address of its tools."""
        return f"{self.url}/mcp"

    def headers(self, reference: str) -> dict[str, object]:
        """Give the header with the key as an agent's settings refer to it: `%` stands for the variable's name."""
        if self.key_variable is None:
            return {}
        return {"headers": {"Authorization": f"Bearer {reference.replace('%', self.key_variable)}"}}


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A coding agent: which files it reads, and how they are to be changed."""

    name: str
    files: Callable[[Target], Mapping[str, Change]]
    #: Where it looks for instructions, if not in AGENTS.md.
    instructions: str | None = None


def _claude(target: Target) -> Mapping[str, Change]:
    server = {"type": "http", "url": target.mcp_url, **target.headers("${%}")}
    return {
        ".mcp.json": lambda text: json_edit.merge(text, ("mcpServers", SERVER), server),
        # Not the shared settings: the command names this machine's interpreter.
        ".claude/settings.local.json": lambda text: _with_hook(text, target),
    }


def _with_hook(text: str, target: Target) -> str:
    module = "api.agents.hook"
    # -I: a package of the same name in the user's tree must not be taken for ours.
    command = shlex.join([sys.executable, "-I", "-m", module, target.url, target.key_variable or "-"])
    ours = {"matcher": "*", "hooks": [{"type": "command", "command": command, "timeout": 10}]}
    present = json_edit.get(text, ("hooks", "PostToolUse"))
    others = [entry for entry in present if module not in json.dumps(entry)] if isinstance(present, list) else []
    return json_edit.put(text, ("hooks", "PostToolUse"), [*others, ours])


def _codex(target: Target) -> Mapping[str, Change]:
    lines = [f"[mcp_servers.{SERVER}]", f"url = {json.dumps(target.mcp_url)}"]
    if target.key_variable is not None:
        lines.append(f"bearer_token_env_var = {json.dumps(target.key_variable)}")
    return {".codex/config.toml": lambda text: toml_table(text, ("mcp_servers", SERVER), "\n".join(lines))}


def _gemini(target: Target) -> Mapping[str, Change]:
    server = {"httpUrl": target.mcp_url, **target.headers("${%}")}
    return {".gemini/settings.json": lambda text: json_edit.merge(text, ("mcpServers", SERVER), server)}


def _cursor(target: Target) -> Mapping[str, Change]:
    server = {"url": target.mcp_url, **target.headers("${env:%}")}
    return {".cursor/mcp.json": lambda text: json_edit.merge(text, ("mcpServers", SERVER), server)}


def _vscode(target: Target) -> Mapping[str, Change]:
    # It asks once, and keeps the key in its own store.
    server = {"type": "http", "url": target.mcp_url, **target.headers(f"${{input:{_INPUT}}}")}

    def change(text: str) -> str:
        text = json_edit.merge(text, ("servers", SERVER), server)
        return text if target.key_variable is None else _with_input(text)

    return {".vscode/mcp.json": change}


def _with_input(text: str) -> str:
    present = json_edit.get(text, ("inputs",))
    inputs = present if isinstance(present, list) else []
    if any(isinstance(entry, dict) and entry.get("id") == _INPUT for entry in inputs):
        return text
    ours = {"id": _INPUT, "type": "promptString", "description": "Key of Parallel Workers", "password": True}
    return json_edit.put(text, ("inputs",), [*inputs, ours])


KNOWN: tuple[Agent, ...] = (
    Agent(name="claude", files=_claude, instructions="CLAUDE.md"),
    Agent(name="codex", files=_codex),
    Agent(name="gemini", files=_gemini, instructions="GEMINI.md"),
    Agent(name="cursor", files=_cursor),
    Agent(name="vscode", files=_vscode),
)
