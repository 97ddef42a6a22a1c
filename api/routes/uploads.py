"""A tool's output as it is sent: in JSON, as a part of a form, or simply as the body.

- `application/json`: the request, with the output in `report`
- `multipart/form-data`: the output in the part `report`, the request as JSON in the part `request`, or as parameters
- any other type: the body is the output, as `curl --data-binary @FILE` sends it, the request are the parameters
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec
from litestar.datastructures import UploadFile
from msgspec import Meta

from api.routes.endpoint import JSON, Bodies, HttpRequest
from api.routes.reading import InvalidPartError, convert, decode, decode_query
from api.schemas import ObservationRequest, Policy, TaskRequest, Tree
from domain.errors import InvalidRequestError
from domain.planning.request import Strategy

_FORM = "multipart/form-data"
_NO_CONTROLS = r"^[^\x00-\x1f]*$"
_Line = Annotated[str, Meta(max_length=1000, pattern=_NO_CONTROLS)]

_Request = TypeVar("_Request", TaskRequest, ObservationRequest)
_Made = TypeVar("_Made", TaskRequest, ObservationRequest, covariant=True)


class Parameters(Protocol[_Made]):
    """A request in parameters of the query."""

    def request(self) -> _Made:
        """Put them into the request that they stand for, without a report."""


class ObservationParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with raw output; with a request in JSON, nothing does."""

    format: _Line = "auto"
    #: The commit that was looked at.
    commit: _Line = ""
    #: What absolute paths of the output are relative to; left out: found out from the output.
    root: _Line | None = None

    def request(self) -> ObservationRequest:
        """Give the observation."""
        return ObservationRequest(report="", format=self.format, tree=Tree(commit=self.commit, root=self.root))


class TaskParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with raw output; with a request in JSON, nothing does."""

    format: _Line = "auto"
    name: Annotated[str, Meta(max_length=200, pattern=_NO_CONTROLS)] = ""
    #: Where a runner finds the tree.
    repository: _Line = ""
    #: Folder below the repository's root in which the tool ran.
    prefix: _Line = ""
    #: The commit that was looked at.
    commit: _Line = ""
    #: What absolute paths of the output are relative to; left out: found out from the output.
    root: _Line | None = None
    strategy: Strategy = "auto"
    #: Workers to plan for; left out: as many as are worth it.
    workers: Annotated[int, Meta(ge=1, le=1024)] | None = None
    target: Literal["all", "fixable", "fixable-unsafe"] = "all"

    def request(self) -> TaskRequest:
        """Give the task."""
        return TaskRequest(
            report="",
            name=self.name,
            format=self.format,
            tree=Tree(repository=self.repository, prefix=self.prefix, commit=self.commit, root=self.root),
            policy=Policy(strategy=self.strategy, workers=self.workers, target=self.target),
        )


def upload_bodies(request: Any) -> Bodies:
    """Describe the three forms, for the documentation."""
    return {JSON: request, _FORM: request, "application/octet-stream": bytes, "text/plain": bytes}


async def read_upload(
    request: HttpRequest, kind: type[_Request], parameters: type[Parameters[_Request]]
) -> tuple[_Request, bytes]:
    """Give a request and the tool's raw output; raises `InvalidRequestError` where one cannot be read."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequestError("a body that is compressed is not read: leave Content-Encoding out")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    query = request.scope["query_string"]
    if media_type == JSON:
        _refuse_parameters(query)
        read = _decode_request(await request.body(), kind)
        return read, read.report.encode()
    if media_type != _FORM:
        return decode_query(query, parameters).request(), await request.body()
    parts = await _parts(request)
    if "report" not in parts:
        raise InvalidPartError("the form has no part named report", f"parts: {', '.join(sorted(parts)) or 'none'}")
    if "request" not in parts:
        return decode_query(query, parameters).request(), parts["report"]
    _refuse_parameters(query)
    fields = decode(parts["request"], dict[str, Any], "the part named request")
    return _from_fields({"report": "", **fields}, kind), parts["report"]


def _decode_request(body: bytes, kind: type[_Request]) -> _Request:
    try:
        return decode(body, kind)
    except InvalidPartError as error:
        raise InvalidPartError(
            str(error), *error.errors, "a tool's own JSON goes under another type, such as application/octet-stream"
        ) from error


def _from_fields(fields: Mapping[str, Any], kind: type[_Request]) -> _Request:
    return convert(fields, kind, "the part named request")


def _refuse_parameters(query: bytes) -> None:
    if query:
        raise InvalidRequestError("parameters go with raw output only: here the request says everything")


async def _parts(request: HttpRequest) -> dict[str, bytes]:
    try:
        form = await request.form()
    except (ValueError, LookupError) as error:
        raise InvalidRequestError("a part of the form is no text: give it a file name") from error
    parts: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if name in parts:
            raise InvalidRequestError(f"the form has two parts named {name[:100]!r}")
        parts[name] = await value.read() if isinstance(value, UploadFile) else str(value).encode()
    return parts
