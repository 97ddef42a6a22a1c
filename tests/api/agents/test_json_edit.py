"""Changing one place of somebody's JSON file."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api.agents.json_edit import get, merge, put
from domain.errors import UsageError


def test_a_missing_file_becomes_an_object():
    assert put("", ("a", "b"), 1) == '{\n  "a": {\n    "b": 1\n  }\n}\n'


def test_what_else_is_there_stays_letter_for_letter():
    text = '{\n    "list": [1,2,   3],\n    "x": 1.50,\n    "servers": {\n        "other": {"a": 1}\n    }\n}\n'

    changed = put(text, ("servers", "ours"), {"url": "u"})

    assert changed == text.replace('{"a": 1}', '{"a": 1},\n        "ours": {\n            "url": "u"\n        }')


@pytest.mark.parametrize(
    "text", ["{}", "{ }", '{"a": 1}', '{"a": {}}', '{\n"a": 1}', '\t{\n\t"a": {\n\t}\n}', '{"a":1,\n"b":2}']
)
def test_any_layout_stays_readable(text):
    changed = json.loads(put(text, ("new", "key"), [1, "two"]))

    assert changed == json.loads(text) | {"new": {"key": [1, "two"]}}


def test_the_layout_of_the_file_is_taken_up():
    assert put('{\n\t"a": 1\n}\n', ("b",), {"c": 2}) == '{\n\t"a": 1,\n\t"b": {\n\t\t"c": 2\n\t}\n}\n'


def test_what_is_so_already_changes_nothing():
    text = '{"a": {"b": [1,2]}}'

    assert put(text, ("a", "b"), [1, 2]) == text


def test_values_that_somebody_added_beside_ours_stay():
    text = '{"servers": {"ours": {"url": "old", "timeout": 9}}}'

    changed = merge(text, ("servers", "ours"), {"url": "new", "headers": {"A": "b"}})

    assert json.loads(changed)["servers"]["ours"] == {"url": "new", "timeout": 9, "headers": {"A": "b"}}


def test_braces_and_quotes_in_strings_are_no_structure():
    text = r'{"a}": "{\"b\": [", "c": {"d": "}"}}'

    assert json.loads(put(text, ("c", "e"), "f")) == json.loads(text) | {"c": {"d": "}", "e": "f"}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{\n// mine\n"a": 1}', "comments"),
        ('{\n/* mine */\n"a": 1}', "comments"),
        ('{"a": 1,}', "line 1 is not JSON"),
        ("[1]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ('{"servers": 3}', "'servers' is not an object"),
    ],
)
def test_what_could_be_lost_is_refused(text, line):
    with pytest.raises(UsageError, match=line):
        put(text, ("servers", "ours"), 1)


def test_a_value_is_found_by_its_path():
    assert get('{"a": {"b": [1]}}', ("a", "b")) == [1]
    assert get('{"a": 1}', ("a", "b")) is None
    assert get("", ("a",)) is None


_NAMES = st.text(max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    document=st.dictionaries(_NAMES, _VALUES, max_size=4),
    keys=st.lists(_NAMES, min_size=1, max_size=3),
    value=_VALUES,
    indent=st.sampled_from([None, 0, 1, 2, 4, "\t"]),
)
def test_the_text_says_what_setting_the_value_would_say(document, keys, value, indent):
    text = json.dumps(document, indent=indent)
    place = document
    for key in keys[:-1]:
        place = place.setdefault(key, {})
        assume(isinstance(place, dict))
    place[keys[-1]] = value

    changed = put(text, keys, value)

    assert json.loads(changed) == document
    assert put(changed, keys, value) == changed
