from __future__ import annotations

from pathlib import Path

from api.runner.signs import Signs
from domain import events as e


def test_nothing_has_happened_is_no_sign(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    signs = Signs(tmp_path, ["a.py", "gone.py"], tmp_path / "output")
    assert signs.progress("") is None


def test_files_that_were_changed_made_or_removed_are_counted(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("x")
    signs = Signs(tmp_path, ["a.py", "b.py", "c.py", "new.py"], tmp_path / "output")
    (tmp_path / "a.py").write_text("longer")
    (tmp_path / "b.py").unlink()
    (tmp_path / "new.py").write_text("x")
    assert signs.progress("on it") == e.Progress(completed=3, total=4, status="on it")
    assert signs.progress("on it") is None


def test_what_is_printed_is_a_sign_as_well(tmp_path: Path) -> None:
    signs = Signs(tmp_path, ["a.py"], tmp_path / "output")
    (tmp_path / "output").write_text("reading")
    assert signs.progress("reading") == e.Progress(completed=0, total=1, status="reading")
