"""Every error has a status, and none is said to be the server's fault that is the caller's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.problems import ERRORS, KINDS, encode, kind_of, problem_of
from domain import errors
from domain.errors import BehindError, ParallelWorkersError, UnknownTaskError


def all_errors(cls: type[ParallelWorkersError] = ParallelWorkersError) -> Iterator[type[ParallelWorkersError]]:
    yield cls
    for sub in cls.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield from all_errors(sub)


@pytest.mark.parametrize("cls", list(all_errors()))
def test_every_error_has_a_kind_of_its_own(cls: type[ParallelWorkersError]) -> None:
    assert cls in KINDS


def test_no_two_errors_share_a_slug() -> None:
    slugs = [kind.slug for kind in KINDS.values()]
    assert len(slugs) == len(set(slugs))


def test_a_slug_leads_back_to_its_error() -> None:
    assert ERRORS["stale-lease"] is errors.StaleLeaseError


def test_only_what_the_caller_cannot_help_is_the_servers_fault() -> None:
    at_fault = {cls.__name__ for cls, kind in KINDS.items() if kind.status >= 500}
    assert at_fault == {
        "ParallelWorkersError", "ServiceError", "LedgerError", "OverloadedError", "OutcomeUnknownError",
        "RebuildError", "ModelError",
    }  # fmt: skip


def test_an_error_without_a_kind_is_what_its_class_is() -> None:
    class NewTaskError(UnknownTaskError):
        pass

    assert kind_of(NewTaskError("x")) == KINDS[UnknownTaskError]


def test_the_detail_is_one_line() -> None:
    assert problem_of(UnknownTaskError("one\n two")).detail == "one two"


def test_a_problem_of_being_behind_has_the_head() -> None:
    assert problem_of(BehindError("moved", "abc")).head == "abc"


def test_fields_without_a_value_are_left_out() -> None:
    body, _ = encode(problem_of(UnknownTaskError("x")))
    assert b"errors" not in body
    assert b"retry" not in body
