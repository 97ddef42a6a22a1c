"""What became of each problem between two observations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.comparison import Comparison, Fate, compare
from domain.problem import Problem, Range
from domain.readers.reading import read

_SAMPLES = Path(__file__).parent / "samples"


def unused(name: str = "os", *, path: str = "a.py", line: int = 1) -> Problem:
    return Problem(tool="ruff", code="F401", message=f"`{name}` unused", path=path, range=Range(line=line))


def undocumented(path: str = "a.py", line: int = 1) -> Problem:
    """Give a problem whose message names nothing."""
    return Problem(tool="ruff", code="D103", message="Missing docstring", path=path, range=Range(line=line))


def of_rustc(code: str, message: str, path: str = "src/a.rs") -> Problem:
    return Problem(tool="cargo", code=code, message=message, path=path)


def fates(before: Sequence[Problem], after: Sequence[Problem]) -> tuple[Fate, ...]:
    return compare(before, after).after


class TestPersisting:
    def test_a_problem_that_only_changed_its_line_persists(self) -> None:
        comparison = compare([unused(line=3)], [unused(line=30)])

        assert (comparison.before, comparison.after) == (("persisting",), ("persisting",))
        assert comparison.origins == {0: 0}

    def test_what_is_gone_is_resolved_and_what_came_is_new(self) -> None:
        comparison = compare([unused("os"), unused("re")], [unused("re"), unused("io")])

        assert comparison.before == ("resolved", "persisting")
        assert comparison.after == ("persisting", "new")
        assert comparison.counts == {"persisting": 1, "new": 1, "resolved": 1}
        assert comparison.positions("new") == [1]

    def test_problems_that_are_alike_are_counted(self) -> None:
        comparison = compare([undocumented(line=1), undocumented(line=5)], [undocumented(line=1)])

        assert comparison.counts == {"persisting": 1, "resolved": 1}

    def test_of_problems_that_are_alike_the_one_at_a_new_place_is_new(self) -> None:
        before = [undocumented(line=10), undocumented(line=20)]
        after = [undocumented(line=5), undocumented(line=10), undocumented(line=20)]

        assert fates(before, after) == ("new", "persisting", "persisting")

    def test_where_problems_have_shifted_to_is_told_by_those_beside_them(self) -> None:
        before = [unused(line=1), undocumented(line=10), undocumented(line=20)]
        after = [unused(line=11), undocumented(line=15), undocumented(line=20), undocumented(line=30)]

        assert fates(before, after) == ("persisting", "new", "persisting", "persisting")


class TestMoved:
    def test_a_problem_of_a_renamed_file_has_moved(self) -> None:
        comparison = compare([undocumented("old.py")], [undocumented("new.py")])

        assert (comparison.before, comparison.after) == (("moved",), ("moved",))
        assert comparison.counts == {"moved": 1}

    def test_a_problem_that_names_something_has_moved_between_files_that_both_stay(self) -> None:
        before = [unused("glob", path="a.py"), unused("os", path="a.py"), unused("re", path="b.py")]
        after = [unused("os", path="a.py"), unused("re", path="b.py"), unused("glob", path="b.py")]

        assert fates(before, after) == ("persisting", "persisting", "moved")

    def test_a_problem_that_names_nothing_is_not_believed_to_have_moved_between_them(self) -> None:
        before = [undocumented("a.py"), unused("os", path="a.py"), unused("re", path="b.py")]
        after = [unused("os", path="a.py"), unused("re", path="b.py"), undocumented("b.py")]

        assert fates(before, after) == ("persisting", "persisting", "new")

    def test_each_problem_moves_with_its_file(self) -> None:
        before = [unused(name, path=path) for path, names in (("a.py", "xyz"), ("b.py", "xuv")) for name in names]
        after = [replace(problem, path={"a.py": "z.py", "b.py": "y.py"}[problem.path]) for problem in before]

        comparison = compare(before, after)

        assert comparison.origins == {position: position for position in range(6)}


class TestUnmasked:
    def test_what_a_syntax_error_hid_in_its_file_is_unmasked(self) -> None:
        syntax = Problem(tool="ruff", code="invalid-syntax", message="Expected a name", path="a.py")

        comparison = compare([unused("re", path="b.py"), syntax], [unused("re", path="b.py"), unused(path="a.py")])

        assert comparison.after == ("persisting", "unmasked")
        assert comparison.hidden_by == {1: 1}

    def test_a_linter_reads_each_file_by_itself(self) -> None:
        syntax = Problem(tool="ruff", code="invalid-syntax", message="Expected a name", path="a.py")

        assert fates([syntax], [unused(path="b.py")]) == ("new",)

    def test_a_compiler_stops_at_a_syntax_error_in_any_file(self) -> None:
        syntax = of_rustc("E0765", "unterminated double quote string", "src/lib.rs")

        assert fates([syntax], [of_rustc("E0382", "use of moved value: `x`")]) == ("unmasked",)

    def test_a_wrong_type_hides_borrows_in_its_own_file_only(self) -> None:
        mismatch = of_rustc("E0308", "mismatched types")
        moved_value = of_rustc("E0382", "use of moved value: `x`")

        assert fates([mismatch], [moved_value]) == ("unmasked",)
        assert fates([mismatch], [replace(moved_value, path="src/b.rs")]) == ("new",)

    def test_an_error_in_a_header_hides_what_its_includers_do(self) -> None:
        header = Problem(tool="gcc", code="error", message="unknown type name ‘x’", path="x.h")  # noqa: RUF001
        user = Problem(tool="gcc", code="-Wint-conversion", message="no", path="x.c", severity="warning")

        assert fates([header], [user]) == ("unmasked",)

    def test_a_later_phase_hides_nothing(self) -> None:
        assert fates([of_rustc("E0382", "use of moved value: `x`")], [of_rustc("E0308", "mismatched types")]) == (
            "new",
        )

    def test_an_error_that_is_still_there_is_no_explanation(self) -> None:
        syntax = Problem(tool="ruff", code="invalid-syntax", message="Expected a name", path="a.py")

        assert fates([syntax], [syntax, unused()]) == ("persisting", "new")

    def test_mended_types_do_not_explain_new_matters_of_style(self) -> None:
        types = Problem(tool="mypy", code="arg-type", message="no", path="a.py")
        style = Problem(tool="mypy", code="unused-ignore", message='Unused "type: ignore" comment', path="a.py")

        assert fates([types], [style]) == ("new",)


def test_a_problem_that_had_been_resolved_before_has_regressed() -> None:
    earlier = frozenset({unused("re").fingerprint})

    comparison = compare([unused("os")], [unused("os"), unused("re")], resolved_earlier=earlier)

    assert comparison.after == ("persisting", "regressed")


def test_a_failing_test_persists_though_it_fails_otherwise() -> None:
    before = Problem(tool="junit", code="KeyError", message="KeyError: 1", symbol="tests.test_a.test_x")
    after = replace(before, code="AssertionError", message="assert 1 == 2")

    assert fates([before], [after]) == ("persisting",)


paths = st.sampled_from(["a.py", "b.py", "pkg/c.py"])
problems = st.lists(
    st.one_of(
        st.builds(unused, st.sampled_from("xyz"), path=paths, line=st.integers(1, 9)),
        st.builds(undocumented, paths, st.integers(1, 9)),
        st.builds(
            of_rustc,
            st.sampled_from(["E0425", "E0308", "E0382", "E0765"]),
            st.sampled_from(["no `x`", "no"]),
            paths,
        ),
    ),
    max_size=12,
)


def by_identity(comparison: Comparison, before: Sequence[Problem], after: Sequence[Problem]) -> list[Counter[object]]:
    return [
        Counter(zip((problem.fingerprint for problem in before), comparison.before, strict=True)),
        Counter(zip((problem.fingerprint for problem in after), comparison.after, strict=True)),
    ]


@given(problems)
def test_a_list_compared_with_itself_only_persists(observed: list[Problem]) -> None:
    comparison = compare(observed, observed)

    assert set(comparison.before) | set(comparison.after) <= {"persisting"}
    assert sorted(comparison.origins) == sorted(comparison.origins.values()) == list(range(len(observed)))


@given(problems, problems)
def test_counts_add_up(before: list[Problem], after: list[Problem]) -> None:
    comparison = compare(before, after)
    count = Counter(comparison.counts)

    assert count["persisting"] + count["moved"] + count["resolved"] == len(before)
    assert len(after) + count["resolved"] == sum(count.values())
    assert len(comparison.origins) == len(set(comparison.origins.values())) == count["persisting"] + count["moved"]
    for fate in ("persisting", "moved"):
        assert comparison.before.count(fate) == comparison.after.count(fate)


@given(problems, problems)
def test_a_pair_is_one_problem(before: list[Problem], after: list[Problem]) -> None:
    comparison = compare(before, after)

    for new, old in comparison.origins.items():
        same = before[old].fingerprint == after[new].fingerprint
        assert comparison.after[new] == comparison.before[old] == ("persisting" if same else "moved")
        assert before[old].loose_fingerprint == after[new].loose_fingerprint


@given(problems, problems, st.randoms(use_true_random=False))
def test_order_does_not_matter(before: list[Problem], after: list[Problem], random: Random) -> None:
    shuffled_before, shuffled_after = list(before), list(after)
    random.shuffle(shuffled_before)
    random.shuffle(shuffled_after)

    assert by_identity(compare(before, after), before, after) == by_identity(
        compare(shuffled_before, shuffled_after), shuffled_before, shuffled_after
    )


@given(problems, st.integers(0, 100))
def test_lines_inserted_above_change_nothing(before: list[Problem], inserted: int) -> None:
    after = [replace(p, range=Range(line=p.range.line + inserted) if p.range else None) for p in before]

    assert set(fates(before, after)) <= {"persisting"}


@given(problems)
def test_a_renamed_file_turns_all_of_its_problems_to_moved(before: list[Problem]) -> None:
    after = [replace(problem, path="new.py") if problem.path == "a.py" else problem for problem in before]

    assert fates(before, after) == tuple("moved" if p.path == "new.py" else "persisting" for p in after)


@given(problems, problems)
def test_forward_and_backward_agree_on_what_persists_and_what_moved(
    before: list[Problem], after: list[Problem]
) -> None:
    forward, backward = compare(before, after), compare(after, before)

    for fate in ("persisting", "moved"):
        assert forward.after.count(fate) == backward.after.count(fate)


class TestTwoObservationsOfOneTree:
    """`schedule` 1.2.1, before and after these edits, with what ruff and mypy said.

    `setup.py`: a parenthesis closed that was open. `schedule/__init__.py`: three lines inserted above the imports, an
    unused import between them, one `format` call written as an f-string. `test_schedule.py`: renamed to
    `tests/test_schedule.py`, a function of five lines inserted at line 27, the unused `job2` removed from its line,
    and one argument mended where the default scheduler cancels a job.
    """

    @staticmethod
    def observed(tool: str) -> tuple[Sequence[Problem], Sequence[Problem]]:
        before, after = (
            read((_SAMPLES / f"{tool}-schedule-{when}.jsonl").read_bytes(), format=tool).problems
            for when in ("before", "after")
        )
        return before, after

    @staticmethod
    def told(problems: Sequence[Problem], told: Sequence[Fate], *fates: Fate) -> list[tuple[str, str, int]]:
        return [
            (problem.code, problem.path, problem.range.line)
            for problem, fate in zip(problems, told, strict=True)
            if fate in fates and problem.range
        ]

    def test_ruff(self) -> None:
        before, after = self.observed("ruff")
        comparison = compare(before, after)

        assert self.told(after, comparison.after, "new") == [
            ("F401", "schedule/__init__.py", 46),
            ("D103", "tests/test_schedule.py", 27),
            ("F841", "tests/test_schedule.py", 28),
            ("F821", "tests/test_schedule.py", 29),
        ]
        assert self.told(after, comparison.after, "unmasked") == [("D100", "setup.py", 1)]
        assert self.told(before, comparison.before, "resolved") == [
            ("UP032", "schedule/__init__.py", 735),
            ("invalid-syntax", "setup.py", 54),
            ("F841", "test_schedule.py", 202),
        ]

    def test_mypy(self) -> None:
        before, after = self.observed("mypy")
        comparison = compare(before, after)

        assert self.told(after, comparison.after, "new", "unmasked") == [
            ("no-untyped-def", "tests/test_schedule.py", 27),
            ("name-defined", "tests/test_schedule.py", 29),
        ]
        assert self.told(before, comparison.before, "resolved") == [("arg-type", "test_schedule.py", 848)]

    @pytest.mark.parametrize("tool", ["ruff", "mypy"])
    def test_every_other_problem_is_found_where_it_went(self, tool: str) -> None:
        before, after = self.observed(tool)
        went = {
            ("schedule/__init__.py", 4, "persisting"),
            ("test_schedule.py", 5, "moved"),
            # Above the inserted function.
            ("test_schedule.py", 0, "moved"),
        }

        comparison = compare(before, after)

        for new, old in comparison.origins.items():
            place, origin = after[new].range, before[old].range
            assert place
            assert origin
            shift = place.line - origin.line
            assert (before[old].path, shift, comparison.after[new]) in went
            assert shift == 5 or before[old].path != "test_schedule.py" or origin.line < 27
