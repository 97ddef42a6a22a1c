"""Our own part of a file that is otherwise somebody else's: between two marks, replaced as a whole."""

from __future__ import annotations

import tomllib

from domain.errors import UsageError

_BEGIN = "parallel-workers:begin"
_END = "parallel-workers:end"


def markdown_section(text: str, section: str) -> str:
    """Put a section into a Markdown file; raises `UsageError` where one mark is missing."""
    return _replaced(text, f"<!-- {_BEGIN} (kept by pw init) -->", f"<!-- {_END} -->", section)


def toml_table(text: str, name: tuple[str, ...], table: str) -> str:
    """Put a table into a TOML file, whose comments stay.

    Raises `UsageError` for a text that is not TOML, and where a table of that name stands outside of our marks.
    """
    begin, end = f"# {_BEGIN} (kept by pw init)", f"# {_END}"
    if begin not in text and _table(text, name) is not None:
        if _table(text, name) == _table(table, name):
            return text
        raise UsageError(f"it has a table [{'.'.join(name)}] of its own: remove that, or change it by hand")
    changed = _replaced(text, begin, end, table)
    _table(changed, name)
    return changed


def _table(text: str, name: tuple[str, ...]) -> object:
    try:
        found: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"it is not TOML, or would not be with the table: {error}") from error
    for part in name:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _replaced(text: str, begin: str, end: str, content: str) -> str:
    block = f"{begin}\n{content.strip()}\n{end}\n"
    before, mark, after = text.partition(begin)
    if not mark:
        return f"{text.rstrip()}\n\n{block}" if text.strip() else block
    _, closing, rest = after.partition(end)
    if not closing:
        raise UsageError(f"it has the mark {begin!r} and not {end!r}: put it back, or remove the section by hand")
    return f"{before}{block}{rest.removeprefix(chr(10))}"
