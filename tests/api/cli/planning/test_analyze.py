"""`pw analyze`: what is in a report."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from api.cli.console import out

Pw = Callable[..., Result]
PwJson = Callable[..., dict[str, Any]]


def test_a_report_is_counted_by_code_file_and_group(pw_json: PwJson, samples: Path) -> None:
    told = pw_json("analyze", samples / "cargo-derive.jsonl")

    assert (told["schema"], told["format"], told["tool"]) == ("parallel-workers/analysis/1", "cargo", "cargo")
    assert told["problems"] == sum(told["codes"].values()) == sum(group["problems"] for group in told["groups"])
    assert (told["duplicates"], told["damaged"], told["files"]) == (0, 0, 3)
    assert told["since"] is None


def test_a_group_says_what_it_is_and_why(pw_json: PwJson, samples: Path) -> None:
    group = pw_json("analyze", samples / "cargo-derive.jsonl")["groups"][0]

    assert group["id"] == 1
    assert group["effort"]["p50"] < group["effort"]["p80"] < group["effort"]["p95"]
    assert 0 <= group["risk"] <= 1
    assert group["evidence"]
    assert [reason.split()[0] for reason in group["reasons"]] == ["effort:", "fixable:", "risk"]


def test_the_standard_input_is_read(pw_json: PwJson, samples: Path) -> None:
    report = samples / "flake8-boto.txt"

    assert pw_json("analyze", "-", given=report.read_bytes()) == pw_json("analyze", report)


def test_the_same_report_gives_the_same_analysis(pw_json: PwJson, samples: Path) -> None:
    report = samples / "mypy-networkx.jsonl"

    assert pw_json("analyze", report) == pw_json("analyze", report)


def test_damaged_records_are_named_and_the_rest_is_taken(pw_json: PwJson) -> None:
    lines = b'{"file": "a.py", "line": 3, "message": "no", "severity": "error", "code": "x"}\n{"file": 7}\n'

    told = pw_json("analyze", "-", given=lines)

    assert (told["problems"], told["damaged"]) == (1, 1)
    assert told["damage"][0]["line"] == 2


def test_only_some_problems_may_be_asked_for(pw_json: PwJson) -> None:
    lines = b"a.py:1:1: F401 'os' imported but unused\ntests/b.py:1:1: F401 'os' imported but unused\n"
    lines += b"a.py:2:80: E501 line too long (99 > 79 characters)\n"

    def groups(*options: str) -> list[tuple[list[str], int]]:
        told = pw_json("analyze", "-", *options, given=lines)
        return [(group["codes"], group["problems"]) for group in told["groups"]]

    assert groups("--code", "E501") == [(["E501"], 1)]
    assert groups("--exclude", "tests/", "--code", "F401") == [(["F401"], 1)]
    assert groups("--include", "tests/") == [(["F401"], 1)]


def test_an_earlier_report_tells_what_is_new_and_what_is_gone(pw_json: PwJson, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.txt"
    earlier.write_text("a.py:1:1: F401 'os' imported but unused\na.py:9:1: F841 local variable 'x' is not used\n")
    now = b"a.py:4:1: F401 'os' imported but unused\na.py:5:1: F821 undefined name 'y'\n"

    assert pw_json("analyze", "-", "--since", earlier, given=now)["since"] == {
        "persisting": 1,
        "new": 1,
        "resolved": 1,
    }


def test_two_reports_are_compared_below_the_same_root(pw_json: PwJson, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.txt"
    earlier.write_text("/ci/tree/pkg/a.py:1:1: F401 'os' imported but unused\n")
    now = b"/ci/tree/pkg/a.py:1:1: F401 'os' imported but unused\n/ci/tree/b.py:5:1: F821 undefined name 'y'\n"

    assert pw_json("analyze", "-", "--since", earlier, given=now)["since"] == {"persisting": 1, "new": 1}


def test_a_line_format_of_your_own_is_read_by_its_expression(pw_json: PwJson) -> None:
    told = pw_json(
        "analyze", "-", "--pattern", r"(?P<path>\S+) at (?P<line>\d+): (?P<message>.*)", given=b"a.py at 3: odd\n"
    )

    assert (told["format"], told["problems"], told["files"]) == ("regex", 1, 1)


def test_people_see_tables(pw: Pw, samples: Path) -> None:
    result = pw("analyze", samples / "cargo-derive.jsonl")

    assert result.exit_code == 0
    for heading in ("problems in 3 files, from cargo", "Codes", "groups", "cause"):
        assert heading in result.stdout


def test_one_problem_is_told_as_one(pw: Pw) -> None:
    told = pw("analyze", "-", "--format", "flake8", given=b"a.py:1:1: F401 'os' imported but unused\n").stdout

    assert told.startswith("1 problem in 1 file, from flake8")
    assert "1 group" in [line.strip() for line in told.splitlines()]


@pytest.mark.parametrize("verb", ["analyze", "decompose"])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_cuts_no_duration(
    pw: Pw, samples: Path, verb: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    durations = []
    for columns in (width, 200):
        monkeypatch.setattr(out, "_width", columns)
        told = pw(verb, samples / "cargo-derive.jsonl").stdout
        durations.append(re.findall(r"\d+ min \d+ s|\d+ h \d+ min|[\d.]+ s\b", " ".join(told.split())))

    assert durations[0] == durations[1] != []


def test_what_no_reader_knows_ends_with_one_line(pw: Pw) -> None:
    result = pw("analyze", "-", given=b"hello\n")

    assert result.exit_code != 0
    assert result.stderr.startswith("pw: the input is in none of the formats ")
    assert result.stderr.count("\n") == 1


def test_a_report_that_is_not_there_ends_with_one_line(pw: Pw) -> None:
    result = pw("analyze", "/nowhere/report.json")

    assert (result.exit_code, result.stderr) == (1, "pw: /nowhere/report.json: No such file or directory\n")
