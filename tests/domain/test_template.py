"""Messages with what varies taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.template import mask

words = st.text(st.characters(categories=["Ll", "Lu"]), min_size=1)


@pytest.mark.parametrize(
    ("message", "template", "slots"),
    [
        ("cannot find value `x` in this scope", "cannot find value <> in this scope", ("x",)),
        ("expected `u8`, found `Vec<u8>`", "expected <>, found <>", ("u8", "Vec<u8>")),
        ('Name "x" already defined on line 12', "Name <> already defined on line #", ("x",)),
        ("use of ‘x’ and “y”", "use of <> and <>", ("x", "y")),  # noqa: RUF001
        ("'os' imported but unused", "<> imported but unused", ("os",)),
        ("`\"a\"` is 'b'", "<> is <>", ('"a"', "b")),
        ("Line too long (91 > 88)", "Line too long (# > #)", ()),
        ("takes 1.5 seconds", "takes # seconds", ()),
        ("you don't and can't", "you don't and can't", ()),
        ("a u8 is no utf8", "a u8 is no utf8", ()),
        ("", "", ()),
        ('default "" for argument "x" of "f"', "default <> for argument <> of <>", ("x", "f")),
        ("`` and ‘’ and “” and ''", "<> and <> and <> and <>", ()),  # noqa: RUF001
    ],
)
def test_quoted_names_and_numbers_are_masked(message: str, template: str, slots: tuple[str, ...]) -> None:
    masked = mask(message)

    assert (masked.template, masked.slots) == (template, slots)


@given(words, words)
def test_messages_that_differ_in_a_name_share_a_template(one: str, other: str) -> None:
    assert mask(f"cannot find `{one}`").template == mask(f"cannot find `{other}`").template


@given(st.lists(words))
def test_the_names_are_kept_in_order(names: list[str]) -> None:
    assert mask(" and ".join(f'"{name}"' for name in names)).slots == tuple(names)
