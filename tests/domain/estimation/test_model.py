"""Snapshots of what was learnt."""

from __future__ import annotations

import msgspec
import pytest

from domain.errors import ModelError
from domain.estimation.explain import estimate
from domain.estimation.model import empty, fold_all, restored, snapshot
from tests.domain.estimation.conftest import features, history, learned


def test_a_snapshot_says_up_to_where_and_gives_the_same_estimates() -> None:
    learner = learned(250)

    model = snapshot(learner)

    assert (model.position, model.completions, len(model.strengths)) == (250, 250, 6)
    assert estimate(restored(model), features(3)) == estimate(learner, features(3))


def test_a_changed_snapshot_is_refused() -> None:
    model = fold_all(empty(), history(10))

    with pytest.raises(ModelError, match="not what its hash says"):
        restored(msgspec.structs.replace(model, state=model.state.replace(b'"position":10', b'"position":11')))


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ModelError, match="version 99"):
        restored(msgspec.structs.replace(empty(), version=99))


def test_other_completions_make_another_hash() -> None:
    assert fold_all(empty(), history(10, 1)).sha256 != fold_all(empty(), history(10, 2)).sha256
