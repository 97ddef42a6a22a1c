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
        ("undefined reference to `main'", "undefined reference to <>", ("main",)),
        ('"Module("PIL.Image")" is not "type[PIL]"', "<> is not <>", ('Module("PIL.Image")', "type[PIL]")),
        ("first `a`\nthen `b`", "first <>", ("a",)),
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


@pytest.mark.parametrize(
    ("message", "template", "slots"),
    [
        ("zmq.h: No such file or directory", "<>: No such file or directory", ("zmq.h",)),
        ("cannot read /tmp/pytest-of-me/x.toml", "cannot read <>", ("/tmp/pytest-of-me/x.toml",)),
        ("in src/a/b.rs:12:5: no", "in <>: no", ("src/a/b.rs",)),
        ("outside of a function/method", "outside of a function/method", ()),
        ("at 0x7f3a8c12 after 1.25s", "at # after #", ()),
        ("commit 4f9c2d1e8b and tmp123456", "commit # and #", ()),
        ("expected -1, got (-2)", "expected #, got (#)", ()),
        ("undefined: parseArgs", "undefined: <>", ("parseArgs",)),
        ("count declared and not used", "<> declared and not used", ("count",)),
        ("Unused Any imported from typing", "Unused <> imported from <>", ("Any", "typing")),
        ("run() missing 1 required argument: 'x'", "<> missing # required argument: <>", ("run", "x")),
        ("has type List[Dict[str, int]]; expected X", "has type <>; expected X", ("List[Dict[str, int]]",)),
        ("Argument 1 to <set> is", "Argument # to <> is", ("set",)),
        ("conversion to ‘gid_t’ {aka ‘unsigned int’}", "conversion to <>", ("gid_t",)),  # noqa: RUF001
        ("ambiguous `’` (RIGHT SINGLE QUOTATION MARK)", "ambiguous <> (<>)", ("’",)),  # noqa: RUF001
    ],
)
def test_what_varies_without_quotes_is_masked_too(message: str, template: str, slots: tuple[str, ...]) -> None:
    masked = mask(message)

    assert (masked.template, masked.slots) == (template, slots)


@pytest.mark.parametrize(
    "messages",
    [
        ("Property 'x' does not exist on type 'Y'.", "Property 'x' does not exist on type 'Y'. Did you mean 'z'?"),
        ('"X" has no attribute "y"', '"X" has no attribute "y"; maybe "z", "w", or "v"?'),
        ("‘x’ undeclared", "‘x’ undeclared; did you mean ‘y’?"),  # noqa: RUF001
        ('No overload of "f" matches argument type "int"', 'No overload of "f" matches argument types "int", "str"'),
        ("missing field `a` in initializer", "missing fields `a` and `b` in initializer"),
        ("takes 1 argument but 2 arguments were supplied", "takes 2 arguments but 1 argument was supplied"),
        ("Expected 1 positional argument", "Expected 2 positional arguments"),
        ("no method named `a` found for struct `X`", "no method named `a` found for mutable reference `&mut X`"),
    ],
)
def test_advice_number_and_kind_make_no_other_template(messages: tuple[str, str]) -> None:
    one, other = messages

    assert mask(one).template == mask(other).template


@given(st.text())
def test_any_message_can_be_masked(message: str) -> None:
    assert "\n" not in mask(message).template
