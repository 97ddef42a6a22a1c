from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from domain.errors import LedgerError, UsageError
from eventstore.sealing.faults import Fault
from eventstore.sealing.seal_copies import contradictions, read_copy, write_copy
from eventstore.sealing.seals import Seal

ZEROS = bytes(32).hex()


def _chain(count: int, *, root: str = ZEROS, ledger: int = 1) -> list[Seal]:
    seals: list[Seal] = []
    for number in range(1, count + 1):
        new = Seal(
            incarnation=UUID(int=ledger), number=number, first_position=10 * number - 9, last_position=10 * number,
            count=10, sealed_at_us=number, root=root, previous=seals[-1].hash if seals else ZEROS, hash="",
        )  # fmt: skip
        seals.append(new.with_hash())
    return seals


def test_a_copy_comes_back_as_it_was(tmp_path: Path) -> None:
    write_copy(tmp_path / "seals", _chain(3))
    assert read_copy(tmp_path / "seals") == _chain(3)
    assert [path.name for path in tmp_path.iterdir()] == ["seals"]


def test_a_copy_is_a_line_of_json_for_each_seal(tmp_path: Path) -> None:
    [seal] = _chain(1)
    write_copy(tmp_path / "seals", [seal])
    [line] = (tmp_path / "seals").read_text().splitlines()
    assert json.loads(line) == {
        "incarnation": str(UUID(int=1)), "number": 1, "first_position": 1, "last_position": 10, "count": 10,
        "sealed_at_us": 1, "root": ZEROS, "previous": ZEROS, "hash": seal.hash,
    }  # fmt: skip


def test_a_longer_chain_replaces_the_copy_of_its_beginning(tmp_path: Path) -> None:
    write_copy(tmp_path / "seals", _chain(2))
    write_copy(tmp_path / "seals", _chain(3))
    assert len(read_copy(tmp_path / "seals")) == 3


@pytest.mark.parametrize("rewritten", [_chain(3, root="11" * 32), _chain(1), []])
def test_a_copy_is_not_replaced_by_a_chain_that_it_contradicts(tmp_path: Path, rewritten: list[Seal]) -> None:
    write_copy(tmp_path / "seals", _chain(2))
    with pytest.raises(LedgerError, match=r"seals is left as it is: position \d+: seal \d is"):
        write_copy(tmp_path / "seals", rewritten)
    assert read_copy(tmp_path / "seals") == _chain(2)


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "seals").touch()
    write_copy(tmp_path / "seals", _chain(1))
    assert read_copy(tmp_path / "seals") == _chain(1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "holds no seal"), ("{}\n", "line 1 is not a seal"), ("not json\n", "line 1 is not a seal")],
)
def test_a_file_that_is_no_copy_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "seals").write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_copy(tmp_path / "seals")


def test_a_chain_does_not_contradict_any_part_of_itself() -> None:
    chain = _chain(4)
    for part in ([], chain[:2], chain[2:], chain[::-1], chain * 2):
        assert list(contradictions(chain, part)) == []


def test_every_seal_that_is_another_one_or_is_gone_is_named() -> None:
    chain = _chain(3)
    another = msgspec.structs.replace(chain[1], sealed_at_us=99)
    assert list(contradictions([chain[0], another], chain)) == [
        Fault(11, "seal 2 is not the one in the copy"),
        Fault(21, "seal 3 is in the copy and not in the ledger"),
    ]


def test_that_the_copy_is_of_another_ledger_is_said_once() -> None:
    [fault] = contradictions(_chain(3, ledger=2), _chain(3))
    assert fault == Fault(1, f"the copy is of ledger {UUID(int=1)}, not {UUID(int=2)}")
