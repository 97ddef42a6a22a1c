"""Paths made relative to the tree, and ranges."""

from __future__ import annotations

import pytest

from domain.problem import Range
from domain.readers.places import OutsideTreeError, Tree, span
from domain.readers.reading import read


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.py", "sub/a.py"),
        ("./x/../a.py", "sub/a.py"),
        ("../a.py", "a.py"),
        ("../../tree/a.py", "a.py"),
        ("/src/tree/a.py", "a.py"),
        ("//src/tree//a.py", "a.py"),
        ("x\\a.py", "sub/x/a.py"),
        ("x/odd\\name.py", "sub/x/odd\\name.py"),
        ("/src/tree", ""),
        ("", ""),
    ],
)
def test_a_path_is_told_relative_to_the_root(path: str, expected: str) -> None:
    assert Tree("/src/tree/", "sub").place(path) == expected


@pytest.mark.parametrize(
    "path", ["/src/treehouse/a.py", "/etc/passwd", "../../a.py", "/src/tree/../a.py", "a\0.py", "C:\\a.py"]
)
def test_a_path_out_of_the_tree_is_refused(path: str) -> None:
    with pytest.raises(OutsideTreeError):
        Tree("/src/tree", "sub").place(path)


@pytest.mark.parametrize("path", ["/a.py", "../../a.py", "..\\..\\a.py", "C:/a.py"])
def test_without_a_root_only_paths_that_stay_below_are_taken(path: str) -> None:
    assert Tree(prefix="sub").place("../a.py") == "a.py"
    with pytest.raises(OutsideTreeError):
        Tree(prefix="sub").place(path)


def test_a_drive_is_a_root_as_well() -> None:
    assert Tree("c:\\src\\tree").place("C:\\src\\tree\\x\\a.py") == "x/a.py"


def test_the_root_of_everything_holds_everything() -> None:
    assert Tree("/").place("/a.py") == "a.py"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((3, 4, 3, 9), Range(line=3, column=4, end_line=3, end_column=9)),
        ((3, 4, None, 9), Range(line=3, column=4, end_line=3, end_column=9)),
        ((3, 0, 3, 0), Range(line=3, end_line=3)),
        ((3, None, None, None), Range(line=3)),
        ((3, 4, 2, 9), Range(line=3, column=4)),
        ((3, 4, 5, None), Range(line=3, column=4, end_line=5)),
        ((3, None, None, 9), Range(line=3, end_line=3)),
        ((0, 4, 3, 9), None),
        ((None, None, None, None), None),
    ],
)
def test_a_range_holds_only_what_the_tool_knew(
    numbers: tuple[int | None, int | None, int | None, int | None], expected: Range | None
) -> None:
    assert span(*numbers) == expected


# --- a root that nobody has told


def relative(*paths: str, likely: str = "") -> list[str]:
    lines = "".join(f"{path}:1:1: E501 line too long (99 > 79 characters)\n" for path in paths)
    return [found.path for found in read(lines.encode(), format="flake8", root=None, likely_root=likely).problems]


def test_absolute_paths_become_relative_to_the_folder_that_they_share() -> None:
    assert relative("/home/me/tree/a.py", "/home/me/tree/pkg/b.py") == ["a.py", "pkg/b.py"]


def test_the_likely_root_is_taken_where_a_path_lies_in_it() -> None:
    assert relative("/home/me/tree/pkg/a.py", likely="/home/me/tree") == ["pkg/a.py"]
    assert relative("/home/me/tree/pkg/a.py", likely="/home/me/other") == ["a.py"]


def test_relative_paths_need_no_root() -> None:
    assert relative("a.py", "pkg/b.py", likely="/home/me/tree") == ["a.py", "pkg/b.py"]


def test_absolute_paths_beside_relative_ones_lie_outside_of_the_tree() -> None:
    assert relative("/usr/include/x.py", "a.py", likely="/home/me/tree") == ["a.py"]


def test_what_lies_elsewhere_than_most_is_outside_of_the_tree() -> None:
    assert relative("/usr/include/x.py", "/home/me/tree/a.py", "/home/me/tree/b.py") == ["a.py", "b.py"]
