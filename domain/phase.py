"""The phase of a problem: how far a tool had come with a file when it found it.

Tools do not look at everything at once: a file that does not parse has no names, and what has no type has no
borrows. So a problem of an earlier phase may hide others of a later one, and is to be mended first.

Sources of the order: "Overview of the compiler" in the Rust Compiler Development Guide (parsing, name resolution,
type check, borrow check, lints); for mypy its semantic analysis before its type check; for tsc its parser, binder
and checker. Which code belongs where follows each tool's own list of codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache

from domain.tool_names import known_as


class Phase(IntEnum):
    """What stands in the way, the most basic first."""

    #: A dependency, a header or a setting is missing: nothing that needs it can be checked.
    ENVIRONMENT = 0
    #: The file cannot be parsed.
    SYNTAX = 1
    #: A name or module of the tree itself is not known, or known twice.
    IMPORTS = 2
    #: Everything is known, but does not fit together.
    TYPES = 3
    #: Types are sound, but values are used after they have moved or do not live long enough.
    BORROW = 4
    #: The code compiles, and does not do what it should.
    TESTS = 5
    #: The code works, and could be better.
    LINT = 6


_Rules = tuple[tuple[Phase, re.Pattern[str]], ...]


def _rules(**patterns: str) -> _Rules:
    """Compile the rules of one tool: by name of a phase a verbose pattern; the first one that matches decides."""
    return tuple((Phase[name], re.compile(pattern, re.VERBOSE)) for name, pattern in patterns.items())


_PYTHON_LINTER = _rules(
    ENVIRONMENT=r"E902 | F0001 | E0401 | import-error",
    SYNTAX=r"invalid-syntax | syntax-error | E999 | E0001 | F70[1-7] | F404 | F62[12] | PLE011[5-8]",
    IMPORTS=r"F82[1-3] | E060[1-4] | E0611 | PLE060[45] | undefined-variable | used-before-assignment"
    r"| no-name-in-module | undefined-all-variable",
    TYPES=r"E1[12]\d\d | no-member | not-callable | no-value-for-parameter | too-many-function-args"
    r"| unexpected-keyword-arg | unsubscriptable-object | not-an-iterable",
    LINT=r".*",
)
_C_COMPILER = _rules(
    IMPORTS=r"-W(?:error=)? (?:implicit-function-declaration | implicit-int | undef | nested-externs)",
    TYPES=r"-W(?:error=)? (?:int-conversion | incompatible-.*pointer.* | return-type | return-mismatch | format | "
    r"discarded-qualifiers | pointer-sign | overflow | int-to-pointer-cast | pointer-to-int-cast)",
    LINT=r"-W.* | note | warning",
)
_RUSTC = _rules(
    ENVIRONMENT=r"E04(?:5[789]|6[0-4]) | E0514 | E0519 | E0523",
    SYNTAX=r"E0178 | E058[3-6] | E0743 | E0748 | E0753 | E0758 | E076[235678]",
    IMPORTS=r"E0106 | E0128 | E025[24569] | E026[0-3] | E036[45] | E040[1-8] | E041[1-6] | E042[2-9] | E043[0-578] "
    r"| E0466 | E046[89] | E0496 | E053[0-2] | E057[3-8] | E0603 | E0635 | E0637 | E0658 | E0659 | E0742 | E077[01]",
    BORROW=r"E0309 | E031[0-2] | E0373 | E038[1-4] | E0499 | E050[1-9] | E051[05] | E052[14] | E059[467] | E0621 "
    r"| E0626 | E0700 | E071[236] | E0759",
    TYPES=r"E\d{4}",
    # Lints have names and no numbers: `unused_imports`, `clippy::needless_return`.
    LINT=r"[a-z][\w:-]*",
)
_TSC = _rules(
    # Options and libraries: 5000 and 6000 are for the compiler's settings, but for what is never used.
    LINT=r"TS(?: 6133 | 6138 | 6192 | 619[689] | 6205 | 6385 | 6387 | 7027 | 7028 | 80\d\d\d )",
    TYPES=r"TS(?: 12(?:2[67] | 3[89] | 4[01] | 7\d) | 105[589] | 132[0-2] | 1345 | 1803[123] | 1804[6-9] | 6234 )",
    ENVIRONMENT=r"TS(?: [56]\d{3} | 132[34] | 1343 | 137[58] | 143[12] | 2318 | 2354 | 2468 | 258[0-4] | 259[1-3] "
    r"| 259[5-8] | 2688 | 272[67] | 286[78] | 7016 | 17004 | 1800[23] )",
    IMPORTS=r"TS(?: 1149 | 1192 | 1205 | 1259 | 1261 | 128[1-58] | 1339 | 1340 | 136[12] | 1379 | 1380 | 1471 "
    r"| 148[45] | 2300 | 230[4-7] | 2311 | 2323 | 239[35] | 2440 | 244[89] | 245[01] | 249[78] | 2503 | 2552 "
    r"| 261[3467] | 266[2345] | 2686 | 269[34] | 270[289] | 2724 | 2732 | 2749 | 2792 | 283[345] | 18004 )",
    SYNTAX=r"TS(?: 1\d{3} | 170\d\d )",
)
_BY_CODE: Mapping[str, _Rules] = {
    "cargo": _RUSTC,
    "ruff": _PYTHON_LINTER,
    "flake8": _PYTHON_LINTER,
    "pylint": _PYTHON_LINTER,
    "tsc": _TSC,
    "gcc": _C_COMPILER,
    "clang": _C_COMPILER,
    "mypy": _rules(
        ENVIRONMENT=r"import | import-not-found | import-untyped",
        SYNTAX=r"syntax",
        IMPORTS=r"name-defined | used-before-def | possibly-undefined | no-redef | name-match",
        LINT=r"unused-.* | redundant-.* | ignore-without-code | explicit-override | comparison-overlap | truthy-.* "
        r"| deprecated | unreachable | no-any-unimported | unimported-reveal | mutable-override",
        TYPES=r"(?!misc|attr-defined) .+",
    ),
    "pyright": _rules(
        ENVIRONMENT=r"reportMissing (?: Imports | ModuleSource | TypeStubs ) | reportImportCycles",
        SYNTAX=r"",
        IMPORTS=r"report(?: UndefinedVariable | (?:Possibly)?Unbound\w* | Redeclaration | NoOverloadImplementation )",
        LINT=r"report(?: Unused | Unnecessary | Private | Deprecated | Duplicate | Implicit | Shadowed | SelfCls "
        r"| Wildcard | Constant | InvalidStringEscape | UnsupportedDunder | AssertAlwaysTrue | CallInDefault "
        r"| MissingSuperCall | Uninitialized | TypeCommentUsage | Unreachable ) \w*",
        TYPES=r"(?!reportAttributeAccessIssue) .+",
    ),
    "eslint": _rules(
        SYNTAX=r"",
        IMPORTS=r"no-undef | react/jsx-no-undef "
        r"| (?:import(?:-x)?|n|node)/(?: no-unresolved | named | default | namespace | no-missing-.* )",
        LINT=r".+",
    ),
    "junit": _rules(
        ENVIRONMENT=r"ModuleNotFoundError",
        SYNTAX=r"(?:Syntax|Indentation|Tab)Error",
        IMPORTS=r"ImportError | NameError",
        TESTS=r".*",
    ),
}
# Where a tool has no codes for its errors, or one code for many, the beginning of the message decides.
_PHRASES: Mapping[Phase, tuple[str, ...]] = {
    Phase.ENVIRONMENT: (
        ".+: No such file or directory",
        ".+ file not found$",
        "#error",
        "linking with ",
        "cannot find -l",
        "undefined reference to ",
        "can't find crate ",
        "no required module provides ",
        "cannot find package |package .+ does not exist",
        "failed to (?:run custom build|resolve|select|load|parse manifest)",
    ),
    Phase.SYNTAX: (
        "expected (?!.* but )",
        "(?:[Ii]nvalid syntax|(?:syntax|parse|Parsing) error)",
        "(?:unterminated|unclosed|unexpected|unmatched|unbalanced|extraneous|stray|mismatched closing) ",
        "missing terminating ",
        "this file contains an un",
    ),
    Phase.IMPORTS: (
        "cannot (?:find|determine resolution)",
        "unknown type name ",
        "(?:use of|call to) undeclared ",
        "use of unresolved |unresolved ",
        "undefined: ",
        ".+ undeclared ",
        ".+ was not declared ",
        ".+ does not name a type",
        "implicit declaration ",
        "redefinition of |redeclaration of |conflicting types ",
        "no member named .+ in namespace ",
        "invalid use of undefined |invalid application of .+ incomplete ",
        ".+ has incomplete type|storage size of ",
        "Module (?:.+ )?(?:has no attribute|does not explicitly export) ",
        ".+ is (?:unknown import symbol|not a known attribute of module )",
    ),
    Phase.BORROW: ("lifetime may not live long ", "borrowed data escapes ", "captured variable cannot escape "),
}
_BY_MESSAGE: _Rules = tuple((phase, re.compile("|".join(phrases))) for phase, phrases in _PHRASES.items())
# A module that is named by its package, and not by its place in the tree, has to be installed.
_NOT_INSTALLED = re.compile(r"Cannot find module ['\"](?![./])")


def phase_of(tool: str, code: str, *, message: str = "", severity: str = "error") -> Phase:
    """Tell the phase of a problem by its code, and by its message where the code does not say it.

    Of a tool that is not known, what is no error or has a code counts as LINT: most tools with codes of their own
    are linters.
    """
    phase = _by_code(tool, code)
    if phase is not None:
        return Phase.ENVIRONMENT if phase == Phase.IMPORTS and _NOT_INSTALLED.match(message) else phase
    if severity != "error":
        return Phase.LINT
    for found, pattern in _BY_MESSAGE:
        if pattern.match(message):
            return found
    return Phase.LINT if code and known_as(tool) not in _BY_CODE else Phase.TYPES


@lru_cache(maxsize=8_192)
def _by_code(tool: str, code: str) -> Phase | None:
    rules = _BY_CODE.get(known_as(tool), ())
    return next((phase for phase, pattern in rules if pattern.fullmatch(code)), None)
