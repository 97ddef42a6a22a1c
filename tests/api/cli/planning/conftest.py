"""Reports as tools write them, and the command that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli.main import app

SAMPLES = Path(__file__).parents[3] / "domain" / "readers" / "samples"

Pw = Callable[..., Result]
PwJson = Callable[..., dict[str, Any]]


@pytest.fixture
def samples() -> Path:
    """The folder with real tool output."""
    return SAMPLES


@pytest.fixture
def pw() -> Pw:
    """Run the command; `given` is its standard input."""

    def run(*arguments: object, given: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)

    return run


@pytest.fixture
def pw_json(pw: Pw) -> PwJson:
    """Run the command for programs, and give what it prints."""

    def run(*arguments: object, given: bytes | None = None) -> dict[str, Any]:
        result = pw(*arguments, "-o", "json", given=given)
        assert result.exit_code == 0, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    return run
