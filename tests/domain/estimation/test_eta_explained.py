"""An end says what it depends on."""

from __future__ import annotations

from domain.estimation.eta import Eta, OpenSubtask, Question, SubtaskOutlook, eta
from domain.estimation.eta_explained import reasons
from domain.estimation.features import Features
from domain.estimation.learner import Learner
from domain.estimation.shipped import SHIPPED
from domain.estimation.simulation import Crew
from tests.domain.estimation.conftest import learned


def question(*subtasks: OpenSubtask) -> Question:
    return Question(task="task", position=7, subtasks=subtasks, crew=(Crew(),) * 2)


def said(**known: float) -> Eta:
    outlook = SubtaskOutlook(id="task.1", critical=0.72, variance=0.41)
    times = {"p50": 600.0, "p80": 900.0, "p95": 1_500.0, "worker_saves": 0.0, **known}
    return Eta(subtasks=(outlook,), draws=100, **times)


ONE = OpenSubtask(id="task.1", features=Features(category="c1"))
RUNNING = OpenSubtask(id="task.2", features=Features(category="c1"), elapsed_seconds=5.0)


def test_it_says_what_is_open_and_what_the_end_waits_for() -> None:
    words = reasons(question(ONE, RUNNING), said(), learned(300))

    assert words[0] == "2 subtasks are open, 1 of them under way, on 2 workers"
    assert "the end waits for #1 in 72% of the draws" in words
    assert "41% of what is uncertain goes with the time of #1" in words


def test_it_says_what_one_more_worker_is_worth() -> None:
    assert "one more worker would hardly make it earlier" in reasons(question(ONE), said(), learned(300))
    assert "one more worker from now on would make it 120 s earlier" in reasons(
        question(ONE), said(worker_saves=120.0), learned(300)
    )


def test_it_names_what_is_blocked() -> None:
    blocked = OpenSubtask(id="task.3", features=Features(), blocked_seconds=60.0)

    assert any(words.startswith("#3 is blocked") for words in reasons(question(blocked), said(), learned(300)))


def test_it_says_what_it_was_learnt_from() -> None:
    empty = Learner(prior=SHIPPED)
    asked = question(ONE)

    assert reasons(asked, eta(empty, "00", asked), empty)[-1].startswith("the ledger holds no attempt that has ended")
    assert "too few to say" in reasons(asked, said(), learned(50))[-1]
    assert "came in under P80" in reasons(asked, said(), learned(400))[-1]
