"""The input of a reader: bytes or a stream, cleaned on the way."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.readers.reading import read
from domain.readers.source import Source

Sample = Callable[[str], bytes]

BY_LINE = (
    "ruff-boto.jsonl",
    "clang-pycryptodome.sarif.jsonl",
    "mypy-networkx.jsonl",
    "mypy-networkx.txt",
    "cargo-derive.jsonl",
)
AS_A_WHOLE = ("ruff-django.json", "ruff-django.sarif")

# Little of an alphabet, so that line ends, marks and broken sequences come often.
inputs = st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b" ", b"\xef\xbb\xbf", "é".encode(), b"\xe9", b"\xff"]))


class OnlyInPieces(io.BytesIO):
    """A stream that is too large to be asked for everything at once."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 <= size <= Source.HEAD_BYTES
        return super().read(size)


@pytest.mark.parametrize("name", [*BY_LINE, *AS_A_WHOLE])
def test_a_stream_is_read_like_its_bytes(sample: Sample, tmp_path: Path, name: str) -> None:
    data = sample(name)
    path = tmp_path / name
    path.write_bytes(data)

    with path.open("rb") as stream:
        assert read(stream) == read(data)


def test_a_stream_is_read_from_its_beginning_wherever_it_stands(sample: Sample) -> None:
    stream = io.BytesIO(sample("ruff-boto.jsonl"))
    stream.read(100)

    assert read(stream) == read(sample("ruff-boto.jsonl"))


def test_an_error_of_the_stream_goes_through(sample: Sample) -> None:
    class Cut(io.BytesIO):
        def __next__(self) -> bytes:
            raise EOFError("the packed file was cut")

    with pytest.raises(EOFError, match="was cut"):
        read(Cut(sample("ruff-boto.jsonl")))


@pytest.mark.parametrize("name", BY_LINE)
def test_a_format_of_lines_is_never_held_as_a_whole(sample: Sample, name: str) -> None:
    assert read(OnlyInPieces(sample(name))) == read(sample(name))


@given(inputs.map(b"".join))
def test_the_lines_are_those_of_the_whole_without_the_blank_ones(data: bytes) -> None:
    source = Source(data)
    whole = source.whole()
    replaced = source.replaced

    assert list(source.lines()) == [
        (number, line) for number, line in enumerate(io.BytesIO(whole), start=1) if not line.isspace()
    ]
    assert source.replaced == replaced


@given(inputs.map(b"".join))
def test_what_is_read_is_utf8(data: bytes) -> None:
    source = Source(data)

    assert source.whole().decode().count("\N{REPLACEMENT CHARACTER}") == source.replaced
