"""Columns of read models, by what Postgres calls them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Double, Integer, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine
from sqlmodel import Field


def _column(kind: TypeEngine[Any], *, key: bool, null: bool) -> Any:
    # A key's column cannot be null, whatever is said of it.
    return Field(sa_type=kind, primary_key=key, nullable=null)


def text(*, key: bool = False, null: bool = False) -> Any:
    """Give a column of text."""
    return _column(Text(), key=key, null=null)


def texts() -> Any:
    """Give a column of lists of text."""
    return _column(postgresql.ARRAY(Text()), key=False, null=False)


def counts() -> Any:
    """Give a column of lists of whole numbers."""
    return _column(postgresql.ARRAY(Integer()), key=False, null=False)


def flag(*, null: bool = False) -> Any:
    """Give a column of truth."""
    return _column(Boolean(), key=False, null=null)


def count(*, key: bool = False, null: bool = False) -> Any:
    """Give a column of whole numbers."""
    return _column(Integer(), key=key, null=null)


def position(*, key: bool = False, null: bool = False) -> Any:
    """Give a column of positions in the ledger, and of other large whole numbers."""
    return _column(BigInteger(), key=key, null=null)


def real(*, null: bool = False) -> Any:
    """Give a column of seconds, shares, or dollars."""
    return _column(Double(), key=False, null=null)


def moment(*, null: bool = False) -> Any:
    """Give a column of moments."""
    return _column(DateTime(timezone=True), key=False, null=null)


def type_of(column: Any) -> str:
    """Give the type of a table's column in Postgres's words."""
    return str(column.type.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
