"""`pw replay TASK --what-if KEY=VALUE`: the same work under other choices, beside what happened."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import psycopg
from rich.table import Table
from rich.text import Text

from api.cli.console import out, print_json
from api.cli.options import Output
from api.cli.replay.source import exported, recording_in
from api.cli.tables import make_table, span
from api.service.policy import limits_of
from api.service.replanning import ServiceRules
from domain.errors import LedgerError, UsageError
from domain.estimation.learner import Learner
from domain.estimation.model import Model, restored
from domain.events import SubtaskPlanned, TaskCancelled, TaskCompleted, TaskStalled, TaskSubmitted
from domain.ids import SubtaskId
from domain.planning.inputs import PlanningInputs, decode_inputs
from eventstore.postgres.connection import connect, unreachable
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from projections.effort_models import model_at, named
from projections.replay.changes import Changes, changes_of
from projections.replay.recording import Recording
from projections.replay.rounds import Round, rounds_of
from projections.replay.what_if import Outcome, Planned, Simulator, as_recorded, happened, matched

_OVER = (TaskCompleted, TaskStalled, TaskCancelled)


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, what the simulation makes of the same, and of what is supposed."""

    task_id: str
    changes: Changes
    happened: Outcome
    simulated: Outcome
    supposed: Outcome
    notes: tuple[str, ...]


def show_what_if(task: str, changes: list[str], database_url: str | None, output: Output) -> None:
    """Simulate a task of the ledger, or of an exported file, under other choices, and show it.

    Raises `UsageError` for nonsense, with what is allowed, and `LedgerError` where the database is away.
    """
    chosen = changes_of(changes)
    if (recording := exported(task)) is not None:
        _refuse_models(task, chosen)
        rounds, model = _ended(recording), None
    else:
        with open_database(database_url, data_folder()) as url:
            recording = asyncio.run(recording_in(url, task))
            rounds, model = _ended(recording), asyncio.run(_model(url, recording, chosen))
    shown = _simulated(recording, rounds, chosen, model)
    if output is Output.json:
        print_json(_plain(shown))
        return
    out.print(_table(shown))
    for note in shown.notes:
        out.print(note, soft_wrap=True, markup=False)


def _ended(recording: Recording) -> list[Round]:
    rounds = rounds_of(recording.events)
    if not rounds:
        raise UsageError(f"nothing of {recording.task_id} has ended: there is nothing to simulate again")
    return rounds


def _refuse_models(file: str, chosen: Changes) -> None:
    if chosen.estimator not in ("", "raw") or (chosen.strategy and not chosen.estimator):
        raise UsageError(
            f"{file} is without the ledger that an effort model learns from: --what-if estimator=raw needs none"
        )


async def _model(url: str, recording: Recording, chosen: Changes) -> Model | None:
    """Give the model that draws what was not done; None where nothing is drawn from one."""
    first, last = recording.events[0].position, recording.events[-1].position
    if chosen.estimator == "model":
        # What came later it could not know.
        return await model_at(url, first - 1)
    if chosen.estimator not in ("", "raw"):
        try:
            async with await connect(url, "effort models") as connection:
                return (await named(connection, chosen.estimator)).model
        except psycopg.Error as error:
            raise unreachable(error) from error
    # Of other subtasks of the same work most is known when that has been done.
    return await model_at(url, last) if chosen.strategy else None


def _simulated(recording: Recording, rounds: list[Round], chosen: Changes, model: Model | None) -> WhatIf:
    learner = restored(model) if model is not None else None
    plans = as_recorded(rounds)
    if chosen.strategy:
        plans = {one.phase: matched(one, _replanned(recording, one, chosen)) for one in rounds}
    was, simulated = happened(rounds), _outcome(recording, rounds, Changes(), None, as_recorded(rounds))
    return WhatIf(
        task_id=recording.task_id,
        changes=chosen,
        happened=was,
        simulated=simulated,
        supposed=_outcome(recording, rounds, chosen, learner, plans),
        notes=tuple(_notes(recording, rounds, chosen, plans, simulated.p50 / was.p50 if was.p50 else 1.0)),
    )


