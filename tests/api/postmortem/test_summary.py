"""The summary: what a reader learns from figures and sentences alone."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from api.postmortem.document import Postmortem
from api.postmortem.summary import figures_of, summary_of

MakeDocument = Callable[..., Postmortem]


def test_the_sentences_say_how_the_task_went(make_document: MakeDocument) -> None:
    assert make_document().summary == (
        "The task is completed. 4 subtasks accepted, 1 held; 525 problems before, 3 now.",
        (
            "It took 5 min 0 s and 11 min 40 s of workers' time: with 3 workers 2.33 times as fast as with one,"
            " where 2.80 times was possible. Planned as it was, no number of workers would have been more"
            " than 2.64 times as fast."
        ),
        (
            "Of the workers' time 60% was work, 20% of which came to nothing; 24% was spent blocked and 10% without a"
            " subtask."
        ),
        "It cost $1.50.",
        (
            "The worst blockage was that of #2 (external_dependency: the index is down): 3 min 0 s, 75% of all"
            " blocked time."
        ),
        "Of 4 estimates 25% kept to P50, 50% to P80 and 75% to P95 (50%, 80% and 95% would be right).",
    )


def test_the_figures_are_the_same_facts(make_document: MakeDocument) -> None:
    figures = {figure.name: figure.value for figure in make_document().figures}
    assert figures == {
        "status": "completed",
        "problems": 3,
        "accepted": 4,
        "wall": 300.0,
        "worker": 700.0,
        "speedup": 2.33,
        "cost": 1.5,
        "blockage": 180.0,
        "within_p80": 0.5,
    }


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ("cost_per_problem", "What it cost is unknown."),
        ("what_blocked_whom", "No worker was blocked."),
        ("which_subtasks_were_misestimated", "No estimate can be held against what came yet."),
        (
            "how_much_faster_was_it",
            "It took 5 min 0 s and 11 min 40 s of workers' time: 2.33 times as fast as one worker.",
        ),
    ],
)
def test_what_nobody_knows_is_said_to_be_unknown(make_document: MakeDocument, without: str, sentence: str) -> None:
    assert sentence in make_document(without=[without]).summary


def test_a_plan_that_kept_nobody_waiting_is_not_mentioned(make_document: MakeDocument) -> None:
    without = make_document(without=["how_would_other_numbers_of_workers_have_done"])
    assert not any("Planned as it was" in sentence for sentence in without.summary)


def test_a_cost_that_nobody_knows_is_not_zero(make_document: MakeDocument) -> None:
    figures = {figure.name: figure for figure in make_document(without=["cost_per_problem"]).figures}
    assert (figures["cost"].value, figures["cost"].note) == (None, "no worker has said")


def test_the_speed_up_of_a_task_that_nobody_has_worked_on_is_unknown(make_document: MakeDocument) -> None:
    document = make_document(without=["how_much_faster_was_it"])
    report = msgspec.structs.replace(document.report, worker_seconds=0.0, speedup=0.0)
    figures = {figure.name: figure for figure in figures_of(report, document.sections)}
    speedup = figures["speedup"]
    assert (speedup.value, speedup.note) == (None, "no work on it has been measured")
    sentence = "It took 5 min 0 s; no work on it has been measured."
    assert sentence in summary_of(report, document.sections, so_far=False)


def test_a_task_that_still_runs_is_told_as_far_as_it_is(make_document: MakeDocument) -> None:
    assert make_document(so_far=True).summary[0].startswith("The task is running: this is how far it is. 4 subtasks")
