"""What a plan rests on: written down, and read again as what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis.co_change import CoChange
from domain.errors import LedgerError, ModelError
from domain.experience import Experience
from domain.planning import inputs as recorded
from domain.planning.inputs import decode_inputs, inputs_of

_PATHS = st.sampled_from([f"pkg/m{number}.py" for number in range(6)])
_MERGES = st.lists(st.frozensets(_PATHS, min_size=1, max_size=4), max_size=40)


@given(_MERGES)
def test_what_changes_together_comes_back_as_plans_look_at_it(merges: list[frozenset[str]]) -> None:
    known = CoChange.from_merges(merges)
    again = decode_inputs(inputs_of(None, {}, "", Experience(co_change=known)).encoded())
    assert again.co_change.partners() == known.partners()


def test_the_same_inputs_are_the_same_bytes_in_whatever_order_they_came() -> None:
    one = inputs_of(("a", "b"), {"a": ("b",), "b": ("a",)}, "* @x", Experience())
    other = inputs_of(("a", "b"), {"b": ("a",), "a": ("b",)}, "* @x", Experience())
    assert one.encoded() == other.encoded()
    assert decode_inputs(one.encoded()) == one


def test_the_model_of_efforts_comes_back_whole() -> None:
    experience = Experience()
    again = decode_inputs(inputs_of(None, {}, "", experience).encoded()).experience
    assert again.model == experience.model
    assert again.learner.state == experience.learner.state


def test_a_large_model_is_named_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_MODEL_BYTES_MAX", 10)
    inputs = inputs_of(None, {}, "", Experience())
    assert (inputs.model, inputs.reference) == (None, Experience().model)
    with pytest.raises(ModelError, match=f"{inputs.reference.sha256[:12]} is not kept"):
        _ = inputs.experience


def test_what_is_no_record_of_inputs_is_refused() -> None:
    with pytest.raises(LedgerError, match="the recorded inputs of a plan cannot be read"):
        decode_inputs(b"[]")
