"""What a problem is about: the definition that is missing or wrong, out of the names that its message quotes.

Most messages name it first. The table holds those that do not, tool by tool, by their template: where a member is
missing on a type, it is the member; where arguments do not fit, it is what is called; where only types are
named, there is none, for a type that does not fit is not therefore wrong.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ABOUT: tuple[tuple[str, int | None], ...] = (
    # rustc
    (r"(?:struct|variant|union) <> (?:has no|does not have a) field named <>", 1),
    (r"conflicting implementations? of (?:inherent )?(?:trait )?<> for type <>", 1),
    (r"the trait <> (?:cannot be|is not) implemented for (?:the )?(?:type )?<>", 1),
    (r"binary (?:assignment )?operation <> cannot be applied to type <>", 1),
    (r"cannot apply unary operator <> to type <>", 1),
    (r"<> couldn't convert the error to <>", 1),
    (r"cannot (?:add|subtract|multiply|divide|calculate) ", None),
    (r"can't compare <> with <>", 0),
    (r"expected <>, found <>$", None),
    # mypy
    (r"(?:<>|Module <>|TypedDict <>) (?:has no (?:attribute|key)|does not explicitly export attribute) <>", 1),
    (r"Item <> of <> has no attribute <>", 2),
    (r"Argument <> to <> ", 1),
    (r"(?:Unexpected keyword|Missing (?:positional|named)) argument <> (?:for|in call to) <>", 1),
    (r"Incompatible (?:types? in|return value)|Returning Any|(?:List|Set|Generator|Dict|Key) .*incompatible", None),
    (r"Unsupported (?:operand type|left operand|right operand|target for indexed)|Unsupported dynamic", None),
    (r"<> object is not iterable|Value of type <> is not indexable|Argument # to <>$", None),
    # pyright
    (r"Argument of type <> cannot be assigned to parameter <> of type <> in function <>", 3),
    (r"Argument of type <> (?:cannot be assigned|is not assignable) to parameter of type <>$", None),
    (r"Type <> is not assignable to attribute <> of class", 1),
    (r"Type <> is not assignable to|Object of type <>|Expression of type <>|Operator <> not supported", None),
    # tsc
    (r"(?:Module|Namespace|File) <> has no exported member <>|<> has no exported member named <>", 1),
    (r"Type <> is missing the following", 1),
    (r"(?:Type|Argument of type|Conversion of type) <> |Object is (?:possibly|of type) <>", None),
    (r"Cannot invoke an object which is possibly|No index signature|Element implicitly has", None),
    # gcc, clang
    (r"<> has no member named <>", 1),
    (r"invalid application of <> to incomplete type <>", 1),
    (r"(?:implicit )?conversion |(?:un)?signed conversion |(?:initialization|assignment) (?:of|to) <> ", None),
    (r"incompatible .*(?:initializing|assigning|passing|returning)|comparison of|pointer targets", None),
    (r"format specifies|cast from |(?:ISO|ANSI) C", None),
    # Python, as tests report it, and pylint
    (r"(?:\w+: )?(?:<>|[Mm]odule <>|type object <>) (?:object )?has no (?:attribute )?<>", 1),
    (r"(?:Instance|Class) of <> has no <> member|(?:Class|Module) <> has no <> member", 1),
    # linters: how it is to be written, not what it is about
    (r"Expected <> and instead saw <>|Combine this with the previous <>|Expected \{ after <>", None),
    (r"(?:Use|Prefer|Consider|Replace) |comparison to |do not compare ", None),
    (r"(?:Outer )?<> (?:loop|statement) variable <> overwritten", 1),
)
_COMPILED = tuple((re.compile(pattern), slot) for pattern, slot in _ABOUT)
# What tools put before or around a name: C's kind of type, tsc's second quotes, the bound of rustc's "X: Trait", the
# star of a place that rustc cannot move out of. What is left without a letter is an operator, and no name.
_DRESS = re.compile(
    r"""^(?:struct|enum|union|class|typeof|global|nonlocal)\ (?=\w+$)|^\*+(?=\w)|^["']|["']$|:\ .*$|^\W+$""",
    re.VERBOSE,
)


def subject_of(template: str, slots: tuple[str, ...]) -> str:
    """Tell the name that a message is about, from its template and names; empty where there is none."""
    number = _slot_of(template)
    return _DRESS.sub("", slots[number]) if number is not None and number < len(slots) else ""


@lru_cache(maxsize=8_192)
def _slot_of(template: str) -> int | None:
    return next((slot for pattern, slot in _COMPILED if pattern.match(template)), 0)
