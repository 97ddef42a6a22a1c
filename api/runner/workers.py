"""Who does the work: presets, command templates, and how a worker's command is filled in.

A worker gets the brief on its standard input and as a file (`{brief}`, `PW_BRIEF`), and the rest in its
environment (`docs/workers.md` lists it). It is started without a shell unless the user asks for one.
"""

from __future__ import annotations

import posixpath
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from api.runner.tool import arguments, from_here, split_command
from domain.effort import WorkerKind
from domain.errors import UsageError

Target = Literal["all", "fixable", "fixable-unsafe"]
"""Which problems a worker can remove: any, or those for which the tool has an edit of its own."""


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a worker is started."""

    #: A name for tables and for the history: the preset's, or that of the program.
    name: str
    argv: tuple[str, ...]
    kind: WorkerKind = "agent"
    target: Target = "all"
    #: Whether it keeps a processor busy, so that more workers than processors bring nothing.
    cpu_bound: bool = False
    #: Whether `argv` is one line for the shell.
    shell: bool = False
    #: Whether the brief is its standard input; some agents would take it for a second prompt.
    brief_on_stdin: bool = True
    #: Further variables of its environment.
    environment: dict[str, str] = {}


RUFF_FIX = WorkerSpec(
    name="ruff-fix",
    # -I: a package of the same name in the user's tree or PYTHONPATH must not be taken for ours.
    argv=(sys.executable, "-I", "-m", "api.workers.ruff_fix"),
    kind="script",
    target="fixable",
    cpu_bound=True,
)

_READ_BRIEF = "Read the file {brief} and carry out the task in it."

# The flags are those of each agent's own documentation; docs/workers.md says what they mean and where that was
# read. They let the agent edit without asking: it works in a worktree, and its diff is held to a scope.
_AGENTS = (
    WorkerSpec(
        name="claude",
        argv=("claude", "-p", "--permission-mode", "acceptEdits", "--allowedTools", "Bash,Read,Edit,Write"),
    ),
    WorkerSpec(name="codex", argv=("codex", "exec", "--sandbox", "workspace-write", "-")),
    WorkerSpec(
        name="gemini", argv=("gemini", "--approval-mode=yolo"), environment={"GEMINI_TRUST_WORKSPACE": "true"}
    ),
    WorkerSpec(
        name="aider",
        argv=(
            "aider", "--message-file", "{brief}", "--yes-always", "--no-auto-commits", "--no-dirty-commits",
            "--no-gitignore", "--no-check-update", "--no-show-release-notes", "--no-suggest-shell-commands",
            "--no-pretty", "--no-stream", "--chat-history-file", "/dev/null", "--input-history-file", "/dev/null",
            "{files}",
        ),
        brief_on_stdin=False,
    ),
    WorkerSpec(
        name="cursor",
        argv=("cursor-agent", "-p", "--force", "--trust", "--output-format", "text", _READ_BRIEF),
        brief_on_stdin=False,
    ),
    WorkerSpec(name="opencode", argv=("opencode", "run", "--auto")),
    WorkerSpec(
        name="goose",
        argv=("goose", "run", "--no-session", "-i", "{brief}"),
        environment={"GOOSE_MODE": "auto"},
        brief_on_stdin=False,
    ),
    WorkerSpec(name="copilot", argv=("copilot", "-s", "--allow-all-tools", "--no-ask-user", "--no-auto-update")),
    WorkerSpec(name="qwen", argv=("qwen", "--approval-mode", "yolo")),
)  # fmt: skip

PRESETS: dict[str, WorkerSpec] = {worker.name: worker for worker in (RUFF_FIX, *_AGENTS)}


def worker_from(text: str, *, shell: bool) -> WorkerSpec:
    """Understand what the user named: a preset with further arguments, or a command of their own.

    Raises `UsageError` for an empty text.
    """
    if not text.strip():
        raise UsageError("--worker is empty: name a preset or a command")
    if shell:
        words = tuple(text.split())
        return WorkerSpec(name=posixpath.basename(words[0]), argv=(text,), shell=True)  # noqa: S604 - the user asked for it
    words = split_command(text)
    preset = PRESETS.get(words[0])
    if preset is None:
        return WorkerSpec(name=posixpath.basename(words[0]), argv=from_here(words))
    extra = words[1:]
    target = "fixable-unsafe" if preset is RUFF_FIX and "--unsafe-fixes" in extra else preset.target
    return msgspec.structs.replace(preset, argv=(*preset.argv, *extra), target=target)


def fill_in(worker: WorkerSpec, *, brief: str, files: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Put the brief's path, the files and the codes where the command has their placeholders.

    `{files}` as a word of its own becomes a word per file; inside a word it is the files joined by spaces.
    """
    if worker.shell:
        values = {
            "brief": shlex.quote(brief),
            "files": shlex.join(arguments(files)),
            "codes": shlex.quote(",".join(codes)),
        }
        return ["/bin/sh", "-c", _replace(worker.argv[0], values)]
    files = arguments(files)
    values = {"brief": brief, "files": " ".join(files), "codes": ",".join(codes)}
    filled: list[str] = []
    for word in worker.argv:
        filled.extend(files if word == "{files}" else [_replace(word, values)])
    return filled


def _replace(word: str, values: Mapping[str, str]) -> str:
    # Other braces in the user's command stay as they are.
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word
