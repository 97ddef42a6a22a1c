"""Our own part of somebody's file."""

import tomllib

import pytest

from api.agents.marked import markdown_section, toml_table
from domain.errors import UsageError

_NAME = ("mcp_servers", "ours")
_TABLE = '[mcp_servers.ours]\nurl = "u"'


def test_a_section_is_added_at_the_end():
    text = markdown_section("# Mine\n", "## Ours")

    assert text.startswith("# Mine\n\n<!-- parallel-workers:begin")
    assert text.endswith("\n## Ours\n<!-- parallel-workers:end -->\n")


def test_a_section_is_replaced_where_it_stands():
    before = markdown_section("# Mine\n", "old") + "\n## More of mine\n"

    after = markdown_section(before, "new")

    assert after == before.replace("old", "new")


def test_the_same_section_again_changes_nothing():
    text = markdown_section("# Mine\n", "## Ours")

    assert markdown_section(text, "## Ours") == text


def test_a_section_without_its_end_is_left_alone():
    text = markdown_section("", "old").replace("<!-- parallel-workers:end -->", "")

    with pytest.raises(UsageError, match="parallel-workers:end"):
        markdown_section(text, "new")


def test_a_table_is_added_and_comments_stay():
    text = '# my settings\nmodel = "m" # the good one\n'

    changed = toml_table(text, _NAME, _TABLE)

    assert changed.startswith(text)
    assert tomllib.loads(changed) == {"model": "m", "mcp_servers": {"ours": {"url": "u"}}}
    assert toml_table(changed, _NAME, _TABLE) == changed


def test_a_table_that_says_the_same_is_left_where_it_is():
    text = "[mcp_servers]\nours = { url = 'u' }\n"

    assert toml_table(text, _NAME, _TABLE) == text


def test_a_table_of_that_name_that_says_something_else_is_refused():
    with pytest.raises(UsageError, match=r"\[mcp_servers\.ours\] of its own"):
        toml_table('[mcp_servers.ours]\nurl = "mine"\n', _NAME, _TABLE)


@pytest.mark.parametrize("text", ["model = ", "mcp_servers = { other = 1 }\n"])
def test_a_file_that_would_not_be_toml_is_refused(text):
    with pytest.raises(UsageError, match="not TOML"):
        toml_table(text, _NAME, _TABLE)
