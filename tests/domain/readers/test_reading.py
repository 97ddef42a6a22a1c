"""The way in: formats, empty inputs, damage, bytes that are not UTF-8."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from domain.errors import ReportError, UnknownFormatError
from domain.problem import count_codes
from domain.readers.reading import FORMATS, read

Sample = Callable[[str], bytes]


def ruff_line(message: str = "wrong", filename: str = "a.py") -> bytes:
    place = {"row": 1, "column": 1}
    record = {"code": "E1", "filename": filename, "message": message, "location": place, "end_location": place}
    return json.dumps(record).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ruff-boto.jsonl", "ruff"),
        ("ruff-django.json", "ruff"),
        ("ruff-django.sarif", "sarif"),
        ("clang-pycryptodome.sarif.jsonl", "sarif"),
        ("mypy-networkx.jsonl", "mypy"),
        ("mypy-networkx.txt", "mypy"),
        ("cargo-derive.jsonl", "cargo"),
        ("rustc-derive.txt", "rustc-text"),
        ("flake8-boto.txt", "flake8"),
        ("pytest-pint-crash.txt", "pytest"),
    ],
)
def test_the_format_is_found_by_content(sample: Sample, name: str, expected: str) -> None:
    report = read(sample(name))

    assert report.format == expected
    assert report.problems
    assert report.damaged == ()


def test_a_told_format_reads_the_same_as_a_found_one(sample: Sample) -> None:
    data = sample("ruff-boto.jsonl")

    assert read(data, format="ruff") == read(data)


def test_an_unknown_format_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownFormatError, match=f"there are: auto, {', '.join(FORMATS)}"):
        read(b"[]", format="fortran")


def test_an_input_that_no_reader_recognises_is_answered_with_its_beginning() -> None:
    with pytest.raises(UnknownFormatError, match=f"{', '.join(FORMATS)}; it begins: 'Segmentation fault'"):
        read(b"\nSegmentation fault\ncore dumped\n")


@pytest.mark.parametrize("report_format", ["auto", "cargo", "sarif"])
@pytest.mark.parametrize("data", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_report_is_an_error(report_format: str, data: bytes) -> None:
    with pytest.raises(ReportError, match="the report is empty"):
        read(data, format=report_format)


@pytest.mark.parametrize("report_format", ["mypy", "ruff"])
def test_silence_is_a_clean_report_of_a_tool_that_says_nothing_when_all_is_well(report_format: str) -> None:
    report = read(b"", format=report_format)

    assert (report.format, report.problems) == (report_format, ())


@pytest.mark.parametrize(
    "data",
    [
        b"[]\n",
        b"Success: no issues found in 3 source files\n",
        b'{"reason":"build-finished","success":true}\n',
        b'{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}',
    ],
)
def test_a_report_without_problems_is_no_error(data: bytes) -> None:
    assert read(data).problems == ()


def test_a_broken_record_costs_only_itself() -> None:
    report = read(ruff_line("one") + b'{"code": nul\n' + ruff_line("two"))

    assert [problem.message for problem in report.problems] == ["one", "two"]
    assert [damage.line for damage in report.damaged] == [2]


def test_a_report_of_broken_records_tells_the_format_and_the_first_damage() -> None:
    data = b"\n" + ruff_line(filename="/elsewhere/a.py") + ruff_line(filename="../a.py")

    with pytest.raises(ReportError, match=r"read as ruff: line 2: /elsewhere/a\.py"):
        read(data)


def test_a_report_in_another_format_than_told_is_named() -> None:
    with pytest.raises(ReportError, match=r"read as mypy: line 1: .* \(it looks like ruff\)"):
        read(ruff_line(), format="mypy")


def test_the_same_problem_twice_is_one_problem_and_one_duplicate() -> None:
    report = read(ruff_line("one") + ruff_line("one") + ruff_line("two"))

    assert (len(report.problems), report.duplicates) == (2, 1)


def test_bytes_that_are_not_utf8_are_replaced_and_counted() -> None:
    report = read(ruff_line("caf# #").replace(b"#", b"\xe9"))

    assert report.problems[0].message == "caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"
    assert report.replaced_bytes == 2


def test_a_replacement_character_of_the_input_itself_is_not_counted() -> None:
    data = ruff_line("#+").replace(b"#", "\N{REPLACEMENT CHARACTER}".encode()).replace(b"+", b"\xff")

    assert read(data).replaced_bytes == 1


def test_letters_beyond_ascii_are_not_damage() -> None:
    report = read(ruff_line("#").replace(b"#", "naïve \N{SNAKE}".encode()))

    assert report.problems[0].message == "naïve \N{SNAKE}"
    assert report.replaced_bytes == 0


def test_a_mark_of_the_byte_order_is_left_out() -> None:
    report = read(b"\xef\xbb\xbf" + ruff_line())

    assert (len(report.problems), report.damaged, report.replaced_bytes) == (1, (), 0)


def test_nesting_without_end_is_damage() -> None:
    with pytest.raises(ReportError, match="recursion"):
        read(b'{"runs": [' + b'{"a":' * 100_000)


def test_a_tool_s_own_json_and_its_sarif_give_the_same_identity(sample: Sample) -> None:
    own, sarif = read(sample("ruff-django.json")), read(sample("ruff-django.sarif"))

    assert own.problems[0].fingerprint == sarif.problems[0].fingerprint


def test_codes_can_be_counted(sample: Sample) -> None:
    assert count_codes(read(sample("ruff-django.json")).problems) == {"UP031": 3, "PTH120": 1, "RET506": 1}


def test_every_format_has_a_name() -> None:
    assert FORMATS == (
        "cargo",
        "checkstyle",
        "eslint",
        "flake8",
        "gcc",
        "gcc-text",
        "github",
        "go-vet",
        "junit",
        "mypy",
        "pylint",
        "pyright",
        "pytest",
        "rdjson",
        "rdjsonl",
        "regex",
        "ruff",
        "rustc-text",
        "sarif",
        "tsc",
    )


def test_a_pattern_is_only_for_the_format_that_takes_one() -> None:
    with pytest.raises(UnknownFormatError, match="a pattern is for the format 'regex', not for 'mypy'"):
        read(b"a.py:1: error: x\n", format="mypy", pattern="(?P<path>.+)")


@pytest.mark.parametrize("report_format", ["auto", "ruff"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_refused_as_such(encoding: str, report_format: str) -> None:
    with pytest.raises(ReportError) as caught:
        read(ruff_line().decode().encode(encoding), format=report_format)

    assert (
        str(caught.value) == "the report is in UTF-16 without a byte order mark: write it in UTF-8, or with the mark"
    )


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_a_mark_of_utf16_alone_is_an_empty_report(mark: bytes) -> None:
    with pytest.raises(ReportError, match="the report is empty"):
        read(mark)
