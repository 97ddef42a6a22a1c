"""Places in SARIF: artifact locations resolved to paths.

A location names its file by a URI, by a URI below a named base, or by an index into the run's artifacts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec

from domain.readers.places import OutsideTreeError

# Two letters at least: one letter and a colon is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_FILE_URI = re.compile(r"file:(?://[^/]*)?(?P<path>.*)", re.IGNORECASE | re.DOTALL)
_DRIVE_PATH = re.compile(r"/(?=[A-Za-z]:/)")


class ArtifactLocation(msgspec.Struct, rename="camel", gc=False):
    """Which file, as SARIF says it."""

    uri: str | None = None
    uri_base_id: str | None = None
    index: int = -1


class Artifact(msgspec.Struct, rename="camel", gc=False):
    """A file of the run's list."""

    location: ArtifactLocation | None = None


def path_of(location: ArtifactLocation, bases: Mapping[str, ArtifactLocation], artifacts: Sequence[Artifact]) -> str:
    """Tell the path that a location means, relative to where the tool ran or absolute; "" where it names none.

    A base without a URI, such as `%SRCROOT%` by custom, stands for where the tool ran.
    Raises `OutsideTreeError` for a URI that is no file.
    """
    if location.uri is None and 0 <= location.index < len(artifacts):
        location = artifacts[location.index].location or location
    uri = _absolute_uri(location, bases)
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return unquote(uri)
    file = _FILE_URI.fullmatch(uri)
    if file is None:
        raise OutsideTreeError(f"{uri} is not a file of the tree")
    return _DRIVE_PATH.sub("", unquote(file["path"]), count=1)


def _absolute_uri(location: ArtifactLocation, bases: Mapping[str, ArtifactLocation]) -> str:
    uri, base_id = location.uri or "", location.uri_base_id
    # Bases may stand on bases; as many steps as there are bases end a circle.
    for _ in range(len(bases)):
        base = bases.get(base_id) if base_id is not None else None
        if base is None or uri.startswith("/") or _SCHEME.match(uri):
            break
        if base.uri:
            uri = f"{base.uri.rstrip('/')}/{uri}"
        base_id = base.uri_base_id
    return uri
