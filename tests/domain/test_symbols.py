"""The scope around a line, from the source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.symbols import enclosing_symbols

SOURCE = """\
import os

@cached
def load():
    def read():
        return 1
    return read

class Job:
    period = 1

    async def run(self):
        pass

done = True
"""


def test_each_line_has_the_innermost_scope_around_it() -> None:
    assert enclosing_symbols(SOURCE, "python") == (
        "",
        "",
        "load",
        "load",
        "load.read",
        "load.read",
        "load",
        "",
        "Job",
        "Job",
        "Job",
        "Job.run",
        "Job.run",
        "",
        "",
        "",
    )


@pytest.mark.parametrize("source", ["def f(:", "a\0b", "(" * 10_000])
def test_a_text_that_cannot_be_parsed_has_no_scopes(source: str) -> None:
    assert enclosing_symbols(source, "python") == ()


def test_another_language_has_no_scopes() -> None:
    assert enclosing_symbols("fn main() {}", "rust") == ()


def test_what_the_parser_warns_of_is_no_matter() -> None:
    assert enclosing_symbols("x = '\\d'\n", "python") == ("", "")


@given(st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_end_as_in_any_system(end: str) -> None:
    assert enclosing_symbols(SOURCE.replace("\n", end), "python") == enclosing_symbols(SOURCE, "python")
