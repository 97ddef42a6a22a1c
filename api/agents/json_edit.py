"""Changing one place of a JSON file and nothing else: order, layout and other values stay as somebody wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.errors import UsageError

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_FIRST_INDENT = re.compile(r"\{\s*?\n([ \t]+)\"")
_INDENT = "  "


class _Member(NamedTuple):
    key: str
    #: Where its value begins and ends in the text.
    start: int
    end: int


def merge(text: str, keys: Sequence[str], values: Mapping[str, object]) -> str:
    """Set these values in the object at that path, which is made where it is missing; what else it holds stays.

    Raises `UsageError` for a text that is not a JSON object, such as one with comments.
    """
    for name, value in values.items():
        inside = value if isinstance(value, Mapping) else None
        text = put(text, (*keys, name), value) if inside is None else merge(text, (*keys, name), inside)
    return text


def put(text: str, keys: Sequence[str], value: object) -> str:
    """Set the value at a path, making the objects on the way; raises `UsageError` as `merge` does."""
    text = text if text.strip() else "{}\n"
    _read(text)
    indent = found[1] if (found := _FIRST_INDENT.search(text)) else _INDENT
    return _put(text, _after_space(text, 0), keys, value, indent, 1)


def get(text: str, keys: Sequence[str]) -> object:
    """Give the value at a path; None where there is none. Raises `UsageError` as `merge` does."""
    value: object = _read(text) if text.strip() else {}
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _read(text: str) -> dict[str, object]:
    try:
        document = json.loads(text, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        if re.search(r"^\s*(//|/\*)", text, re.MULTILINE):
            raise UsageError("it has comments, which a JSON writer would lose") from error
        raise UsageError(f"line {error.lineno} is not JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise UsageError("it is not a JSON object")
    return document


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(found := dict(pairs)) < len(pairs):
        twice = next(key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1)
        raise UsageError(f"it has the key {twice!r} twice in one object")
    return found


def _put(text: str, start: int, keys: Sequence[str], value: object, indent: str, depth: int) -> str:
    """Set the value in the object that begins at `start`, whose members are `depth` indents in."""
    members, end = _members(text, start)
    found = next((member for member in members if member.key == keys[0]), None)
    if found is None:
        for key in reversed(keys[1:]):
            value = {key: value}
        line = f"\n{indent * depth}{json.dumps(keys[0])}: {_written(value, indent, depth)}"
        at = members[-1].end if members else start + 1
        rest = text[at:] if members and "\n" in text[at:end] else f"\n{indent * (depth - 1)}{text[end:]}"
        return f"{text[:at]}{',' if members else ''}{line}{rest}"
    if len(keys) > 1:
        if text[found.start] != "{":
            raise UsageError(f"{keys[0]!r} is not an object")
        return _put(text, found.start, keys[1:], value, indent, depth + 1)
    if json.loads(text[found.start : found.end]) == value:
        return text
    return text[: found.start] + _written(value, indent, depth) + text[found.end :]


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """List the members of the object that begins at `start`, and give the place of its closing brace."""
    members = []
    at = _after_space(text, start + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        value_start = _after_space(text, _after_space(text, end) + 1)
        _, value_end = _DECODER.raw_decode(text, value_start)
        members.append(_Member(key, value_start, value_end))
        at = _after_space(text, value_end)
        at = _after_space(text, at + 1) if text[at] == "," else at
    return members, at


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _written(value: object, indent: str, depth: int) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", "\n" + indent * depth)
