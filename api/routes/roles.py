"""Who may use a route. Whose worker and whose lease it is, the service itself looks after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.auth.principal import Principal, Role
from api.front.layer import PRINCIPAL
from domain.errors import ForbiddenError

if TYPE_CHECKING:
    from litestar.types import Scope

Roles = frozenset[Role]

#: No key is needed.
EVERYBODY: Roles = frozenset()
#: Whoever has a key.
CALLERS: Roles = frozenset(("admin", "planner", "worker", "viewer"))
READERS: Roles = frozenset(("admin", "planner", "viewer"))
PLANNERS: Roles = frozenset(("admin", "planner"))
WORKERS: Roles = frozenset(("admin", "worker"))
#: A worker may be asked to look at the tree.
OBSERVERS: Roles = PLANNERS | WORKERS


def check_role(scope: Scope, roles: Roles) -> None:
    """Raise `ForbiddenError` where the caller has none of the roles."""
    if not roles:
        return
    principal: Principal = scope["state"][PRINCIPAL]
    if principal.role not in roles:
        raise ForbiddenError(f"a key of role {principal.role} may not do this: {', '.join(sorted(roles))}")
