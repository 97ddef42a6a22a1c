"""Snapshots of what was learnt, and the fold as a function of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from domain.errors import ModelError
from domain.estimation.features import Completion
from domain.estimation.learner import Learner
from domain.estimation.prior import VAGUE, Prior
from domain.estimation.state import State

VERSION = 2
"""Raised whenever the same completions would make another model."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger had taught up to a position."""

    version: int
    #: Of the last event that counts.
    position: int
    completions: int
    #: How far each level is believed, in thousandths of a completion, in the order of `LEVELS`.
    strengths: tuple[int, ...]
    #: The statistics, as JSON with sorted names.
    state: bytes
    #: Of version and statistics, in hex.
    sha256: str


class ModelReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Names a model: by what it knows, and by how far it has learnt the ledger, which makes the same of it again."""

    sha256: str = ""
    position: int = 0


def snapshot(learner: Learner) -> Model:
    """Keep what a learner knows."""
    state = learner.state
    encoded = msgspec.json.encode(state, order="deterministic")
    return Model(
        version=VERSION,
        position=state.position,
        completions=state.completions,
        strengths=tuple(state.strengths),
        state=encoded,
        sha256=_hash(VERSION, encoded),
    )


def restored(model: Model) -> Learner:
    """Give a learner that knows what was kept.

    Raises `ModelError` where the snapshot is of another version or not what its hash says.
    """
    if model.version != VERSION:
        raise ModelError(f"the model is of version {model.version}, this program makes version {VERSION}: train anew")
    if _hash(model.version, model.state) != model.sha256:
        raise ModelError(f"the model at position {model.position} is not what its hash says: train anew")
    return Learner(msgspec.json.decode(model.state, type=State))


def empty(prior: Prior = VAGUE) -> Model:
    """Give the model of a ledger without completions."""
    return snapshot(Learner(prior=prior))


def fold(model: Model, *completions: Completion) -> Model:
    """Give the model after further completions, in the ledger's order."""
    return fold_all(model, completions)


def fold_all(model: Model, completions: Iterable[Completion]) -> Model:
    """Give the model after further completions, however many."""
    learner = restored(model)
    for completion in completions:
        learner.learn(completion)
    return snapshot(learner)


def _hash(version: int, state: bytes) -> str:
    return hashlib.sha256(b"%d\n" % version + state).hexdigest()
