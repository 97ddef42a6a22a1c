"""What is read out of the text of a failed test."""

from __future__ import annotations

import pytest

from domain.readers.places import Tree
from domain.readers.tracebacks import cut, exception, headline, places

DOCTEST = """\
041     Examples
042     --------
043     >>> total(3)
Expected:
    0.25
Got:
    0.5
shop/cart.py:43: DocTestFailure"""

DOCTEST_THAT_RAISED = """\
043     >>> total(None)
UNEXPECTED EXCEPTION: TypeError('no number')
Traceback (most recent call last):
  File "shop/cart.py", line 12, in total
TypeError: no number
shop/cart.py:43: UnexpectedException"""


@pytest.mark.parametrize(
    ("message", "text", "expected"),
    [
        ("AssertionError: 1 != 2\nmore", "", "AssertionError: 1 != 2"),
        ("", "\n  Error: expected 1\n    at a.js", "Error: expected 1"),
        ("Failed", "    cart_test.go:12: got 1", "cart_test.go:12: got 1"),
        ("collection failure", "a.py:1: in <module>\nE   ImportError: no x\n", "ImportError: no x"),
        ("041 \n042", DOCTEST, "Expected: 0.25 Got: 0.5"),
        ("041 \n042", DOCTEST_THAT_RAISED, "TypeError: no number"),
        ('failed on setup with "KeyError: 1"', "", "KeyError: 1"),
        (
            'failed on setup with "file /src/a.py, line 3\n',
            "E       fixture 'x' not found\n",
            "fixture 'x' not found",
        ),
        ("", "", ""),
    ],
)
def test_the_headline_is_the_first_line_that_says_something(message: str, text: str, expected: str) -> None:
    assert headline(message, text) == expected


@pytest.mark.parametrize(
    ("stated", "said", "text", "expected"),
    [
        ("java.lang.IllegalStateException", "closed", "", "IllegalStateException"),
        ("RSpec::Expectations::ExpectationNotMetError", "expected 1", "", "ExpectationNotMetError"),
        ("PHPUnit\\Framework\\ExpectationFailedException", "no", "", "ExpectationFailedException"),
        ("", "networkx.exception.NetworkXError: no path", "", "NetworkXError"),
        ("", "Error: expected 1", "", "Error"),
        ("", "assert 1 == 2", "E   assert 1 == 2\n\ntests/test_a.py:3: AssertionError", "AssertionError"),
        ("testCodeFailure", "no value", "Error\n  cause: TypeError [Error]: no value", "TypeError"),
        ("pytest.xfail", "assert 1 == 2", "", ""),
        ("test failure with exit code 101", "panicked", "", ""),
        ("", "Expected: 1 Got: 2", DOCTEST, ""),
        ("", "An Error occurred", "", ""),
    ],
)
def test_an_exception_is_named_by_the_runner_the_headline_or_the_last_place(
    stated: str, said: str, text: str, expected: str
) -> None:
    assert exception(stated, said, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tests/test_a.py:12: in test\nshop/cart.py:3: KeyError", [("tests/test_a.py", 12), ("shop/cart.py", 3)]),
        ('  File "shop/cart.py", line 3, in f', [("shop/cart.py", 3)]),
        ("./spec/cart_spec.rb:5:in `block'", [("spec/cart_spec.rb", 5)]),
        ("    at f (/src/tree/a.js:1:2)\n    at /src/tree/a.test.js:3:9", [("a.test.js", 3), ("a.js", 1)]),
        ("    at Object.<anonymous> (/usr/lib/b.js:1:1)\n    at node:internal/main:2:3", []),
        ("    at file:///src/tree/a.mjs:3:9", [("a.mjs", 3)]),
        ("thread 'x' panicked at src/lib.rs:7:5:\nboom", [("src/lib.rs", 7)]),
        ("   at Shop.Tests.Sells() in /src/tree/Tests.cs:line 12", [("Tests.cs", 12)]),
        ("\tat com.shop.CartTest.sells(CartTest.java:42)", []),
        ('  File "/src/tree/.venv/lib/python3.11/site-packages/x/y.py", line 3, in f', []),
        ("node_modules/jest/x.js:3: in f", []),
        ("../elsewhere/a.py:3: KeyError", []),
        ("12:30:45 started", []),
    ],
)
def test_places_are_those_of_the_project_itself_the_innermost_last(
    text: str, expected: list[tuple[str, int]]
) -> None:
    assert list(places(text, Tree("/src/tree"))) == expected


def test_a_long_text_keeps_both_ends() -> None:
    shortened = cut("first\n" + "x" * 100_000 + "\nlast\n")

    assert len(shortened) < 5_000
    assert shortened.startswith("first\n")
    assert shortened.endswith("\nlast")
    assert "[... 96,011 characters ...]" in shortened
