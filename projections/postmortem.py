"""The questions of a post-mortem: SQL files that psql can run as they are, and their answers for one task."""

from __future__ import annotations

import functools
import importlib.resources
import re
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow

from domain.ids import TaskId

_FOLDER = importlib.resources.files("sql").joinpath("postmortem")
_NAME = re.compile(r"(\d\d)_(\w+)\.sql")
#: The parameter as psql quotes it.
_TASK = ":'task'"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What can be asked of a task that is over, or of what there is of it so far."""

    number: int
    #: As the file is named, without number: `where_did_the_time_go`.
    name: str
    title: str
    #: How to read the answer, in words.
    reading: str

    @property
    def file_name(self) -> str:
        """The name of its file in `sql/postmortem`."""
        return f"{self.number:02}_{self.name}.sql"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a query has given; columns mean what the file's header says."""

    question: Question
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@functools.cache
def questions() -> tuple[Question, ...]:
    """List the questions in the order of their numbers."""
    names = (match for file in _FOLDER.iterdir() if (match := _NAME.fullmatch(file.name)))
    return tuple(
        _question(int(match[1]), match[2], _FOLDER.joinpath(match[0]).read_text(encoding="utf-8"))
        for match in sorted(names, key=lambda match: match[0])
    )


async def answer(connection: psycopg.AsyncConnection[TupleRow], question: Question, task_id: TaskId) -> Answer:
    """Ask about one task; of a task that the read models do not hold there are no rows.

    Raises `psycopg.Error`.
    """
    cursor = await connection.execute(_statement(question.file_name), {"task": task_id})
    rows = tuple(await cursor.fetchall())
    return Answer(question=question, columns=tuple(column.name for column in cursor.description or ()), rows=rows)


@functools.cache
def _statement(file_name: str) -> LiteralString:
    text = _FOLDER.joinpath(file_name).read_text(encoding="utf-8")
    # From our own files.
    return text.replace("%", "%%").replace(_TASK, "%(task)s")


def _question(number: int, name: str, text: str) -> Question:
    """Read a file's header: the question, an empty line, how to read the answer, up to the next empty line."""
    header = [line.removeprefix("--").strip() for line in text.split("\n\n", 1)[0].splitlines()]
    title, *paragraphs = "\n".join(header).split("\n\n")
    return Question(number=number, name=name, title=title, reading=" ".join(paragraphs[0].split()))
