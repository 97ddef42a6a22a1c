"""Handing in finished work: merged onto the task's head, and again where the head has moved meanwhile."""

from __future__ import annotations

import msgspec

from api.client.client import Client
from api.runner.checks import Verdict
from api.runner.trees import Checkout
from api.schemas import GatesRequest, Lease, VerdictReply
from domain.errors import PayloadTooLargeError

#: As much of a worker's summary as becomes part of the commit's message, in characters.
_SUMMARY_LENGTH = 4000
#: As much of a body as a server takes: more changed files than that have names for are not work that anybody reads.
_FILES_MAX = 50_000


async def hand_in(
    client: Client, lease: Lease, verdict: Verdict, summary: str, checkout: Checkout | None
) -> VerdictReply:
    """Ask for the verdict; what is accepted is on the task's branch afterwards.

    The service knows of the commit before the branch moves to it: the branch follows the ledger.
    """
    request = GatesRequest(
        worker_id=lease.worker_id, lease_epoch=lease.lease_epoch, gates=verdict.gates, head=lease.base_commit
    )
    if verdict.failed is not None:
        return await client.judge(lease.subtask_id, request)
    if len(verdict.changed) > _FILES_MAX:
        raise PayloadTooLargeError(f"{len(verdict.changed)} files were changed, the limit is {_FILES_MAX}")
    if checkout is None:
        reply = await client.judge(lease.subtask_id, request)
        while reply.outcome == "behind":
            request = msgspec.structs.replace(request, head=reply.head)
            reply = await client.judge(lease.subtask_id, request)
        return reply
    request = msgspec.structs.replace(request, files=tuple(sorted(verdict.changed)))
    async with checkout.merging:
        return await _merge(client, lease, request, verdict.tree, _commit_message(lease, summary), checkout)


async def _merge(
    client: Client, lease: Lease, request: GatesRequest, tree: str, message: str, checkout: Checkout
) -> VerdictReply:
    repository, task = checkout.repository, lease.task_id
    work = await repository.commit_tree(tree, lease.base_commit, message) if request.files else lease.base_commit
    head = checkout.heads.get(task, lease.base_commit)
    while True:
        if not request.files:
            # Where nothing had to change, the branch gets no commit.
            commit, conflicts = head, tuple[str, ...]()
        elif head == lease.base_commit:
            commit, conflicts = work, tuple[str, ...]()
        else:
            merged = await repository.merge(head, work)
            conflicts = merged.conflicts
            commit = "" if conflicts else await repository.commit_tree(merged.tree, head, message)
        request = msgspec.structs.replace(request, commit=commit, head=head, conflicts=conflicts)
        reply = await client.judge(lease.subtask_id, request)
        if reply.outcome == "behind":
            head = checkout.heads[task] = reply.head
            continue
        if reply.outcome == "accepted":
            checkout.heads[task] = commit
            await repository.advance_branch(lease.branch, commit)
        return reply


def _commit_message(lease: Lease, summary: str) -> str:
    title = lease.title.splitlines()[0]
    note = f"\n\n{summary[:_SUMMARY_LENGTH]}" if summary else ""
    return f"{title[:72]}{note}\n\nParallel-Workers-Subtask: {lease.subtask_id}"
