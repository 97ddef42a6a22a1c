"""What may be chosen otherwise when a task is simulated again."""

from __future__ import annotations

import pytest

from domain.errors import UsageError
from projections.replay.changes import Changes, changes_of


def test_choices_are_read() -> None:
    said = ["workers=4", "strategy=file", "estimator=raw", "failures=0.2"]

    assert changes_of(said) == Changes(workers=4, strategy="file", estimator="raw", failures=0.2)
    assert changes_of(["estimator=0a1b2c3d"]) == Changes(estimator="0a1b2c3d")
    assert changes_of(["failures=.5"]) == Changes(failures=0.5)


@pytest.mark.parametrize(
    "said",
    [
        "speed=2", "workers", "workers=", "workers=0", "workers=-1", "workers=1.5", "workers=9999", "strategy=luck",
        "strategy=", "estimator=guess", "estimator=AB12", "failures=1", "failures=-0.1", "failures=nan", "",
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line_that_names_what_is_allowed(said: str) -> None:
    with pytest.raises(
        UsageError, match=r"workers=1\.\.1024, strategy=auto\|.*, estimator=raw\|.*, failures=0\.\."
    ) as told:
        changes_of([said])
    assert "\n" not in str(told.value)


def test_to_change_nothing_or_one_thing_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="changes nothing"):
        changes_of([])
    with pytest.raises(UsageError, match="says workers twice"):
        changes_of(["workers=1", "workers=2"])
