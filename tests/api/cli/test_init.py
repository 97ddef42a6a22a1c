"""`pw init` in somebody's repository."""

import json
import tomllib

import pytest
import typer
from typer.testing import CliRunner

from api.agents.known import KNOWN
from api.cli.init import init

_SERVER = ("--server", "http://127.0.0.1:9000")
_FILES = {
    "AGENTS.md",
    ".mcp.json",
    ".claude/settings.local.json",
    ".codex/config.toml",
    ".gemini/settings.json",
    ".cursor/mcp.json",
    ".vscode/mcp.json",
}


@pytest.fixture
def pw_init(tmp_path):
    """Run it on an empty folder, or on what the test has put there."""
    app = typer.Typer()
    app.command()(init)

    def run(*arguments, answer=None):
        return CliRunner().invoke(app, [str(tmp_path), *_SERVER, *arguments], input=answer)

    return run


def _files(root):
    return {
        file.relative_to(root).as_posix(): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()
    }


def _json(root, path):
    return json.loads((root / path).read_text())


def test_every_known_agent_is_set_up(pw_init, tmp_path):
    ran = pw_init("--yes")

    assert ran.exit_code == 0, ran.output
    assert set(_files(tmp_path)) == _FILES


def test_each_agent_gets_the_address_and_where_its_key_is(pw_init, tmp_path):
    pw_init("--yes")

    url = "http://127.0.0.1:9000/mcp"
    ours = {
        ".mcp.json": ("mcpServers", "url", "${PW_API_KEY}", {"type": "http"}),
        ".gemini/settings.json": ("mcpServers", "httpUrl", "${PW_API_KEY}", {}),
        ".cursor/mcp.json": ("mcpServers", "url", "${env:PW_API_KEY}", {}),
        ".vscode/mcp.json": ("servers", "url", "${input:pw-api-key}", {"type": "http"}),
    }
    for path, (servers, address, key, other) in ours.items():
        entry = _json(tmp_path, path)[servers]["parallel-workers"]
        assert entry == {address: url, "headers": {"Authorization": f"Bearer {key}"}, **other}
    codex = tomllib.loads((tmp_path / ".codex/config.toml").read_text())
    assert codex["mcp_servers"]["parallel-workers"] == {"url": url, "bearer_token_env_var": "PW_API_KEY"}
    (asked,) = _json(tmp_path, ".vscode/mcp.json")["inputs"]
    assert (asked["id"], asked["password"]) == ("pw-api-key", True)


def test_a_server_without_keys_is_called_without(pw_init, tmp_path):
    pw_init("--yes", "--no-key")

    written = b"".join(content for path, content in _files(tmp_path).items() if "settings.local" not in path)
    assert b"Bearer" not in written
    assert b"PW_API_KEY" not in written


def test_a_key_in_the_environment_is_written_nowhere(pw_init, tmp_path, monkeypatch):
    monkeypatch.setenv("PW_API_KEY", "pw_a_verysecret")

    ran = pw_init("--yes")

    assert "verysecret" not in ran.output
    assert all(b"verysecret" not in content for content in _files(tmp_path).values())


@pytest.mark.parametrize("server", ["http://u:secret@host", "http://host/?key=secret", "host:9000", "ftp://host"])
def test_an_address_with_a_secret_or_of_no_server_is_refused(pw_init, tmp_path, server):
    ran = pw_init("--yes", "--server", server)

    assert ran.exit_code == 2
    assert _files(tmp_path) == {}


def test_a_second_run_changes_nothing(pw_init, tmp_path):
    pw_init("--yes")
    before = _files(tmp_path)

    ran = pw_init("--yes")

    assert "Nothing to change" in ran.output
    assert _files(tmp_path) == before


def test_every_change_is_shown_before_it_is_made(pw_init, tmp_path):
    ran = pw_init(answer="n\n")

    assert ran.exit_code == 0
    assert all(f"+++ b/{path}" in ran.output for path in _FILES)
    assert "Write 7 files?" in ran.output
    assert _files(tmp_path) == {}


def test_a_dry_run_shows_and_asks_nothing(pw_init, tmp_path):
    ran = pw_init("--dry-run")

    assert "+++ b/AGENTS.md" in ran.output
    assert "Write" not in ran.output
    assert _files(tmp_path) == {}


def test_nobody_to_ask_means_no(pw_init, tmp_path):
    ran = pw_init(answer="")

    assert ran.exit_code != 0
    assert _files(tmp_path) == {}


