"""What a request says, read strictly: what is not as it should be is refused, and the part is named."""

from __future__ import annotations

import functools
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from domain.errors import InvalidRequestError

_T = TypeVar("_T")

#: More than any request needs, and few enough that taking them apart costs nothing.
_PARAMETERS_MAX = 2000


class InvalidPartError(InvalidRequestError):
    """Names the parts that are wrong, for problem details."""

    def __init__(self, message: str, *errors: str) -> None:
        super().__init__(message)
        self.errors = errors


def decode(body: bytes, kind: type[_T], what: str = "the body") -> _T:
    """Read JSON; raises `InvalidRequestError`."""
    decoder: msgspec.json.Decoder[_T] = _decoder(_hashable(kind))
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidPartError(f"{what} is not as it should be", _lower(error)) from error
    except (ValueError, RecursionError) as error:
        # Not UTF-8, no JSON, or nested without end.
        raise InvalidRequestError(f"{what} is no JSON that can be read: {_lower(error)}") from error
    return decoded


def decode_query(query: bytes, kind: type[_T]) -> _T:
    """Read the parameters behind the `?` into a struct; raises `InvalidRequestError`."""
    names, lists = _parameters(_hashable(kind))
    values: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidRequestError(f"the query cannot be read: {_lower(error)}") from error
    for name, value in pairs:
        if name not in names:
            raise InvalidPartError(
                f"there is no parameter {name[:100]!r} here", f"known: {', '.join(sorted(names)) or 'none'}"
            )
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidRequestError(f"the parameter {name!r} is given twice")
        else:
            values[name] = value
    return convert(values, kind, "a parameter")


def convert(value: object, kind: type[_T], what: str) -> _T:
    """Read what came as text; raises `InvalidRequestError`."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidPartError(f"{what} is not as it should be", _lower(error)) from error


def _hashable(kind: Any) -> Any:
    # All types are, which a type checker does not believe of a variable one.
    return kind


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@functools.cache
def _parameters(kind: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Name all fields of a struct, and those that may be given several times."""
    fields = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    lists = (field.encode_name for field in fields if _is_list(field.type))
    return frozenset(field.encode_name for field in fields), frozenset(lists)


def _is_list(kind: msgspec.inspect.Type) -> bool:
    plain = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    return isinstance(plain, msgspec.inspect.VarTupleType)


def _lower(error: Exception) -> str:
    text = str(error)
    # `JSON` stays what it is.
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
