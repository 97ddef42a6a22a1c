"""Where output goes, and how errors end a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import typer
from rich.console import Console

from domain.errors import ParallelWorkersError


class Output(StrEnum):
    """For people or for programs."""

    table = "table"
    json = "json"


#: Results.
out = Console(highlight=False)
#: What happens on the way, and errors.
err = Console(stderr=True, highlight=False)


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
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nobody listens any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror or error}")
        raise typer.Exit(1) from error


def _say(text: str) -> None:
    # Not through the console: a long line must stay one line.
    print(f"pw: {text}", file=sys.stderr)
