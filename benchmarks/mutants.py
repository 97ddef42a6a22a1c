"""Break the ledger and the service on purpose, one small fault at a time, and see whether a test notices.

    python benchmarks/mutants.py [WORD ...]

Works on a copy of the tree in a temporary folder, with an embedded Postgres of its own. Prints which test noticed
each fault; the exit code is 1 when one was not noticed, or could not be tried. With words: only faults whose
description holds one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Column, Table

from eventstore.postgres.embedded import embedded_server

_ROOT = Path(__file__).parents[1]
_COPIED = ("domain", "eventstore", "projections", "api", "sql", "tests")
_OUT = Console(width=150, soft_wrap=True)

#: A test that takes longer has met a fault that makes somebody wait for ever.
_TEST_SECONDS_MAX = 15

_APPEND_SQL = "sql/functions/02_append.sql"
_SETTLED_SQL = "sql/functions/03_settled_position.sql"
_CONTENT_SQL = "sql/functions/01_content.sql"
_APPEND = "eventstore/append.py"
_BATCHER = "eventstore/batcher.py"
_FEED = "eventstore/feed.py"

_LEDGER_TESTS = "tests/eventstore/test_ledger.py"
_RACE_TESTS = "tests/eventstore/test_ledger_races.py"
_FEED_TESTS = "tests/eventstore/test_feed.py"
_HASH_TESTS = "tests/eventstore/test_content_hash.py"
_MIGRATION_TESTS = "tests/eventstore/postgres/test_migrations.py"
_CHAOS = "tests/eventstore/chaos/test_"
_FEED_RACES = f"{_CHAOS}feed_races.py"
_MANY_CALLERS = f"{_CHAOS}many_callers.py"
_LINE_CUT = f"{_CHAOS}line_cut.py"
_LIMITS = f"{_CHAOS}batcher_limits.py"
_SERVICE_KILLED = f"{_CHAOS}service_killed.py"

_LIFECYCLE = "domain/lifecycle.py"
_DESK = "api/service/desk.py"
_DISPATCHER = "api/service/dispatcher.py"
_LEASES = "api/service/leases.py"
_MESSAGES = "api/service/messages.py"

_LIFECYCLE_TESTS = "tests/domain/test_lifecycle.py"
_SERVICE = "tests/api/service/test_"
_CLAIM_TESTS = f"{_SERVICE}claims.py"
_LEASE_TESTS = f"{_SERVICE}leases.py"
_MESSAGE_TESTS = f"{_SERVICE}messages.py"
_VERDICT_TESTS = f"{_SERVICE}verdicts.py"
_LATE_NEWS = f"{_SERVICE}late_news.py"


class Mutant(NamedTuple):
    """A fault: what it is, the text that is replaced, and the tests that should notice."""

    what: str
    file: str
    old: str
    new: str
    tests: Sequence[str]


MUTANTS = (
    Mutant(
        "appends do not share a lock that readers can wait for",
        _APPEND_SQL,
        "PERFORM pg_advisory_xact_lock_shared(8103995998057293682);",
        "NULL;",
        [_FEED_RACES],
    ),
    Mutant(
        "what is settled is told while appends are under way",
        _SETTLED_SQL,
        "PERFORM pg_advisory_xact_lock(8103995998057293682);",
        "NULL;",
        [_FEED_RACES],
    ),
    Mutant(
        "a reader takes holes for settled at once",
        _FEED,
        "return entries[: settled + sum(1 for _ in run)]",
        "return entries",
        [_FEED_RACES],
    ),
    Mutant(
        "a reader gives events of a batch again after its connection was lost",
        _FEED,
        "self._position = last.position",
        "self._position = last.position - 1",
        [_FEED_TESTS],
    ),
    Mutant(
        "a place in another ledger is taken for one of this",
        _FEED,
        "if self._cursor.incarnation != self._incarnation:",
        "if False:",
        [_FEED_TESTS],
    ),
    Mutant(
        "a place in a ledger that was restored is not looked at",
        _FEED,
        "if message != self._cursor.message_id and not archived:",
        "if False:",
        [_FEED_TESTS],
    ),
    Mutant(
        "message ids are not unique",
        "sql/migrations/0001_ledger.sql",
        "version),\n    CONSTRAINT event_message_key UNIQUE (task_id, message_id)",
        "version)",
        [_LEDGER_TESTS],
    ),
    Mutant(
        "stored events can be updated",
        "sql/migrations/0002_seals_archives_imports.sql",
        "BEFORE UPDATE OR TRUNCATE ON ledger.event",
        "BEFORE TRUNCATE ON ledger.event",
        [_MIGRATION_TESTS],
    ),
    Mutant(
        "the expected version is not checked",
        _APPEND_SQL,
        "IF mismatches IS NOT NULL THEN\n        RAISE EXCEPTION 'a stream",
        "IF false THEN\n        RAISE EXCEPTION 'a stream",
        [_LEDGER_TESTS],
    ),
    Mutant(
        "the expected last position of a task is not checked",
        _APPEND_SQL,
        "IF mismatches IS NOT NULL THEN\n            RAISE EXCEPTION 'a task",
        "IF false THEN\n            RAISE EXCEPTION 'a task",
        [_LEDGER_TESTS],
    ),
    Mutant(
        "versions begin anew with each append",
        _APPEND_SQL,
        "base + ordinal",
        "ordinal",
        [_LEDGER_TESTS],
    ),
    Mutant(
        "positions do not follow the order of the call",
        _APPEND_SQL,
        "positions[place]",
        "positions[cardinality(positions) + 1 - place]",
        [_LEDGER_TESTS],
    ),
    Mutant(
        "streams are given each other's last version",
        _APPEND_SQL,
        "array_agg(base ORDER BY place)",
        "array_agg(base ORDER BY place DESC)",
        [_MANY_CALLERS],
    ),
    Mutant(
        "rows go in in the order of the call, so that two appends wait for each other",
        _APPEND_SQL,
        "ORDER BY head, ordinal;",
        "ORDER BY place;",
        [_MANY_CALLERS],
    ),
    Mutant(
        "a task is read in another order than that of positions",
        "eventstore/ledger.py",
        "ORDER BY position\n",
        "ORDER BY stream_id, position\n",
        [_RACE_TESTS],
    ),
    Mutant(
        "callers are answered before the commit",
        _BATCHER,
        "            outcomes = await self._appender.append_calls(flush.calls, flush.package)",
        "            await self._connection.commit()\n"
        "            await self._connection.set_autocommit(False)\n"
        "            outcomes = await self._appender.append_calls(flush.calls, flush.package)",
        [_SERVICE_KILLED],
    ),
    Mutant(
        "a flush is not sent again when its connection was lost",
        _BATCHER,
        "raise _ConnectionLostError(self._last_fault) from error",
        "raise",
        [_LINE_CUT],
    ),
    Mutant(
        "a flush that is sent again is not looked for",
        _APPEND,
        "            except _RETRIED:\n                # What is sent again",
        "            except _WrongVersionError:\n                # What is sent again",
        [_LINE_CUT],
    ),
    Mutant(
        "a version is expected of what is stored already",
        _APPEND,
        "for call in adding for key, version in call.expected.items()",
        "for call in going for key, version in call.expected.items()",
        [_MANY_CALLERS],
    ),
    Mutant(
        "neighbours of a refused event are refused with it",
        _APPEND,
        "            if len(calls) == 1:\n"
        '                return [InvalidEventError(f"the ledger cannot keep the event: {first_line(error)}")]',
        "            if calls:\n"
        '                return [InvalidEventError(f"the ledger cannot keep the event: {first_line(error)}")]'
        " * len(calls)",
        [_MANY_CALLERS],
    ),
    Mutant(
        "other content under a known message id is a duplicate",
        _APPEND,
        '"duplicate" if same else "conflict"',
        '"duplicate"',
        [_LEDGER_TESTS],
    ),
    Mutant(
        "calls with the same message go in one transaction",
        _BATCHER,
        "not messages.isdisjoint(call.messages)\n",
        "False\n",
        [_MANY_CALLERS],
    ),
    Mutant(
        "calls that expect a version go with those before them in one transaction",
        _BATCHER,
        "or not streams.isdisjoint(call.expected)\n",
        "\n",
        [_MANY_CALLERS],
    ),
    Mutant(
        "closing does not store what waits",
        _BATCHER,
        "landed: tuple[_Flush | None, Sequence[Outcome]] = (None, ())\n        while True:",
        "landed: tuple[_Flush | None, Sequence[Outcome]] = (None, ())\n        while not self._closing:",
        [_LIMITS],
    ),
    Mutant(
        "what was given up in the queue is stored",
        _BATCHER,
        "            if not waiting.answer.done():\n                full",
        "            if True:\n                full",
        [_LIMITS],
    ),
    Mutant(
        "an unknown outcome is told as not stored",
        _BATCHER,
        "        if waiting.sent:\n",
        "        if False:\n",
        [_LIMITS],
    ),
    Mutant(
        "the queue has no bound",
        _BATCHER,
        "if self._queued_events + len(call.rows) > QUEUE_EVENTS_MAX or",
        "if",
        [_LIMITS],
    ),
    Mutant(
        "a doorbell that is back does not ring",
        "eventstore/doorbell.py",
        "                    await self._ring()\n                    await self._listen(connection)",
        "                    await self._listen(connection)",
        [_LINE_CUT],
    ),
    Mutant(
        "the hash does not cover the worker",
        _CONTENT_SQL,
        "coalesce(worker_id, '')",
        "''",
        [_HASH_TESTS],
    ),
    Mutant(
        "the hash does not cover the lease",
        _CONTENT_SQL,
        "coalesce(lease_epoch::text, '')",
        "''",
        [_HASH_TESTS],
    ),
    Mutant(
        "the hash does not cover fractions of a second",
        _CONTENT_SQL,
        "extract(epoch FROM occurred_at)",
        "extract(epoch FROM occurred_at)::bigint",
        [_HASH_TESTS],
    ),
    Mutant(
        "a verdict under a lease that is over counts",
        _LIFECYCLE,
        "    if not (subtask.status in LIVE and subtask.epoch == epoch):\n",
        "    if subtask.status not in LIVE:\n",
        [_LEASE_TESTS],
    ),
    Mutant(
        "a message under a lease that is over counts",
        _LIFECYCLE,
        "    if subtask.status in LIVE and subtask.epoch == command.epoch:\n",
        "    if subtask.status in LIVE:\n",
        [_MESSAGE_TESTS],
    ),
    Mutant(
        "the fence does not rise with each claim",
        _LIFECYCLE,
        "Draft(body, subtask.id, subtask.epoch + 1, command.worker_id)",
        "Draft(body, subtask.id, 1, command.worker_id)",
        [_LEASE_TESTS],
    ),
    Mutant(
        "files that somebody works in are handed to another worker",
        "domain/readiness.py",
        "    if (other := holder_of_its_files(state, subtask)) is not None:\n        held",
        "    if (other := None) is not None:\n        held",
        [_LIFECYCLE_TESTS],
    ),
    Mutant(
        "work on an old head is accepted",
        _LIFECYCLE,
        "    if command.head != state.head:\n",
        "    if False:\n",
        [_VERDICT_TESTS],
    ),
    Mutant(
        "a request that comes again at another process is given something else",
        _LIFECYCLE,
        "    if request_id is None:\n        return None\n    live",
        "    if request_id is not None:\n        return None\n    live",
        [_LATE_NEWS],
    ),
    Mutant(
        "a decision is stored although the state has moved on",
        _DESK,
        "self._ledger.append(decision.events, at=self._position)",
        "self._ledger.append(decision.events)",
        [_CLAIM_TESTS],
    ),
    Mutant(
        "who is refused may only not have been heard of yet",
        _DESK,
        "                if await self._has_moved():\n",
        "                if False:\n",
        [_LATE_NEWS],
    ),
    Mutant(
        "what a worker has said before is decided again",
        _DESK,
        "        return self._said.get(stream, {}).get(message_id.int)",
        "        return None",
        [_MESSAGE_TESTS],
    ),
    Mutant(
        "claims are not remembered by their requests",
        _DISPATCHER,
        "        if isinstance(body, e.SubtaskClaimed) and body.request_id is not None and event.worker_id",
        "        if False and event.worker_id",
        [_CLAIM_TESTS],
    ),
    Mutant(
        "work that has come wakes nobody who waits",
        _DISPATCHER,
        "        if isinstance(body, _WAKING):\n",
        "        if False:\n",
        [f"{_CLAIM_TESTS}::test_who_waits_gets_work_as_soon_as_there_is_some"],
    ),
    Mutant(
        "a late result is thrown away",
        _MESSAGES,
        "        if not isinstance(report.message, _RESULTS) or report.epoch > subtask.epoch:\n",
        "        if True:\n",
        [_MESSAGE_TESTS],
    ),
    Mutant(
        "a late message that comes again is not looked for",
        _MESSAGES,
        "        if (found := await self._found(message)) is not None:\n            return found\n        subtask",
        "        subtask",
        [_MESSAGE_TESTS],
    ),
    Mutant(
        "an outage of the service counts against its workers",
        "domain/lease_clocks.py",
        "            moment += ended - max(began, since)\n",
        "            pass\n",
        [_LEASE_TESTS],
    ),
    Mutant(
        "a sweep does not look for an outage first",
        _LEASES,
        "                await self.pulse()\n",
        "                pass\n",
        [_LEASE_TESTS],
    ),
    Mutant(
        "a run that has slept takes its workers for lost",
        _LEASES,
        "            self._notice_own_gap(now)\n",
        "            pass\n",
        [_LEASE_TESTS],
    ),
    Mutant(
        "leases are ended without asking what other processes have heard",
        _LEASES,
        '            await self._hear_others([subtask.worker_id or "" for _, subtask, _ in over])\n',
        "            pass\n",
        [_LEASE_TESTS],
    ),
)


def main() -> int:
    """Try the faults; return the exit code."""
    words = sys.argv[1:]
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.what for word in words)]
    if not chosen:
        _OUT.print(f"no fault's description holds one of: {' '.join(words)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="pw-mutants-") as folder:
        # The server's account has to get in.
        Path(folder).chmod(0o755)
        copy = Copy(Path(folder, "tree"))
        with embedded_server(Path(folder, "data")) as url:
            return _try_all(copy, chosen, {"PW_TEST_DATABASE_URL": url})


def _try_all(copy: Copy, mutants: Sequence[Mutant], environment: Mapping[str, str]) -> int:
    files = sorted({file for mutant in mutants for file in mutant.tests})
    if said := copy.test(files, environment).said:
        _OUT.print(f"without any fault, {said}")
        return 1
    table = Table("fault", Column("noticed by", overflow="fold"))
    unnoticed = 0
    with _OUT.status("") as status:
        for mutant in mutants:
            status.update(mutant.what)
            noticed, said = copy.try_out(mutant, environment)
            unnoticed += not noticed
            table.add_row(mutant.what, said if noticed else f"[bold red]{said or 'SURVIVED'}")
    _OUT.print(table)
    _OUT.print(f"{len(mutants) - unnoticed} of {len(mutants)} faults were noticed")
    return 1 if unnoticed else 0


class Verdict(NamedTuple):
    """Whether a test has failed, and which; or why the tests could not be run."""

    noticed: bool
    said: str


class Copy:
    """A copy of the tree that the tests run in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(_ROOT / "pyproject.toml", folder)
        self._make_sure_that_it_is_what_runs()

    def try_out(self, mutant: Mutant, environment: Mapping[str, str]) -> Verdict:
        """Put the fault in, run the tests that should notice, and take it out."""
        file = self._folder / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            return Verdict(noticed=False, said=f"its place is in {mutant.file} {text.count(mutant.old)} times")
        file.write_text(text.replace(mutant.old, mutant.new))
        try:
            return self.test(mutant.tests, environment)
        finally:
            file.write_text(text)

    def test(self, files: Sequence[str], environment: Mapping[str, str]) -> Verdict:
        """Run tests up to the first that fails, or does not end."""
        # What hangs may hang again where it is cleaned up, so the whole process ends.
        limit = (f"--timeout={_TEST_SECONDS_MAX}", "--timeout-method=thread")
        done = self._run(
            ["-m", "pytest", "-x", "-v", "--tb=no", "-p", "no:cacheprovider", *limit, *files], environment
        )
        if done.returncode == 0:
            return Verdict(noticed=False, said="")
        if failed := re.search(r"^\S*?([^/\s]+\.py::.+) FAILED", done.stdout, re.MULTILINE):
            return Verdict(noticed=True, said=failed[1])
        if "Timeout" in done.stdout + done.stderr and (
            begun := re.findall(r"^\S*?([^/\s]+\.py::.+?) (?:\++ Timeout.*)?$", done.stdout, re.MULTILINE)
        ):
            return Verdict(noticed=True, said=f"{begun[-1]}, which does not end")
        return Verdict(noticed=False, said=f"the tests do not run: {done.stdout[-500:]} {done.stderr[-500:]}")

    def _run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        # -S: the checkout is among the installed packages by a line that only the module `site` reads.
        return subprocess.run(
            [sys.executable, "-S", *arguments],
            cwd=self._folder,
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": os.pathsep.join([str(self._folder), sysconfig.get_path("purelib")]),
                "PYTHONDONTWRITEBYTECODE": "1",
                # What a process that was ended leaves behind goes with the copy.
                "TMPDIR": str(self._folder.parent),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def _make_sure_that_it_is_what_runs(self) -> None:
        loaded = self._run(["-c", _WHAT_IS_LOADED], {}).stdout.split()
        strange = [name for name in loaded if not Path(name).is_relative_to(self._folder)]
        if strange or len(loaded) < 10:
            raise SystemExit(f"not the copy is tested, but {' '.join(strange) or 'nothing'}")


_WHAT_IS_LOADED = """
from importlib.resources import files
import api, domain.events, eventstore.batcher, projections
for module in (api, domain.events, eventstore.batcher, projections):
    print(module.__file__)
for folder in ("functions", "migrations", "roles", "views"):
    for file in files("sql").joinpath(folder).iterdir():
        print(file)
"""


if __name__ == "__main__":
    sys.exit(main())
