"""The page that a worker is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from domain import events as e
from domain.brief import write_brief
from domain.ids import SubtaskId
from domain.plan import Effort
from domain.problem import Problem, Range, Suggestion
from domain.scope import TaskScope
from domain.task_state import AttemptNote, Blocker, SubtaskState

IMPORT = Suggestion(message="Remove unused import: `os`", applicability="safe")


def problem(line: int, message: str = "`os` imported but unused", *, path: str = "pkg/a.py") -> Problem:
    return Problem(tool="ruff", code="F401", message=message, path=path, range=Range(line=line))


def subtask(
    *, excluded: tuple[str, ...] = (), history: tuple[AttemptNote, ...] = (), **scope: tuple[str, ...]
) -> SubtaskState:
    plan = e.SubtaskPlanned(
        phase=1,
        title="F401 in 2 files of pkg",
        reason="automatic fixes, split by file",
        scope=msgspec.structs.replace(
            TaskScope(files=("pkg/a.py", "pkg/b.py"), codes=("F401",), time_budget_seconds=600.0),
            excluded_codes=excluded,
            **scope,
        ),
        problems=(0, 1),
        effort=Effort(p50=60.0, p80=90.0, p95=120.0),
        priority=0,
    )
    return SubtaskState(id=SubtaskId("boto-7k3mq9xd.12"), plan=plan, history=history)


def brief(*problems: Problem, of: SubtaskState | None = None, gates: tuple[str, ...] = ()) -> str:
    return write_brief(
        of or subtask(),
        problems or (problem(3),),
        check="ruff check pkg/a.py pkg/b.py",
        gates=gates,
        report="/tmp/report.ndjson",
    )


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next of its rank."""
    return page.split(f"## {heading}\n\n")[1].split("\n\n## ")[0]


def test_a_page_goes_from_what_and_where_to_the_problems() -> None:
    headings = re.findall(r"^#{1,2} .*$", brief(), flags=re.MULTILINE)

    assert headings == [
        "# #12 F401 in 2 files of pkg",
        "## What",
        "## Where",
        "## Do not touch",
        "## Done when",
        "## How to verify",
        "## How to hand over",
        "## The problems",
    ]


def test_it_says_what_is_to_be_done_and_why_it_is_one_subtask() -> None:
    assert section(brief(problem(3), problem(9)), "What") == (
        "Remove 2 problems in 2 files (F401). They are one subtask because: automatic fixes, split by file."
    )


def test_it_names_the_files_that_may_be_changed() -> None:
    assert section(brief(), "Where").endswith("- `pkg/a.py`\n- `pkg/b.py`")


def test_it_names_the_codes_that_are_another_s() -> None:
    page = brief(of=subtask(excluded=("E501", "E711")))

    assert "which are another subtask's: E501, E711." in section(page, "Do not touch")
    assert "another subtask's" not in brief()


def test_a_definition_elsewhere_may_be_mended_where_the_scope_allows_it() -> None:
    page = brief(of=subtask(included_files=("*.rs", "Cargo.toml")))

    assert section(page, "Where").endswith("you may also change files like `*.rs`, `Cargo.toml`.")


def test_it_says_what_all_work_has_to_keep_to() -> None:
    page = brief(
        of=subtask(
            excluded_files=("*.lock",), constraints=("Keep the public names.",), quality=("The tests still pass.",)
        )
    )

    assert section(page, "Do not touch").startswith("- Files like `*.lock`.\n- Keep the public names.\n")
    assert "- The tests still pass." in section(page, "Done when")


def test_every_gate_is_a_condition_of_being_done() -> None:
    assert "- `make check` ends with exit code 0." in section(brief(gates=("make check",)), "Done when")


def test_the_command_that_verifies_stands_on_a_line_of_its_own() -> None:
    assert "    ruff check pkg/a.py pkg/b.py" in section(brief(), "How to verify").splitlines()


def test_it_says_where_to_report_and_within_which_time() -> None:
    text = section(brief(), "How to hand over")

    assert "within 600 seconds" in text
    assert "append messages to `/tmp/report.ndjson`" in text


