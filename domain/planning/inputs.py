"""What a plan rests on beside a tool's output and the task's policy, written down so that it can be made again."""

from __future__ import annotations

import msgspec

from domain.analysis.co_change import CoChange
from domain.errors import LedgerError, ModelError
from domain.estimation.model import Model, ModelReference, snapshot
from domain.experience import Experience, experience_of

#: A larger model is named and not kept: it can be made again of the ledger that taught it.
_MODEL_BYTES_MAX = 1 << 20


class Together(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Two files that change together, the lesser name first."""

    first: str
    second: str
    #: Merges that changed both.
    merges: int


class PlanningInputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tree as its sender knew it, and what the ledger's history said at that moment."""

    #: The files that existed; None: those that the report names.
    files: tuple[str, ...] | None = None
    #: Which file needs which others, by path.
    imports: dict[str, tuple[str, ...]] = {}
    #: The text of CODEOWNERS.
    code_owners: str = ""
    #: The model of efforts, which is kept whole where it is small; None where it is only named.
    reference: ModelReference = ModelReference()
    model: Model | None = None
    #: Merges that were counted, how many of them changed a file, and how many two of them together.
    merges: int = 0
    changes: dict[str, int] = {}
    together: tuple[Together, ...] = ()

    def encoded(self) -> bytes:
        """Give the inputs as JSON, the same bytes for the same inputs."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def co_change(self) -> CoChange:
        """Which files changed together, as far as plans look at it."""
        together = {(pair.first, pair.second): pair.merges for pair in self.together}
        return CoChange(merges=self.merges, changes=self.changes, together=together)

    @property
    def experience(self) -> Experience:
        """What the history said.

        Raises `ModelError` where the model of efforts is not kept, or is of a version that this release cannot use.
        """
        if self.model is None:
            raise ModelError(f"the model of efforts {self.reference.sha256[:12] or 'without a name'} is not kept")
        return experience_of(self.model, self.co_change)


def inputs_of(
    files: tuple[str, ...] | None, imports: dict[str, tuple[str, ...]], code_owners: str, experience: Experience
) -> PlanningInputs:
    """Write down what a plan rests on.

    Of the files that change together only those that do so often enough to be believed: no plan looks at others.
    """
    co_change = experience.co_change
    pairs = sorted((pair.first, pair.second, pair.together) for pair in co_change.partners())
    named = {path for first, second, _ in pairs for path in (first, second)}
    model = snapshot(experience.learner)
    return PlanningInputs(
        files=files,
        imports=imports,
        code_owners=code_owners,
        reference=experience.model,
        model=model if len(model.state) <= _MODEL_BYTES_MAX else None,
        merges=co_change.merges if pairs else 0,
        changes={path: co_change.changes[path] for path in named},
        together=tuple(Together(first=first, second=second, merges=merges) for first, second, merges in pairs),
    )


def decode_inputs(data: bytes) -> PlanningInputs:
    """Read inputs; raises `LedgerError` where the bytes are none."""
    try:
        return msgspec.json.decode(data, type=PlanningInputs)
    except msgspec.MsgspecError as error:
        raise LedgerError(f"the recorded inputs of a plan cannot be read: {error}") from error
