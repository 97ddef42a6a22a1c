"""Tokens: what they look like, and what is kept of them."""

from __future__ import annotations

import pytest

from api.auth.tokens import Token
from eventstore.clock import SystemClock


def test_a_token_is_read_as_it_was_written() -> None:
    token = Token.new(SystemClock())
    assert Token.parse(str(token)) == token


def test_the_secret_has_256_bits() -> None:
    # 5 bits a character.
    assert len(Token.new(SystemClock()).secret) * 5 >= 256


def test_two_tokens_differ_in_everything() -> None:
    one, other = Token.new(SystemClock()), Token.new(SystemClock())
    assert (one.key_id == other.key_id, one.secret == other.secret, one.hashed() == other.hashed()) == (False,) * 3


@pytest.mark.parametrize(
    "text", ["", "pw_", "pw_a", "pw_a_", "pw_a_B", "pw_a_b\n", "xx_a_b", "pw_a_b_c", "pw_a_" + "b" * 129]
)
def test_anything_else_is_no_token(text: str) -> None:
    assert Token.parse(text) is None
