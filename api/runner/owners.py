"""The CODEOWNERS file of a tree."""

from __future__ import annotations

from pathlib import Path

#: Where a tree may keep it; the first that is there counts, as on the well-known hosts. Sections are not understood.
CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


def code_owners_of(root: Path) -> str:
    """Read the file's text; empty where there is none."""
    for name in CODEOWNERS:
        if (file := root / name).is_file():
            return file.read_text("utf-8", "replace")
    return ""
