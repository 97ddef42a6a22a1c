from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from api.runner.tool import PRESETS, check_installed, command_tool, observe, preset_tool, split_command
from domain.errors import ReportError, ToolError, UsageError


def _says(tmp_path: Path, script: str, report_format: str = "auto"):
    """A tool that is a script of the test's own."""
    path = tmp_path / "tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return command_tool(f"{path} {{files}}", report_format)


def test_a_preset_takes_further_arguments_before_the_paths() -> None:
    argv = preset_tool("ruff", "--select 'F,E'").argv
    assert argv[-3:] == ("--select", "F,E", "{files}")


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="unknown tool 'pylint': cargo, mypy, ruff"):
        preset_tool("pylint")


@pytest.mark.parametrize(("name", "scoped"), [("ruff", True), ("cargo", False), ("mypy", False)])
def test_only_tools_that_take_paths_are_scoped(name: str, scoped: bool) -> None:
    assert PRESETS[name].scoped == scoped


def test_a_command_of_the_users_own_is_named_after_its_program() -> None:
    tool = command_tool("/opt/bin/lint --json {files}", "sarif")
    assert (tool.name, tool.argv, tool.format, tool.scoped) == (
        "lint", ("/opt/bin/lint", "--json", "{files}"), "sarif", True,
    )  # fmt: skip


def test_an_open_quote_cannot_be_split() -> None:
    with pytest.raises(UsageError, match="No closing quotation"):
        split_command("lint 'open")


def test_a_program_that_is_not_there_is_named_with_its_part(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="the tool 'no-such-tool' is not installed"):
        check_installed(["no-such-tool"], tmp_path, "the tool")


def test_a_path_counts_from_the_root_of_the_tree(tmp_path: Path) -> None:
    _says(tmp_path, "true")
    check_installed(["./tool"], tmp_path, "the tool")


async def test_a_look_at_single_files_names_them_from_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    tool = _says(tmp_path, f'echo "$@" > {tmp_path}/told; echo "[]"')
    await observe(tool, tmp_path, "pkg", ["pkg/a.py", "other/b.py"])
    assert (tmp_path / "told").read_text() == "a.py ../other/b.py\n"


async def test_a_look_at_all_is_a_look_at_the_folder(tmp_path: Path) -> None:
    tool = _says(tmp_path, f'echo "$@" > {tmp_path}/told; echo "[]"')
    await observe(tool, tmp_path, "")
    assert (tmp_path / "told").read_text() == ".\n"


async def test_silence_and_success_mean_no_problems(tmp_path: Path) -> None:
    _, report = await observe(_says(tmp_path, "true"), tmp_path, "")
    assert report.problems == ()


@pytest.mark.parametrize("form", ["auto", "ruff", "mypy"])
async def test_a_tool_that_fails_in_silence_has_not_found_the_tree_clean(tmp_path: Path, form: str) -> None:
    with pytest.raises(ToolError, match="tool failed with exit code 2: broken"):
        await observe(_says(tmp_path, "echo broken >&2; exit 2", form), tmp_path, "")


async def test_an_output_that_is_no_report_is_an_error_with_what_was_said(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"\(exit 2\): .*; it said: broken"):
        await observe(_says(tmp_path, "echo nonsense; echo broken >&2; exit 2", "sarif"), tmp_path, "")


async def test_an_exit_code_that_says_nothing_about_the_code_is_a_failure(tmp_path: Path) -> None:
    tool = msgspec.structs.replace(_says(tmp_path, "echo '[]'; echo broken >&2; exit 2"), exit_codes=(0, 1))
    with pytest.raises(ToolError, match="tool failed with exit code 2: broken"):
        await observe(tool, tmp_path, "")
