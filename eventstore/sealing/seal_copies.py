"""Copies of the seals, to be kept where whoever can rewrite the database cannot: JSON Lines, one seal a line.

A ledger whose events and seals were all rewritten consistently is whole by itself; only a copy from before tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from domain.errors import LedgerError, UsageError
from eventstore.sealing.faults import Fault
from eventstore.sealing.seals import Seal
from eventstore.whole_file import whole_file

_LINE = msgspec.json.Decoder(Seal)


def read_copy(path: Path) -> list[Seal]:
    """Read a copy; raises `UsageError` where it holds no seal, or a line that is none, and `OSError`."""
    seals = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            seals.append(_LINE.decode(line))
        except msgspec.MsgspecError as error:
            raise UsageError(f"{path}: line {number} is not a seal: {error}") from error
    if not seals:
        raise UsageError(f"{path} holds no seal")
    return seals


def write_copy(path: Path, seals: Sequence[Seal]) -> None:
    """Write a copy, whole or not at all, in place of the one that is there.

    Raises `LedgerError` and leaves the file as it is where it holds a seal that is not among `seals`: it may be
    the only proof that the ledger was rewritten.
    """
    if path.exists() and path.stat().st_size:
        for fault in contradictions(seals, read_copy(path)):
            raise LedgerError(f"{path} is left as it is: {fault}")
    with whole_file(path) as file:
        file.writelines(msgspec.json.encode(seal) + b"\n" for seal in seals)


def contradictions(stored: Iterable[Seal], copy: Sequence[Seal]) -> Iterator[Fault]:
    """Find what the seals of a copy say that the stored ones, given in their order, do not.

    That the copy is of another ledger is said once, and its seals are compared all the same.
    """
    numbered = iter(stored)
    current = next(numbered, None)
    foreign = False
    for kept in sorted(copy, key=lambda seal: seal.number):
        while current is not None and current.number < kept.number:
            current = next(numbered, None)
        if current is None or current.number != kept.number:
            yield Fault(kept.first_position, f"seal {kept.number} is in the copy and not in the ledger")
            continue
        if current.incarnation != kept.incarnation and not foreign:
            foreign = True
            yield Fault(kept.first_position, f"the copy is of ledger {kept.incarnation}, not {current.incarnation}")
        if msgspec.structs.replace(current, incarnation=kept.incarnation) != kept:
            yield Fault(kept.first_position, f"seal {kept.number} is not the one in the copy")
