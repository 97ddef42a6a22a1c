"""Which pieces wait for others, and why; which only must not meet; and that everything else may run at once."""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.analysis.co_change import CoChange
from domain.analysis.dependencies import Dependencies, DependencyAnalyzer, LikelyConflict, Overlap, Piece
from domain.analysis.imports import ImportGraph
from domain.phase import Phase

LAW = settings(deadline=None, max_examples=200)


def piece(*files: str, phase: Phase = Phase.TYPES, foundation: bool = False, weight: float = 1.0) -> Piece:
    return Piece(title="a piece", phase=phase, files=frozenset(files), foundation=foundation, weight=weight)


def imports(**edges: str) -> ImportGraph:
    """Make a graph: `imports(b="a c")` has `b.py` import `a.py` and `c.py`."""
    return ImportGraph(
        imports={f"{name}.py": frozenset(f"{other}.py" for other in others.split()) for name, others in edges.items()}
    )


def analyse(*pieces: Piece, graph: ImportGraph | None = None, co_change: CoChange | None = None) -> Dependencies:
    return DependencyAnalyzer(graph, co_change).analyse(pieces)


def edges(found: Dependencies) -> list[tuple[int, int, str]]:
    return [(edge.before, edge.after, edge.kind) for edge in found.edges]


# --- phases


def test_a_file_that_does_not_parse_holds_back_what_else_is_wrong_in_it() -> None:
    found = analyse(piece("a.py"), piece("a.py", phase=Phase.SYNTAX))

    assert edges(found) == [(1, 0, "phase")]
    assert found.edges[0].reason == "syntax problems in a.py may hide types problems there"
    assert found.waves == ((1,), (0,))


def test_a_file_that_does_not_parse_holds_back_nothing_elsewhere() -> None:
    found = analyse(piece("a.py", phase=Phase.SYNTAX), piece("b.py"), graph=imports(a="b"))

    assert found.edges == ()
    assert found.waves == ((0, 1),)


@pytest.mark.parametrize("hidden", [Phase.IMPORTS, Phase.TYPES, Phase.BORROW, Phase.TESTS, Phase.LINT])
def test_a_file_that_does_not_parse_holds_back_files_that_import_it(hidden: Phase) -> None:
    found = analyse(piece("a.py", phase=Phase.SYNTAX), piece("b.py", phase=hidden), graph=imports(b="a"))

    assert edges(found) == [(0, 1, "import")]
    assert (
        found.edges[0].reason
        == f"b.py imports a.py, where syntax problems may hide its {hidden.name.lower()} problems"
    )


def test_wrong_types_hide_no_types_elsewhere_but_tests_that_import_them() -> None:
    found = analyse(
        piece("a.py", phase=Phase.TYPES),
        piece("b.py", phase=Phase.BORROW),
        piece("b.py", phase=Phase.TESTS),
        graph=imports(b="a"),
    )

    assert edges(found) == [(0, 2, "import"), (1, 2, "phase")]


@pytest.mark.parametrize("earlier", [Phase.IMPORTS, Phase.TYPES, Phase.BORROW, Phase.TESTS])
def test_a_linter_sees_as_much_whatever_is_wrong_in_a_file_that_parses(earlier: Phase) -> None:
    found = analyse(piece("a.py", phase=earlier), piece("a.py", phase=Phase.LINT))

    assert found.edges == ()


def test_what_follows_from_two_edges_is_left_out() -> None:
    found = analyse(*(piece("a.py", phase=phase) for phase in (Phase.TYPES, Phase.SYNTAX, Phase.IMPORTS)))

    assert edges(found) == [(1, 2, "phase"), (2, 0, "phase")]


def test_a_broken_environment_that_names_no_place_holds_back_everything() -> None:
    found = analyse(piece("a.py", phase=Phase.LINT), piece(phase=Phase.ENVIRONMENT), piece("deep/b.py"))

    assert edges(found) == [(1, 0, "phase"), (1, 2, "phase")]


def test_a_broken_manifest_holds_back_what_lies_below_its_folder() -> None:
    found = analyse(
        piece("crates/one/Cargo.toml", phase=Phase.ENVIRONMENT),
        piece("crates/one/src/lib.rs"),
        piece("crates/two/a.rs"),
    )

    assert edges(found) == [(0, 1, "file")]
    assert found.edges[0].reason == "crates/one/Cargo.toml is needed to check anything in crates/one"


def test_a_dependency_that_one_source_misses_holds_back_that_source_and_its_importers_only() -> None:
    found = analyse(
        piece("a.py", phase=Phase.ENVIRONMENT), piece("a.py"), piece("b.py"), piece("c.py"), graph=imports(b="a")
    )

    assert edges(found) == [(0, 1, "phase"), (0, 2, "import")]


