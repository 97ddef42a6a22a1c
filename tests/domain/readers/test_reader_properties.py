"""What holds for every input."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ReportError, UnknownFormatError
from domain.readers.reading import FORMATS, read
from domain.readers.report import Report

SAMPLES = (
    "ruff-boto.jsonl",
    "ruff-django.json",
    "ruff-django.sarif",
    "clang-pycryptodome.sarif.jsonl",
    "mypy-networkx.jsonl",
    "mypy-networkx.txt",
    "cargo-derive.jsonl",
)

Sample = Callable[[str], bytes]

formats = st.sampled_from(("auto", *FORMATS))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
# Words of the formats, so that the inputs come past the first check.
fragments = st.sampled_from(
    [
        b'{"runs":[',
        b'{"reason":"compiler-message","message":',
        b'[{"cell":null,"filename":"a"',
        b'"location":{"row":1,"column":1}',
        b"a.py:1: error: ",
        *(bytes([byte]) for byte in b'{}[],\n"\\\x00\xff'),
    ]
)


def attempt(data: bytes, report_format: str) -> Report | str:
    try:
        return read(data, format=report_format)
    except (ReportError, UnknownFormatError) as error:
        return str(error)


@given(st.binary() | st.lists(fragments, max_size=20).map(b"".join), formats)
def test_any_bytes_give_a_report_or_a_documented_error_and_always_the_same(data: bytes, report_format: str) -> None:
    outcome = attempt(data, report_format)

    assert outcome == attempt(data, report_format)
    assert isinstance(outcome, Report) or "\n" not in outcome


@given(json_values, formats)
def test_any_json_gives_a_report_or_a_documented_error(value: object, report_format: str) -> None:
    attempt(json.dumps(value).encode(), report_format)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_report_cut_anywhere_gives_a_part_of_the_problems_or_a_documented_error(
    sample: Sample, name: str, data: st.DataObject
) -> None:
    whole = sample(name)
    report = attempt(whole[: data.draw(st.integers(0, len(whole)))], "auto")

    if isinstance(report, Report):
        identities = {problem.fingerprint for problem in read(whole).problems}
        # The last line of a text may be cut inside of its message.
        uncertain = 1 if name.endswith(".txt") else 0
        complete = report.problems[: len(report.problems) - uncertain]
        assert {problem.fingerprint for problem in complete} <= identities


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_report_with_bytes_overwritten_gives_a_report_or_a_documented_error(
    sample: Sample, name: str, data: st.DataObject
) -> None:
    broken = bytearray(sample(name))
    for position in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=8)):
        broken[position] = data.draw(st.integers(0, 255))

    attempt(bytes(broken), "auto")


@given(
    st.lists(st.tuples(st.integers(1, 500), st.sampled_from("abc")), min_size=1, unique=True),
    st.integers(0, 10_000),
)
def test_moved_lines_change_no_fingerprint(places: list[tuple[int, str]], shift: int) -> None:
    def report(by: int) -> Report:
        lines = [
            f'{name}.py:{line + by}: error: Name "x" already defined on line {line + by}  [no-redef]'
            for line, name in places
        ]
        return read("\n".join(lines).encode())

    before, after = report(0).problems, report(shift).problems
    assert [problem.fingerprint for problem in before] == [problem.fingerprint for problem in after]


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1))
def test_problems_and_duplicates_add_up_to_the_records(messages: list[str]) -> None:
    lines = [f"x.py:1: error: {message}  [misc]" for message in messages]

    report = read("\n".join(lines).encode())

    assert len(report.problems) + report.duplicates == len(messages)
    assert [problem.message for problem in report.problems] == list(dict.fromkeys(messages))
