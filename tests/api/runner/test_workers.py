from __future__ import annotations

import sys
from pathlib import Path

import pytest

from api.runner.workers import PRESETS, WorkerSpec, fill_in, worker_from
from domain.errors import UsageError

FILES = ["a.py", "with space.py"]


def _filled(text: str, *, shell: bool = False) -> list[str]:
    return fill_in(worker_from(text, shell=shell), brief="/run/b r.md", files=FILES, codes=["E1", "F2"])


def test_files_as_a_word_become_a_word_each() -> None:
    assert _filled("agent {files} --end") == ["agent", "a.py", "with space.py", "--end"]


def test_files_inside_a_word_are_joined_by_spaces() -> None:
    assert _filled("agent --only={files}") == ["agent", "--only=a.py with space.py"]


def test_the_brief_and_the_codes_are_filled_in() -> None:
    assert _filled("agent --read={brief} {codes}") == ["agent", "--read=/run/b r.md", "E1,F2"]


@pytest.mark.parametrize("shell", [False, True])
def test_no_file_is_taken_for_an_option(*, shell: bool) -> None:
    worker = worker_from("agent {files}", shell=shell)
    assert fill_in(worker, brief="", files=["-x.py"], codes=[])[-1].endswith("./-x.py")


def test_other_braces_stay() -> None:
    assert _filled("agent '{\"a\": {}}' {unknown}") == ["agent", '{"a": {}}', "{unknown}"]


def test_a_quoted_command_is_split_as_a_shell_would() -> None:
    assert _filled("'my agent' \"two words\" a\\ b") == ["my agent", "two words", "a b"]


def test_a_line_of_the_shell_has_its_values_quoted() -> None:
    assert _filled("cat {brief} | agent {files} {codes}", shell=True) == [
        "/bin/sh", "-c", "cat '/run/b r.md' | agent a.py 'with space.py' E1,F2",
    ]  # fmt: skip


def test_a_preset_takes_further_arguments() -> None:
    worker = worker_from("claude --model small", shell=False)
    assert worker.argv == (*PRESETS["claude"].argv, "--model", "small")


def test_a_command_of_the_users_own_is_named_after_its_program() -> None:
    worker = worker_from("/opt/bin/agent --fast", shell=False)
    assert (worker.name, worker.argv, worker.kind, worker.target) == (
        "agent", ("/opt/bin/agent", "--fast"), "agent", "all",
    )  # fmt: skip


def test_a_relative_program_is_found_from_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agent").touch()
    monkeypatch.chdir(tmp_path)
    assert worker_from("./agent --fast", shell=False).argv == (str(tmp_path / "agent"), "--fast")
    assert worker_from("./other", shell=False).argv == ("./other",)
    assert worker_from("agent", shell=False).argv == ("agent",)


def test_ruff_fix_is_for_what_ruff_can_fix() -> None:
    worker = worker_from("ruff-fix", shell=False)
    assert (worker.argv[0], worker.kind, worker.target, worker.cpu_bound) == (
        sys.executable,
        "script",
        "fixable",
        True,
    )


def test_ruff_fix_with_unsafe_fixes_is_for_more() -> None:
    assert worker_from("ruff-fix --unsafe-fixes", shell=False).target == "fixable-unsafe"


@pytest.mark.parametrize("text", ["", "  ", "'open"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        worker_from(text, shell=False)


@pytest.mark.parametrize("worker", PRESETS.values(), ids=list(PRESETS))
def test_every_preset_is_given_its_brief(worker: WorkerSpec) -> None:
    words = " ".join(worker.argv)
    assert worker.brief_on_stdin != ("{brief}" in words)