# --- foundations


def test_a_foundation_comes_before_what_touches_its_files_or_imports_them() -> None:
    found = analyse(
        piece("a.py"), piece("b.py"), piece("c.py"), piece("a.py", "x.py", foundation=True), graph=imports(b="a")
    )

    assert edges(found) == [(3, 0, "foundation"), (3, 1, "foundation")]
    assert [edge.reason for edge in found.edges] == [
        "mends a definition, and both touch a.py",
        "mends a definition, and b.py imports a.py",
    ]
    assert found.waves == ((2, 3), (0, 1))


def test_a_foundation_does_not_hold_back_an_earlier_phase() -> None:
    found = analyse(
        piece("a.py", phase=Phase.LINT, foundation=True), piece("a.py", phase=Phase.TYPES), graph=imports(b="a")
    )

    assert found.edges == ()


def test_of_two_foundations_the_one_whose_files_are_imported_goes_first() -> None:
    found = analyse(piece("b.py", foundation=True), piece("a.py", foundation=True), graph=imports(b="a"))

    assert edges(found) == [(1, 0, "foundation")]


def test_two_foundations_that_only_share_a_file_go_in_any_order() -> None:
    found = analyse(piece("a.py", foundation=True), piece("a.py", foundation=True))

    assert found.edges == ()
    assert found.overlaps == (Overlap(pieces=(0, 1), files=("a.py",)),)


# --- circles


def test_of_foundations_that_import_each_other_the_weaker_evidence_is_left_out() -> None:
    found = analyse(
        piece("a.py", "b.py", foundation=True),
        piece("c.py", foundation=True),
        piece("d.py", foundation=True),
        # Two files of the first import the second, which imports the third, which imports the first once.
        graph=imports(a="c", b="c", c="d", d="a"),
    )

    assert edges(found) == [(1, 0, "foundation")]
    assert [(broken.edge.before, broken.edge.after) for broken in found.broken] == [(0, 2), (2, 1)]
    assert {broken.why for broken in found.broken} == {
        "foundations import each other in a circle; 1 import speaks for this order, of the weakest evidence there"
    }


def test_with_equal_evidence_the_foundation_that_more_others_build_on_goes_first() -> None:
    found = analyse(
        piece("a.py", foundation=True),
        piece("b.py", foundation=True),
        piece("c.py", foundation=True),
        graph=imports(a="b", b="a", c="a"),
    )

    assert edges(found) == [(0, 1, "foundation"), (0, 2, "foundation")]
    assert [(broken.edge.before, broken.edge.after) for broken in found.broken] == [(1, 0)]


def test_foundations_between_which_nothing_decides_run_at_once() -> None:
    found = analyse(piece("a.py", foundation=True), piece("b.py", foundation=True), graph=imports(a="b", b="a"))

    assert found.edges == ()
    assert len(found.broken) == 2
    assert found.waves == ((0, 1),)


# --- overlaps and likely conflicts


def test_pieces_that_share_files_are_told_by_the_files_that_just_they_share() -> None:
    found = analyse(piece("a.py", "b.py", "c.py"), piece("a.py", "b.py"), piece("b.py", "d.py"), piece("e.py"))

    assert found.overlaps == (
        Overlap(pieces=(0, 1), files=("a.py",)),
        Overlap(pieces=(0, 1, 2), files=("b.py",)),
    )
    assert list(found.overlaps[1].pairs()) == [(0, 1), (0, 2), (1, 2)]


def test_pieces_whose_files_often_change_together_are_likely_to_conflict() -> None:
    history = CoChange.from_merges([{"schema.sql", "models.py"}] * 4 + [{"other.py"}] * 4)

    found = analyse(piece("schema.sql"), piece("models.py"), piece("other.py"), co_change=history)

    assert found.likely_conflicts == (
        LikelyConflict(first=1, second=0, files=("models.py", "schema.sql"), together=4, lift=2.0),
    )
    assert found.waves == ((0, 1, 2),)


def test_pieces_that_never_run_at_once_are_not_said_to_conflict() -> None:
    history = CoChange.from_merges([{"a.py", "b.py"}] * 4 + [{"c.py"}] * 4)

    sharing = analyse(piece("a.py", "x.py"), piece("b.py", "x.py"), co_change=history)
    waiting = analyse(piece("a.py", phase=Phase.SYNTAX), piece("b.py"), graph=imports(b="a"), co_change=history)

    assert sharing.likely_conflicts == waiting.likely_conflicts == ()


# --- waves


def test_within_a_wave_the_heaviest_piece_is_first() -> None:
    found = analyse(piece("a.py", weight=1.0), piece("b.py", weight=3.0), piece("c.py", weight=3.0))

    assert found.waves == ((1, 2, 0),)


