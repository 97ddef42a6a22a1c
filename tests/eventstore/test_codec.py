"""Bodies become columns and come back as they were; what could not come back is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect as mi

from domain.errors import InvalidEventError, LedgerError, PayloadTooLargeError
from domain.events import Completed, Event, EventBody, Failed, GateEvaluated, Progress, SubtaskReady, Usage
from domain.ids import TaskId
from eventstore.codec import PAYLOAD_BYTES_MAX, decode_records, encode_body
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


def values(declared: mi.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911, PLR0912 - one arm per kind of type
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
        case mi.UUIDType():
            return st.uuids()
        case mi.LiteralType(values=literals):
            return st.sampled_from(literals)
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


def read(kind: str, payload: bytes, schema_version: int = 1) -> EventBody:
    """Read a stored body as the database hands it out."""
    body = payload.decode().replace("{", f'{{"type":"{kind}",', 1)
    line = (
        '{"event":{"task_id":"t","stream_id":"t","message_id":"00000000-0000-0000-0000-000000000001",'
        f'"occurred_at":"2026-03-01T09:30:00+00:00","body":{body}}},"version":1,"position":7,'
        f'"recorded_at":"2026-03-01T09:30:00+00:00","schema_version":{schema_version}}}'
    )
    [record] = decode_records(line.replace(",}", "}"))
    return record.event.body


@pytest.mark.parametrize("cls", BODY_TYPES, ids=lambda cls: str(cls.__struct_config__.tag))
def test_every_body_comes_back_from_its_type_and_payload(cls: type[msgspec.Struct]) -> None:
    decoder = msgspec.json.Decoder(EventBody)

    @settings(max_examples=25, deadline=None)
    @given(body=bodies_of(cls))
    def check(body: EventBody) -> None:
        kind, payload = encode_body(body)
        assert decoder.decode(msgspec.json.encode({"type": kind} | msgspec.json.decode(payload))) == body

    check()


def test_the_type_is_the_tag_and_is_no_part_of_the_payload() -> None:
    assert encode_body(Progress(completed=1, total=2)) == ("progress", b'{"completed":1,"total":2}')


def test_a_body_without_fields_has_an_empty_payload() -> None:
    assert encode_body(SubtaskReady()) == ("subtask_ready", b"{}")


def test_fields_that_are_given_their_default_are_left_out() -> None:
    given = GateEvaluated(gate="tests", passed=True, score=1.0, required=float("1"), seconds=float("0"), detail="")
    assert encode_body(given) == encode_body(GateEvaluated(gate="tests", passed=True, score=1.0))


def test_an_integer_in_a_field_of_floats_is_the_same_as_the_float() -> None:
    assert encode_body(GateEvaluated(gate="t", passed=True, score=1)) == encode_body(
        GateEvaluated(gate="t", passed=True, score=1.0)
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (Progress(completed="1", total=2), "Expected `int`, got `str`"),  # type: ignore[arg-type]
        (Progress(completed=-1, total=2), "Expected `int` >= 0"),
        (Failed(error=None), "Expected `str`, got `null`"),  # type: ignore[arg-type]
        (Failed(error="a\0b"), "a string holds a NUL character"),
        (Failed(error="a\ud800"), "surrogates not allowed"),
        (Completed(result={"a": [float("nan")]}), "nan is not a finite number"),
        (Failed(error="e", usage=Usage(cost=float("inf"))), "inf is not a finite number"),
        (Completed(result={"a": object()}), "Encoding objects of type object is unsupported"),
    ],
)
def test_what_nobody_could_read_back_is_refused_with_the_reason(body: EventBody, reason: str) -> None:
    with pytest.raises(InvalidEventError, match=rf"the payload cannot be kept: .*{re.escape(reason)}"):
        encode_body(body)


def test_what_is_no_body_is_refused() -> None:
    with pytest.raises(InvalidEventError, match=r"^str is no body of an event$"):
        encode_body("started")  # type: ignore[arg-type]


def test_a_backslash_before_u0000_is_no_nul_character() -> None:
    body = Failed(error="\\u0000")
    assert read(*encode_body(body)) == body


def test_a_payload_is_read_as_the_database_spaces_and_orders_it() -> None:
    assert read("progress", b'{"total": 2, "completed": 1}') == Progress(completed=1, total=2)


def test_fields_that_a_later_version_added_are_passed_over() -> None:
    assert read("failed", b'{"error": "e", "colour": "red"}') == Failed(error="e")


def test_a_field_that_is_missing_is_named_with_task_and_position() -> None:
    with pytest.raises(LedgerError, match=r"^the event of t at position 7, of type 'progress', cannot be .*`total`"):
        read("progress", b'{"completed": 1}')


def test_the_size_of_a_payload_is_that_of_its_bytes() -> None:
    with pytest.raises(PayloadTooLargeError, match=rf"the limit is {PAYLOAD_BYTES_MAX}$"):
        encode_body(Failed(error="é" * (PAYLOAD_BYTES_MAX // 2)))


# --- through jsonb ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(any_body, min_size=1, max_size=10))
async def test_what_the_database_gives_back_is_equal_to_what_was_sent_and_a_duplicate_of_it(
    ledger: Ledger, new_event: Callable[..., Event], bodies: list[EventBody]
) -> None:
    sent = [new_event(body=body) for body in bodies]
    receipts = await ledger.append(sent)
    records = await ledger.read_task(TaskId("tree-1"), after=receipts[0].position - 1)

    assert [record.event for record in records] == sent
    # What was read is the same content as what was sent.
    again = await ledger.append([record.event for record in records])
    assert [receipt.status for receipt in again] == ["duplicate"] * len(sent)


_FREE = [
    0.0,
    0.1,
    1e-7,
    5e-324,
    1800.0,
    12345678.9,
    9007199254740991.0,
    2.0**64,
    1e22,
    2**64 - 1,
    -(2**63),
    10**30,
    "ß🙂\u2028",
    "",
]
_COSTS = [0.0, 0.1, 1e-7, 5e-324, 1800.0, 1e16, 1e22, 1.7976931348623157e308]


@pytest.mark.parametrize(
    "bodies",
    [
        [Completed(result={"value": value, "nested": {"b": [value], "a": {}}}) for value in _FREE],
        [Failed(error="e", usage=Usage(cost=cost)) for cost in _COSTS],
    ],
    ids=["in a free result", "in a float field"],
)
async def test_edge_values_come_back_from_the_database(
    ledger: Ledger, new_event: Callable[..., Event], bodies: list[EventBody]
) -> None:
    sent = [new_event(body=body) for body in bodies]
    await ledger.append(sent)
    records = [record.event for record in await ledger.read_task(TaskId("tree-1"))]
    assert records == sent
    assert {receipt.status for receipt in await ledger.append(records)} == {"duplicate"}