def _outcome(
    recording: Recording,
    rounds: list[Round],
    chosen: Changes,
    learner: Learner | None,
    plans: dict[int, list[Planned]],
) -> Outcome:
    attempts_max = limits_of(_submitted(rounds)).attempts_max
    seed = f"{recording.task_id} {chosen}"
    return Simulator(rounds, chosen, learner, attempts_max, seed).outcome(plans)


def _submitted(rounds: list[Round]) -> TaskSubmitted:
    return rounds[0].before.submitted


def _replanned(recording: Recording, one: Round, chosen: Changes) -> list[tuple[SubtaskId, SubtaskPlanned]]:
    """Split what was seen before a round by another strategy."""
    data = recording.artifact(one.observed.artifact)
    if data is None:
        raise LedgerError(f"the ledger does not hold what the tool said before round {one.phase}: no other plan")
    recorded = recording.artifact(one.inputs) if one.inputs else None
    inputs = decode_inputs(recorded) if recorded is not None else PlanningInputs()
    submitted = _submitted([one])
    policy = {**submitted.options.get("policy", {}), "strategy": chosen.strategy}
    if chosen.workers is not None:
        policy["workers"] = chosen.workers
    options = {**submitted.options, "policy": policy, "strategy": chosen.strategy}
    state = msgspec.structs.replace(one.before, submitted=msgspec.structs.replace(submitted, options=options))
    drafts = ServiceRules().look(state, one.observed, data, inputs).plan(inputs)
    return [(SubtaskId(draft.stream), draft.body) for draft in drafts if isinstance(draft.body, SubtaskPlanned)]


def _notes(
    recording: Recording, rounds: list[Round], chosen: Changes, plans: dict[int, list[Planned]], ratio: float
) -> list[str]:
    notes = [f"simulating what was done, as it was done, gives {ratio:.2f} of the time that it took"]
    if not isinstance(recording.events[-1].event.body, _OVER):
        notes.append("the task is not over: what has ended so far is simulated")
    looks = (recording.events[-1].event.occurred_at - recording.events[0].event.occurred_at).total_seconds()
    beside = looks - sum((one.ended_at - one.began_at).total_seconds() for one in rounds)
    if beside >= 1.0:
        notes.append(f"looking at the tree, planning and pauses took {span(beside)} beside, and are left out")
    if chosen.strategy:
        planned = [subtask for subtasks in plans.values() for subtask in subtasks]
        same = sum(subtask.done is not None for subtask in planned)
        note = f"{same} of {len(planned)} subtasks are the same as then and keep the time that they took"
        if same < len(planned):
            note += "; the others' is drawn from the effort model, which has learnt from this task as well"
        notes.append(note)
        if len(rounds) > 1:
            notes.append(
                "each round is split anew from what was seen then; what another split would have left is not known"
            )
        if not all(one.inputs for one in rounds):
            notes.append("what was known of the tree was not recorded: imports and owners count for nothing here")
    elif chosen.estimator == "" and chosen.failures is None:
        notes.append("each subtask keeps the time that it took, so there is no spread")
    return notes


def _table(shown: WhatIf) -> Table:
    said = ", ".join(f"{key}={value}" for key, value in _said(shown.changes).items())
    columns = {"happened": shown.happened, "simulated again": shown.simulated, "supposed": shown.supposed}
    table = make_table(f"{shown.task_id} if {said}", "", *columns, right=tuple(columns))
    outcomes = columns.values()
    for name, cells in (
        ("workers", [str(one.workers) for one in outcomes]),
        ("subtasks", [str(one.subtasks) for one in outcomes]),
        ("takes, P50", [span(one.p50) for one in outcomes]),
        ("P80", [span(one.p80) for one in outcomes]),
        ("P95", [span(one.p95) for one in outcomes]),
        ("worker time", [span(one.worker_seconds) for one in outcomes]),
        ("speed-up", [f"{one.speedup:.2f}" for one in outcomes]),
    ):
        table.add_row(Text(name), *cells)
    return table


def _said(changes: Changes) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(changes).items() if value not in (None, "")}


def _plain(shown: WhatIf) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(shown)
    plain["changes"] = _said(shown.changes)
    for name, one in (("happened", shown.happened), ("simulated", shown.simulated), ("supposed", shown.supposed)):
        plain[name]["speedup"] = round(one.speedup, 3)
    return plain
