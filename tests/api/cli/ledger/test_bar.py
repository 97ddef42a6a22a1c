from __future__ import annotations

import io

import pytest
from rich.console import Console

from api.cli.ledger import bar as module


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr(module, "err", Console(file=drawn, force_terminal=is_terminal, width=80, color_system=None))
    with module.bar("verifying") as on_progress:
        on_progress(4096, 10_000)
    assert ("verifying" in drawn.getvalue()) is is_terminal
    assert ("4096/10000" in drawn.getvalue()) is is_terminal
