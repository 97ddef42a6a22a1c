"""The script that checks a proof without the ledger, as somebody would run it who has Python and nothing else."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from eventstore.sealing.proofs import prove
from eventstore.sealing.seal_copies import write_copy
from eventstore.sealing.seals import read_seals, seal

_SCRIPT = Path(__file__).parents[2] / "docs" / "check_inclusion.py"
_PAYLOAD = '{"text": "a \\"quoted\\" \\\\ line\\n and é €", "number": 1.50}'

Proof = dict[str, Any]


class Kit:
    """What is handed to the checker: a proof for each event, and the copy of the seals."""

    def __init__(self, folder: Path, proofs: list[Proof]) -> None:
        self.folder = folder
        self.proofs = proofs
        self.copy = folder / "seals.jsonl"

    def check(self, proof: object) -> subprocess.CompletedProcess[str]:
        file = self.folder / "proof.json"
        file.write_text(json.dumps(proof))
        # -I -S: not even what is installed beside it.
        command = [sys.executable, "-I", "-S", str(_SCRIPT), str(file), str(self.copy)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})


@pytest.fixture
def kit(database_url: str, append_raw: Callable[..., list[int]], tmp_path: Path) -> Kit:
    """Seven events in seals of five and two."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        rows: list[dict[str, object]] = [{}, {"worker_id": "w1", "lease_epoch": 0}, {"payload": _PAYLOAD}]
        positions = append_raw(connection, rows + [{}] * 4)
        seal(connection, events_max=5)
        proofs = [json.loads(msgspec.json.encode(prove(connection, position))) for position in positions]
        write_copy(tmp_path / "seals.jsonl", list(read_seals(connection)))
    return Kit(tmp_path, proofs)


def test_every_event_is_proven(kit: Kit) -> None:
    for position, proof in enumerate(kit.proofs, 1):
        ran = kit.check(proof)
        number = 1 if position <= 5 else 2
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout == f"proven: position {position} (progress of tree.1) is in seal {number}\n"


def _damaged(value: object) -> object:
    """Give a value of the same kind that is another one."""
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value:
        return ("0" if value[0] != "0" else "1") + value[1:]
    return "x"


def _places(proof: Proof) -> list[tuple[Any, ...]]:
    content = [("content", name) for name in proof["content"]]
    # The root is computed; which ledger it is of is not hashed.
    fields = [("seal", name) for name in proof["seal"] if name not in ("incarnation", "root", "hash")]
    path = [("path", place) for place in range(len(proof["path"]))]
    return [("position",), ("version",), ("recorded_at_us",), ("leaf_index",), *content, *fields, *path]


def test_a_proof_with_one_thing_changed_is_refused(kit: Kit) -> None:
    for place in _places(kit.proofs[2]):
        proof = copy.deepcopy(kit.proofs[2])
        inner: Any = proof
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = _damaged(inner[place[-1]])
        ran = kit.check(proof)
        assert (ran.returncode, ran.stdout) == (1, ""), place
        assert ran.stderr.startswith("NOT proven: ")
        assert ran.stderr.count("\n") == 1


def test_a_path_of_another_length_is_refused(kit: Kit) -> None:
    proof = kit.proofs[2]
    for path in ([], proof["path"][:-1], [*proof["path"], proof["path"][0]]):
        ran = kit.check(proof | {"path": path})
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)


def test_a_field_that_is_left_out_is_refused(kit: Kit) -> None:
    for name in kit.proofs[2]:
        ran = kit.check({key: value for key, value in kit.proofs[2].items() if key != name})
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)


def test_the_proof_of_one_event_is_none_for_another(kit: Kit) -> None:
    ran = kit.check(kit.proofs[2] | {"content": kit.proofs[3]["content"]})
    assert ran.returncode == 1


def test_a_seal_that_the_copy_does_not_hold_proves_nothing(kit: Kit) -> None:
    first, second = kit.copy.read_text().splitlines(keepends=True)
    kit.copy.write_text(second)
    ran = kit.check(kit.proofs[2])
    assert ran.returncode == 1
    assert "seal 1 of the copy is None" in ran.stderr
    kit.copy.write_text(first.replace('"hash":"', '"hash":"00'))
    assert kit.check(kit.proofs[2]).returncode == 1


@pytest.mark.parametrize("text", ["", "[]", '"text"', "{}", "not json"])
def test_a_file_that_is_no_proof_is_one_line(kit: Kit, text: str) -> None:
    (kit.folder / "other.json").write_text(text)
    command = [sys.executable, str(_SCRIPT), str(kit.folder / "other.json"), str(kit.copy)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)


def test_a_call_without_files_is_one_line() -> None:
    ran = subprocess.run([sys.executable, str(_SCRIPT)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)


def test_it_has_at_most_thirty_lines_and_needs_the_standard_library_only() -> None:
    lines = [line for line in _SCRIPT.read_text().splitlines() if line.strip() and not line.strip().startswith('"""')]
    assert len(lines) <= 30
    modules = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert modules <= sys.stdlib_module_names
