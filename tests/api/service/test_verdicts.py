"""`completed` is a claim, not a fact: gates, merges and reviews decide."""

from __future__ import annotations

import pytest

from api.schemas import ReviewRequest
from api.service.service import Service
from domain.errors import InvalidRequestError, NotReportedError
from domain.gates import command_gate
from tests.api.service.conftest import ADMIN, SetClock, Worker, bad, good, submit, submit_tree


async def test_work_whose_gates_have_passed_moves_the_head(service: Service) -> None:
    task = await submit_tree(service, files=1, gates=("make test",))
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    verdict = await worker.gates(good("make test"), commit="c1", files=("m001.py",))

    assert (verdict.outcome, verdict.head) == ("accepted", "c1")
    assert (await service.task(task.id)).head == "c1"


async def test_a_verdict_that_was_lost_on_its_way_is_given_again(service: Service) -> None:
    await submit_tree(service, files=2)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    await worker.gates(good())

    assert (await worker.gates(good())).outcome == "accepted"


async def test_work_on_an_old_head_is_to_be_merged_again(service: Service) -> None:
    await submit_tree(service, files=2)
    one, two = await Worker(service, "w1").at_work(), await Worker(service, "w2").at_work()
    await one.complete()
    await two.complete()
    await one.gates(good(), commit="c1", head="c0")

    behind = await two.gates(good(), commit="c2", head="c0")

    assert (behind.outcome, behind.head) == ("behind", "c1")
    assert (await two.gates(good(), commit="c2", head="c1")).outcome == "accepted"


async def test_a_gate_that_fails_refuses_the_work(service: Service) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    verdict = await worker.gates(good("scope"), bad())

    assert (verdict.outcome, verdict.reason) == ("rejected", "tests: 2 failed")
    assert (await service.subtask(worker.lease.subtask_id, ADMIN)).failures == 1


async def test_a_conflict_is_no_fault_of_the_worker(service: Service) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    verdict = await worker.gates(good(), conflicts=("m001.py",))

    view = await service.subtask(worker.lease.subtask_id, ADMIN)
    assert verdict.outcome == "released"
    assert (view.status, view.failures) == ("ready", 0)


async def test_required_gates_are_waited_for(service: Service) -> None:
    await submit_tree(service, files=1, required_gates=("scope", "tests"))
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    assert (await worker.gates(good("scope"))).outcome == "pending"
    assert (await worker.gates(good("tests"))).outcome == "accepted"


async def test_work_waits_for_every_command_that_the_task_names(service: Service) -> None:
    await submit_tree(service, files=1, gates=("make test", "make check"))
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    nothing = await worker.gates(commit="c1")
    made_up = await worker.gates(good("looks good"), command_gate("make test", 0, "", 1.0), commit="c1")
    whole = await worker.gates(command_gate("make check", 0, "", 1.0), commit="c1")

    assert (nothing.outcome, nothing.reason) == ("pending", "gates are missing: make test, make check")
    assert (made_up.outcome, made_up.reason) == ("pending", "gates are missing: make check")
    assert whole.outcome == "accepted"


@pytest.mark.parametrize("stray", ["m002.py", "../../etc/passwd"])
async def test_work_that_leaves_its_scope_is_rejected_whatever_its_gates_say(service: Service, stray: str) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    verdict = await worker.gates(good("scope"), files=(stray, "m001.py"))

    assert (verdict.outcome, verdict.reason) == ("rejected", f"scope: changed outside its scope: {stray}")


async def test_a_verdict_without_a_head_is_told_the_head(service: Service) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()

    verdict = await worker.gates(good(), head="")

    assert (verdict.outcome, verdict.reason) == ("behind", "the head is c0, and none was given: merge again")


async def test_there_is_no_verdict_on_work_that_nobody_says_is_done(service: Service) -> None:
    await submit_tree(service, files=1)
    worker = await Worker(service, "w1").at_work()

    with pytest.raises(NotReportedError):
        await worker.gates(good())


async def test_work_that_needs_a_review_waits_for_it_and_is_merged_then(service: Service) -> None:
    await submit_tree(service, files=1, reviews=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    pending = await worker.gates(good())
    review = ReviewRequest(reviewer="w2", lease_epoch=1, approve=True)

    await service.review(worker.lease.subtask_id, review, ADMIN)

    assert pending.outcome == "pending"
    assert (await worker.gates()).outcome == "accepted"


async def test_a_reviewer_can_refuse_the_work(service: Service) -> None:
    await submit_tree(service, files=1, reviews=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    await worker.gates(good())
    review = ReviewRequest(reviewer="w2", lease_epoch=1, approve=False, comment="no tests")

    verdict = await service.review(worker.lease.subtask_id, review, ADMIN)

    assert (verdict.outcome, verdict.reason) == ("rejected", "review: w2: no tests")


async def test_nobody_reviews_his_own_work(service: Service) -> None:
    await submit_tree(service, files=1, reviews=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    review = ReviewRequest(reviewer="w1", lease_epoch=1, approve=True)

    with pytest.raises(InvalidRequestError, match="somebody else has to review"):
        await service.review(worker.lease.subtask_id, review, ADMIN)


async def test_work_without_a_tree_waits_for_its_reviews_alone(service: Service, clock: SetClock) -> None:
    task = await submit(service, files=1, reviews=1)
    worker = await Worker(service, "w1").at_work()
    await worker.complete()
    clock.forward(1000)
    await service.leases.sweep()

    verdict = await service.review(
        worker.lease.subtask_id, ReviewRequest(reviewer="w2", lease_epoch=1, approve=True), ADMIN
    )

    assert verdict.outcome == "accepted"
    assert (await service.task(task.id)).status == "completed"
