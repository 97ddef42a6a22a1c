"""Who owns a file, by the tree's CODEOWNERS."""

from __future__ import annotations

import codeowners

from domain.errors import UsageError

NOBODY = "nobody"


class Owners:
    """The rules of one CODEOWNERS file; of those that match a path, the last counts.

    Raises `UsageError` for a pattern that cannot be read.
    """

    def __init__(self, text: str) -> None:
        try:
            self._rules = codeowners.CodeOwners(text)
        except ValueError as error:
            raise UsageError(f"CODEOWNERS: {error}") from error
        self._known: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Name the owners of a file, sorted and separated by blanks; `nobody` where no rule matches."""
        known = self._known.get(path)
        if known is None:
            names = sorted(name for _, name in self._rules.of(path))
            known = self._known[path] = " ".join(names) or NOBODY
        return known
