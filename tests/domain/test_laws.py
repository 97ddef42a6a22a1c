"""What holds in every course that a task can take: commands of all kinds in any order, by anybody, early and late."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain import events as e
from domain.errors import InvalidRequestError, LifecycleError, StaleLeaseError, UnknownSubtaskError
from domain.evolution import fold
from domain.ids import SubtaskId, WorkerId
from domain.lifecycle import Answer, Claim, Command, Draft, Judge, Limits, LoseWorker, Release, Report, Review, late
from domain.progress import progress
from domain.readiness import claimable, milestones, more_to_come, over_budget
from domain.task_state import ENDED, LIVE, OVER, SubtaskState
from tests.domain.conftest import QUESTION, TASK, Story, planned

#: The file of each problem.
PATHS = ("a.py", "b.py", "b.py", "c.py", "d.py", "e.py", "e.py", "f.py")
PLANS = (
    planned("a.py", "b.py", "c.py", problems=(0, 1, 2, 3)),
    planned("b.py", problems=()),
    planned("d.py", problems=(4,)),
    planned("e.py", "f.py", problems=(5, 6, 7), after=[3]),
    planned("c.py", "d.py", problems=(), after=[2]),
)
ISSUES = [
    *(e.DependencyWait(required_worker="w2", resource=resource) for resource in ("#1", "#2", "#4", "d.py", "x")),
    e.ExternalDependency(system="registry", issue="down"),
    e.ComplexityExceeded(estimated_additional_time=300.0),
    e.ComplexityExceeded(estimated_additional_time=1e6),
    QUESTION,
]
MESSAGES = [
    e.Started(),
    e.Progress(completed=1, total=4, usage=e.Usage(cost=0.5)),
    e.Completed(summary="done"),
    e.Failed(error="exit code 2"),
    e.Failed(error="no way", recoverable=False),
]
blocks = st.sampled_from(ISSUES).map(lambda issue: e.Blocked(issue=issue))
messages = st.sampled_from(MESSAGES) | blocks
#: Which of those that it may well be about; 9: any.
picks = st.integers(0, 9)
workers = st.sampled_from(["w1", "w2", "w3"])
# Mostly the present epoch, else one before or after it.
epochs_off = st.sampled_from([0, 0, 0, 0, 0, -1, 1])
many_limits = st.builds(
    Limits,
    attempts_max=st.integers(1, 5),
    losses_max=st.integers(2, 5),
    backoff_seconds=st.sampled_from([0.0, 10.0]),
    parks=st.sampled_from([True, True, False]),
    required_gates=st.sampled_from([(), ("tests",)]),
    reviews=st.integers(0, 2),
    cost_max=st.sampled_from([None, 1.0]),
)


class World(Story):
    """A story in which everything follows that follows at a desk."""

    def following(self) -> list[Draft]:
        state = self.state
        own = [*milestones(state), *over_budget(state, self.limits.cost_max)]
        return super().following() + [Draft(body, TASK) for body in own]


class AnyService(RuleBasedStateMachine):
    """A service to which anything may be said at any time."""

    story: World

    @initialize(limits=many_limits, tree=st.booleans())
    def begin(self, limits: Limits, tree: bool) -> None:
        trusts = not tree and not limits.reviews and not limits.required_gates
        self.story = World(*PLANS, limits=msgspec.structs.replace(limits, trusts=trusts), tree=tree)

    # --- what anybody may say

    def pick(self, number: int, likely: Callable[[SubtaskState], bool]) -> SubtaskState:
        """Choose a subtask, mostly one of which something can be said."""
        subtasks = list(self.story.state.subtasks.values())
        among = [subtask for subtask in subtasks if likely(subtask)] if number < 9 else subtasks
        return (among or subtasks)[number % len(among or subtasks)]

    def say(self, command: Command) -> None:
        before = self.story.state
        fence = getattr(command, "epoch", None)
        told = len(self.story.recorded)
        try:
            self.story.do(command)
        except (LifecycleError, InvalidRequestError, UnknownSubtaskError) as refusal:
            assert self.story.state == before
            assert len(self.story.recorded) == told
            if isinstance(refusal, StaleLeaseError) and isinstance(command, Report):
                self.keep(command)
            return
        # The fence: nothing under an epoch that is over, or never was, has an effect.
        assert fence in (None, before.subtasks[command.subtask_id].epoch)

    def keep(self, report: Report) -> None:
        before = self.story.state
        self.story.store(late(before, report))
        assert self.story.state == before

    @rule(number=picks, worker=workers)
    def claim(self, number: int, worker: str) -> None:
        free = {subtask.id for subtask in claimable(self.story.state)}
        subtask = self.pick(number, lambda one: one.id in free)
        base = self.story.state.head
        self.say(Claim(subtask_id=subtask.id, worker_id=WorkerId(worker), base_commit=base))

    @rule(number=picks, off=epochs_off, stranger=st.sampled_from([None, None, None, None, "w1"]), message=messages)
    def report(self, number: int, off: int, stranger: str | None, message: e.WorkerMessage) -> None:
        self.speak(self.pick(number, is_at_work), off, stranger, message)

    @rule(number=picks, message=blocks)
    def block(self, number: int, message: e.WorkerMessage) -> None:
        self.speak(self.pick(number, is_at_work), 0, None, message)

    @rule(number=picks, message=messages)
    def come_back(self, number: int, message: e.WorkerMessage) -> None:
        self.speak(self.pick(number, lambda one: one.lost_worker is not None), 0, None, message)

    def speak(self, subtask: SubtaskState, off: int, stranger: str | None, message: e.WorkerMessage) -> None:
        worker = WorkerId(stranger or subtask.worker_id or subtask.lost_worker or "w1")
        self.say(
            Report(
                subtask_id=subtask.id,
                worker_id=worker,
                epoch=subtask.epoch + off,
                message=message,
                problem_paths=paths_of(subtask),
            )
        )

    @rule(
        number=picks,
        off=epochs_off,
        clock=st.sampled_from(["heartbeat", "heartbeat", "offer", "progress", "deadline"]),
    )
    def lose(self, number: int, off: int, clock: e.LeaseClock) -> None:
        subtask = self.pick(number, is_live)
        self.say(LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch + off, reason="silent", clock=clock))

    @rule(number=picks)
    def lose_with_its_coordinator(self, number: int) -> None:
        subtask = self.pick(number, is_live)
        self.say(LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch, reason="gone", coordinator_gone=True))

    @rule(number=picks, off=epochs_off)
    def release(self, number: int, off: int) -> None:
        subtask = self.pick(number, is_live)
        self.say(Release(subtask_id=subtask.id, epoch=subtask.epoch + off, reason="handed back"))

    @rule(
        number=picks,
        off=epochs_off,
        gates=st.lists(st.tuples(st.sampled_from(["tests", "style"]), st.booleans(), st.booleans()), max_size=2),
        conflicts=st.sampled_from([(), (), ("a.py",)]),
    )
    def judge(self, number: int, off: int, gates: list[tuple[str, bool, bool]], conflicts: tuple[str, ...]) -> None:
        subtask = self.pick(number, is_reported)
        evaluated = tuple(
            e.GateEvaluated(gate=gate, passed=passed, score=float(passed), blocking=blocking)
            for gate, passed, blocking in gates
        )
        self.say(self.verdict(subtask, evaluated, conflicts, subtask.epoch + off))

    def verdict(
        self, subtask: SubtaskState, gates: tuple[e.GateEvaluated, ...], conflicts: tuple[str, ...], epoch: int
    ) -> Judge:
        commit = f"c{len(self.story.recorded)}" if self.story.state.head else ""
        return Judge(subtask_id=subtask.id, epoch=epoch, gates=gates, commit=commit, conflicts=conflicts)

    @rule(
        number=picks,
        off=epochs_off,
        reviewer=st.sampled_from(["w4", "w5"]),
        approve=st.sampled_from([True, True, False]),
    )
    def review(self, number: int, off: int, reviewer: str, approve: bool) -> None:
        subtask = self.pick(number, is_reported)
        self.say(Review(subtask_id=subtask.id, epoch=subtask.epoch + off, reviewer=reviewer, approve=approve))

    @rule(
        number=picks,
        blocker=st.sampled_from([None, None, 1, 2]),
        action=st.sampled_from(["resume", "extend", "split", "give_up"]),
    )
    def answer(self, number: int, blocker: int | None, action: e.BlockerAction) -> None:
        subtask = self.pick(number, lambda one: bool(one.open_blockers))
        self.say(reply(subtask, action, blocker))

    @rule(seconds=st.sampled_from([1.0, 10.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.story.wait(seconds)
        self.story.settle()

    @rule(body=st.sampled_from([e.TaskPaused(reason="x"), e.TaskResumed(reason="x"), e.TaskResumed(reason="x")]))
    def steer(self, body: e.EventBody) -> None:
        if self.story.state.status not in OVER:
            self.story.say(body)
            self.story.settle()

    # --- what holds

    @invariant()
    def the_events_alone_give_the_same_state(self) -> None:
        assert fold(self.story.recorded) == self.story.state

    @invariant()
    def a_live_subtask_has_one_holder_and_nothing_else_has_any(self) -> None:
        for subtask in self.story.state.subtasks.values():
            assert (subtask.worker_id is not None) == (subtask.status in LIVE)
            assert subtask.lost_worker is None or subtask.status in ("planned", "ready")

    @invariant()
    def no_file_is_in_two_hands(self) -> None:
        live = [subtask for subtask in self.story.state.subtasks.values() if subtask.status in LIVE]
        files = [path for subtask in live for path in subtask.plan.scope.holds]
        assert len(files) == len(set(files))

    @invariant()
    def epochs_rise_by_one_with_each_claim_and_never_else(self) -> None:
        epochs: dict[str, int] = {}
        for record in self.story.recorded:
            event = record.event
            if isinstance(event.body, e.SubtaskClaimed):
                epochs[event.stream_id] = epochs.get(event.stream_id, 0) + 1
                assert event.lease_epoch == epochs[event.stream_id]
            elif event.lease_epoch is not None and not isinstance(event.body, e.LateReported):
                assert event.lease_epoch == epochs[event.stream_id]

    @invariant()
    def a_question_is_open_exactly_where_somebody_can_wait_for_the_answer(self) -> None:
        for subtask in self.story.state.subtasks.values():
            waits = bool(subtask.open_blockers)
            if subtask.status in ("blocked", "parked"):
                assert waits
            elif subtask.status != "planned":
                assert not waits

    @invariant()
    def a_cycle_of_waits_is_never_closed(self) -> None:
        subtasks = self.story.state.subtasks
        unfinished = {one for one in subtasks if not self.story.state.is_done(one)}
        # What waits for nothing that is left is taken away, again and again, until nothing is left.
        while unfinished:
            free = {one for one in unfinished if unfinished.isdisjoint(waited_for(self.story, subtasks[one]))}
            assert free
            unfinished -= free

    @invariant()
    def attempts_and_losses_have_an_end(self) -> None:
        limits = self.story.limits
        for subtask in self.story.state.subtasks.values():
            assert subtask.failures <= limits.attempts_max
            assert subtask.losses <= limits.losses_max

    @invariant()
    def what_can_be_handed_out_is_ready_and_nobody_holds_its_files(self) -> None:
        live = [subtask for subtask in self.story.state.subtasks.values() if subtask.status in LIVE]
        for subtask in claimable(self.story.state):
            assert subtask.status == "ready"
            assert all(subtask.plan.scope.holds.isdisjoint(other.plan.scope.holds) for other in live)

    @invariant()
    def parts_have_all_of_the_whole_and_nothing_twice(self) -> None:
        for whole in self.story.state.subtasks.values():
            if whole.status == "split":
                parts = [self.story.state.subtasks[part].plan for part in whole.split_into]
                assert sorted(path for part in parts for path in part.scope.files) == sorted(whole.plan.scope.files)
                assert sorted(one for part in parts for one in part.problems) == sorted(whole.plan.problems)

    # --- and it can always come to its end

    def teardown(self) -> None:
        """With people who answer and workers who work, a task ends, whatever it has been through."""
        if not hasattr(self, "story"):
            return
        self.every_subtask_is_counted_once()
        for _ in range(200):
            if not more_to_come(self.story.state):
                return
            self.story.wait(1000)
            self.story.settle()
            for command in self.helpful():
                self.say(command)
        raise AssertionError(f"nobody can finish {self.story.state}")

    def every_subtask_is_counted_once(self) -> None:
        measured = progress(self.story.state)
        assert measured.accepted + measured.live + measured.waiting + measured.held == measured.total
        assert 0.0 <= measured.percent <= 100.0

    def helpful(self) -> Iterator[Command]:
        if self.story.state.status == "paused":
            self.steer(e.TaskResumed(reason="go on"))
        for subtask_id in list(self.story.state.subtasks):
            subtask = self.story.state.subtasks[subtask_id]
            # Who waits for a subtask waits until that has ended: nobody has to help.
            if any(blocker.waits_for is None for blocker in subtask.open_blockers):
                asked = next(blocker for blocker in subtask.open_blockers if blocker.waits_for is None)
                yield reply(subtask, "resume", asked.number)
        for subtask in claimable(self.story.state)[:1]:
            yield Claim(subtask_id=subtask.id, worker_id=WorkerId("w1"), base_commit=self.story.state.head)
        for subtask in [one for one in self.story.state.subtasks.values() if one.status in LIVE - {"blocked"}]:
            worker, epoch = subtask.worker_id or WorkerId(""), subtask.epoch
            yield Report(subtask_id=subtask.id, worker_id=worker, epoch=epoch, message=e.Completed())
            tests = (e.GateEvaluated(gate="tests", passed=True, score=1.0),)
            yield self.verdict(subtask, tests, (), epoch)
            for reviewer in ("w8", "w9"):
                yield Review(subtask_id=subtask.id, epoch=epoch, reviewer=reviewer, approve=True)
            yield self.verdict(subtask, tests, (), epoch)


def is_live(subtask: SubtaskState) -> bool:
    return subtask.status in LIVE


def is_at_work(subtask: SubtaskState) -> bool:
    return subtask.status in ("claimed", "running")


def is_reported(subtask: SubtaskState) -> bool:
    return subtask.status == "reported"


def paths_of(subtask: SubtaskState) -> tuple[str, ...]:
    return tuple(PATHS[index] for index in subtask.plan.problems)


def reply(subtask: SubtaskState, action: e.BlockerAction, blocker: int | None) -> Answer:
    return Answer(
        subtask_id=subtask.id,
        text="the first",
        by="ann",
        number=blocker,
        action=action,
        extra_seconds=60.0 if action == "extend" else 0.0,
        problem_paths=paths_of(subtask),
    )


def waited_for(story: Story, subtask: SubtaskState) -> set[SubtaskId]:
    """Give what must end, or move on, before this one can."""
    live = [other for other in story.state.subtasks.values() if other.status in LIVE]
    holders = [other.id for other in live if not other.plan.scope.holds.isdisjoint(subtask.plan.scope.holds)]
    idle = subtask.status not in LIVE and subtask.status not in ENDED
    return {
        *(blocker.waits_for for blocker in subtask.open_blockers if blocker.waits_for is not None),
        *subtask.plan.depends_on,
        *subtask.split_into,
        *(holders if idle else ()),
    }


AnyService.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=60)
TestAnyService = AnyService.TestCase
