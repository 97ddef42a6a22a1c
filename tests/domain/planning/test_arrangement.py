"""Order, waves and lanes of a plan's subtasks."""

from __future__ import annotations

from itertools import combinations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.analysis.dependencies import DependencyAnalyzer
from domain.effort import UnitKind
from domain.phase import Phase
from domain.planning.arrangement import Arrangement, arrange, lanes
from domain.planning.units import Unit


def arranged(*bins: list[Unit]) -> Arrangement:
    return arrange(bins, DependencyAnalyzer())


def unit(kind: UnitKind, *files: str, weight: float = 1.0) -> Unit:
    return Unit(
        kind=kind,
        title="unit",
        problems=(0,),
        files=frozenset(files),
        holds=frozenset(files),
        codes=frozenset(),
        weight=weight,
        prior=weight,
        domain="",
        demands=kind,
        phase=Phase.TYPES,
    )


def test_causes_go_first_and_then_the_largest() -> None:
    made = arranged([unit("local", "a")], [unit("local", "b", weight=5.0)], [unit("cause", "c", "d")])

    assert [sorted(files) for files in made.holds] == [["c", "d"], ["b"], ["a"]]


def test_local_edits_wait_for_every_cause_in_their_files() -> None:
    made = arranged([unit("cause", "a", "b")], [unit("cause", "b", "c")], [unit("local", "b")], [unit("local", "d")])

    assert made.depends_on == ((), (), (), (0, 1))


def test_an_empty_bin_is_no_subtask() -> None:
    assert arranged([], [unit("local", "a")]).bins == ([unit("local", "a")],)


def test_a_wave_comes_after_all_that_its_members_wait_for() -> None:
    made = arranged([unit("cause", "a", "b")], [unit("cause", "c", "d")], [unit("local", "b")], [unit("local", "e")])

    assert made.waves == (1, 1, 1, 2)
    assert sorted(made.holds[3]) == ["b"]


def test_subtasks_that_share_files_through_others_are_in_one_lane() -> None:
    held = [frozenset("ab"), frozenset("bc"), frozenset("cd"), frozenset("e"), frozenset("fg"), frozenset("g")]

    assert lanes(held) == [1, 1, 1, None, 2, 2]


@given(st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=3), max_size=8))
def test_whoever_shares_a_file_shares_a_lane(held: list[frozenset[str]]) -> None:
    numbers = lanes(held)

    for (one, first), (other, second) in combinations(enumerate(held), 2):
        if first & second:
            assert numbers[one] == numbers[other] is not None
    for number in set(numbers) - {None}:
        assert numbers.count(number) > 1


def test_what_holds_up_does_so_across_an_order_that_does_not_count() -> None:
    # Syntax before types before borrows: that types come before borrows holds nobody up, syntax holds up both.
    phases = (Phase.BORROW, Phase.TYPES, Phase.SYNTAX)

    made = arranged(*([msgspec.structs.replace(unit("local", "a"), phase=phase)] for phase in phases))

    assert made.bins[0][0].phase == Phase.SYNTAX
    assert made.depends_on == ((), (0,), (0,))
