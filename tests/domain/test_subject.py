"""What a problem is about, tool by tool."""

from __future__ import annotations

import pytest

from domain.subject import subject_of
from domain.template import mask


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        # rustc
        ("cannot find type `Foo` in this scope", "Foo"),
        ("no field `kind` on type `&Unit`", "kind"),
        ("struct `Unit` has no field named `kind`", "kind"),
        ("no method named `run` found for struct `Job` in the current scope", "run"),
        ("conflicting implementations of trait `Clone` for type `Unit`", "Unit"),
        ("the trait bound `PackageId: Copy` is not satisfied", "PackageId"),
        ("binary operation `==` cannot be applied to type `Unit`", "Unit"),
        ("cannot move out of `*id` which is behind a shared reference", "id"),
        ("`?` operator has incompatible types", ""),
        ("mismatched types", ""),
        # mypy
        ('"Job" has no attribute "run"', "run"),
        ('Item "None" of "Job | None" has no attribute "run"', "run"),
        ('Argument 1 to "cancel" has incompatible type "str"; expected "Job"', "cancel"),
        ('Argument "job" to "cancel" of "Scheduler" has incompatible type "str"; expected "Job"', "cancel"),
        ('Unexpected keyword argument "x" for "cancel"', "cancel"),
        ('Incompatible types in assignment (expression has type "int", variable has type "str")', ""),
        ('Name "np" is not defined', "np"),
        # pyright
        ('Cannot access attribute "run" for class "Job"', "run"),
        ('Argument of type "str" cannot be assigned to parameter "a" of type "Job" in function "cancel"', "cancel"),
        ('Type "str" is not assignable to declared type "Job"', ""),
        # tsc
        ("Property 'run' does not exist on type 'Job'.", "run"),
        ("Module '\"./job\"' has no exported member 'Job'.", "Job"),
        (
            "Could not find a declaration file for module 'yargs'. '/n/yargs.js' implicitly has an 'any' type.",
            "yargs",
        ),
        ("Type 'string' is not assignable to type 'Job'.", ""),
        # gcc, clang
        ("‘struct job’ has no member named ‘run’", "run"),  # noqa: RUF001
        ("invalid use of undefined type ‘struct job’", "job"),  # noqa: RUF001
        ("conversion from ‘int’ to ‘char’ may change value", ""),  # noqa: RUF001
        ("zmq.h: No such file or directory", "zmq.h"),
        # Python's own words
        ("AttributeError: module 'itertools' has no attribute 'product'", "product"),
        ("ModuleNotFoundError: No module named 'yaml'", "yaml"),
        # linters
        ("'os' imported but unused", "os"),
        ("Undefined name `job`", "job"),
        ("`for` loop variable `line` overwritten by assignment target", "line"),
        ("Expected '===' and instead saw '=='.", ""),
        ("Use `X | None` for type annotations", ""),
    ],
)
def test_a_message_is_about_what_is_missing_or_wrong(message: str, subject: str) -> None:
    masked = mask(message)

    assert subject_of(masked.template, masked.slots) == subject


def test_a_message_with_fewer_names_than_its_template_is_about_nothing() -> None:
    assert subject_of("<> has no attribute <>", ("Job",)) == ""
