"""Whom a problem blames: the one definition away from its place that the tool itself names.

One wrong definition shows in many places, under messages and codes that have little in common: a type that lost
its `Copy` is moved here, borrowed there and not cloned elsewhere. What messages and notes share is the definition.
The expressions below take it out; they follow the wording of rustc, tsc, mypy, pyright, gcc, clang and Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from domain.problem import Problem

Fault = Literal[
    "unknown module",
    "defined twice",
    "unknown name",
    "lacks trait",
    "signature",
    "lacks member",
    "untyped",
    "mismatch",
]
"""What is said to be wrong with a definition, what other faults follow from first."""


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """A definition and what is wrong with it; equal for all problems that one change of the definition would cure."""

    fault: Fault
    name: str
    #: The trait that is lacking, the module in which a name is missing, the type that was expected.
    of: str = ""

    @property
    def said(self) -> str:
        """The blame in words."""
        return _SAID[self.fault].format(name=self.name, of=self.of) + (
            f" in {self.of}" if self.of and self.fault == "unknown name" else ""
        )


_SAID: Mapping[Fault, str] = {
    "unknown module": "{name} cannot be found",
    "defined twice": "{name} is defined more than once",
    "unknown name": "{name} cannot be found",
    "lacks trait": "{name} is no {of}",
    "signature": "calls do not agree with the signature of {name}",
    "lacks member": "{name} lacks members that are used",
    "untyped": "{name} has no annotations",
    "mismatch": "{name} is given where {of} is expected",
}

_Rules = tuple[tuple[Fault, re.Pattern[str]], ...]

# A quote inside of the name is a lifetime's: `Source<'_>`.
_QUOTED = r"[`'\"‘“](?P<{}>[^`\"’”]+?)[`'\"’”](?!\w)"  # noqa: RUF001
_PARTS = {
    "NAME": _QUOTED.format("name"),
    "OF": _QUOTED.format("of"),
    "ANY": r"[`'\"‘“][^`\"’”]+?[`'\"’”](?!\w)",  # noqa: RUF001
}


def _rules(**patterns: str) -> _Rules:
    """Compile one expression a line, by fault; words in capitals stand for quoted names."""
    return tuple(
        (fault, re.compile(re.sub(r"\b(NAME|OF|ANY)\b", lambda part: _PARTS[part[1]], line.strip())))
        for fault in _SAID
        for line in patterns.get(fault.replace(" ", "_"), "").strip().splitlines()
    )


# rustc gives the reason of a move, of a failed import and of a trait bound only in a note or label.
_IN_NOTES = _rules(
    unknown_module=r"""
        ^use of unresolved module or unlinked crate NAME
    """,
    unknown_name=r"""
        ^(?:could not find|no) NAME in (?:the )?OF
    """,
    lacks_trait=r"""
        has type NAME, which does not implement the OF trait
        ^the trait OF is not implemented for NAME
    """,
    mismatch=r"""
        ^expected (?:trait )?OF, found (?:trait )?NAME$
    """,
)
_IN_MESSAGE = _rules(
    unknown_module=r"""
        ^cannot find module or crate NAME
        ^failed to resolve: use of (?:undeclared|unresolved) (?:[\w ]+ )?NAME
        ^(?:can't find crate for|unresolved import) NAME
        ^(?:Cannot find module|Could not find a declaration file for module) NAME
        ^(?:Cannot find implementation or library stub for module named|Library stubs not installed for) NAME
        ^Skipping analyzing NAME: module is installed
        ^(?:Import|Stub file not found for) NAME
        ^(?P<name>[\w./+-]+): No such file or directory
        ^NAME file not found
        ^(?:ModuleNotFoundError: )?No module named NAME
    """,
    defined_twice=r"""
        ^the name NAME is defined multiple times
        ^conflicting implementations of trait ANY for type NAME
        ^(?:Duplicate identifier|Cannot redeclare block-scoped variable) NAME
        ^(?:redefinition of|redeclaration of|conflicting types for) NAME
    """,
    unknown_name=r"""
        ^cannot find (?:\w+[ ,]+)*NAME in (?:\w+ )*OF
        ^cannot find (?:\w+[ ,]+)*NAME
        ^Module OF has no exported member NAME
        ^Cannot find (?:name|namespace|type definition file for) NAME
        ^(?:ImportError: )?cannot import name NAME from OF
        ^(?:NameError: )?name NAME is not defined
        ^(?:invalid use of undefined type|unknown type name|use of undeclared identifier|undefined reference to) NAME
        ^(?:call to undeclared|implicit declaration of) function NAME
        ^(?:invalid application of .+ to|field has|variable has) incomplete type NAME
        ^NAME (?:undeclared|was not declared|does not name a type|declared inside parameter list)
    """,
    lacks_trait=r"""
        ^the trait bound `(?P<name>.+): (?P<of>[^`]+)` is not satisfied
        ^NAME doesn't implement OF
        ^Type NAME does not satisfy the constraint OF
    """,
    signature=r"""
        ^Too (?:many|few)(?: \w+)? arguments for NAME
        ^(?:Missing \w+ arguments? .+ in call to|Unexpected keyword argument .+ for) NAME
        ^Argument (?:\d+|ANY) to NAME(?: of OF)? has incompatible type
        ^(?:Argument of type .+ in function|No overloads for|No overload variant of) NAME
        ^Signature of ANY incompatible with supertype NAME
        ^Method ANY overrides class NAME
        ^(?:TypeError: )?(?P<name>[\w.<>]+)\(\) (?:missing|takes|got an unexpected)
    """,
    lacks_member=r"""
        ^no [\w ]+ (?:named )?ANY (?:on type|found for [\w ]+) NAME
        ^(?:struct|variant|union) NAME has no field named
        ^Property '[^']+' (?:does not exist on|is missing in) type '(?P<name>[^']+)'
        ^(?:Module )?"(?P<name>.+)" has no attribute "
        ^Module NAME does not explicitly export attribute
        ^Cannot (?:access|assign to|delete) attribute ANY for class "(?P<name>[^"]+)"
        ^ANY is not a known attribute of module NAME
        ^NAME has no member named
        ^no member named ANY in NAME
        ^(?:AttributeError: )?(?:[Mm]odule|type object) NAME has no attribute
        ^(?:AttributeError: )?NAME object has no attribute
        ^(?:AttributeError: )?`(?P<name>\w+)\.\w+` was removed
    """,
    untyped=r"""
        ^Call to untyped function NAME
    """,
    mismatch=r"""
        ^(?:Type|Argument of type) '(?P<name>.+)' is not assignable to (?:parameter of )?type '(?P<of>[^']+)'
    """,
)

# Where a note says that the called, lacking or first definition is; a path that begins with a slash is a library's.
_PLACE = re.compile(r"(?:defined|declared|defini|declara)[^(]* \((?P<path>[^/(:][^(:]*):(?P<line>\d+):\d+\)$")

# What every tree may use and none defines, and what nearly every type has.
_NOT_OF_THE_TREE = frozenset(
    name
    for line in (
        "None True False Any any object unknown never undefined null void self Self Error Unbound Unknown Literal",
        "str int float bool bytes dict list tuple set type complex Sequence Iterable Iterator Mapping",
        "Module ModuleType FunctionType MethodType",
        "string number boolean symbol bigint function Function Object Array Promise Record Partial",
        "char double long short unsigned size_t",
        "u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 String Vec Option Result Box Rc Arc RefCell",
        "Cell Cow HashMap HashSet BTreeMap BTreeSet PathBuf Path OsString OsStr",
        "Copy Clone Debug Display Default Send Sync Sized Drop Deref Eq Ord Hash PartialEq PartialOrd From Into Fn",
        "FnMut FnOnce Future IntoIterator Read Write AsRef Borrow ToString",
    )
    for name in line.split()
)
# What wraps the name of a type: references and pointers, lifetimes, qualifiers.
_WRAPPING = re.compile(r"^(?:&(?:'\w+ )?|\*|(?:mut|dyn|impl|const|struct|union|enum|class)\b |\[|type\[)+")
_GENERIC = re.compile(r"^(?P<outer>[\w:.]+)[<\[](?P<inner>.*)[>\]]$")
_WORD = re.compile(r"[^\W\d]\w*(?:::\w+)*")


def blame_of(problem: Problem) -> Blame | None:
    """Tell whom a problem blames; None where the tool names no definition, or none that a tree could hold."""
    notes = (found for note in problem.related if (found := _in_note(note)) is not None)
    return next(notes, None) or _in_message(problem.message)


def definition_place(related: Sequence[str]) -> str:
    """Tell where in the tree the notes say that the definition is, as `path:line`; empty where they do not."""
    return next(filter(None, map(_place_in, related)), "")


def in_tree(name: str) -> bool:
    """Tell whether a tree could define a name: it is neither built in nor one that every type may have."""
    last = last_of(name)
    return bool(last) and last not in _NOT_OF_THE_TREE and not (last.startswith("__") and last.endswith("__"))


@lru_cache(maxsize=65_536)
def bare(name: str) -> str:
    """Take off what wraps the name of a type: `&mut a::Job<'_>` is `a::Job`, and `Option<a::Job>` is so, too."""
    unwrapped = _WRAPPING.sub("", name.strip()).rstrip("* ")
    if unwrapped.count("]") > unwrapped.count("["):
        unwrapped = unwrapped.removesuffix("]")
    if not (generic := _GENERIC.match(unwrapped)):
        return unwrapped or name
    outer, inner = generic["outer"], generic["inner"]
    return outer if in_tree(outer) or not in_tree(bare(inner)) else bare(inner)


