"""Bodies come back from type and payload as they were, and the content hash is that of what was sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect as mi

from domain.errors import LedgerError
from domain.events import Completed, Event, EventBody, Failed, GateEvaluated, Progress, SubtaskReady, Usage
from domain.ids import StreamId, TaskId, WorkerId
from eventstore.codec import PAYLOAD_BYTES_MAX, content_hash, decode_body, encode_body
from eventstore.ledger import Ledger

BODY_TYPES: tuple[type[msgspec.Struct], ...] = get_args(EventBody)

# --- every body, made from its declared types ------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**63), 2**64 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def values(declared: mi.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911 - one arm per kind of type
    match declared:
        case mi.NoneType():
            return st.none()
        case mi.BoolType():
            return st.booleans()
        case mi.IntType(ge=least):
            return integers if least is None else st.integers(least, 2**64 - 1)
        case mi.FloatType():
            return floats
        case mi.StrType():
            return texts
        case mi.AnyType():
            return json_values
        case mi.VarTupleType(item_type=item):
            return st.lists(values(item), max_size=3).map(tuple)
        case mi.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=3)
        case mi.UnionType(types=types):
            return st.one_of([values(one) for one in types])
        case mi.StructType(cls=cls, fields=fields):
            required = {field.name: values(field.type) for field in fields if field.required}
            optional = {field.name: values(field.type) for field in fields if not field.required}
            return st.fixed_dictionaries(required, optional=optional).map(lambda given: cls(**given))
        case _:
            raise NotImplementedError(f"no strategy for {declared}")


def bodies_of(cls: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return values(mi.type_info(cls))


any_body = st.sampled_from(BODY_TYPES).flatmap(bodies_of)


@pytest.mark.parametrize("cls", BODY_TYPES, ids=lambda cls: str(cls.__struct_config__.tag))
def test_every_body_comes_back_from_its_type_and_payload(cls: type[msgspec.Struct]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(body=bodies_of(cls))
    def check(body: EventBody) -> None:
        assert decode_body(*encode_body(body)) == body

    check()


def test_the_type_is_the_tag_and_is_no_part_of_the_payload() -> None:
    assert encode_body(Progress(completed=1, total=2)) == ("progress", '{"completed":1,"total":2}')


def test_a_body_without_fields_has_an_empty_payload() -> None:
    assert encode_body(SubtaskReady()) == ("subtask_ready", "{}")


def test_a_payload_is_read_as_the_database_spaces_and_orders_it() -> None:
    assert decode_body("progress", '{"total": 2, "completed": 1}') == Progress(completed=1, total=2)


def test_fields_that_a_later_version_added_are_passed_over() -> None:
    assert decode_body("failed", '{"error": "e", "colour": "red"}') == Failed(error="e")


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(LedgerError, match=r"^an event of type 'progress' cannot be read .*`total`"):
        decode_body("progress", '{"completed": 1}')


def test_the_size_of_a_payload_is_that_of_its_bytes() -> None:
    with pytest.raises(LedgerError, match=rf"the limit is {PAYLOAD_BYTES_MAX}$"):
        encode_body(Failed(error="é" * (PAYLOAD_BYTES_MAX // 2)))


# --- the content hash ------------------------------------------------------------------------------------

EVENT = Event(
    task_id=TaskId("tree-1"),
    stream_id=StreamId("tree-1.1"),
    message_id=UUID(int=1),
    occurred_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    body=GateEvaluated(gate="tests", passed=True, score=1.0),
    worker_id=WorkerId("w1"),
    lease_epoch=1,
)


def event_with(body: EventBody) -> Event:
    return msgspec.structs.replace(EVENT, body=body)


@pytest.mark.parametrize(
    "change",
    [
        {"task_id": "tree-2"},
        {"stream_id": "tree-1.2"},
        {"message_id": UUID(int=2)},
        {"occurred_at": EVENT.occurred_at + timedelta(microseconds=1)},
        {"worker_id": "w2"},
        {"worker_id": None},
        {"lease_epoch": 2},
        {"lease_epoch": None},
        {"body": GateEvaluated(gate="tests", passed=True, score=0.9)},
        {"body": GateEvaluated(gate="tests", passed=False, score=1.0)},
        {"body": GateEvaluated(gate="scope", passed=True, score=1.0)},
        {"body": GateEvaluated(gate="tests", passed=True, score=1.0, detail="d")},
    ],
    ids=str,
)
def test_the_hash_changes_with_every_field(change: dict[str, object]) -> None:
    assert content_hash(msgspec.structs.replace(EVENT, **change)) != content_hash(EVENT)


def test_the_hash_tells_apart_types_with_the_same_payload() -> None:
    bodies = [cls() for cls in BODY_TYPES if not any(field.required for field in msgspec.structs.fields(cls))]
    assert len({content_hash(event_with(body)) for body in bodies}) == len(bodies) > 1


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    one, other = {"a": {"x": 1, "y": 2}, "b": 3}, {"b": 3, "a": {"y": 2, "x": 1}}
    assert content_hash(event_with(Completed(result=one))) == content_hash(event_with(Completed(result=other)))


def test_the_hash_does_not_depend_on_the_time_zone() -> None:
    west = EVENT.occurred_at.astimezone(timezone(timedelta(hours=-5)))
    assert content_hash(msgspec.structs.replace(EVENT, occurred_at=west)) == content_hash(EVENT)


def test_the_hash_is_the_one_that_ledgers_hold_already() -> None:
    # Written down: whatever changes this value makes every stored event look like another one.
    known = "06d184312dddf839c78843541c0ca35626a1cd9e1f1ac7e1df4ec537ebe81ccf"
    assert content_hash(EVENT).hex() == known


# --- through jsonb ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(any_body, min_size=1, max_size=10))
async def test_what_the_database_gives_back_is_equal_and_has_the_hash_of_what_was_sent(
    ledger: Ledger, new_event: Callable[..., Event], bodies: list[EventBody]
) -> None:
    sent = [new_event(body=body) for body in bodies]
    receipts = await ledger.append(sent)
    records = await ledger.read_task(TaskId("tree-1"), after=receipts[0].position - 1)

    assert [record.event for record in records] == sent
    assert [content_hash(record.event) for record in records] == [content_hash(event) for event in sent]


_FREE = [0.0, 0.1, 1e-7, 5e-324, 1800.0, 12345678.9, 9007199254740991.0, 2**64 - 1, -(2**63), 10**30, "ß🙂\u2028", ""]
_COSTS = [0.0, 0.1, 1e-7, 5e-324, 1800.0, 1e16, 1e22, 1.7976931348623157e308]


@pytest.mark.parametrize(
    "bodies",
    [
        [Completed(result={"value": value, "nested": {"b": [value], "a": {}}}) for value in _FREE],
        [Failed(error="e", usage=Usage(cost=cost)) for cost in _COSTS],
    ],
    ids=["in a free result", "in a float field"],
)
async def test_edge_values_come_back_from_the_database_with_their_hash(
    ledger: Ledger, new_event: Callable[..., Event], bodies: list[EventBody]
) -> None:
    sent = [new_event(body=body) for body in bodies]
    await ledger.append(sent)
    read = [record.event for record in await ledger.read_task(TaskId("tree-1"))]
    assert [(event, content_hash(event)) for event in read] == [(event, content_hash(event)) for event in sent]
