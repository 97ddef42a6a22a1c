"""Families of codes: codes that a tool has given to one and the same problem, by version, wording or parent code.

Sources. rustc: `rustc --explain` of 1.95 tells the codes that it no longer emits, and the compiler what it says today
to the example of each explanation. ruff: the redirects that its command line (0.17) still knows. mypy: the subcodes
of `mypy.errorcodes`. tsc: messages of `diagnosticMessages.json` (5.9) that differ in their advice alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from domain.tool_names import known_as

_TO_FAMILY: Mapping[str, Mapping[str, str]] = {
    "cargo": {
        **dict.fromkeys(("E0087", "E0088", "E0089", "E0090", "E0243", "E0244"), "E0107"),
        **dict.fromkeys(("E0535", "E0541", "E0551", "E0722", "E0778", "E0779"), "E0539"),
        "E0136": "E0428",
        "E0205": "E0204",
        "E0256": "E0255",
        "E0263": "E0403",
        "E0281": "E0631",
        "E0389": "E0594",
        "E0412": "E0425",
        "E0448": "E0449",
        "E0504": "E0505",
        "E0534": "E0805",
        "E0578": "E0433",
        "E0667": "E0562",
        "E0671": "E0770",
        "E0771": "E0770",
        "E0698": "E0282",
        "E0759": "E0700",
        "E0477": "E0521",
        "E0772": "E0521",
    },
    "mypy": {
        "import-not-found": "import",
        "import-untyped": "import",
        "method-assign": "assignment",
        "typeddict-unknown-key": "typeddict-item",
    },
    "tsc": {
        **dict.fromkeys(("TS2552", "TS2311", "TS2570", "TS2662", "TS2663", "TS2867", "TS2868"), "TS2304"),
        **dict.fromkeys(("TS2580", "TS2581", "TS2582", "TS2583", "TS2584", "TS2591", "TS2592", "TS2593"), "TS2304"),
        **dict.fromkeys(("TS2550", "TS2551", "TS2568", "TS2576"), "TS2339"),
        **dict.fromkeys(("TS2614", "TS2724"), "TS2305"),
        **dict.fromkeys(("TS2732", "TS2792"), "TS2307"),
        "TS2561": "TS2353",
        "TS2613": "TS1192",
        "TS2820": "TS2322",
        "TS2833": "TS2503",
        "TS2835": "TS2834",
        "TS18046": "TS2571",
        "TS18047": "TS2531",
        "TS18048": "TS2532",
        "TS18049": "TS2533",
    },
    "ruff": {
        "IC002": "ICN001",
        "IC003": "ICN001",
        "IC004": "ICN001",
        "M001": "RUF100",
        "PGH001": "S307",
        "PGH002": "G010",
        "PIE802": "C419",
        "PLR1701": "SIM101",
        "PLW0130": "B033",
        "RUF004": "B026",
        "RUF011": "B035",
        "SIM111": "SIM110",
        "TRY200": "B904",
        **{f"T00{number}": f"FIX00{number}" for number in range(1, 5)},
    },
}
#: Beginnings that tools have renamed, or that say how a rule was come by and not what it finds.
_TO_PREFIX: Mapping[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    "ruff": (
        (re.compile(r"(?:TCH|TYP)(?=\d)"), "TC"),
        (re.compile(r"U(?=0\d\d$)"), "UP"),
        (re.compile(r"R(?=5\d\d$)"), "RET"),
        (re.compile(r"IC(?=\d)"), "ICN"),
        (re.compile(r"PDV(?=\d)"), "PD"),
    ),
    "gcc": ((re.compile(r"-Werror="), "-W"),),
    "clang": ((re.compile(r"-Werror[=,]"), "-W"),),
    # The plugins' rules of the same name have taken over those of the core.
    "eslint": (
        (re.compile(r"@(?:typescript-eslint|babel|stylistic(?:/(?:js|ts|jsx))?)/"), ""),
        (re.compile(r"node/"), "n/"),
        (re.compile(r"import-x/"), "import/"),
    ),
}


@lru_cache(maxsize=8_192)
def family_of(tool: str, code: str) -> str:
    """Tell the code under which problems of one family are gathered; most codes are their own family."""
    name = known_as(tool)
    families = _TO_FAMILY.get(name, {})
    if code in families:
        return families[code]
    for pattern, prefix in _TO_PREFIX.get(name, ()):
        if match := pattern.match(code):
            return prefix + code[match.end() :]
    return code
