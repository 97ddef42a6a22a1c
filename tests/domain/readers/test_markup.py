"""XML that is handed out element by element: what is refused, what is saved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.errors import ReportError
from domain.readers import markup
from domain.readers.gather import Gathering
from domain.readers.markup import Vocabulary, branches
from domain.readers.source import Source

VOCABULARY = Vocabulary(roots=("list",), branches=("item",))


def names(data: bytes, gathering: Gathering | None = None) -> Iterator[tuple[int, str | None]]:
    for branch in branches(Source(data), VOCABULARY, gathering or Gathering("test")):
        yield branch.line, branch.element.get("name")


def damages(data: bytes) -> list[tuple[int, str]]:
    gathering = Gathering("test")
    gathering.skip()
    list(names(data, gathering))
    return [(damage.line, damage.reason) for damage in gathering.report().damaged]


def test_elements_come_with_their_line_and_what_is_around_them() -> None:
    data = b'<list name="l">\n\n<group name="g"><item name="a"/>\n<item\nname="b">x</item></group></list>'

    found = list(branches(Source(data), VOCABULARY, Gathering("test")))

    assert [(branch.line, branch.element.get("name")) for branch in found] == [(3, "a"), (5, "b")]
    assert [outer.get("name") for outer in found[0].around] == ["l", "g"]


def test_nothing_is_kept_of_what_was_handed_out() -> None:
    found = list(branches(Source(b"<list><item/><other>x</other><item/></list>"), VOCABULARY, Gathering("test")))

    assert list(found[0].around[0]) == []


def test_name_spaces_are_left_out_of_account() -> None:
    assert list(names(b'<list xmlns="https://example.com"><item name="a"/></list>')) == [(1, "a")]


@pytest.mark.parametrize(
    "declaration",
    [
        b'<!DOCTYPE list [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        b'<!DOCTYPE list SYSTEM "https://example.com/list.dtd">',
        b"<!DOCTYPE list>",
    ],
)
def test_a_document_type_is_refused_in_one_line(declaration: bytes) -> None:
    data = b'<?xml version="1.0"?>\n' + declaration + b"\n<list>&b;</list>"

    assert VOCABULARY.recognises(data)
    with pytest.raises(ReportError, match=r"^line 2: the XML has a document type or entities, which is refused$"):
        list(names(data))


def test_another_root_is_refused() -> None:
    with pytest.raises(ReportError, match="the root of the XML is <html>, not <list>"):
        list(names(b"<html/>"))


def test_levels_without_end_are_refused() -> None:
    with pytest.raises(ReportError, match="more than 100 levels"):
        list(names(b"<list>" + b"<item>" * 1_000))


def test_an_input_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "SIZE_MAX_BYTES", 20)

    with pytest.raises(ReportError, match="longer than 20 bytes"):
        list(names(b"<list>\n<item/>\n<item/>\n</list>"))


def test_what_stands_before_a_fault_is_taken() -> None:
    data = b'<list>\n<item name="a"/>\n<item name="b"/>\n<item name=c/>\n<item name="d"/>\n</list>'

    assert list(names(data)) == [(2, "a"), (3, "b")]
    assert damages(data) == [(4, "the XML is malformed: not well-formed (invalid token)")]


def test_a_document_that_was_cut_is_damage() -> None:
    assert damages(b"<list>\n<item/>\n<item>") == [(3, "the XML ends before its root element does")]


def test_documents_may_stand_one_behind_the_other() -> None:
    one = b'<?xml version="1.0"?><list><item name="a"/></list>'
    broken = b'<?xml version="1.0"?><list><item name="b"/></lost>'

    assert list(names(one + broken + b"\n" + one)) == [(1, "a"), (1, "b"), (2, "a")]
    assert damages(one + broken + b"\n" + one) == [(1, "the XML is malformed: mismatched tag")]


def test_a_declaration_in_a_text_begins_no_document() -> None:
    assert list(names(b'<list><item name="a"><![CDATA[<?xml version="1.0"?>]]></item></list>')) == [(1, "a")]


@pytest.mark.parametrize("colour", [b"\x1b[31m", b"#x1B[31m", b"&#27;[1;31m", b"\x07"])
def test_colours_and_control_characters_are_left_out(colour: bytes) -> None:
    (branch,) = branches(Source(b"<list><item>" + colour + b"red</item></list>"), VOCABULARY, Gathering("test"))

    assert branch.element.text == "red"


def test_a_declared_encoding_is_not_believed() -> None:
    data = '<?xml version="1.0" encoding="iso-8859-1"?><list><item name="ü"/></list>'.encode()

    assert list(names(data)) == [(1, "ü")]
