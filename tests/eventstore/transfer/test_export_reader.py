"""Damaged files end in one line that says where, and give out nothing of the block that is damaged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import LedgerError
from eventstore.transfer.export_files import open_export

Rewrite = Callable[[Path, Callable[[list[dict[str, Any]]], None]], Path]


def read(path: Path) -> list[int]:
    """Read a file to its end and give the positions in it."""
    with open_export(path) as file:
        return [getattr(record, "position", 0) for block in file.blocks() for record in block.records]


def refusal(path: Path) -> str:
    """Read a file, expect it to be refused, and give the one line."""
    with pytest.raises(LedgerError) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    return said.removeprefix(str(path))


@pytest.fixture
def path(source: Any, tmp_path: Path, small_blocks: int) -> Path:
    """An export of seven events, positions 1 to 7, on lines 5 to 7, 9 to 11 and 13."""
    source.add_task("boto-1", steps=5)
    exported: Path = source.export(tmp_path / "all.ndjson")
    return exported


def test_a_whole_file_is_read(path: Path) -> None:
    assert read(path) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_packed_file_is_known_by_its_content(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert len(read(path)) == 8


def test_every_cut_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        refusal(path)
    path.write_bytes(whole[:-1])
    assert "is cut off in line 15" in refusal(path)


def test_every_changed_byte_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"completed": 3', b'"completed": 8', ": line 10 is damaged: position 5 has another hash"),
        (b'"version":4', b'"version":8', ": one of the lines 9 to 12 is damaged: the SHA-256 in line 12 is another"),
        (b'"position":5,', b'"position":x,', ": line 10 is damaged: JSON is malformed"),
        (b'{"kind":"event","position":5', b'{"kind":"evenu","position":5', ": line 10 is damaged"),
        (b'"last_position":7', b'"last_position":8', ": one of the lines 1 to 2 is damaged"),
        (b'"artifacts":1', b'"artifacts":2', ": line 15 counts other records than there are"),
    ],
)
def test_the_damaged_line_is_named(path: Path, old: bytes, new: bytes, said: str) -> None:
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new, 1))
    assert refusal(path).startswith(said)


def test_nothing_of_a_damaged_block_is_given_out(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"completed": 3', b'"completed": 8'))
    given: list[int] = []
    with open_export(path) as file, pytest.raises(LedgerError):
        given.extend(getattr(record, "position", 0) for block in file.blocks() for record in block.records)
    assert given == [0, 1, 2, 3]


def test_a_packed_file_that_is_cut_off_is_noticed(path: Path) -> None:
    packed = gzip.compress(path.read_bytes())
    for length in (*range(1, len(packed), 29), *range(len(packed) - 9, len(packed))):
        path.write_bytes(packed[:length])
        refusal(path)
    path.write_bytes(packed[: len(packed) // 2] + b"\0" * 20 + packed[len(packed) // 2 + 20 :])
    refusal(path)


def test_what_stands_behind_the_end_is_noticed(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"{}\n")
    assert refusal(path) == ": something stands behind the last line of the export, 15"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": this is no export of a ledger"),
        ("name,value\n", ": this is no export of a ledger"),
        ("[1]\n", ": this is no export of a ledger"),
        ('{"kind":"export"}\n', ": this is no export of a ledger"),
        ('{"kind":"export","format":"other","version":1}\n', ": this is no export of a ledger: its format is not"),
        (
            '{"kind":"export","format":"parallel-workers-ledger","version":2}\n',
            ": the export is of format version 2; this release reads version 1",
        ),
        (
            '{"kind":"export","format":"parallel-workers-ledger","version":1}\n',
            ": the header of the export cannot be",
        ),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert refusal(path).startswith(said)


def test_a_block_without_an_end_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.transfer.export_format.BLOCK_LINES_MAX", 2)
    assert refusal(path) == ": lines 5 to 7 are more than 2 without a check line"


def test_kinds_may_not_be_mixed_in_a_block(path: Path, rewritten: Rewrite) -> None:
    def mix(lines: list[dict[str, Any]]) -> None:
        lines.insert(4, lines.pop(2))

    assert refusal(rewritten(path, mix)).startswith(": line 5 is damaged: Invalid value 'artifact'")


def test_another_header_within_is_refused(path: Path, rewritten: Rewrite) -> None:
    def repeat(lines: list[dict[str, Any]]) -> None:
        lines.insert(2, dict(lines[0]))

    assert refusal(rewritten(path, repeat)).startswith(": line 3 is damaged")


def test_a_file_that_another_program_has_written_is_read(path: Path, rewritten: Rewrite) -> None:
    def stamp(lines: list[dict[str, Any]]) -> None:
        lines[0]["program"] = "another"

    assert len(read(rewritten(path, stamp))) == 8
    assert json.loads(path.read_text().splitlines()[0])["program"] == "another"
