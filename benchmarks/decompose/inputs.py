"""Reports to be read: those of a folder, cuts of one of them, or made ones."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

_WINDOW_BYTES = 2**27

# (code, message, what the fix inserts), in about the mixture that ruff has on a real tree.
_RULES = (
    ("COM812", "Trailing comma missing", ","),
    ("E501", "Line too long ({} > 88)", None),
    ("Q000", "Single quotes found but double quotes preferred", '"name_{}"'),
    ("ANN001", "Missing type annotation for function argument `argument_{}`", None),
    ("F401", "`package.module_{}` imported but unused", ""),
    ("UP031", "Use format specifiers instead of percent format", '"{{}}".format(value_{})'),
    ("D103", "Missing docstring in public function", None),
    ("PT009", "Use a regular `assert` instead of unittest-style `assertEqual`", "assert value_{} == 1"),
)


def unpacked(path: Path, folder: Path) -> Path:
    """Give a plain file that holds what `path` holds; what is packed with zstd is unpacked into the folder."""
    if path.suffix != ".zst":
        return path
    plain = folder / path.stem
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    with path.open("rb") as packed, decompressor.stream_reader(packed) as reader, plain.open("wb") as file:
        shutil.copyfileobj(reader, file, 1 << 20)
    return plain


def cut(path: Path, lines: int, folder: Path) -> Path:
    """Copy the first lines of a report into the folder."""
    target = folder / f"{lines}-of-{path.name}"
    with path.open("rb") as whole, target.open("wb") as part:
        part.writelines(itertools.islice(whole, lines))
    return target


def made_lines(count: int, folder: Path) -> Path:
    """Write so many made problems as ruff's JSON lines."""
    target = folder / f"made-{count}.jsonl"
    with target.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(record, separators=(',', ':'))}\n" for record in _records(count))
    return target


def made_array(count: int, folder: Path) -> Path:
    """Write so many made problems as ruff's JSON array."""
    target = folder / f"made-{count}.json"
    with target.open("w", encoding="utf-8") as file:
        json.dump(list(_records(count)), file, indent=2)
    return target


def _records(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        file, at = divmod(number, 140)
        code, message, inserted = _RULES[(number * number + file) % len(_RULES)]
        place = {"column": 1 + number * 7 % 80, "row": 1 + at * 5}
        end = place | {"column": place["column"] + 9}
        fix = None
        if inserted is not None:
            edit = {"content": inserted.format(number % 500), "end_location": end, "location": place}
            fix = {"applicability": "safe", "edits": [edit], "message": f"Mend {code}"}
        yield {
            "cell": None,
            "code": code,
            "end_location": end,
            "filename": f"src/package_{file % 40}/module_{file}.py",
            "fix": fix,
            "location": place,
            "message": message.format(number % 900),
            "name": "made",
            "noqa_row": place["row"],
            "severity": "error",
            "url": f"https://docs.astral.sh/ruff/rules/{code}",
        }
