"""What holds for every format of lines of text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ReportError, UnknownFormatError
from domain.readers.reading import read
from domain.readers.report import Report

PATTERN = r"(?P<path>\w+\.c):(?P<line>\d+)"

RUSTC = b"error[E0308]: mismatched types\n --> src/a.rs:2:3\n  |\n2 |     n\n  |     ^ expected `u8`\n"
TSC = b"src/a.ts(2,7): error TS2322: Type 'a' is not assignable.\n  Property 'b' is missing.\n"
GCC = b"a.c: In function 'f':\na.c:3:1: warning: unused [-Wunused]\na.c:3:1: note: here\n"
LINKER = b"ld: a.o: in function `main':\na.c:(.text+0x7b): undefined reference to `f'\n"
FLAKE8 = b"a.py:3:1: E501 line too long\n"
PYLINT = b"************* Module a\na.py:3:1: C0114: Missing module docstring (missing-module-docstring)\n"
GO_JSON = b'# shop\n{\n"shop": {"printf": [\n{"posn": "a.go:9:2", "message": "m"}\n]}\n}\n'
GO = b"# shop\n./a.go:7:9: not enough arguments\n\thave ()\n"
GITHUB = b"::error file=a.js,line=3,title=quotes::Use%0Adouble quotes\n"
PYTEST = b"""\
=== FAILURES ===
___ test_x ___
E   ValueError: x

tests/test_a.py:3: ValueError
=== short test summary info ===
FAILED tests/test_a.py::test_x - ValueError: x
=== 1 failed in 0.1s ===
"""
CRASH = b"ImportError while loading conftest 'conftest.py'.\na.py:3: in <module>\nE   ValueError: x\n"

REPORTS = {
    "rustc-text": RUSTC,
    "tsc": TSC,
    "gcc-text": GCC + LINKER,
    "flake8": FLAKE8,
    "pylint": PYLINT,
    "go-vet": GO_JSON + GO,
    "github": GITHUB,
    "pytest": PYTEST + CRASH,
    "regex": GCC,
}

formats = st.sampled_from(sorted(REPORTS))
# Whole lines of each format, parts of them, and bytes of other programs, in any order.
fragments = st.sampled_from(
    [line for report in REPORTS.values() for line in report.splitlines(keepends=True)]
    + [part for report in REPORTS.values() for part in report.split(b": ")]
    + [bytes([byte]) for byte in b"{}[]:,\n\r\"'\\\x00\x1b\xff"]
)
logs = st.lists(fragments, max_size=30).map(b"".join)

Sample = Callable[[str], bytes]


def attempt(data: bytes, report_format: str) -> Report | str:
    try:
        return read(data, format=report_format, pattern=PATTERN if report_format == "regex" else "")
    except (ReportError, UnknownFormatError) as error:
        return str(error)


@given(logs | st.binary(), formats)
def test_any_bytes_give_a_report_or_a_documented_error(data: bytes, report_format: str) -> None:
    outcome = attempt(data, report_format)

    assert isinstance(outcome, Report) or "\n" not in outcome


@given(st.lists(st.sampled_from(sorted(REPORTS)), min_size=1), formats)
def test_lines_may_end_as_on_windows(parts: list[str], report_format: str) -> None:
    data = b"".join(REPORTS[part] for part in parts)

    assert attempt(data.replace(b"\n", b"\r\n"), report_format) == attempt(data, report_format)


@given(formats, st.data())
def test_a_problem_that_was_read_whole_stays_whatever_is_cut_off_behind_it(name: str, data: st.DataObject) -> None:
    whole = REPORTS[name]
    rest = data.draw(st.integers(0, len(whole)))

    before, after = attempt(whole, name), attempt(whole + b"\n" + whole[:rest], name)

    assert isinstance(before, Report)
    assert isinstance(after, Report)
    assert {problem.fingerprint for problem in before.problems} <= {problem.fingerprint for problem in after.problems}


@pytest.mark.parametrize("name", sorted(REPORTS.keys() - {"regex"}))
def test_each_format_is_found_by_content(name: str) -> None:
    report = read(REPORTS[name])

    assert (report.format, report.damaged) == (name, ())
    assert report.problems


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_moved_lines_change_no_fingerprint(name: str) -> None:
    moved = (
        REPORTS[name].replace(b":3", b":47").replace(b"=3", b"=47").replace(b"(2,", b"(31,").replace(b":9:", b":99:")
    )

    before, after = attempt(REPORTS[name], name), attempt(moved, name)

    assert isinstance(before, Report)
    assert isinstance(after, Report)
    assert [problem.fingerprint for problem in before.problems] == [problem.fingerprint for problem in after.problems]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(["rustc-derive.txt", "flake8-boto.txt", "pytest-pint-crash.txt"]), st.data())
def test_a_real_report_with_bytes_overwritten_gives_a_report_or_a_documented_error(
    sample: Sample, name: str, data: st.DataObject
) -> None:
    broken = bytearray(sample(name))
    for position in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=8)):
        broken[position] = data.draw(st.integers(0, 255))

    attempt(bytes(broken), "auto")
