"""The prior that comes with the product, for work of agents."""

from __future__ import annotations

from domain.estimation.prior import Prior

SHIPPED = Prior(
    provenance="public histories of agents' work",
    # Made by `python benchmarks/estimates --prior` from 9,224 runs of agents, those that are no test there: of METR's
    # eval-analysis-public (6,852 runs, 2024-2025, MIT) and of terminal-bench-leaderboard (6,375 trials, 2025). These
    # sums only, no row. The 0.85th power of a plan is CESAW's (arXiv 2106.03679).
    base=5_989_243,
    deviation=0.6,
    strengths=(4_343, 2_260, 1_283, 1_000, 4_322, 1_000),
    slopes=(850_000, 0, 0, 0),
    usual=(None, None, None, None),
    # A script's shipped estimates were measured (`domain.effort`): what the agents' base adds to one of 5 s is taken
    # off again.
    categories=dict.fromkeys(("script automatic", "script cause", "script local"), -657_000),
)
