"""Tasks over HTTP: the forms in which a report is taken, and what can be asked and said of a task."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import psycopg
import pytest

REPORT = b"pkg/a.py:1:1: F401 'os' imported but unused\npkg/b.py:2:1: E711 comparison to None\n"
REQUEST = {"name": "two", "format": "flake8", "policy": {"strategy": "file"}}

Client = httpx.AsyncClient
Task = dict[str, Any]


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"].rpartition("/")[2])


# --- forms of a report ----------------------------------------------------------------------------------


async def test_raw_output_is_taken_with_its_request_as_parameters(client: Client) -> None:
    parameters = {"format": "flake8", "name": "two", "strategy": "file", "workers": "2"}
    answer = await client.post("/v1/tasks", content=REPORT, params=parameters)
    assert answer.status_code == 201
    task = answer.json()
    assert (task["problems"], task["strategy"]) == (2, "file")
    assert task["id"].startswith("two-")
    assert answer.headers["location"] == f"/v1/tasks/{task['id']}"


async def test_a_request_in_json_holds_the_report(client: Client) -> None:
    answer = await client.post("/v1/tasks", json={**REQUEST, "report": REPORT.decode()})
    assert (answer.status_code, answer.json()["problems"]) == (201, 2)


async def test_a_form_has_the_report_as_a_file_and_the_request_beside_it(client: Client) -> None:
    files = {
        "request": ("request.json", json.dumps(REQUEST).encode(), "application/json"),
        "report": ("report.txt", REPORT, "text/plain"),
    }
    answer = await client.post("/v1/tasks", files=files)
    assert (answer.status_code, answer.json()["problems"]) == (201, 2)


async def test_a_form_may_have_plain_fields(client: Client) -> None:
    fields = {"request": (None, json.dumps(REQUEST)), "report": (None, REPORT.decode())}
    answer = await client.post("/v1/tasks", files=fields)
    assert (answer.status_code, answer.json()["problems"]) == (201, 2)


async def test_a_form_without_a_request_takes_it_from_the_parameters(client: Client) -> None:
    answer = await client.post("/v1/tasks?format=flake8&name=two", files={"report": ("r", REPORT)})
    assert answer.status_code == 201


async def test_the_type_that_curl_sends_by_itself_is_raw_output(client: Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/v1/tasks?format=auto", content=REPORT, headers=headers)
    assert (answer.status_code, answer.json()["problems"]) == (201, 2)


async def test_the_bytes_of_a_report_arrive_as_they_were_sent(client: Client) -> None:
    latin = "pkg/ä.py:1:1: F401 'os' imported but unused\n".encode("latin-1")
    raw = await client.post("/v1/tasks?format=flake8", content=latin)
    form = await client.post("/v1/tasks?format=flake8", files={"report": ("r", latin)})
    assert (raw.status_code, form.status_code) == (201, 201)


async def test_a_report_in_utf16_is_read_and_kept_as_it_was_sent(client: Client, database_url: str) -> None:
    utf16 = f"\ufeff{REPORT.decode()}".encode("utf-16-le")

    answer = await client.post("/v1/tasks", content=utf16)

    assert (answer.status_code, answer.json()["problems"]) == (201, 2)
    with psycopg.connect(database_url) as connection:
        kept = connection.execute("SELECT encode(sha256, 'hex'), size_bytes FROM ledger.artifact").fetchall()
    assert (hashlib.sha256(utf16).hexdigest(), len(utf16)) in kept


@pytest.mark.parametrize(
    ("options", "status", "kind"),
    [
        ({"content": b""}, 422, "unusable-report"),
        ({"content": b"nothing of interest\n", "params": {"format": "flake8"}}, 422, "unusable-report"),
        ({"content": REPORT, "params": {"format": "cobol"}}, 422, "unknown-format"),
        ({"content": REPORT, "params": {"formatt": "flake8"}}, 400, "invalid-request"),
        ({"content": REPORT, "params": {"workers": "many"}}, 400, "invalid-request"),
        ({"content": REPORT, "headers": {"Content-Encoding": "gzip"}}, 400, "invalid-request"),
        ({"json": {"format": "flake8"}}, 400, "invalid-request"),
        ({"json": {**REQUEST, "report": "x"}, "params": {"name": "x"}}, 400, "invalid-request"),
        ({"json": {**REQUEST, "report": "x", "policy": {"workers": 0}}}, 400, "invalid-request"),
        ({"files": {"other": ("r", REPORT)}}, 400, "invalid-request"),
        ({"files": [("report", ("r", REPORT)), ("report", ("r", REPORT))]}, 400, "invalid-request"),
        ({"files": {"report": ("r", REPORT), "request": (None, "{")}}, 400, "invalid-request"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "invalid-request"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400, "invalid-request"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_its_reason(
    client: Client, options: dict[str, Any], status: int, kind: str
) -> None:
    answer = await client.post("/v1/tasks", **options)
    assert (answer.status_code, slug(answer)) == (status, kind)


async def test_a_tools_own_json_is_told_where_to_go(client: Client) -> None:
    answer = await client.post("/v1/tasks", json={"version": "2.1.0", "runs": []})
    assert any("application/octet-stream" in error for error in answer.json()["errors"])


# --- sent again -----------------------------------------------------------------------------------------


async def test_the_same_key_and_content_give_the_same_task(client: Client) -> None:
    headers = {"Idempotency-Key": "once"}
    answers = [await client.post("/v1/tasks?format=flake8", content=REPORT, headers=headers) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_the_same_key_with_other_content_is_refused(client: Client) -> None:
    headers = {"Idempotency-Key": "once"}
    await client.post("/v1/tasks?format=flake8", content=REPORT, headers=headers)
    answer = await client.post("/v1/tasks?format=flake8", content=REPORT * 2, headers=headers)
    assert (answer.status_code, slug(answer)) == (409, "idempotency")


async def test_a_key_that_is_none_is_refused(client: Client) -> None:
    answer = await client.post("/v1/tasks", content=REPORT, headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 400


# --- looking --------------------------------------------------------------------------------------------


async def test_a_task_is_given_as_it_stands(client: Client, task: Task) -> None:
    assert (await client.get(f"/v1/tasks/{task['id']}")).json()["id"] == task["id"]


@pytest.mark.parametrize("part", ["progress", "estimate", "subtasks", "blockers", "events", "postmortem"])
async def test_a_task_has_parts(client: Client, task: Task, part: str) -> None:
    answer = await client.get(f"/v1/tasks/{task['id']}/{part}")
    assert answer.status_code == 200


async def test_an_estimate_says_when_and_why_and_what_if(client: Client, task: Task) -> None:
    nobody = (await client.get(f"/v1/tasks/{task['id']}/estimate")).json()
    assert (nobody["p50_seconds"], nobody["unknown"][:22]) == (None, "no worker is there to ")

    supposed = (await client.get(f"/v1/tasks/{task['id']}/estimate", params={"workers": "2"})).json()
    assert supposed["supposed"] == "2 workers from now on"
    assert supposed["p50_seconds"] <= supposed["p80_seconds"] <= supposed["p95_seconds"]
    assert {one["id"] for one in supposed["subtasks"]} <= {f"{task['id']}.{number}" for number in (1, 2, 3)}
    assert supposed["reasons"]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"workers": "-1"}, "workers"),
        ({"workers": "2000"}, "workers"),
        ({"blocked_longer": "-5"}, "blocked_longer"),
        ({"wrong": "1"}, "wrong"),
        ({"without_worker": "w9", "workers": "1"}, "w9"),
        ({"blocked_longer": "60", "workers": "1"}, "blocked"),
    ],
)
async def test_an_estimate_of_what_cannot_be_is_refused(
    client: Client, task: Task, parameters: dict[str, str], told: str
) -> None:
    answer = await client.get(f"/v1/tasks/{task['id']}/estimate", params=parameters)

    assert (answer.status_code, slug(answer)) == (400, "invalid-request")
    assert told in answer.text


@pytest.mark.parametrize("path", ["", "/progress", "/estimate", "/subtasks", "/blockers", "/events", "/postmortem"])
async def test_an_unknown_task_is_not_found(client: Client, path: str) -> None:
    answer = await client.get(f"/v1/tasks/nobody-00000000{path}")
    assert (answer.status_code, slug(answer)) == (404, "unknown-task")


async def test_pages_go_through_all_tasks_once(client: Client) -> None:
    made = []
    for number in range(5):
        answer = await client.post("/v1/tasks", content=REPORT, params={"format": "flake8", "name": f"n{number}"})
        made.append(answer.json()["id"])
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/tasks", params={"limit": "2", **cursor})).json()
        found += [task["id"] for task in page["tasks"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == made[::-1]


async def test_pages_go_through_all_subtasks_once(client: Client) -> None:
    answer = await client.post(
        "/v1/tasks", content=REPORT, params={"format": "flake8", "strategy": "file", "workers": "2"}
    )
    task = answer.json()["id"]
    first = (await client.get(f"/v1/tasks/{task}/subtasks?limit=1")).json()
    second = (await client.get(f"/v1/tasks/{task}/subtasks?limit=1&cursor={first['next_cursor']}")).json()
    assert [page["subtasks"][0]["id"] for page in (first, second)] == [f"{task}.1", f"{task}.2"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "cursor=%00", "nix=1"])
async def test_a_parameter_that_cannot_be_is_refused(client: Client, query: str) -> None:
    answer = await client.get(f"/v1/tasks?{query}")
    assert (answer.status_code, slug(answer)) == (400, "invalid-request")


async def test_a_cursor_of_nobody_is_refused(client: Client) -> None:
    assert (await client.get("/v1/tasks?cursor=nonsense")).status_code == 400


# --- saying how it goes on ------------------------------------------------------------------------------


async def test_a_task_is_paused_resumed_and_cancelled(client: Client, task: Task) -> None:
    path = f"/v1/tasks/{task['id']}"
    statuses = [
        (await client.post(f"{path}/pause", json={"reason": "lunch"})).json()["status"],
        (await client.post(f"{path}/resume")).json()["status"],
        (await client.post(f"{path}/cancel", json={})).json()["status"],
    ]
    assert statuses == ["paused", "running", "cancelled"]


async def test_what_the_state_does_not_allow_is_a_conflict(client: Client, task: Task) -> None:
    await client.post(f"/v1/tasks/{task['id']}/cancel")
    answer = await client.post(f"/v1/tasks/{task['id']}/pause")
    assert answer.status_code == 409


async def test_a_look_at_the_tree_while_there_is_work_is_a_conflict(client: Client, task: Task) -> None:
    answer = await client.post(f"/v1/tasks/{task['id']}/problems?format=flake8", content=REPORT)
    assert answer.status_code == 409
