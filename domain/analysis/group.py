"""What a group of problems is."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.effort import UnitKind
from domain.phase import Phase

CurePlace = Literal["places", "definition"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Problems with one root cause, or with one mechanical cure."""

    kind: UnitKind
    #: What they have in common, in words.
    cause: str
    codes: tuple[str, ...]
    files: tuple[str, ...]
    #: Indices into the observation's list of problems, ascending.
    problems: tuple[int, ...]
    #: What kind of trouble it is, in the catalogue's words: `imports`, `borrow`, `formatting`.
    domain: str = "other"
    #: The earliest phase of its problems.
    phase: Phase = Phase.LINT
    #: The first problem's message, with what varies masked.
    template: str = ""
    #: The definition that is to be looked at, or the name that the problems are about; empty where they share none.
    subject: str = ""
    #: Where the edits are expected: at the places that are reported, or at one definition away from them.
    cure: CurePlace = "places"
    #: Where a tool says that the definition is, as `path:line`; empty where none says so.
    defined_at: str = ""
    #: What shows that it is one cause, one line each.
    evidence: tuple[str, ...] = ()
