"""Every body of an event, as it goes over the wire and comes back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import msgspec
import pytest

from domain import events as e
from domain.ids import StreamId, SubtaskId, TaskId, WorkerId
from domain.plan import Effort, WorkerCurvePoint
from domain.scope import TaskScope

ISSUES: list[e.Issue] = [
    e.DependencyWait(required_worker="w2", resource="pkg/types.py"),
    e.ExternalDependency(system="registry", issue="it answers with 503"),
    e.ComplexityExceeded(estimated_additional_time=900.0),
    e.ScopeClarification(question="Is the old name to be kept?"),
]

FROM_WORKERS: list[e.WorkerMessage] = [
    e.Started(),
    e.Progress(completed=3, total=10, status="the third file"),
    *(e.Blocked(issue=issue, context="in pkg/a.py") for issue in ISSUES),
    e.Completed(summary="imports removed", result={"cpu_seconds": 1.5}, usage=e.Usage(model="m", tokens_in=0)),
    e.Failed(error="exit code 2", recoverable=False, usage=e.Usage(cost=0.25)),
]

FROM_THE_SERVICE: list[e.ServiceEvent] = [
    e.TaskSubmitted(
        repository="/src/boto",
        prefix="lib",
        base_commit="a1",
        branch="pw/boto-7k3mq9xd",
        options={"jobs": 4, "gates": ["make check"]},
    ),
    e.ProblemsObserved(
        phase=1,
        commit="a1",
        root="/src/boto",
        format="ruff",
        tool="ruff",
        tool_version="0.9.1",
        artifact="ab" * 32,
        problems=3,
        targeted=2,
        codes={"F401": 2, "E501": 1},
        duplicates=1,
        damaged=1,
    ),
    e.TaskAnalyzed(phase=1, groups=1, files=2, largest=("2 x F401 (automatic fix): <> imported but unused",)),
    e.TaskDecomposed(
        phase=1,
        strategy="root-cause",
        subtasks=1,
        plan_hash="cd" * 32,
        recommended_workers=1,
        recommendation="there is one subtask",
        curve=(WorkerCurvePoint(workers=1, makespan_seconds=1.5),),
        left_out=1,
    ),
    e.PhaseStarted(phase=1, name="round 1"),
    e.SubtaskPlanned(
        phase=1,
        title="F401 in 2 files of pkg",
        reason="automatic fixes",
        scope=TaskScope(files=("pkg/a.py", "pkg/b.py"), codes=("F401",), excluded_codes=("E501",)),
        problems=(0, 2),
        effort=Effort(p50=1.0, p80=2.0, p95=3.0, prior=1.0, basis="script prior 1 s"),
        priority=1,
        depends_on=(SubtaskId("boto-7k3mq9xd.1"),),
    ),
    e.SubtaskReady(),
    e.SubtaskClaimed(base_commit="a1"),
    e.SubtaskClaimed(base_commit="a1", request_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057")),
    e.SubtaskReassigned(previous_worker="w1", previous_epoch=1, found="exit code 2"),
    e.LeaseExpired(reason="the coordinator of w1 is gone", coordinator_gone=True),
    e.LeaseExpired(reason="w1 has not moved for 900 s", clock="progress"),
    e.SubtaskReleased(reason="the run was paused"),
    e.SubtaskReleased(reason="the registry is down", parked=True),
    e.RetryScheduled(after_seconds=7.5, failures=1),
    e.LateReported(message=e.Completed(summary="imports removed"), holder="it is held by w2 under epoch 2"),
    e.BlockerOpened(number=1, policy="wait", detail="waits for #1", waits_for=SubtaskId("boto-7k3mq9xd.1")),
    e.BlockerAnswered(number=1, text="take your time", action="extend", by="ann", extra_seconds=600.0),
    e.SubtaskSplit(into=(SubtaskId("boto-7k3mq9xd.3"), SubtaskId("boto-7k3mq9xd.4")), reason="too large"),
    e.ReviewRequested(reviews=2, commit="b2"),
    e.ReviewGiven(reviewer="w2", approve=False, score=0.2, comment="it only hides the warning"),
    e.SubtaskHeld(reason="failed 3 times"),
    e.GateEvaluated(gate="scope", passed=False, score=0.5, required=0.9, blocking=False, detail="b.py", seconds=0.1),
    e.SubtaskAccepted(commit="b2", files_changed=2, summary="imports removed"),
    e.SubtaskRejected(gate="scope", reason="changed outside its scope: b.py"),
    e.MilestoneReached(phase=1, percent=25),
    e.TaskForecast(
        phase=1,
        occasion="milestone",
        p50_seconds=60.0,
        p80_seconds=90.5,
        p95_seconds=200.0,
        workers=4,
        open_subtasks=7,
        state_position=41,
        model="ab" * 32,
        model_position=30,
    ),
    e.TaskPaused(reason="interrupted"),
    e.TaskPaused(reason="the workers have cost $5.00, and may cost $2.00", cost=5.0),
    e.TaskResumed(),
    e.TaskResumed(reason="the registry is back"),
    e.TaskCancelled(reason="not wanted any more"),
    e.TaskStalled(reason="no subtask was accepted"),
    e.TaskSynthesized(branch="pw/boto-7k3mq9xd", commit="b2", before={"F401": 2}, after={}),
    e.TaskCompleted(summary="nothing is left"),
    e.TaskArchived(
        file_name="boto-7k3mq9xd.ndjson.gz",
        file_sha256="ef" * 32,
        events=41,
        artifacts=2,
        first_position=3,
        last_position=58,
    ),
]

BODIES: list[e.EventBody] = [*FROM_WORKERS, *FROM_THE_SERVICE]


def kind_of(body: e.EventBody) -> str:
    return str(type(body).__struct_config__.tag)


@pytest.mark.parametrize("body", BODIES, ids=kind_of)
def test_a_body_survives_the_wire(body: e.EventBody) -> None:
    assert msgspec.json.decode(msgspec.json.encode(body), type=e.EventBody) == body


@pytest.mark.parametrize("body", FROM_WORKERS, ids=kind_of)
def test_a_worker_s_message_is_read_as_such(body: e.WorkerMessage) -> None:
    assert msgspec.json.decode(msgspec.json.encode(body), type=e.WorkerMessage) == body


@pytest.mark.parametrize("body", FROM_THE_SERVICE, ids=kind_of)
def test_a_worker_cannot_say_what_the_service_says(body: e.ServiceEvent) -> None:
    with pytest.raises(msgspec.ValidationError, match="Invalid value"):
        msgspec.json.decode(msgspec.json.encode(body), type=e.WorkerMessage)


def test_no_body_is_left_out_here() -> None:
    assert {type(body) for body in BODIES} == set(get_args(e.EventBody))
    assert {type(issue) for issue in ISSUES} == set(get_args(e.Issue))


@pytest.mark.parametrize("body", BODIES, ids=kind_of)
def test_the_tag_is_the_class_s_name_in_snake_case(body: e.EventBody) -> None:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(body).__name__).lower()

    assert msgspec.to_builtins(body)["type"] == name


@pytest.mark.parametrize(
    ("issue", "kind"),
    [
        (ISSUES[0], "dependency_wait"),
        (ISSUES[1], "external_dependency"),
        (ISSUES[2], "complexity_exceeded"),
        (ISSUES[3], "scope_clarification"),
    ],
)
def test_what_a_worker_is_blocked_by_is_told_by_its_kind(issue: e.Issue, kind: str) -> None:
    assert msgspec.to_builtins(e.Blocked(issue=issue))["issue"]["kind"] == kind


def test_a_worker_s_message_is_one_short_line_of_json() -> None:
    message = e.Progress(completed=3, total=10)

    assert msgspec.json.encode(message) == b'{"type":"progress","completed":3,"total":10}'


def test_a_message_is_read_as_an_agent_writes_it() -> None:
    line = b'{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "Which one?"}}'

    message = msgspec.json.decode(line, type=e.WorkerMessage)

    assert message == e.Blocked(issue=e.ScopeClarification(question="Which one?"))


def test_unknown_usage_is_left_out_and_zero_is_not() -> None:
    message = e.Completed(usage=e.Usage(tokens_in=0))

    assert msgspec.json.encode(message) == b'{"type":"completed","usage":{"tokens_in":0}}'


@pytest.mark.parametrize(
    "wrong",
    [b'{"type":"gone"}', b'{"completed":1,"total":2}', b'{"type":"progress","completed":"3","total":10}', b"[]"],
)
def test_what_is_no_body_is_refused(wrong: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=e.EventBody)


@pytest.mark.parametrize(
    "parts", [b'"completed":-1,"total":2', b'"completed":1,"total":-2', b'"completed":-1,"total":-2']
)
def test_parts_fewer_than_none_are_refused(parts: bytes) -> None:
    with pytest.raises(msgspec.ValidationError, match=">= 0"):
        msgspec.json.decode(b'{"type":"progress",' + parts + b"}", type=e.WorkerMessage)


def test_none_of_no_parts_is_progress() -> None:
    message = msgspec.json.decode(b'{"type":"progress","completed":0,"total":0}', type=e.WorkerMessage)

    assert message == e.Progress(completed=0, total=0)


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert msgspec.json.decode(b'{"type":"started","mood":"good"}', type=e.EventBody) == e.Started()


def test_a_body_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        e.TaskPaused(reason="interrupted").reason = "other"  # type: ignore[misc]


@pytest.mark.parametrize("body", BODIES, ids=kind_of)
def test_a_recorded_event_survives_the_wire(body: e.EventBody) -> None:
    event = e.Event(
        task_id=TaskId("boto-7k3mq9xd"),
        stream_id=StreamId("boto-7k3mq9xd.2"),
        message_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        occurred_at=datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        body=body,
        worker_id=WorkerId("w1"),
        lease_epoch=3,
    )
    recorded = e.RecordedEvent(event=event, version=4, position=17, recorded_at=event.occurred_at)

    assert msgspec.json.decode(msgspec.json.encode(recorded), type=e.RecordedEvent) == recorded