def test_the_messages_it_shows_are_messages() -> None:
    shown = [line.strip() for line in brief().splitlines() if line.startswith('    {"type"')]

    messages = [msgspec.json.decode(line, type=e.WorkerMessage) for line in shown]

    assert [type(message) for message in messages] == [e.Progress, e.Completed, e.Blocked]


def test_what_was_tried_before_is_told_to_the_next() -> None:
    page = brief(of=subtask(history=(AttemptNote(epoch=1, worker_id="w2", what="scope: changed c.py"),)))

    assert section(page, "What was tried before") == "- Attempt 1 by w2: scope: changed c.py"


def test_problems_are_listed_by_file_with_line_code_and_hint() -> None:
    hinted = Problem(
        tool="ruff", code="F401", message="unused\nsee the manual", path="pkg/b.py", suggestions=(IMPORT,)
    )

    assert section(brief(problem(3), hinted, problem(9)), "The problems") == (
        "### pkg/a.py\n\n"
        "- line 3: F401 `os` imported but unused\n"
        "- line 9: F401 `os` imported but unused\n\n"
        "### pkg/b.py\n\n"
        "- line ?: F401 unused (suggested: Remove unused import: `os`)\n"
    )


def test_a_long_list_is_cut_and_says_so() -> None:
    page = brief(*(problem(line) for line in range(1, 66)))

    assert "- line 60: " in page
    assert "- line 61: " not in page
    assert page.endswith("\n\nAnd 5 more: the command above lists them all.\n")


def test_a_problem_without_a_message_is_listed_all_the_same() -> None:
    assert brief(problem(3, "")).rstrip().endswith("- line 3: F401")


# --- for whoever speaks to the service itself


def served(*problems: Problem, of: SubtaskState | None = None, check: str = "") -> str:
    return write_brief(of or subtask(), problems or (problem(3),), check=check, gates=(), report="")


def test_who_speaks_to_the_service_hands_over_there() -> None:
    page = served()

    assert "MCP `submit_subtask`, over HTTP a message `completed`" in section(page, "How to hand over")
    assert "within 600 seconds" in section(page, "How to hand over")
    assert "JSON" not in page


def test_where_nobody_knows_how_to_look_again_nothing_is_said_of_it() -> None:
    page = served()

    assert "## How to verify" not in page
    assert "- The tool shows none of the problems below" in section(page, "Done when")


def test_a_check_without_a_folder_of_one_s_own_is_run_at_the_root() -> None:
    assert section(served(check="ruff check"), "How to verify").startswith("Run this at the root of the tree:")


def test_a_long_list_promises_no_command_that_is_not_there() -> None:
    assert served(*(problem(line) for line in range(1, 66))).endswith("\n\nAnd 5 more.\n")


def test_time_that_was_granted_is_part_of_the_budget() -> None:
    longer = msgspec.structs.replace(subtask(), extra_seconds=300.0)

    assert "within 900 seconds" in brief(of=longer)
    assert "within 900 seconds" in served(of=longer)


def blocker(by: str = "", text: str = "", policy: e.BlockerPolicy = "ask") -> Blocker:
    return Blocker(
        number=1,
        issue=e.ScopeClarification(question="Which one?"),
        context="",
        policy=policy,
        detail="",
        waits_for=None,
        worker_id="w2",
        epoch=1,
        opened_at=datetime(2025, 1, 2, tzinfo=UTC),
        answered_at=datetime(2025, 1, 3, tzinfo=UTC) if by else None,
        text=text,
        by=by,
    )


def test_what_was_answered_before_is_told_to_the_next() -> None:
    page = brief(of=msgspec.structs.replace(subtask(), blockers=(blocker("ann", "the first"),)))

    assert section(page, "What was answered before").endswith(": the first")


def test_what_was_never_answered_is_not_told_as_an_answer() -> None:
    closed = (blocker(), blocker("service", "the worker is gone"), blocker("ann"))

    assert "What was answered" not in brief(of=msgspec.structs.replace(subtask(), blockers=closed))
    given = blocker("service", "#2 has ended: go on", policy="answered")
    assert "#2 has ended: go on" in brief(of=msgspec.structs.replace(subtask(), blockers=(given,)))
