"""Check that an event was sealed: python check_inclusion.py PROOF SEALS (docs/tamper-evidence.md)."""

import json
import struct
import sys
from hashlib import sha256
from pathlib import Path

CONTENT = "task_id stream_id message_id type schema_version worker_id lease_epoch occurred_at payload"
SEAL = "number first_position last_position count sealed_at_us"


def fold(node: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """Give the root above a leaf, as in RFC 6962; the path's last hash is the one beside the root."""
    if (index, count, path) == (0, 1, []):
        return node
    half = 1 << (count - 1).bit_length() - 1
    if index < half:
        return sha256(b"\1" + fold(node, index, half, path[:-1]) + path[-1]).digest()
    return sha256(b"\1" + path[-1] + fold(node, index - half, count - half, path[:-1])).digest()


try:
    proof, lines = json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]).read_bytes().splitlines()
    kept = {seal["number"]: seal["hash"] for seal in map(json.loads, lines)}
    seal, fields = proof["seal"], [proof["content"][name] for name in CONTENT.split()]
    text = "\n".join("" if field is None else str(field) for field in fields).encode()
    place = struct.pack(">QQq", proof["position"], proof["version"], proof["recorded_at_us"])
    leaf = sha256(b"\0" + place + sha256(text).digest()).digest()
    packed = struct.pack(">QQQQq", *(seal[name] for name in SEAL.split()))
    root = fold(leaf, proof["leaf_index"], seal["count"], [bytes.fromhex(node) for node in proof["path"]])
    found = sha256(b"\2" + packed + root + bytes.fromhex(seal["previous"])).hexdigest()
    if kept.get(seal["number"]) != found:
        sys.exit(f"NOT proven: it leads to {found}, seal {seal['number']} of the copy is {kept.get(seal['number'])}")
    print(f"proven: position {proof['position']} ({fields[3]} of {fields[1]}) is in seal {seal['number']}")
except (LookupError, OSError, TypeError, ValueError, struct.error) as error:
    sys.exit(f"NOT proven: {error!r}")