def test_only_the_chosen_agents_are_set_up(pw_init, tmp_path):
    pw_init("--yes", "--agent", "codex", "--agent", "cursor")

    assert set(_files(tmp_path)) == {"AGENTS.md", ".codex/config.toml", ".cursor/mcp.json"}


def test_an_unknown_agent_is_told_those_that_there_are(pw_init):
    ran = pw_init("--yes", "--agent", "nobody")

    assert ran.exit_code == 2
    assert all(agent.name in ran.output for agent in KNOWN)


def test_what_was_there_stays(pw_init, tmp_path):
    (tmp_path / ".claude").mkdir()
    mine = {"matcher": "Bash", "hooks": [{"type": "command", "command": "mine"}]}
    settings = {"permissions": {"allow": ["Bash"]}, "hooks": {"PostToolUse": [mine], "Stop": [mine]}}
    (tmp_path / ".claude/settings.local.json").write_text(json.dumps(settings))
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"mine": {"command": "x"}}}')
    (tmp_path / "AGENTS.md").write_text("# Mine\n")

    pw_init("--yes")

    kept = _json(tmp_path, ".claude/settings.local.json")
    assert kept["permissions"] == settings["permissions"]
    assert kept["hooks"]["Stop"] == [mine]
    assert kept["hooks"]["PostToolUse"][0] == mine
    assert len(kept["hooks"]["PostToolUse"]) == 2
    assert set(_json(tmp_path, ".mcp.json")["mcpServers"]) == {"mine", "parallel-workers"}
    assert (tmp_path / "AGENTS.md").read_text().startswith("# Mine\n")


def test_a_moved_server_is_followed(pw_init, tmp_path):
    pw_init("--yes")

    pw_init("--yes", "--server", "https://pw.example")

    assert _json(tmp_path, ".mcp.json")["mcpServers"]["parallel-workers"]["url"] == "https://pw.example/mcp"
    assert len(_json(tmp_path, ".claude/settings.local.json")["hooks"]["PostToolUse"]) == 1
    assert all(b"9000" not in content for content in _files(tmp_path).values())


def test_a_file_with_comments_is_named_and_nothing_is_written(pw_init, tmp_path):
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode/mcp.json").write_text('{\n  // mine\n  "servers": {}\n}\n')
    before = _files(tmp_path)

    ran = pw_init("--yes")

    assert ran.exit_code == 2
    assert ".vscode/mcp.json: it has comments" in ran.output
    assert _files(tmp_path) == before


def test_line_ends_of_windows_stay(pw_init, tmp_path):
    (tmp_path / "AGENTS.md").write_bytes(b"# Mine\r\n\r\nText\r\n")

    pw_init("--yes")

    content = (tmp_path / "AGENTS.md").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")


def test_lines_that_end_in_both_ways_stay_as_they_are(pw_init, tmp_path):
    mine = b"# Mine\r\n\nText\n"
    (tmp_path / "AGENTS.md").write_bytes(mine)

    pw_init("--yes")

    assert (tmp_path / "AGENTS.md").read_bytes().startswith(mine)


@pytest.mark.parametrize("name", ["CLAUDE.md", "GEMINI.md"])
def test_an_agents_own_file_gets_the_section_only_where_it_is_there(pw_init, tmp_path, name):
    (tmp_path / name).write_text("# Mine\n")

    pw_init("--yes")

    assert "claim_subtask" in (tmp_path / name).read_text()
    other = {"CLAUDE.md", "GEMINI.md"} - {name}
    assert not (tmp_path / other.pop()).exists()


@pytest.mark.parametrize("text", ["@AGENTS.md\n", "# Rules\n@./AGENTS.md\n"])
def test_a_file_that_takes_in_the_other_one_is_left_alone(pw_init, tmp_path, text):
    (tmp_path / "CLAUDE.md").write_text(text)

    pw_init("--yes")

    assert (tmp_path / "CLAUDE.md").read_text() == text


def test_a_link_to_the_other_file_is_left_alone(pw_init, tmp_path):
    (tmp_path / "AGENTS.md").write_text("# Mine\n")
    (tmp_path / "CLAUDE.md").symlink_to("AGENTS.md")

    pw_init("--yes")

    assert (tmp_path / "AGENTS.md").read_text().count("parallel-workers:begin") == 1
    assert (tmp_path / "CLAUDE.md").is_symlink()
