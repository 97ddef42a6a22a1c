"""Masking of messages: what stays the same when one cause shows in many places."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

# Characters. What tells one template from another stands at the beginning, and a message that consists of opening
# brackets costs time by the square of its length.
_LENGTH_MAX = 2_000
# Advice on what may have been meant; with and without it, the problem is the same.
_ADVICE = re.compile(r"(?:[;,.?]\s(?:[Dd]id you mean|Do you need to|maybe)|[;.]\s[Cc]onsider)\s.*$")
# gcc and clang name what a type stands for.
_ALSO_KNOWN_AS = re.compile(r"\s[{(]aka (?:‘[^’]*’|'[^']*')[})]")  # noqa: RUF001
# A file or folder; words that a slash joins ("function/method") are none.
_PATH = r"(?:[A-Za-z]:)?(?:\.{0,2}[/\\])?(?:[\w.@+-]+[/\\])*[\w@+-][\w.@+-]*"
_SUFFIX = r"\.(?:h|hh|hpp|c|cc|cpp|cxx|pyi?|rs|[cm]?[jt]sx?|go|java|json|toml|cfg|ini|ya?ml|lock)"
# The parameters of a generic type, three deep: `[int, list[str]]`.
_INSIDE = r"[\w.,|\ ?]*+"
_BRACKETED = rf"\[{_INSIDE}(?:\[{_INSIDE}(?:\[{_INSIDE}\]{_INSIDE})*+\]{_INSIDE})*+\]"
_MASKED = re.compile(
    rf"""
    # Quotes, as compilers put them around what varies: those of GNU ld, backticks (rustc, ruff), double (mypy,
    # pyright), typographic (gcc), and single ones (tsc, eslint, clang). Double ones may hold others in brackets.
      `(?P<ld>[\w.:~$@]+(?:\([^()`']*\))?)'(?!\w)
    | `(?P<backticks>[^`]*)`
    | "(?P<double>(?:[^"\[(]++|\[(?:[^]"]|"[^"]*+"(?=[]),]))*+\]|\((?:[^)"]|"[^"]*+"(?=[]),]))*+\)|[\[(])*+)"
    | ‘(?P<typographic>[^’]*)’
    | “(?P<double_typographic>[^”]*)”
    | (?<!\w)'(?P<single>[^']*)'(?!\w)
    # What some tools leave without quotes: a name after or before fixed words (go, pylint, flake8) ...
    | (?:(?<=^undefined:[ ])|(?<=^declared[ ]and[ ]not[ ]used:[ ])|(?<=^Unused[ ]import[ ])
        |(?<=^Unused[ ])(?=[\w.]+[ ]imported[ ]from)|(?<=[ ]imported[ ]from[ ])|(?<=[ ]protected[ ]member[ ])
        |^(?=[\w.]+[ ](?:declared[ ]and[ ]not[ ]used|imported[ ]and[ ]not[ ]used)))
      (?P<bare>[A-Za-z_][\w.]*)
    # ... a list of names (pyflakes, tsc) ...
    | (?:(?<=[ ]star[ ]imports:[ ])|(?<=':[ ]))(?P<list>\w[\w.]*(?:,[ ](?:and[ ]\d+[ ]more|\w[\w.]*))*)(?=\.?$)
    # ... what is called (Python: "f() takes 1 positional argument"), a generic type, a made-up name (mypy) ...
    | (?<![\w.])(?P<called>[A-Za-z_][\w.]*)\(\)(?=[ ](?:missing|takes|got|argument))
    | (?<![\w.])(?P<generic>[A-Za-z_][\w.]*{_BRACKETED})
    | (?<=[ ])<(?P<made_up>\w+)>
    # ... and paths: absolute ones, and those that end like a file.
    | (?<![\w.</@+-])(?P<path>(?:[A-Za-z]:[\\/]|\.{{0,2}}/)[\w.@+-]+(?:[\\/][\w.@+-]+)*|{_PATH}{_SUFFIX}(?!\w)
        |^[\w./+-]+(?=:[ ]No[ ]such[ ]file)|(?<=^fatal[ ]error:[ ])[\w./+-]+)(?::\d+(?::\d+)?)?
    # Numbers, durations, addresses, and words of many digits.
    | (?P<number>
        (?<![\w.])(?:(?<=[\s(=,\[])-)?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)*(?:ns|[uµm]?s)?)(?!\w)
        | (?<!\w)(?:[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|(?=[a-f]*\d)[0-9a-f]{{8,}})(?!\w)
        | (?<!\w)\w*\d{{5,}}\w*
      )
    """,  # noqa: RUF001
    re.VERBOSE,
)
_NOUN = "argument|byte|character|element|field|item|line|parameter|space|statement|tab|type|value"
# What a masked message still owes to how many names there were, and of which kind; in this order.
_EVENED: tuple[tuple[re.Pattern[str], str], ...] = (
    # A list of names is as good as one.
    (re.compile(r"<>(?:, <>)+(?:,? (?:and|or) (?:<>|# (?:others?|more)))?|(?<=[a-z]s )<>(?: (?:and|or) <>)+"), "<>"),
    # One argument is missing as two are.
    (re.compile(rf"\b({_NOUN})s(?= <>)|(?<=# )((?:[a-z]+ )?(?:{_NOUN}))s\b"), r"\1\2"),
    (re.compile(r"(?<=# argument )were\b"), "was"),
    # The kind of thing that rustc names before a type on which a member is missing.
    (re.compile(r"(?<= found for )(?:(?:mutable|raw|type|opaque|associated|trait) )?[a-z]+ (?=<>)"), ""),
    # The name of a character: "(RIGHT SINGLE QUOTATION MARK)".
    (re.compile(r"\([A-Z][A-Z0-9 -]{3,}\)"), "(<>)"),
)


class Masked(msgspec.Struct, frozen=True):
    """A message taken apart."""

    #: The first line of the message with each name, type or path as `<>` and each number as `#`; lists of names
    #: count as one name, and advice ("did you mean ...?") is left out.
    template: str
    #: The names, in order, without empty ones.
    slots: tuple[str, ...]


@lru_cache(maxsize=65_536)
def mask(message: str) -> Masked:
    """Take what varies from place to place out of a message."""
    slots: list[str] = []

    def take(match: re.Match[str]) -> str:
        if match.lastgroup == "number":
            return "#"
        slots.append(match[match.lastgroup or 0])
        return "<>"

    line = message.strip().partition("\n")[0][:_LENGTH_MAX]
    template = _MASKED.sub(take, _ALSO_KNOWN_AS.sub("", _ADVICE.sub("", line)))
    for pattern, evened in _EVENED:
        template = pattern.sub(evened, template)
    return Masked(template=template.rstrip(". "), slots=tuple(filter(None, slots)))
