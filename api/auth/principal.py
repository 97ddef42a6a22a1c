"""Who makes a request."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["admin", "planner", "worker", "viewer"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a request, and in which role."""

    role: Role
    #: None where no key was needed: on a private socket, or on loopback while there is no key.
    key_id: str | None = None
    name: str = ""


#: Whoever can reach a private socket.
LOCAL = Principal(role="admin", name="local")