def last_of(name: str) -> str:
    """Give the last part of a path of names: rustc qualifies a name now and then."""
    return name.rpartition("::")[2]


@lru_cache(maxsize=65_536)
def _in_note(note: str) -> Blame | None:
    return _first(_IN_NOTES, note)


@lru_cache(maxsize=65_536)
def _in_message(message: str) -> Blame | None:
    return _first(_IN_MESSAGE, message)


@lru_cache(maxsize=65_536)
def _place_in(note: str) -> str:
    found = _PLACE.search(note)
    return f"{found['path']}:{found['line']}" if found else ""


def _first(rules: _Rules, text: str) -> Blame | None:
    for fault, pattern in rules:
        if found := pattern.search(text):
            return _blame(fault, found["name"], found.groupdict().get("of") or "")
    return None


def _blame(fault: Fault, name: str, of: str) -> Blame | None:
    match fault:
        case "unknown module":
            # `crate::util::auth` is missing as `auth` elsewhere; what stands before is how one gets there.
            name = last_of(name) if name.startswith(("crate::", "super::", "self::")) else name
            return Blame(fault=fault, name=name)
        case "unknown name":
            blame = Blame(fault=fault, name=bare(name), of=last_of(of))
        case "mismatch":
            blame = Blame(fault=fault, name=name, of=of)
            return blame if any(map(in_tree, _WORD.findall(f"{name} {of}"))) else None
        case _:
            blame = Blame(fault=fault, name=bare(name), of=of)
    return blame if in_tree(blame.name) else None
