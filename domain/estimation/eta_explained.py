"""Why a task will be done then and not earlier, in words."""

from __future__ import annotations

import math

from domain.estimation.eta import Eta, Question
from domain.estimation.learner import Learner
from domain.ids import short
from domain.planning.recommendation import spell

#: A smaller chance or share than this is not worth a word.
_WORTH_SAYING = 0.1
#: One more worker is worth a word where it takes off this share of P50.
_WORTH_HIRING = 0.02


def reasons(question: Question, said: Eta, learner: Learner) -> tuple[str, ...]:
    """Give one sentence for each thing that the end depends on."""
    words = [_what_is_open(question), *_what_is_blocked(question)]
    if said.subtasks:
        critical = max(said.subtasks, key=lambda one: one.critical)
        if critical.critical >= _WORTH_SAYING:
            words.append(f"the end waits for {short(critical.id)} in {critical.critical:.0%} of the draws")
        varied = max(said.subtasks, key=lambda one: one.variance)
        if varied.variance >= _WORTH_SAYING:
            words.append(f"{varied.variance:.0%} of what is uncertain goes with the time of {short(varied.id)}")
        words.append(_what_one_more_saves(said))
    return (*words, _how_good(learner))


def _what_is_open(question: Question) -> str:
    running = sum(one.running for one in question.subtasks)
    workers = len(question.crew)
    return (
        f"{_counted(len(question.subtasks), 'subtask')} {_are(len(question.subtasks))} open,"
        f" {running} of them under way, on {_counted(workers, 'worker')}"
    )


def _what_is_blocked(question: Question) -> list[str]:
    blocked = [short(one.id) for one in question.subtasks if one.blocked_seconds is not None]
    if not blocked:
        return []
    named = ", ".join(blocked[:5]) + (f" and {len(blocked) - 5} more" if len(blocked) > 5 else "")
    return [f"{named} {_are(len(blocked))} blocked: for how much longer is drawn from how long blocks have lasted"]


def _what_one_more_saves(said: Eta) -> str:
    if not math.isfinite(said.p50) or said.worker_saves < _WORTH_HIRING * said.p50:
        return "one more worker would hardly make it earlier"
    return f"one more worker from now on would make it {spell(said.worker_saves)} earlier"


def _how_good(learner: Learner) -> str:
    state = learner.state
    if not state.completions:
        return f"the ledger holds no attempt that has ended: {state.provenance} speaks"
    under = state.residuals.share_under_p80()
    learnt = f"learnt from {_counted(state.completions, 'attempt')}"
    if under is None:
        return f"{learnt}: too few to say how good such forecasts are"
    said = f"{learnt}; of the last 200 forecasts {under:.0%} came in under P80"
    return f"{said}: the work has changed, do not trust it" if state.residuals.alarm() else said


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
