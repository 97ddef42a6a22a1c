"""Where output goes, and how errors end a command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import msgspec
import typer
from rich.console import Console

from domain.errors import ParallelWorkersError

# Who does not know the size says 0, and rich would make room for nothing. It reads this anew each time.
for _size in ("COLUMNS", "LINES"):
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", os.environ.get(_size, "")):
        os.environ.pop(_size, None)


class _PatientConsole(Console):
    """A console whose reader may go away (`| head`): then nobody listens, and that is all."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _mute(sys.stdout)


#: Results.
out = _PatientConsole(highlight=False)
#: What happens on the way, and errors.
err = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print a value as one JSON object, for programs."""
    print_document(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def print_document(document: bytes) -> None:
    """Print a document as it would be in a file, whatever the terminal's encoding is."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
    except BrokenPipeError:
        _mute(sys.stdout)


def _mute(stream: TextIO) -> None:
    # Else Python complains at its end that it could not flush.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the command with one line on standard error and the error's exit code, instead of a traceback."""
    try:
        yield
    except ParallelWorkersError as error:
        _say(" ".join(str(error).split()))
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        _say("interrupted")
        raise typer.Exit(130) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror or error}")
        raise typer.Exit(1) from error


def _say(text: str) -> None:
    # Not through the console: a long line must stay one line.
    print(f"pw: {text}", file=sys.stderr)
