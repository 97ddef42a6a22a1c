"""How an agent works here: told by the server when it connects, and in a repository's AGENTS.md."""

from __future__ import annotations

WORK_LOOP = """\
Parallel Workers has split one big job (compiler errors, lint violations, failing tests) into subtasks that do not get
into each other's way. To work on them, repeat:

1. `claim_subtask` with a `worker_id` of your own. You get a lease and the brief. Without work, end or ask again.
2. `start_subtask` before you change anything: until then the lease is only a short offer.
3. Do what the brief says. Change only the files that it allows.
4. `report_progress` after each file, and before whatever takes minutes: it keeps the lease.
5. `submit_subtask` when the brief's own check is clean, or `report_blocked` when you cannot go on, or
   `release_subtask` when you cannot do it at all.

All calls take `subtask_id`, `worker_id` and `lease_epoch` as `claim_subtask` gave them. `get_subtask` tells them
again, and waits for the answer to what you are blocked by. When a call says that the lease is another worker's, stop
at once and leave the files as they were.
"""
