"""The optional trees on what the levels leave over."""

from __future__ import annotations

import random
import subprocess
import sys

import msgspec

from domain.estimation.boost import Boosted
from domain.estimation.explain import quantile
from domain.estimation.features import Completion, Features
from domain.estimation.learner import Learner


def test_trees_find_what_no_level_knows_and_are_used_then() -> None:
    source, boosted = random.Random(1), Boosted(Learner())
    with_trees, without = 0.0, 0.0
    for position in range(900):
        files = source.randrange(1, 12)
        seconds = 1_000.0 if files % 3 == 0 else 30.0
        known = Features(category="c", files=files)
        said = boosted.forecast(known)
        completion = Completion(position=position, features=known, seconds=seconds * source.lognormvariate(0.0, 0.1))
        if position > 600:
            with_trees += abs(completion.seconds - boosted.quantile(said, 0.5))
            without += abs(completion.seconds - 2.718281828 ** (said.levels.mean / 1e6))
        boosted.learn(completion, said)

    assert with_trees < 0.7 * without


def test_trees_that_make_nothing_better_change_nothing() -> None:
    source, boosted = random.Random(2), Boosted(Learner())
    alone = Learner()
    for position in range(900):
        known = Features(category="c", files=source.randrange(1, 12))
        said, plain = boosted.forecast(known), alone.forecast(known)
        if position >= 800:
            assert not said.used
            assert boosted.quantile(said, 0.8) == quantile(alone, plain, 0.8)
        ended = Completion(position=position, features=known, seconds=60.0 * source.lognormvariate(0.0, 1.0))
        boosted.learn(ended, said)
        alone.learn(msgspec.structs.replace(ended, issued=plain.issued))


def test_neither_trees_nor_numpy_are_loaded_by_estimates() -> None:
    code = (
        "import sys, domain.estimation.explain, domain.estimation.model;"
        "print([name for name in ('numpy', 'sklearn') if name in sys.modules])"
    )

    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert got.stdout.strip() == "[]"
