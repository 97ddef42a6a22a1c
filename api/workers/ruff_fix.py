"""`ruff-fix`: the deterministic worker that lets ruff apply its own fixes, one file at a time.

For each file of its scope it runs the task's own check command with `--fix`, leaves out the codes that belong to
other subtasks, and then really checks the result: a file that compiled before must compile after, or it is put
back as it was. Ends with 1 where a file had to be put back.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import msgspec

from domain.events import Completed, Progress, WorkerMessage

_PATHS = "{files}"


def main() -> int:
    """Fix the files that the environment names; see `docs/workers.md` for the variables."""
    parser = argparse.ArgumentParser(prog="ruff-fix", description="Apply ruff's own fixes within a scope.")
    parser.add_argument("--unsafe-fixes", action="store_true", help="also fixes that ruff calls unsafe")
    arguments = parser.parse_args()
    files = Path(os.environ["PW_FILES"]).read_text(encoding="utf-8").splitlines()
    excluded = [code for code in os.environ.get("PW_EXCLUDED_CODES", "").split(",") if code]
    command = _fix_command(json.loads(os.environ["PW_CHECK"]), excluded, unsafe=arguments.unsafe_fixes)
    broken = []
    for number, path in enumerate(files, start=1):
        if not _fix_and_check(command, Path(path)):
            broken.append(path)
        _report(Progress(completed=number, total=len(files), status=path))
    if broken:
        print(f"{len(broken)} files would no longer compile and were put back: {', '.join(broken[:3])}")
        return 1
    _report(Completed(summary=f"{len(files)} files fixed and checked"))
    return 0


def _fix_command(check: list[str], excluded: list[str], *, unsafe: bool) -> list[str]:
    options = ["--fix", "--quiet", *(["--unsafe-fixes"] if unsafe else [])]
    if excluded:
        options += ["--ignore", ",".join(excluded)]
    at = check.index(_PATHS) if _PATHS in check else len(check)
    return [*check[:at], *options, "--", _PATHS]


def _fix_and_check(command: list[str], path: Path) -> bool:
    before = path.read_bytes()
    compiled = _compiles(before, path)
    fixed = subprocess.run([*command[:-1], str(path)], capture_output=True, text=True, check=False)
    if fixed.returncode > 1:
        sys.exit(f"ruff failed on {path}: {fixed.stderr.strip().splitlines()[-1:]}")
    after = path.read_bytes()
    if after != before and compiled and not _compiles(after, path):
        path.write_bytes(before)
        return False
    return True


def _compiles(source: bytes, path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            # Old code is full of escapes that today's compiler warns about.
            warnings.simplefilter("ignore")
            compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _report(message: WorkerMessage) -> None:
    with Path(os.environ["PW_REPORT"]).open("ab") as report:
        report.write(msgspec.json.encode(message) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
