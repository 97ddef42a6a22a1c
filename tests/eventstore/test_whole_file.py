"""A file is there whole or not at all, and what cannot be replaced is written into."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from eventstore.whole_file import whole_file


def write(path: Path, content: bytes = b"new") -> None:
    with whole_file(path) as file:
        file.write(content)


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write(tmp_path / "report")
    (tmp_path / "usual").touch()
    assert (tmp_path / "report").read_bytes() == b"new"
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_file_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_bytes(b"old")
    report.chmod(0o640)
    write(report)
    assert (report.read_bytes(), stat.S_IMODE(report.stat().st_mode)) == (b"new", 0o640)


def test_what_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "report") as file:
        file.writelines(bytes([1 // number]) for number in (1, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (tmp_path / "report").read_bytes() == b"old"


def test_files_with_names_like_drafts_are_left_alone(tmp_path: Path) -> None:
    mine = [tmp_path / name for name in ("report.part", ".report", f".report.{os.getpid()}")]
    for path in mine:
        path.write_text("mine")
    write(tmp_path / "report")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["report", *(path.name for path in mine)])
    assert all(path.read_text() == "mine" for path in mine)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "report", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to("far/report")
    write(link)
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_a_pipe_stays_a_pipe_and_its_reader_gets_it_all(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write(pipe, b"x" * 100_000)
    reader.join(10)
    assert (got, pipe.is_fifo()) == ([b"x" * 100_000], True)


def test_a_folder_that_is_missing_is_told_under_the_name_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "missing" / "report")
    assert caught.value.filename == str(tmp_path / "missing" / "report")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write(tmp_path)