def test_no_pieces_make_no_waves() -> None:
    assert analyse() == Dependencies(edges=(), overlaps=(), likely_conflicts=(), broken=(), waves=())


def test_thousands_of_pieces_in_one_file_are_one_overlap() -> None:
    found = analyse(*(piece("a.py") for _ in range(5_000)))

    assert [len(overlap.pieces) for overlap in found.overlaps] == [5_000]
    assert len(found.waves) == 1


# --- laws

paths = st.sampled_from(["a.py", "b.py", "c.py", "sub/d.py", "sub/e.py", "sub/conf.toml"])
pieces_of_work = st.lists(
    st.builds(
        Piece,
        title=st.sampled_from("xyz"),
        phase=st.sampled_from(Phase),
        files=st.frozensets(paths, max_size=3),
        foundation=st.booleans(),
        weight=st.sampled_from([1.0, 2.0, 3.0]),
    ),
    max_size=10,
)
foundations = st.lists(
    st.builds(piece, paths, paths, foundation=st.just(True), weight=st.sampled_from([1.0, 2.0])), max_size=10
)
graphs = st.builds(
    ImportGraph, imports=st.dictionaries(paths, st.frozensets(paths, min_size=1, max_size=3), max_size=6)
)


@LAW
@given(pieces_of_work | foundations, graphs)
def test_everything_that_a_piece_waits_for_lies_in_earlier_waves(pieces: list[Piece], graph: ImportGraph) -> None:
    found = analyse(*pieces, graph=graph)

    wave_of = {number: wave for wave, members in enumerate(found.waves) for number in members}
    assert sorted(wave_of) == list(range(len(pieces)))
    assert all(wave_of[edge.before] < wave_of[edge.after] for edge in found.edges)


@LAW
@given(pieces_of_work | foundations, graphs)
def test_a_piece_of_a_later_wave_waits_for_one_of_the_wave_before(pieces: list[Piece], graph: ImportGraph) -> None:
    found = analyse(*pieces, graph=graph)

    for earlier, members in pairwise(found.waves):
        for number in members:
            assert any(edge.after == number and edge.before in earlier for edge in found.edges)


@LAW
@given(foundations, graphs)
def test_what_is_left_after_breaking_has_no_circle(pieces: list[Piece], graph: ImportGraph) -> None:
    found = analyse(*pieces, graph=graph)

    sorter = TopologicalSorter[int]()
    for edge in found.edges:
        sorter.add(edge.after, edge.before)
    sorter.prepare()


@LAW
@given(foundations, graphs)
def test_without_a_circle_of_imports_nothing_is_broken(pieces: list[Piece], graph: ImportGraph) -> None:
    downhill = {path: frozenset(other for other in others if other < path) for path, others in graph.imports.items()}
    single = [piece(min(given.files), foundation=True) for given in pieces]

    assert analyse(*single, graph=ImportGraph(imports=downhill)).broken == ()


@LAW
@given(pieces_of_work | foundations, graphs)
def test_no_edge_is_both_kept_and_broken(pieces: list[Piece], graph: ImportGraph) -> None:
    found = analyse(*pieces, graph=graph)

    kept = {(edge.before, edge.after) for edge in found.edges}
    broken = {(gone.edge.before, gone.edge.after) for gone in found.broken}
    assert kept.isdisjoint(broken)
    assert all(pieces[one].foundation and pieces[other].foundation for one, other in broken)


@LAW
@given(pieces_of_work | foundations, graphs, st.randoms(use_true_random=False))
def test_the_order_in_which_pieces_are_given_changes_nothing_but_their_numbers(
    pieces: list[Piece], graph: ImportGraph, random: Random
) -> None:
    new_to_old = list(range(len(pieces)))
    random.shuffle(new_to_old)

    found = analyse(*pieces, graph=graph)
    shuffled = analyse(*(pieces[old] for old in new_to_old), graph=graph)

    assert {(new_to_old[edge.before], new_to_old[edge.after], edge.kind, edge.reason) for edge in shuffled.edges} == {
        (edge.before, edge.after, edge.kind, edge.reason) for edge in found.edges
    }
    assert [{new_to_old[number] for number in wave} for wave in shuffled.waves] == [set(wave) for wave in found.waves]


@LAW
@given(pieces_of_work)
def test_two_pieces_of_one_wave_that_share_a_file_are_told_as_an_overlap(pieces: list[Piece]) -> None:
    found = analyse(*pieces)

    told = {pair for overlap in found.overlaps for pair in overlap.pairs()}
    sharing = {pair for pair in combinations(range(len(pieces)), 2) if pieces[pair[0]].files & pieces[pair[1]].files}
    assert told == sharing
    for wave in found.waves:
        assert {pair for pair in combinations(sorted(wave), 2) if pair in sharing} <= told
