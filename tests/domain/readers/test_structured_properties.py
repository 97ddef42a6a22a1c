"""What holds for every input of the structured formats."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ReportError, UnknownFormatError
from domain.readers.reading import read
from domain.readers.report import Report

FORMATS = ("pyright", "gcc", "eslint", "junit", "checkstyle", "rdjson", "rdjsonl")
SAMPLES = {
    "pyright-docutils.json": "pyright",
    "gcc-uwsgi.jsonl": "gcc",
    "eslint-phaser.json": "eslint",
    "pytest-networkx.xml": "junit",
    "checkstyle.xml": "checkstyle",
    "rdjson-tool.json": "rdjson",
    "rdjsonl-tool.jsonl": "rdjsonl",
}
OTHERS = (
    "cargo-derive.jsonl",
    "clang-pycryptodome.sarif.jsonl",
    "mypy-networkx.jsonl",
    "mypy-networkx.txt",
    "ruff-boto.jsonl",
    "ruff-django.json",
    "ruff-django.sarif",
)

Sample = Callable[[str], bytes]

# Words of the formats, so that the inputs come past the first check.
fragments = st.sampled_from(
    [
        b'{"generalDiagnostics":[{"file":"a","message":"x","severity":"error"',
        b'[{"kind":"note","message":"x","children":[',
        b'"locations":[{"caret":{"file":"a","line":1}}]',
        b'[{"filePath":"a","messages":[{"message":"x","severity":1}',
        b'{"diagnostics":[{"message":"x","location":{"path":"a"}',
        b"<testsuites><testsuite>",
        b'<testcase name="a"><failure message="001 &#10;">a.py:1: AError',
        b"</failure></testcase>",
        b"</testsuite></testsuites>",
        b'<?xml version="1.0"?>',
        b'<checkstyle><file name="a"><error message="x"/>',
        b"</file></checkstyle>",
        b"<!DOCTYPE a>",
        *(bytes([byte]) for byte in b'{}[],<>&\n"\\\x00\x1b\xff'),
    ]
)


def attempt(data: bytes, report_format: str) -> Report | str:
    try:
        return read(data, format=report_format)
    except (ReportError, UnknownFormatError) as error:
        return str(error)


@pytest.mark.parametrize(("name", "expected"), SAMPLES.items())
def test_the_format_is_found_by_content(sample: Sample, name: str, expected: str) -> None:
    report = read(sample(name))

    assert (report.format, report.damaged) == (expected, ())
    assert report.problems


@pytest.mark.parametrize("name", [*SAMPLES, *OTHERS])
@pytest.mark.parametrize("report_format", FORMATS)
def test_these_formats_are_taken_for_nothing_but_themselves(sample: Sample, name: str, report_format: str) -> None:
    told_as = "sarif" if name.startswith("cargo") else "cargo"
    _, _, hint = str(attempt(sample(name), told_as)).partition("it looks like ")

    assert (report_format in re.findall(r"\w+", hint)) == (SAMPLES.get(name) == report_format)


@given(st.binary() | st.lists(fragments, max_size=20).map(b"".join), st.sampled_from(("auto", *FORMATS)))
def test_any_bytes_give_a_report_or_a_documented_error_and_always_the_same(data: bytes, report_format: str) -> None:
    outcome = attempt(data, report_format)

    assert outcome == attempt(data, report_format)
    assert isinstance(outcome, Report) or "\n" not in outcome


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_report_cut_anywhere_gives_the_first_of_the_problems_or_a_documented_error(
    sample: Sample, name: str, data: st.DataObject
) -> None:
    whole = sample(name)
    report = attempt(whole[: data.draw(st.integers(0, len(whole)))], "auto")

    if isinstance(report, Report):
        assert report.problems == read(whole).problems[: len(report.problems)]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_report_with_bytes_overwritten_gives_a_report_or_a_documented_error(
    sample: Sample, name: str, data: st.DataObject
) -> None:
    broken = bytearray(sample(name))
    for position in data.draw(st.lists(st.integers(0, len(broken) - 1), max_size=8)):
        broken[position] = data.draw(st.integers(0, 255))

    attempt(bytes(broken), SAMPLES[name])
