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


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", [*BY_LINE, *AS_A_WHOLE])
def test_utf16_with_its_mark_is_read_like_utf8(sample: Sample, name: str, encoding: str) -> None:
    text = sample(name).decode()

    assert read(f"\ufeff{text}".encode(encoding)) == read(text.encode())


def test_lines_of_utf16_are_read_piece_by_piece(sample: Sample) -> None:
    text = sample("mypy-networkx.jsonl").decode() * 30

    assert read(OnlyInPieces(f"\ufeff{text}".encode("utf-16-le"))) == read(text.encode())


@given(st.text(alphabet="a\n\r\u2028é\N{SNAKE}", max_size=20))
def test_utf16_has_the_lines_and_numbers_of_the_same_text_in_utf8(text: str) -> None:
    assert list(Source(f"\ufeff{text}".encode("utf-16-be")).lines()) == list(Source(text.encode()).lines())


def test_what_is_damaged_in_utf16_is_replaced_and_counted() -> None:
    half_a_pair, cut = b"\x3d\xd8", b"a"
    source = Source(b"\xff\xfea\0" + half_a_pair + b"b\0\n\0" + cut)

    text = b"".join(line for _, line in source.lines()).decode()

    assert text.replace("\N{REPLACEMENT CHARACTER}", "") == "ab\n"
    assert text.endswith("\n\N{REPLACEMENT CHARACTER}")
    assert list(source.lines()) == list(source.lines())
    assert source.replaced == text.count("\N{REPLACEMENT CHARACTER}")
